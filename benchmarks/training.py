"""What training AnisoAlign costs, and where the time goes: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.training [--out docs/PERFORMANCE.md]``; a minute or two on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import anisoalign_core as aa
from benchmarks.document import replace_section

ROWS, RANK = 2000, 40


def sides() -> tuple[np.ndarray, np.ndarray]:
    """Return 2000 source and 2000 other target rows of the sample."""
    pair = aa.load_sample()
    order = np.random.default_rng(0).permutation(len(pair.source))
    return pair.source.vectors[order[:ROWS]], pair.target.vectors[order[ROWS:]]


def staged(variant: str, y: np.ndarray, x: np.ndarray) -> tuple[aa.AnisoAlign, dict[str, float]]:
    """Fit once; returns the model and the seconds of the start and of each stage."""
    marks: list[tuple[float, str]] = []
    begun = time.perf_counter()
    model = aa.AnisoAlign(variant, rank=RANK).fit(
        y, x, progress=lambda part, words: marks.append((time.perf_counter(), words))
    )
    ended = time.perf_counter()
    first = [at for at, words in marks if words.startswith("Stage I,")]
    second = [at for at, words in marks if words.startswith("Stage II")]
    middle = first[-1] if first else second[0]
    return model, {
        "frame, statistics and start": (first or second)[0] - begun,
        "Stage I": first[-1] - first[0] if first else 0.0,
        "Stage II": second[-1] - middle,
        "calibration": ended - second[-1],
        "all": ended - begun,
    }


def bare_step(model: aa.AnisoAlign, batch: int = 512, repeats: int = 200) -> float:
    """Median seconds of the forward and backward products of the refinement network alone."""
    network = model.refiner_.to_torch("cpu").layers
    inputs = torch.randn(batch, int(model.refiner_.sizes[0]))
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        network(inputs).square().mean().backward()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main() -> None:
    """Measure both variants and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    y, x = sides()
    lines = [
        "## Training AnisoAlign",
        "",
        f"Made by `python -m benchmarks.training`: medians of {options.repeats} fits on "
        f"{ROWS:,} + {ROWS:,} rows of the sample, r = {RANK}; torch trains on one thread. "
        "The budget for a fit of the published recipe (1500 + 1500 steps) is 90 s. A *bare step* "
        "is the forward and backward pass of the refinement network alone on a batch of 512.",
        "",
        "| variant | frame, statistics, start | Stage I | Stage II | calibration | whole fit | "
        "Stage II step ÷ bare step |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant in ("paper", "corrected"):
        runs = [staged(variant, y, x) for _ in range(options.repeats)]
        median = {name: statistics.median(run[1][name] for run in runs) for name in runs[0][1]}
        model = runs[0][0]
        steps = len(model.losses_["total"])
        ratio = median["Stage II"] / steps / bare_step(model)
        cells = " | ".join(f"{seconds:.2f} s" for seconds in median.values())
        lines.append(f"| {variant} | {cells} | {ratio:.1f} |")
        print(lines[-1])
    if options.out:
        replace_section(options.out, "training", "\n".join(lines))


if __name__ == "__main__":
    main()
