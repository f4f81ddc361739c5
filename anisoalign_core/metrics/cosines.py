"""Inner products of unit rows, which are their cosines: pair by pair, or all of two sets.

All of them are formed in float32, block by block, so that memory grows with the number of keys and
never with its square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Float64, Integers, blocks, read_only
from anisoalign_core.things import Links

HELD_CELLS = 2**24
"""Matrices of cosines up to this many cells (64 MiB) are kept once computed."""

BLOCK_CELLS = 2**23
"""Cells of one block of cosines when they are not kept (32 MiB)."""

PILOT_ROWS = 256
CACHE_ROWS = 64
"""Rows converted to float64 at a time, so that the copies stay in the processor's cache."""


def row_cosines(first: Float32, second: Float32) -> Float64:
    """``⟨a_i, b_i⟩`` of corresponding unit rows, (n,) float64."""
    if first.shape != second.shape:
        raise ShapeError(f"Rows of shapes {first.shape} and {second.shape} do not correspond.")
    return np.asarray(np.einsum("ij,ij->i", first, second), dtype=np.float64)


def squared_distances(cosines: Float64) -> Float64:
    """``‖x − y‖² = 2 − 2⟨x, y⟩`` of unit rows, from their cosines."""
    return np.maximum(2.0 - 2.0 * cosines, 0.0)


def link_cosines(source: Float32, target: Float32, links: Links) -> Float64:
    """``⟨x_j, y_i⟩`` of all matched rows, (L,) float64."""
    found = [
        row_cosines(target[links.target[part]], source[links.source[part]])
        for part in blocks(len(links.source))
    ]
    return np.concatenate(found)


def mean_rows(rows: Float32) -> Float64:
    """Mean row in float64, (d,), summed by blocks."""
    total = np.zeros(rows.shape[1])
    for part in blocks(len(rows)):
        total += rows[part].sum(axis=0, dtype=np.float64)
    return total / len(rows)


