"""What a leaderboard costs: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.compare [--repeats 3]``; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import anisoalign_core as aa
from anisoalign_core.leaderboard import leaderboard
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
PARTS = {
    "everything": {},
    "without curves": {"curves": False},
    "without curves, one label column instead of five": {"curves": False, "columns": ["shape"]},
}


def main() -> None:
    """Time the same comparison whole and in parts, interleaved, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/PERFORMANCE.md"))
    options = parser.parse_args()
    pair = aa.load_sample()
    taken: dict[str, list[float]] = {name: [] for name in PARTS}
    fits: list[float] = []
    for _ in range(options.repeats):
        for name, parameters in PARTS.items():
            begun = time.perf_counter()
            board = leaderboard(pair, METHODS, splits=SPLITS, **parameters)  # type: ignore[arg-type]
            taken[name].append(time.perf_counter() - begun)
        fits.append(sum(float(seconds.sum()) for seconds in board.seconds.values()))
    median = {name: statistics.median(values) for name, values in taken.items()}
    whole = median["everything"]
    lines = ["| | seconds | share |", "|---|---|---|"]
    lines += [f"| {name} | {value:.0f} | {value / whole:.2f} |" for name, value in median.items()]
    lines.append(
        f"| fitting alone | {statistics.median(fits):.1f} | {statistics.median(fits) / whole:.3f} |"
    )
    text = (
        "## Comparing methods\n\n"
        f"Made by `python -m benchmarks.compare`. {len(METHODS)} methods and the ceiling on "
        f"{SPLITS} splits of the sample (1,500 + 1,500 rows fitted, 1,000 pairs scored, d = 128), "
        "23 metrics, two classifiers per label column, a mixed gallery, and the dials of three "
        f"methods; medians of {options.repeats} interleaved runs. The budget is three minutes. "
        "AnisoAlign, which trains, adds what the section on training says, per split.\n\n"
        + "\n".join(lines)
    )
    replace_section(options.out, "compare", text)
    print(text)


if __name__ == "__main__":
    main()
