"""Which rows of two sets show the same thing: one row a side, or five captions of one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Float64, Integers, row_norms, unit_rows


@dataclass(frozen=True)
class Links:
    """All matched rows of two sets: every source row of a thing with every target row of it.

    Attributes
    ----------
    source, target : (L,) arrays of row numbers
        Thing by thing.
    weights : (L,) float64 or None
        ``1/(|I_g||J_g|)``, so that each thing has weight one; None where all are 1.
    """

    source: Integers
    target: Integers
    weights: Float64 | None


@dataclass(frozen=True, eq=False)
class Things:
    """The thing of each row of two sets.

    A thing g has source rows I_g and target rows J_g, at least one of each. Where every thing has
    one row a side and the rows are in the same order, things *are* rows, and every number is what
    it is for matched rows.

    Attributes
    ----------
    source : (n_y,) int
        Thing of each source row, from 0 to ``count − 1``.
    target : (n_x,) int
        Thing of each target row.
    count : int
        Number of things.
    """

    source: Integers
    target: Integers
    count: int

    def __post_init__(self) -> None:
        """Refuse things that only one side shows."""
        if not (self.sizes[0].all() and self.sizes[1].all()):
            raise ShapeError("Every thing needs a row in both sets; leave out what has none.")

    @classmethod
    def rows(cls, n: int) -> Things:
        """Return n things of one row a side, in the same order."""
        each = np.arange(n)
        return cls(each, each, n)

    @classmethod
    def of(cls, source: Iterable[object], target: Iterable[object]) -> Things:
        """Things of keys that both sides have, numbered as they first occur in the target."""
        source, target = list(source), list(target)
        both = numbers([*target, *source])
        return cls(both[len(target) :], both[: len(target)], int(both.max()) + 1)

    @cached_property
    def sizes(self) -> tuple[Integers, Integers]:
        """``|I_g|`` and ``|J_g|`` of each thing."""
        return (
            np.bincount(self.source, minlength=self.count),
            np.bincount(self.target, minlength=self.count),
        )

    @cached_property
    def are_rows(self) -> bool:
        """Whether thing i is row i of both sides."""
        each = np.arange(self.count)
        return np.array_equal(self.source, each) and np.array_equal(self.target, each)

    @cached_property
    def _order(self) -> tuple[Integers, Integers]:
        return np.argsort(self.source, kind="stable"), np.argsort(self.target, kind="stable")

    @cached_property
    def _first(self) -> tuple[Integers, Integers]:
        source, target = (np.cumsum(size) - size for size in self.sizes)
        return source, target

    @cached_property
    def links(self) -> Links:
        """All matched rows, each thing with weight one."""
        sizes = self.sizes[0] * self.sizes[1]
        thing = np.repeat(np.arange(self.count), sizes)
        within = np.arange(len(thing)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        across = self.sizes[1][thing]
        return Links(
            self._order[0][self._first[0][thing] + within // across],
            self._order[1][self._first[1][thing] + within % across],
            _equal(sizes, thing),
        )

    @cached_property
    def weights(self) -> tuple[Float64 | None, Float64 | None]:
        """Weights of source and target rows that give each thing weight one; None where all 1."""
        return _equal(self.sizes[0], self.source), _equal(self.sizes[1], self.target)

    def rows_of(self, things: Integers) -> tuple[Integers, Integers]:
        """Rows of the given things on either side, thing by thing."""
        if self.are_rows:
            return things, things
        source, target = (
            order[np.repeat(first[things] - (np.cumsum(size) - size), size) + np.arange(size.sum())]
            for order, first, size in zip(
                self._order, self._first, (one[things] for one in self.sizes), strict=True
            )
        )
        return source, target

    def take(self, source_rows: Integers, target_rows: Integers) -> Things:
        """Things of some of the rows, numbered anew in their old order."""
        kept, source = np.unique(self.source[source_rows], return_inverse=True)
        other, target = np.unique(self.target[target_rows], return_inverse=True)
        if not np.array_equal(kept, other):
            raise ShapeError("The rows chosen of both sides do not show the same things.")
        return Things(source, target, len(kept))

    def turned(self) -> Things:
        """Things of the same rows, with the target's as the source's."""
        return Things(self.target, self.source, self.count)

    def shuffled(self, rng: np.random.Generator) -> Things:
        """Pair every thing's target rows with the source rows of a thing drawn at random."""
        drawn = rng.permutation(self.count)
        return Things(np.argsort(drawn)[self.source], self.target, self.count)

    def within(self, limit: int) -> int:
        """How many things of average size have at most ``limit`` rows on either side."""
        return min(self.count, limit * self.count // max(len(self.source), len(self.target)))

    def one_each(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """Return one row of each side for every thing, drawn at random."""
        if self.are_rows:
            return self.source, self.target
        drawn = (
            order[first + rng.integers(size)]
            for order, first, size in zip(self._order, self._first, self.sizes, strict=True)
        )
        source, target = drawn
        return source, target

    @cached_property
    def first_partners(self) -> tuple[Integers, Integers]:
        """The first target row of each source row's thing, and the other way round."""
        source, target = (
            order[first] for order, first in zip(self._order, self._first, strict=True)
        )
        return target[self.source], source[self.target]

    def shares(self, values: Float64, *, of_source: bool) -> Float64:
        """Sum over each thing, scaled so that the mean over things is that over rows."""
        if self.are_rows:
            return values
        of = self.source if of_source else self.target
        sums = np.bincount(of, weights=values, minlength=self.count)
        return np.asarray(sums * (self.count / len(of)), dtype=np.float64)

    def mean_rows(self, rows: Float32, *, of_source: bool) -> Float32:
        """Mean of each thing's rows, (count, d); shorter than 1 where they differ."""
        side = 0 if of_source else 1
        order, size = self._order[side], self.sizes[side]
        if (size == 1).all():
            return rows if self.are_rows else np.ascontiguousarray(rows[order])
        total = np.add.reduceat(rows[order], self._first[side], axis=0)
        return np.asarray(total / size[:, None].astype(np.float32))

    def centres(self, rows: Float32, *, of_source: bool) -> Float32:
        """One unit row for each thing: the direction of the mean of its rows, (count, d)."""
        mean = self.mean_rows(rows, of_source=of_source)
        if self.are_rows:
            return mean
        norms = row_norms(mean)
        if not norms.all():
            raise ShapeError("The rows of a thing cancel, so that it has no direction.")
        return unit_rows(mean, norms)


def numbers(keys: Iterable[object]) -> Integers:
    """Return the number of each key in order of first occurrence: 0, 1, … if none repeats."""
    found: dict[object, int] = {}
    return np.array([found.setdefault(key, len(found)) for key in keys], dtype=np.intp)


def equal_weights(keys: Iterable[object]) -> Float64 | None:
    """Return weights of rows that give each key weight one; None where all are 1."""
    of = numbers(keys)
    return _equal(np.bincount(of), of)


def _equal(sizes: Integers, of: Integers) -> Float64 | None:
    """Weights of rows of things of these sizes that give each thing weight one."""
    return None if (sizes == 1).all() else 1.0 / sizes[of]


def first_rows(keys: Iterable[str]) -> dict[str, int]:
    """Return the first row of each key."""
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, row)
    return rows


def merged(count: int, links: Sequence[tuple[Integers, Integers]]) -> Integers:
    """Return the unit of each of ``count`` things when things that share a key are one.

    Parameters
    ----------
    count : int
    links : sequence of (things, keys)
        A thing and a key, row by row; keys of different entries are different.

    Returns
    -------
    (count,) int
        Numbered as they first occur.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    of, to, nodes = [np.empty(0, np.intp)], [np.empty(0, np.intp)], count
    for things, keys in links:
        of.append(things)
        to.append(keys + nodes)
        nodes += int(keys.max()) + 1
    start, end = np.concatenate(of), np.concatenate(to)
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    return numbers(connected_components(graph, directed=False)[1][:count].tolist())
