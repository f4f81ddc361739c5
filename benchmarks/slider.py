"""Server time of one move of the bound on the Correct page, and of importing the library.

Times the work a moved slider causes: the view under the new bound, its live scores, both
projections and the three figures as the JSON that is sent. Prints medians, and ratios to one bare
float32 product of the fitted rows with a d×d matrix on the same machine in the same run.

Run ``python benchmarks/slider.py [--out docs/PERFORMANCE.md]``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import anisoalign_core as aa
from anisoalign_core.plots import before_after, stretches, tradeoff
from anisoalign_core.study import Study


def median_ms(work: Callable[[int], object], repeats: int) -> float:
    """Median wall time in milliseconds of ``work(i)``, after one run to warm up."""
    work(0)
    times = []
    for i in range(1, repeats + 1):
        begun = time.perf_counter()
        work(i)
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def world(n: int, d: int) -> aa.EmbeddingPair:
    """Generate paired unit rows with decaying spectra and a gap; only their size matters here."""
    rng = np.random.default_rng(0)
    scale = (np.arange(1, d + 1) ** -0.5).astype(np.float32)
    shared = rng.standard_normal((n, d), dtype=np.float32) * scale
    sides = [
        shared + 0.5 * rng.standard_normal((n, d), dtype=np.float32) * scale + offset
        for offset in rng.standard_normal((2, d), dtype=np.float32) * 0.1
    ]
    source, target = (aa.EmbeddingSet.from_array(rows, modality="any") for rows in sides)
    return aa.EmbeddingPair(source, target, paired=True)


def measure(n: int, d: int, repeats: int) -> tuple[float, float, float]:
    """Return median milliseconds of a move, of a bare product, and of the fit."""
    pair = world(n, d)
    study = Study(pair, pair.split(0, 0.2))
    begun = time.perf_counter()
    trial = study.fit(aa.BoundedTransport(bound=0.0))
    directions = trial.method.basis_[:, :2]
    _ = trial.sweep, study.reference, study.uncorrected
    fitted = 1000 * (time.perf_counter() - begun)
    target, source = (rows @ directions.astype(np.float32) for rows in (study.target, study.source))
    bounds = np.linspace(0, 1.5, 16)
    flat = {name: np.linspace(1, 0, 16) for name in ("psi", "omega")}

    def move(step: int) -> int:
        view = trial.view(0.05 + 0.01 * step)
        assert view.at is not None
        figures = (
            before_after(
                target,
                source,
                view.project(directions),
                names=("image", "text"),
                axis_labels=("first", "second"),
                range_x=(-1.0, 1.0),
                range_y=(-1.0, 1.0),
            ),
            tradeoff(bounds, flat, current=view.at.bound),
            stretches(
                trial.method.raw_stretch_,
                view.at.stretch,
                trial.method.scale_,
                view.at.bound,
                trial.method.rank_,
            ),
        )
        return len(view.scores) + sum(len(figure.to_json()) for figure in figures)

    rows = pair.source.vectors[study.split.fit_source]
    square = np.ascontiguousarray(trial.method.basis_.astype(np.float32))
    return median_ms(move, repeats), median_ms(lambda _: rows @ square, repeats), fitted


def import_seconds(module: str, repeats: int = 7) -> float:
    """Median wall time in seconds of importing a module in a new process, less a bare start."""

    def start(code: str) -> float:
        return median_ms(
            lambda _: subprocess.run([sys.executable, "-c", code], check=True), repeats
        )

    return (start(f"import {module}") - start("pass")) / 1000


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    lines = [
        "# Performance",
        "",
        "Made by `python benchmarks/slider.py`: medians in one run on 2 cores. A *move* is "
        "everything the server does when the bound slider on Correct is moved: the view, the live "
        "scores, the projections and the three figures as JSON. The *bare product* is one float32 "
        "product of the fitted rows with a d×d matrix.",
        "",
        "| rows × dimensions | a move | bare product | move ÷ product | fit, once |",
        "|---|---|---|---|---|",
    ]
    for n, d in ((4_000, 128), (50_000, 768)):
        move, product, fitted = measure(n, d, options.repeats)
        lines.append(
            f"| {n:,} × {d} | {move:.0f} ms | {product:.1f} ms | {move / product:.2f} | "
            f"{fitted / 1000:.1f} s |"
        )
        print(lines[-1])
    numpy_time, ours = import_seconds("numpy"), import_seconds("anisoalign_core")
    lines += [
        "",
        f"`import anisoalign_core` takes {ours:.2f} s beyond starting Python "
        f"({ours / numpy_time:.2f} of importing NumPy): public names load when first used.",
        "",
    ]
    print(lines[-2])
    if options.out:
        Path(options.out).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
