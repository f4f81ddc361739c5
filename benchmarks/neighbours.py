"""Time and memory of exact nearest neighbours: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.neighbours [--out docs/PERFORMANCE.md]`` in the checkout; a few minutes
on two cores. Peak memory is read from the operating system, so not on Windows.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anisoalign_core.metrics.neighbours import top_k
from benchmarks.document import replace_section

if TYPE_CHECKING:  # torch is imported late: a child's peak starts at that of its parent
    import torch

ROOT = Path(__file__).resolve().parent.parent
ROWS, DIM, K = 20_000, 512, 20
BLOCKS = (512, 1024, 2048, 4096)
MEMORY_ROWS = (10_000, 20_000, 40_000)
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one unit of ``ru_maxrss``."""


def random_rows(n: int) -> np.ndarray:
    """Make unit rows in random directions, in place, so that the peak is the rows themselves."""
    rows = np.random.default_rng(0).standard_normal((n, DIM), dtype=np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def bare(rows: torch.Tensor, block: int, reuse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the K nearest rows of all rows with nothing but products and ``torch.topk``.

    Parameters
    ----------
    rows : (n, d) float32
    block : int
        Rows of one product.
    reuse : bool
        Write every product to the same memory, or let torch allocate each anew.

    Returns
    -------
    values, indices : (n, K)
    """
    import torch

    n = len(rows)
    values, indices = torch.empty(n, K), torch.empty(n, K, dtype=torch.int64)
    room = torch.empty(block, n) if reuse else None
    for start in range(0, n, block):
        part = rows[start : start + block]
        product = part @ rows.T if room is None else torch.mm(part, rows.T, out=room[: len(part)])
        torch.topk(
            product, K, dim=1, out=(values[start:][: len(part)], indices[start:][: len(part)])
        )
    return values, indices


def seconds(repeats: int) -> tuple[float, dict[tuple[int, bool], float]]:
    """Median seconds of our search, and of the bare one by block size and reuse of memory.

    All take turns in one run, in a new order each time, so that what else the machine does falls
    on each alike.
    """
    import torch

    rows = random_rows(ROWS)
    shared = torch.from_numpy(rows)
    work = {None: partial(top_k, rows, rows, K)}
    work |= {(b, reuse): partial(bare, shared, b, reuse) for b in BLOCKS for reuse in (False, True)}
    found, wanted = work[None](), work[BLOCKS[0], True]()
    if not np.allclose(found[1], wanted[0].numpy(), atol=1e-5):
        raise RuntimeError("the two searches found different neighbours")
    taken: dict[tuple[int, bool] | None, list[float]] = {name: [] for name in work}
    order = np.random.default_rng(0)
    for _ in range(repeats):
        for place in order.permutation(len(work)):
            name = list(work)[place]
            begun = time.perf_counter()
            work[name]()
            taken[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ours = medians.pop(None)
    return ours, {name: median for name, median in medians.items() if name is not None}


def threads() -> str:
    """Say how many threads the products of NumPy and of torch may use."""
    import torch
    from threadpoolctl import threadpool_info

    blas = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    return f"{blas} threads for NumPy's products and {torch.get_num_threads()} for torch"


def peak_of_this_process(n: int, search: bool) -> None:
    """Make n rows, search them or not, and print the most bytes this process ever held."""
    rows = random_rows(n)
    if search:
        top_k(rows, rows, K)
    else:
        rows[:64] @ rows[:64].T  # a first product sets up the threads of the linear algebra
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT)


def extra_peak(n: int, repeats: int) -> float:
    """Median bytes that a search of n rows takes beyond the rows, from fresh processes."""

    def peak(search: bool) -> int:
        code = f"from benchmarks.neighbours import peak_of_this_process as p; p({n}, {search})"
        done = subprocess.run(  # noqa: S603  (this module, in a process of its own)
            [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
        )
        return int(done.stdout)

    return statistics.median(peak(True) - peak(False) for _ in range(repeats))


def main() -> None:
    """Measure memory, then time; print, and write the section when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = [
        "| rows × dimensions | rows | beyond the rows, at the peak | n² cosines would take |",
        "|---|---|---|---|",
    ]
    for n in MEMORY_ROWS:
        held, square = 4 * n * DIM, 4 * n * n
        table.append(
            f"| {n:,} × {DIM} | {held / 1e6:.0f} MB | {extra_peak(n, 3) / 1e6:.0f} MB | "
            f"{square / 1e6:,.0f} MB |"
        )
        print(table[-1])
    ours, theirs = seconds(options.repeats)
    plain, best = (
        min((median, block) for (block, reused), median in theirs.items() if reused == reuse)
        for reuse in (False, True)
    )
    lines = [
        "## Nearest neighbours",
        "",
        f"Made by `python -m benchmarks.neighbours`: the {K} nearest of all rows in themselves, "
        f"exact. Times are medians of {options.repeats} interleaved repeats in one run, with "
        f"{threads()}. The *bare search* is a blocked torch product and `torch.topk` and nothing "
        f"else, at the fastest of the block sizes {', '.join(map(str, BLOCKS))}. The budget is 1.3 "
        "of the bare search, and memory that does not depend on n².",
        "",
        f"| {ROWS:,} × {DIM} rows | time | `top_k` ÷ this |",
        "|---|---|---|",
        f"| `metrics.neighbours.top_k` | {ours:.2f} s | 1 |",
        f"| bare search, blocks of {plain[1]}, each allocated anew | {plain[0]:.2f} s | "
        f"{ours / plain[0]:.2f} |",
        f"| bare search, blocks of {best[1]}, all in the same memory | {best[0]:.2f} s | "
        f"{ours / best[0]:.2f} |",
        "",
        "Peak memory is the peak resident size of a fresh process that makes the rows and searches "
        "them, less that of one that only makes them (medians of 3).",
        "",
        *table,
    ]
    print("\n".join(lines[4:11]))
    if options.out:
        replace_section(options.out, "neighbours", "\n".join(lines))


if __name__ == "__main__":
    main()