@dataclass(frozen=True, eq=False)
class Cosines:
    """All inner products of two sets of unit rows: kept when small, recomputed by blocks if not.

    Attributes
    ----------
    queries : (n, d) float32
    keys : (m, d) float32
    produce : callable, optional
        Returns the (n, m) products from where they are already known; called on first use only.
    """

    queries: Float32
    keys: Float32
    produce: Callable[[], Float32] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse rows of different dimensions."""
        if self.queries.shape[1] != self.keys.shape[1]:
            raise ShapeError(
                f"Queries have {self.queries.shape[1]} dimensions and keys {self.keys.shape[1]}; "
                "both must come from one encoder's shared space."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, m)``."""
        return len(self.queries), len(self.keys)

    @property
    def is_held(self) -> bool:
        """Whether the whole matrix fits the limit and is kept after first use."""
        return self.produce is not None or self.shape[0] * self.shape[1] <= HELD_CELLS

    @cached_property
    def matrix(self) -> Float32:
        """The whole (n, m) matrix; ask only when ``is_held``."""
        matrix = self.queries @ self.keys.T if self.produce is None else self.produce()
        return np.asarray(read_only(matrix))

    def blocks(self) -> Iterator[tuple[slice, Float32]]:
        """Yield ``(rows, cosines)`` with cosines C-contiguous of shape (rows, m), in order."""
        rows = max(32, BLOCK_CELLS // max(len(self.keys), 1))
        for part in blocks(len(self.queries), rows):
            if self.is_held:
                yield part, np.ascontiguousarray(self.matrix[part])
            else:
                yield part, self.queries[part] @ self.keys.T

    @cached_property
    def transposed(self) -> Cosines:
        """The same products with queries and keys exchanged."""
        produce = (lambda: self.matrix.T) if self.is_held else None
        return Cosines(self.keys, self.queries, produce)

    def take(self, query_rows: Integers, key_rows: Integers) -> Cosines:
        """Products of the given rows only, read from the kept matrix when there is one."""
        queries, keys = self.queries[query_rows], self.keys[key_rows]
        if not self.is_held:
            return Cosines(queries, keys)
        return Cosines(queries, keys, lambda: self.matrix.take(query_rows, 0).take(key_rows, 1))


class PairSums(NamedTuple):
    """Sums over pairs i ≠ j of the entries of two square matrices.

    ``Σ_j a_ij`` and ``Σ_j b_ij`` of every row i, ``Σ a_ij²`` and ``Σ b_ij²``, and ``Σ a_ij b_ij``.
    """

    rows: tuple[Float64, Float64]
    squares: tuple[float, float]
    product: float


@dataclass(frozen=True, eq=False)
class MatchedCosines:
    """Two square matrices of cosines whose rows are matched, or matched anew, off the diagonal.

    Entries are read less a pilot near their mean and summed in float64, so that a narrow cone costs
    no digits.

    Attributes
    ----------
    first, second : Cosines of shape (n, n)
    """

    first: Cosines
    second: Cosines

    def __post_init__(self) -> None:
        """Refuse matrices that are not of one square shape."""
        n = len(self.first.queries)
        if self.first.shape != (n, n) or self.second.shape != (n, n):
            raise ShapeError(
                f"Cosines of shapes {self.first.shape} and {self.second.shape} do not correspond."
            )

    @cached_property
    def pilots(self) -> tuple[float, float]:
        """What is taken from the entries of either: the mean of those of the first rows."""
        few = np.arange(min(self.first.shape[0], PILOT_ROWS))
        first, second = (side.take(few, few).matrix.mean() for side in (self.first, self.second))
        return float(first), float(second)

    @cached_property
    def sums(self) -> PairSums:
        """Sums of both as they are matched, from one pass."""
        rows, squares, product = np.empty((2, self.first.shape[0])), [0.0, 0.0], 0.0
        for part, a, b in self._blocks(self.second):
            rows[:, part] = a.sum(axis=1), b.sum(axis=1)
            squares[0] += float(np.vdot(a, a))
            squares[1] += float(np.vdot(b, b))
            product += float(np.vdot(a, b))
        return PairSums((rows[0], rows[1]), (squares[0], squares[1]), product)

    def sums_of(self, order: Integers | None) -> PairSums:
        """Return the sums with row i of the first matched with row ``order[i]`` of the second.

        Those of the last order are kept, since several measures ask for the same.
        """
        if order is None:
            return self.sums
        for known, sums in self._last:
            if known is order:
                return sums
        again = self._blocks(self.second.take(order, order))
        sums = PairSums(
            (self.sums.rows[0], self.sums.rows[1][order]),
            self.sums.squares,
            sum(float(np.vdot(a, b)) for _, a, b in again),
        )
        self._last[:] = [(order, sums)]
        return sums

    @cached_property
    def _last(self) -> list[tuple[Integers, PairSums]]:
        return []

    def _blocks(self, second: Cosines) -> Iterator[tuple[slice, Float64, Float64]]:
        """Yield rows and their entries less the pilots, in float64, with zeros on the diagonal."""
        for (part, block_a), (_, block_b) in zip(self.first.blocks(), second.blocks(), strict=True):
            for rows in blocks(len(block_a), CACHE_ROWS):
                a = np.subtract(block_a[rows], self.pilots[0], dtype=np.float64)
                b = np.subtract(block_b[rows], self.pilots[1], dtype=np.float64)
                own, first = np.arange(len(a)), part.start + rows.start
                a[own, own + first] = 0.0
                b[own, own + first] = 0.0
                yield slice(first, first + len(a)), a, b

    def correlation(self, order: Integers | None = None) -> float:
        """Pearson correlation over all pairs i < j; 0 where either is constant."""
        n = self.first.shape[0]
        count = n * (n - 1)
        sums = self.sums_of(order)
        mean_a, mean_b = (float(rows.sum()) / count for rows in sums.rows)
        square_a, square_b = (square / count for square in sums.squares)
        variance = (square_a - mean_a**2) * (square_b - mean_b**2)
        if variance <= 1e-24:
            return 0.0
        return (sums.product / count - mean_a * mean_b) / math.sqrt(variance)


def pair_correlation(first: Cosines, second: Cosines) -> float:
    """Pearson correlation of two square matrices of cosines over all pairs i < j.

    A constant matrix has no correlation; the answer is then 0.

    Parameters
    ----------
    first, second : Cosines of shape (n, n)
    """
    return MatchedCosines(first, second).correlation()
