"""A part of a pair on which slow measures are taken, and how far such a part strays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.intervals import HALVES, Interval, balanced_halves, interval
from anisoalign_core.metrics.retrieval import MatchRanks, match_ranks
from anisoalign_core.numerics import Float32, generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.splitting import equal_rows
from anisoalign_core.things import Things

NULL_ROWS = 1000
"""Measures of all pairs of rows, and their nulls, use at most this many."""
STRUCTURE_ROWS = 4000
"""Neighbour, retrieval and separability measures use at most this many rows, and say so."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of both sides, and what they show when paired."""

    y: Float32
    x: Float32
    things: Things | None

    @property
    def size(self) -> int:
        """How many rows, or things, the smaller side has."""
        return min(len(self.y), len(self.x)) if self.things is None else self.things.count

    @cached_property
    def means(self) -> tuple[Float32, Float32]:
        """Rows of both sides; of things with several rows, their means."""
        if self.things is None or self.things.are_rows:
            return self.y, self.x
        return (
            self.things.mean_rows(self.y, of_source=True),
            self.things.mean_rows(self.x, of_source=False),
        )

    @cached_property
    def own(self) -> tuple[Cosines, Cosines]:
        """Cosines of the first source rows with themselves, and of the first target rows."""
        y, x = self.y[:NULL_ROWS], self.x[:NULL_ROWS]
        return Cosines(y, y), Cosines(x, x)

    @cached_property
    def ranks(self) -> MatchRanks:
        """Where the partners of either side's rows stand among all rows of the other."""
        return match_ranks(self.cross, self.things)

    @cached_property
    def cross(self) -> Cosines:
        """Cosines of source rows with target rows."""
        return Cosines(self.y, self.x)

    def first(self, limit: int) -> Sample:
        """At most so many rows of each side, by thing; of a random order a sample again."""
        if self.things is None or self.things.are_rows:
            rows = min(limit, len(self.y)), min(limit, len(self.x))
            things = None if self.things is None else Things.rows(rows[0])
            return Sample(self.y[: rows[0]], self.x[: rows[1]], things)
        kept = np.arange(self.things.within(limit))
        rows_y, rows_x = self.things.rows_of(kept)
        return Sample(self.y[rows_y], self.x[rows_x], self.things.take(rows_y, rows_x))

    def halves(self, seed: int, paired: bool, count: int = HALVES) -> list[Sample]:
        """Balanced halves: the same things of both sides, or rows of each."""
        if self.things is not None and (paired or not self.things.are_rows):
            drawn = [
                self.things.rows_of(half)
                for half in balanced_halves(self.things.count, count, seed)
            ]
            take = self.things.take
            return [Sample(self.y[a], self.x[b], take(a, b)) for a, b in drawn]
        of_y = balanced_halves(len(self.y), count, seed)
        of_x = balanced_halves(len(self.x), count, seed + 1)
        return [Sample(self.y[a], self.x[b], None) for a, b in zip(of_y, of_x, strict=True)]


def draw(y: Float32, x: Float32, things: Things | None, random_state: int) -> Sample:
    """At most 4000 rows of each side in random order, so that any first part is a sample too."""
    rng = generator(random_state)
    if things is None:
        rows_y = rng.permutation(len(y))[:STRUCTURE_ROWS]
        rows_x = rng.permutation(len(x))[:STRUCTURE_ROWS]
        return Sample(y[rows_y], x[rows_x], None)
    drawn = rng.permutation(things.count)[: things.within(STRUCTURE_ROWS)]
    rows_y, rows_x = things.rows_of(drawn)
    kept = Things.rows(len(drawn)) if things.are_rows else things.take(rows_y, rows_x)
    return Sample(y[rows_y], x[rows_x], kept)


def spread_of(
    value: float,
    replicates: npt.ArrayLike,
    held: int,
    *,
    rows: int,
    bounds: tuple[float, float],
) -> Interval:
    """Give a statistic of ``rows`` rows its interval, from its values on balanced halves of some.

    Halves of a sample stray as a sample of its size does; √(held/rows) carries that to all rows.
    """
    found = np.asarray(replicates, dtype=np.float64)
    if not np.isfinite(found).all():
        return Interval(value, math.nan, math.nan)
    carried = value + (found - found.mean()) * math.sqrt(held / rows)
    low, high = interval(value, carried, bounds)
    return Interval(value, float(low), float(high))


def sampled(
    pair: EmbeddingPair, rows: int, random_state: int
) -> tuple[EmbeddingPair, tuple[str, ...]]:
    """Return about ``rows`` rows of each side, drawn by thing, and a sentence about them."""
    rng, held = generator(random_state), (len(pair.source), len(pair.target))
    if max(held) <= rows:
        return pair, ()
    if pair.things is not None:
        count = max(pair.things.within(rows), 2)
        part = pair.take(np.sort(rng.choice(pair.things.count, count, replace=False)))
    else:
        source, target = (np.sort(rng.permutation(n)[:rows]) for n in held)
        part = EmbeddingPair(pair.source.take(source), pair.target.take(target))
    words = (
        f"A seeded sample of {len(part.source):,} source and {len(part.target):,} target rows of "
        f"{held[0]:,} and {held[1]:,}."
    )
    return part, (words,)


def notes_of(pair: EmbeddingPair, used_y: int, used_x: int) -> tuple[str, ...]:
    """Say what a report's reader has to know of the rows behind it."""
    read = (note for side in (pair.source, pair.target) for note in side.provenance.notes)
    notes, n_y, n_x = list(dict.fromkeys(read)), len(pair.source), len(pair.target)
    if (used_y, used_x) != (n_y, n_x):
        notes.append(
            f"Retrieval, neighbours, separability and intervals use a seeded sample of {used_y:,} "
            f"source and {used_x:,} target rows of {n_y:,} and {n_x:,}."
        )
    if max(used_y, used_x) > NULL_ROWS:
        what = "Mutual k-NN, CKA and RSA with their nulls, hubness" if pair.paired else "Hubness"
        notes.append(f"{what} and uniformity use {NULL_ROWS:,} random rows.")
    for side in (pair.source, pair.target):
        if len(side) < pair.dim:
            notes.append(
                f"{side.name} has {len(side)} rows in {pair.dim} dimensions: its covariance is "
                "singular. Spectra and overlaps are biased at this size; corrections use "
                "Ledoit–Wolf shrinkage."
            )
        if side.duplicate_rows:
            kept = " Splits keep them together; rows of one thing count once if given one id."
            notes.append(
                f"{side.name} has {side.duplicate_rows} repeated rows; they distort neighbours."
                f"{kept if equal_rows(side) else ''}"
            )
    if pair.things is not None and not pair.things.are_rows:
        notes.append(
            f"{pair.in_words()}. Each thing has weight one; a query finds its thing when any of "
            "its rows is found."
        )
    return tuple(notes)
