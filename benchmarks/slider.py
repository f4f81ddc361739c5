"""Server time of one move of the bound on the Correct page, and of importing the library.

Prints medians, and ratios to one bare float32 product of the fitted rows with a d×d matrix on the
same machine in the same run.

Run ``python -m benchmarks.slider [--out docs/PERFORMANCE.md]`` in the checkout.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

import anisoalign_core as aa
from app.session import Loaded
from benchmarks.document import replace_section

ROOT = Path(__file__).resolve().parent.parent


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
    """Return median milliseconds of a move, of a bare product, and of opening the page.

    A move is a whole run of the Correct page on the server, as Streamlit's own test client starts
    it: script, view, scores, projections and figures, until every message is ready to be sent.
    """
    pair = world(n, d)
    at = AppTest.from_file(ROOT / "app" / "Home.py", default_timeout=300)
    at.session_state["loaded"] = Loaded(pair, "benchmark")
    at.session_state["results"] = OrderedDict()
    begun = time.perf_counter()
    at.switch_page("../pages/correct.py").run()
    opened = 1000 * (time.perf_counter() - begun)

    def move(step: int) -> None:
        at.number_input(key="bound").set_value(round(0.3 + 0.02 * step, 2)).run()
        if at.exception or at.error:
            raise RuntimeError("the page failed while it was measured")

    moved = median_ms(move, repeats)
    rows = pair.source.vectors[pair.split(0, 0.2).fit_source]
    square = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    return moved, median_ms(lambda _: rows @ square, repeats), opened


def import_seconds(module: str, repeats: int = 7) -> float:
    """Median wall time in seconds of importing a module in a new process, less a bare start."""

    def start(code: str) -> float:
        return median_ms(
            lambda _: subprocess.run([sys.executable, "-c", code], check=True),  # noqa: S603  (our own code)
            repeats,
        )

    return (start(f"import {module}") - start("pass")) / 1000


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    lines = [
        "## A move of the bound",
        "",
        "Made by `python -m benchmarks.slider`: medians in one run on 2 cores. A *move* is a whole "
        "run of the Correct page on the server after its bound slider moved: script, view, live "
        "scores, projections and figures. The *bare product* is one float32 product of the fitted "
        "rows with a d×d matrix. The budget for a move is 300 ms.",
        "",
        "| rows × dimensions | a move | bare product | move ÷ product | opening the page |",
        "|---|---|---|---|---|",
    ]
    for n, d in ((4_000, 128), (50_000, 768)):
        move, product, opened = measure(n, d, options.repeats)
        lines.append(
            f"| {n:,} × {d} | {move:.0f} ms | {product:.1f} ms | {move / product:.2f} | "
            f"{opened / 1000:.1f} s |"
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
        replace_section(Path(options.out), "slider", "\n".join(lines))


if __name__ == "__main__":
    main()
