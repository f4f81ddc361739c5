"""What a comparison takes, over what was said before it: ``python -m benchmarks.plan``.

Each row plans, runs and times one call, on the sample, on its untrained control, and on COCO where
``ANISOALIGN_REAL_DATA`` points at it. Half-way the rest is said anew, as pages do it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anisoalign_core as aa
from anisoalign_core.compare import advise, leaderboard
from anisoalign_core.compare.plan import plan_advice, plan_board
from anisoalign_core.compare.purposes import askable
from anisoalign_core.compare.use import classes_of
from benchmarks.document import DATA, load_set, replace_section

SPLITS = 5
ONE = ("mixed",)


@dataclass
class Halfway:
    """Notes when half of the work was done."""

    begun: float
    at: float = 0.0

    def tell(self, fraction: float, words: str) -> None:
        """Take in how far it is."""
        if fraction >= 0.5 and not self.at:
            self.at = time.perf_counter() - self.begun


def calls(pair: aa.EmbeddingPair, splits: int) -> Iterator[tuple[str, float, Callable[..., Any]]]:
    """Yield each call in words, the seconds planned for it now, and the call."""
    classes = classes_of(pair, None, None)
    questions = 0 if classes is None else len(classes.columns)
    possible = askable(pair.paired, questions or None, None)[0]
    words = f"compare, {questions} columns of labels" if questions else "compare"
    plan = plan_board(pair, None, splits, questions=questions)
    yield words, plan.seconds, lambda tell: leaderboard(pair, splits=splits, progress=tell)
    if questions:
        bare = without_labels(pair)
        plan = plan_board(bare, None, splits)
        yield "compare", plan.seconds, lambda tell: leaderboard(bare, splits=splits, progress=tell)
    for purposes in (ONE, possible[:4]):
        named = ", ".join(purposes)
        plan = plan_advice(pair, purposes, None, splits, questions=questions)
        yield (
            f"advise, {named}",
            plan.seconds,
            lambda tell, asked=purposes: advise(pair, asked, splits=splits, progress=tell),
        )


def without_labels(pair: aa.EmbeddingPair) -> aa.EmbeddingPair:
    """Return the pair's rows alone."""
    sides = [
        aa.EmbeddingSet.from_array(side.vectors, modality=side.modality)
        for side in (pair.source, pair.target)
    ]
    return aa.EmbeddingPair(sides[0], sides[1], paired=True)


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sets = {"the sample": aa.load_sample(), "untrained": aa.load_sample("scenes-untrained")}
    if DATA is not None:
        sets["COCO"] = load_set("coco-clip-vitb16")
    lines = [
        "## What a comparison is said to take",
        "",
        f"Made by `python -m benchmarks.plan`, {options.splits} splits each. The last column is "
        "the time from half of the work on, over that to there, by which the rest is said.",
        "",
        "| set | call | said | took | took / said | second half / first |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, pair in sets.items():
        for words, seconds, call in calls(pair, options.splits):
            begun = time.perf_counter()
            half = Halfway(begun)
            call(half.tell)
            took = time.perf_counter() - begun
            rest = (took - half.at) / half.at
            line = f"| {name} | {words} | {seconds:.1f} s | {took:.1f} s | {took / seconds:.2f} "
            lines.append(f"{line}| {rest:.2f} |")
            print(lines[-1], flush=True)
    if options.out:
        replace_section(options.out, "plan", "\n".join(lines))


if __name__ == "__main__":
    main()
