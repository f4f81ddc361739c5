"""Leaderboards on the sample, its untrained control and COCO-CLIP; renders docs/RESULTS.md.

Run ``python -m benchmarks.results --captions [--sets …] [--splits 5]``: some minutes on two cores,
most of them for AnisoAlign and the caption decoders. Raw numbers go to docs/results;
``--write-only`` renders what earlier runs left there. The section of benchmarks/standard.py is
measured anew; those of falsifiers, learned and coverage, which take longest, are rendered from
their kept numbers, so that one line makes the whole document.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import anisoalign_core as aa
from anisoalign_core.compare import Leaderboard, default_names, leaderboard
from anisoalign_core.compare.captions import caption_board
from anisoalign_core.publish import to_markdown
from anisoalign_core.publish.tables import LEGEND
from benchmarks import coverage, falsifiers, learned, standard
from benchmarks.document import DATA, load_set, replace_section
from benchmarks.falsifiers import FOLDER, say

SETS = {
    "scenes": "Captioned scenes (bundled sample)",
    "scenes-untrained": "The same scenes, encoder before training (negative control)",
    "coco-clip-vitb16": "COCO-CLIP",
    "coco-clip-vitb16-randominit": "COCO through random weights (negative control)",
}
EXTRA = (
    "bounded:bound=0.1",
    "bounded:bound=0.5",
    'bounded:bound=0.7,recentre="rotate",rule="relax"',
)
CONTROLS = ("scenes-untrained", "coco-clip-vitb16-randominit")
MEANING = ("recall_at_1_source_to_target", "recall_at_1_target_to_source", "mixed_gallery_ndcg")
"""What no correction can give to an encoder that learned nothing."""

INTRO = """## Leaderboards

Made by `python -m benchmarks.results`. Every registered method, and three more settings of
BoundedTransport, on the same splits. *Floor*: the source as it is; *ceiling*: other target rows in
the source's place; *controls*: the permuted target (perfect support, no meaning) and the oracle
(moved onto its own partner)."""


def kept(name: str) -> Path:
    """Return where a board's numbers lie."""
    return FOLDER / f"leaderboard-{name}.json.gz"


def pair_of(name: str, data: str | None) -> aa.EmbeddingPair:
    """Return a bundled sample or a folder of reference embeddings."""
    return aa.load_sample(name) if name.startswith("scenes") else load_set(name, data)


def measure(name: str, splits: int, data: str | None, captions: bool) -> None:
    """Compare all methods on one set and keep the numbers."""
    pair = pair_of(name, data)
    begun = time.perf_counter()
    board = leaderboard(pair, (*default_names(), *EXTRA), splits=splits, progress=say)
    body: dict[str, Any] = {"board": board.to_dict(), "seconds": time.perf_counter() - begun}
    if captions and pair.source.captions is not None:
        found = caption_board(pair, progress=say)
        body["captions"] = found.to_markdown()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(kept(name), "wb", mtime=0) as stream:  # equal numbers, equal bytes
        stream.write(json.dumps(body).encode())
    kept(name).with_suffix("").with_suffix(".csv").write_bytes(
        board.to_frame().to_csv(index=False, float_format="%.6g").encode()
    )


def meaning(board: Leaderboard) -> str:
    """Say for a control set whether any method without pairs rises above chance."""
    above = []
    for one in board.ranked:
        for metric in MEANING:
            if one.role not in ("floor", "method") or not board.has(one.name, metric):
                continue
            score, chance = board.score(one.name, metric), board.floor(one.name, metric)
            if chance is not None and score.limits[0] > chance:
                above.append(f"{one.label}: {metric} {score.value:.3g} against {chance:.3g}")
    if not above:
        return "No method without pairs finds partners above chance: nothing was there to align."
    return "Above chance: " + "; ".join(above) + "."


def write(path: Path) -> None:
    """Render every kept board, and the sections of the other scripts."""
    parts = [INTRO, LEGEND]
    for name, title in SETS.items():
        if not kept(name).exists():
            continue
        body = json.loads(gzip.decompress(kept(name).read_bytes()))
        board = Leaderboard.from_dict(body["board"])
        parts.append(f"### {title}\n\n{to_markdown(board, level=4).replace(LEGEND, '').strip()}")
        if name in CONTROLS:
            parts.append(meaning(board))
        if "captions" in body:
            parts.append(f"#### Captions\n\n{body['captions']}")
    replace_section(path, "leaderboards", "\n\n".join(parts))
    falsifiers.write(path)
    learned.write(path)
    if coverage.KEPT.exists():
        coverage.write(path)


def main() -> None:
    """Run the sets asked for, then write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--captions", action="store_true", help="train caption decoders too")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/RESULTS.md"))
    options = parser.parse_args()
    for name in () if options.write_only else options.sets:
        print(f"\n{name}")
        measure(name, options.splits, options.data, options.captions)
    if not options.write_only:
        standard.write(options.out, options.data)
    write(options.out)


if __name__ == "__main__":
    main()
