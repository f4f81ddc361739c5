"""How long a UMAP takes beside what was said before it began: ``python -m benchmarks.maps``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import anisoalign_core as aa
from anisoalign_core.geometry.umap_plan import Fitted
from app.mapper import Mapper
from app.places import Place
from benchmarks.document import replace_section
from benchmarks.slider import world

ROWS, DIM = (2_000, 10_000, 50_000), 512
LOOK_SECONDS = 0.2


def made(mapper: Mapper, pair: aa.EmbeddingPair, fit_on: Fitted) -> tuple[float, float, float]:
    """Make a map; return the seconds said, those it took, and what was said half-way of the rest.

    The last is the time it took from there on, over what was said to be left.
    """
    job = mapper.begin(pair, fit_on, Place())
    said, begun, half = job.seconds, time.perf_counter(), (0.0, 0.0)
    while not job.over:
        if not half[0] and job.begun and job.share() >= 0.5:
            half = time.perf_counter(), job.left()
        time.sleep(LOOK_SECONDS)
    if job.state != "done":
        raise RuntimeError(job.words)
    ended = time.perf_counter()
    return said, ended - begun, (ended - half[0]) / max(half[1], 0.1)


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = [
        "## What a UMAP is said to take",
        "",
        f"Made by `python -m benchmarks.maps`, with {DIM} dimensions, of which 50 principal "
        "components are laid out; at most 10,000 rows of each side. The first map of a server "
        "compiles. What is left is said anew every second.",
        "",
        "| rows of each side | fitted on | use | said | took | took / said | half-way |",
        "|---:|---|---|---:|---:|---:|---:|",
    ]
    for rows in ROWS:
        pair = world(rows, DIM)
        for fit_on in ("both", "target"):
            mapper = Mapper()
            for use in ("first", "second"):
                said, took, half = made(mapper, pair, fit_on)
                words = f"| {rows:,} | {fit_on} | {use} | {said:.0f} s | {took:.0f} s"
                lines.append(f"{words} | {took / said:.2f} | {half:.2f} |")
                print(lines[-1], flush=True)
            mapper.end()
    if options.out:
        replace_section(options.out, "maps", "\n".join(lines))


if __name__ == "__main__":
    main()
