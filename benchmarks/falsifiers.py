"""AnisoAlign taken apart: the section of docs/RESULTS.md, and the raw numbers beside it.

Run ``python -m benchmarks.falsifiers [--sets scenes coco-clip-vitb16] [--splits 10]``; minutes per
split on two cores. ``--write-only`` renders what earlier runs left in docs/results.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from anisoalign_core.compare import PUBLISHED_ABLATION, Falsification, falsify
from benchmarks.document import DATA, load_set, replace_section

SETS = {"scenes": "Captioned scenes (bundled sample)", "coco-clip-vitb16": "COCO-CLIP"}
HELD = {"scenes": 0.25, "coco-clip-vitb16": 0.24}
NEIGHBOURS = {"scenes": 20, "coco-clip-vitb16": 10}
FOLDER = Path("docs/results")

INTRO = """## AnisoAlign as published, taken apart

Made by `python -m benchmarks.falsifiers`. "Start only" is the published initialisation; the rows
below it add the refinement without a loss, each loss alone, and both (full). The priors of the two
falsifiers know nothing: one learns from uniform phases, the other from phases whose blocks were
shuffled over the rows. *Prior*: Stage-I loss over the uninformed baseline (1.0) on target rows that
Stage I did not train on. *At equal Ω*: the variant minus BoundedTransport at the bound that keeps
as many neighbours; a smaller Fréchet distance F is better, everything else larger; bold intervals
leave out zero.
"""


def say(part: float, words: str) -> None:
    """Show progress on one line of standard error."""
    print(f"\r{part:4.0%} {words:<110.110}", end="", file=sys.stderr, flush=True)


def run(name: str, splits: int, data: str | None) -> Falsification:
    """Take AnisoAlign apart on one set and keep the numbers."""
    found = falsify(
        load_set(name, data),
        splits=splits,
        holdout=HELD[name],
        k=NEIGHBOURS[name],
        progress=say,
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found.to_dict(), indent=1) + "\n"
    (FOLDER / f"falsifiers-{name}.json").write_text(text, encoding="utf-8")
    return found


def ablation(found: dict[str, Falsification]) -> str:
    """Print the published order beside ours."""
    heads = [f"{SETS[name]}: {what}" for name in found for what in ("M^X", "Ω", "label transfer")]
    lines = [
        "### The published order of the ablation, and ours\n",
        "The paper scores each variant by the mean accuracy of a language model trained on "
        "corrected texts; ours are geometric scores and, where there are labels, the accuracy of a "
        "linear model trained on corrected texts and tested on images. Another quantity: only the "
        "order can be compared.\n",
        "| variant | published | " + " | ".join(heads) + " |",
        "|---|---|" + "---|" * len(heads),
    ]
    for variant, score in PUBLISHED_ABLATION.items():
        cells = [
            f"{one.mean(variant, metric):.3f}" if metric in one.scores[variant] else "–"
            for one in found.values()
            for metric in ("mixing_coverage", "omega", "label_transfer")
        ]
        lines.append(f"| {variant} | {score} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(path: Path) -> None:
    """Render every kept set into the results document."""
    found = {}
    for name in SETS:
        kept = FOLDER / f"falsifiers-{name}.json"
        if kept.exists():
            found[name] = Falsification.from_dict(json.loads(kept.read_text(encoding="utf-8")))
    parts = [INTRO, ablation(found)]
    for name, one in found.items():
        notes = "\n".join(f"* {note}" for note in one.notes)
        parts.append(f"### {SETS[name]}\n\n{one.to_markdown()}\n\n{notes}")
    replace_section(path, "falsifiers", "\n\n".join(parts))


def main() -> None:
    """Run the sets asked for, then write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/RESULTS.md"))
    options = parser.parse_args()
    for name in () if options.write_only else options.sets:
        run(name, options.splits, options.data)
    write(options.out)


if __name__ == "__main__":
    main()
