"""What a diagnosis costs: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.diagnose [--repeats 5]``; under a minute on two cores. Beside the time on
all cores stands the processor's, which a busy machine changes little, as a multiple of one
decomposition of a d × d covariance; and how far quick anisotropies lie from exact ones.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

import anisoalign_core as aa
from anisoalign_core.geometry.resampled import ResidualRows
from anisoalign_core.geometry.residual import residual_anisotropy
from anisoalign_core.metrics.intervals import balanced_halves
from anisoalign_core.numerics import eigh
from anisoalign_core.things import Things
from benchmarks.document import replace_section
from benchmarks.peers import world

SIZES = {(1_126, 512): 1.0, (50_000, 512): 4.0}
"""Rows and dimensions, and the budget in seconds on two cores."""


def apart(pair: aa.EmbeddingPair) -> float:
    """Largest relative error of the anisotropies of halves, against whole decompositions."""
    y, x = pair.source.vectors[:4000], pair.target.vectors[:4000]
    halves = balanced_halves(len(y))
    quick = ResidualRows.made(y, x, Things.rows(len(y))).of_parts(halves, 0)[1]
    exact = np.array([residual_anisotropy(y[half], x[half]) for half in halves])
    return float(np.abs(quick / exact - 1).max())


def main() -> None:
    """Time a diagnosis at each size and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("docs/PERFORMANCE.md"))
    options = parser.parse_args()
    busy, lines = os.getloadavg()[0], []
    for (n, d), budget in SIZES.items():
        y, x = world(n, d)
        source, target = (aa.EmbeddingSet.from_array(rows, modality="any") for rows in (y, x))
        pair = aa.EmbeddingPair(source, target, paired=True)
        square = np.cov(x, rowvar=False)
        taken = []
        for _ in range(options.repeats + 1):
            wall, work = time.perf_counter(), time.process_time()
            aa.diagnose(pair)
            middle = time.process_time()
            wall = time.perf_counter() - wall
            eigh(square)
            taken.append((wall, middle - work, (middle - work) / (time.process_time() - middle)))
        wall, work, ratio = (statistics.median(column) for column in zip(*taken[1:], strict=True))
        lines.append(
            f"| {n:,} × {d} | {wall:.2f} s | {wall / budget:.2f} | {work:.2f} s | {ratio:.0f} | "
            f"{apart(pair):.0e} |"
        )
        print(lines[-1], flush=True)
    heads = ("rows × dimensions", "time", "÷ budget", "processor time", "÷ one decomposition")
    table = [f"| {' | '.join((*heads, 'quick A_r off by'))} |", "|" + "---|" * 6, *lines]
    text = (
        "## A diagnosis\n\n"
        f"Made by `python -m benchmarks.diagnose`: medians of {options.repeats} of `diagnose` on "
        f"pairs, with all its intervals and nulls, on 2 cores; {busy:.1f} processes wanted them "
        "when it began. Budgets: 1 s and 4 s. Anisotropies of 24 halves and 10 re-pairings come "
        "from products with vectors (Lanczos, to 1e-6), 34 whole decompositions before; the last "
        "column is the largest relative error of those of halves.\n\n" + "\n".join(table)
    )
    replace_section(options.out, "diagnose", text)


if __name__ == "__main__":
    main()
