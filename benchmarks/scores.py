"""What corrections of scores do to retrieval: a section of docs/RESULTS.md.

Run ``python -m benchmarks.scores [--sets scenes coco-clip-vitb16] [--splits 10]``; a minute on two
cores. Reference queries are rows of the fit parts, never those that ask; the reference gallery is
the gallery that is searched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import anisoalign_core as aa
from anisoalign_core.metrics.intervals import over_splits
from anisoalign_core.numerics import Float32
from anisoalign_core.scoring import Scorer
from benchmarks.document import DATA, load_set, replace_section
from benchmarks.falsifiers import HELD, SETS

BOUND = 0.1
SETTINGS = {
    "none": {},
    "nnn": {},
    "csls": {},
    "inverted-softmax": {},
    "inverted-softmax, τ = .02": {"temperature": 0.02},
    "sinkhorn": {},
    "sinkhorn, τ = .02": {"temperature": 0.02, "max_iterations": 2000},
    "conformity": {},
    "conformity, rescaled": {"rescale": True},
}
INTRO = f"""## Scores

Made by `python -m benchmarks.scores`. R@1 on held-out pairs, mean over {{splits}} splits with its
95 % interval. A scorer is fitted on reference queries from the fit parts (no pair is seen) and on
the gallery that is searched, once for each direction. *Corrected*: the texts by BoundedTransport
(bound {BOUND:g}, recentre rotate, rule relax). Parameters are the defaults unless named; none was
chosen on these numbers. `standardize` is left out: in a gallery of one modality it moves no rank.
"""


def recall(scorer: Scorer, queries: Float32, gallery: Float32, bank: Float32) -> float:
    """R@1 of queries whose match is the row of the same number."""
    found = scorer.fit(bank, gallery).scores(queries, gallery).argmax(axis=1)
    return float(np.mean(found == np.arange(len(queries))))


def table(name: str, splits: int, data: str | None) -> str:
    """Measure one set."""
    pair, held = load_set(name, data), HELD[name]
    y, x = pair.source.vectors, pair.target.vectors
    hits: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(splits):
        split = pair.split(seed, held)
        method = aa.BoundedTransport(bound=BOUND, recentre="rotate", rule="relax")
        method.fit(y[split.fit_source], x[split.fit_target])
        images, their_bank = x[split.holdout_target], x[split.fit_target]
        for kind in ("raw", "corrected"):
            sides = (y[split.holdout_source], y[split.fit_source])
            texts, bank = (method.transform(one) if kind == "corrected" else one for one in sides)
            for label, parameters in SETTINGS.items():
                scorer = aa.SCORERS[label.partition(",")[0]](**parameters)
                forward = recall(scorer, texts, images, bank)
                backward = recall(scorer, images, texts, their_bank)
                hits.setdefault((kind, label), []).append([forward, backward])
    lines = [
        f"### {SETS[name]}",
        "",
        "| scorer | raw, text → image | raw, image → text | corrected, text → image | corrected, "
        "image → text |",
        "|---|---|---|---|---|",
    ]
    for label in SETTINGS:
        cells = []
        for kind in ("raw", "corrected"):
            for values in np.array(hits[kind, label]).T:
                found = over_splits(values, held, (0.0, 1.0))
                cells.append(f"{found.value:.3f} ({found.low:.3f} … {found.high:.3f})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--data", default=DATA)
    options = parser.parse_args()
    tables = [table(name, options.splits, options.data) for name in options.sets]
    text = "\n\n".join([INTRO.format(splits=options.splits).strip(), *tables])
    replace_section(Path("docs/RESULTS.md"), "scores", text)


if __name__ == "__main__":
    main()
