"""What sets of fewer rows than dimensions cost: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.wide [--repeats 5]``; under a minute on two cores. Every time is set
against a thin singular value decomposition of one side in the same run, and against the same work
with every covariance and map written out in d × d.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

import anisoalign_core as aa
from anisoalign_core.matrices import Span
from benchmarks.document import replace_section

SIZES = ((40, 1024), (40, 4096), (200, 2048))
WRITTEN_OUT = (40, 1024)
"""Where the full computation is timed too: it grows with d³."""
SECONDS, MEGABYTES = 3.0, 5.0
"""Budgets of a diagnosis and of a fit, and of the saved model of the first two sizes."""


@contextmanager
def written_out() -> Iterator[None]:
    """Work as if no set had fewer rows than dimensions."""
    with ExitStack() as stack:
        for room in ("moments", "geometry.subspace"):
            stack.enter_context(patch(f"anisoalign_core.{room}.is_thin", lambda rows, dim: False))
        stack.enter_context(patch("anisoalign_core.moments.gram", lambda rows: rows.T @ rows))
        everything = classmethod(lambda cls, *columns: cls(None))
        stack.enter_context(patch.object(Span, "of", everything))
        yield


def world(n: int, d: int) -> aa.EmbeddingPair:
    """Pairs that share twenty directions, with a gap; only their size matters here."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((n, 20)) @ rng.standard_normal((20, d))
    sides = (
        shared + 0.5 * rng.standard_normal((n, d)) + 3 * rng.standard_normal(d) for _ in range(2)
    )
    source, target = (aa.EmbeddingSet.from_array(rows, modality="any") for rows in sides)
    return aa.EmbeddingPair(source, target, paired=True)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of some work, after one run to warm up unless it is timed once only."""
    taken = []
    for _ in range(repeats + (repeats > 1)):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[repeats > 1 :])


def peak(work: Callable[[], object]) -> float:
    """Megabytes that arrays take at once, at most, while some work runs."""
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / 1e6


def megabytes(method: aa.BoundedTransport) -> float:
    """Size of the saved model."""
    with tempfile.TemporaryDirectory() as folder:
        return method.save(Path(folder) / "model.npz").stat().st_size / 1e6


def main() -> None:
    """Time a diagnosis and a fit at each size and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("docs/PERFORMANCE.md"))
    options = parser.parse_args()
    lines = []
    for n, d in SIZES:
        pair = world(n, d)
        y, x = pair.source, pair.target
        tasks: dict[str, Callable[[], object]] = {
            "diagnosis": lambda pair=pair: aa.diagnose(pair),  # type: ignore[misc]
            "fit": lambda y=y, x=x: aa.BoundedTransport().fit(y, x),  # type: ignore[misc]
        }
        rows = y.vectors.astype(np.float64)
        thin = seconds(lambda rows=rows: np.linalg.svd(rows, full_matrices=False), options.repeats)  # type: ignore[misc]
        model = megabytes(aa.BoundedTransport().fit(y, x))
        for name, work in tasks.items():
            taken = seconds(work, options.repeats)
            full = "–"
            if (n, d) == WRITTEN_OUT:
                with written_out():
                    full = f"{seconds(work, 1) / taken:.0f}"
            lines.append(
                f"| {n} × {d:,} | {name} | {taken:.2f} s | {taken / SECONDS:.2f} | "
                f"{taken / thin:.0f} | {full} | {peak(work) / (8e-6 * d * d):.2f} | "
                f"{f'{model:.1f} MB' if name == 'fit' else ''} |"
            )
            print(lines[-1])
    heads = ("rows × dimensions", "", "time", f"÷ {SECONDS:.0f} s", "÷ thin SVD of one side")
    more = ("written out ÷ this", "peak ÷ one d × d array", "saved model")
    table = [f"| {' | '.join(heads + more)} |", "|" + "---|" * 8, *lines]
    text = (
        "## Fewer rows than dimensions\n\n"
        f"Made by `python -m benchmarks.wide`: medians of {options.repeats} in one run on 2 cores. "
        "A *diagnosis* is all of `diagnose` on pairs; a *fit* is BoundedTransport with the bound "
        "it finds itself. *Written out* is the same work with every covariance and map as a d × d "
        f"array, which takes time by d³; at 4,096 dimensions it took minutes. Budgets: "
        f"{SECONDS:.0f} s, and {MEGABYTES:.0f} MB for the model of 40 × 4,096.\n\n"
        + "\n".join(table)
    )
    replace_section(options.out, "wide", text)


if __name__ == "__main__":
    main()
