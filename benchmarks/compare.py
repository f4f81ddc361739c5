"""What a leaderboard costs: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.compare [--repeats 3]``; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import anisoalign_core as aa
from anisoalign_core.compare import leaderboard
from benchmarks.document import replace_section

METHODS = (
    "identity",
    "mean-shift",
    "gap-shift",
    "center-both",
    "c3",
    "standardize",
    "realign",
    "coral",
    "bures",
    "bounded",
    "procrustes",
    "permuted",
)
SPLITS = 5
BUDGET = 180.0
"""Seconds on two cores."""


def main() -> None:
    """Time the same comparison several times and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/PERFORMANCE.md"))
    options = parser.parse_args()
    pair = aa.load_sample()
    taken, fits = [], []
    for _ in range(options.repeats):
        begun = time.perf_counter()
        board = leaderboard(pair, METHODS, splits=SPLITS)
        taken.append(time.perf_counter() - begun)
        fits.append(sum(float(seconds.sum()) for seconds in board.seconds.values()))
    whole, fitting = statistics.median(taken), statistics.median(fits)
    text = (
        "## Comparing methods\n\n"
        f"Made by `python -m benchmarks.compare`. {len(METHODS)} methods and the ceiling on "
        f"{SPLITS} splits of the sample (1,500 + 1,500 rows fitted, 1,000 pairs scored, d = 128), "
        "23 metrics, two classifiers for each of five label columns, a mixed gallery, and the "
        f"dials of three methods: {whole:.0f} s, {whole / BUDGET:.2f} of the budget of three "
        f"minutes on two cores (median of {options.repeats} runs, {min(taken):.0f} to "
        f"{max(taken):.0f} s). Fitting is {fitting / whole:.1%} of it. AnisoAlign, which trains, "
        "adds what the section on training says, per split."
    )
    replace_section(options.out, "compare", text)
    print(text)


if __name__ == "__main__":
    main()
