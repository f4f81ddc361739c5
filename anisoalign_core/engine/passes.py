"""Passes over a set: the pieces it is cut into, and what is summed over the blocks of each.

Pieces begin at multiples of the block that sums are taken over, so that every engine sums the same
blocks. What is summed is said by :class:`MomentPass` or :class:`SpherePass`: pure functions of a
block, whose results are put together in order, in any process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.errors import ShapeError
from anisoalign_core.files.digests import PassingDigest
from anisoalign_core.io.chunks import About, Chunk, explained
from anisoalign_core.io.shards import Shard, ShardedSet
from anisoalign_core.matrices import is_thin
from anisoalign_core.moments import BlockSum, Moments, MomentSum, is_precise
from anisoalign_core.numerics import (
    BLOCK_ROWS,
    Float32,
    Float64,
    Integers,
)
from anisoalign_core.rows import NormRange, admit

PIECE_ROWS = 16 * BLOCK_ROWS


@dataclass(frozen=True)
class Piece:
    """Rows ``start`` to ``stop`` of a shard; ``first`` is the first one's number in the set."""

    shard: Shard
    start: int
    stop: int
    first: int

    @property
    def rows(self) -> int:
        """Rows of the piece."""
        return self.stop - self.start

    @property
    def size(self) -> int:
        """Bytes of its vectors: for estimates."""
        return self.rows * self.shard.facts.dim * self.shard.facts.dtype.itemsize


def cut(data: ShardedSet, rows: int | None = PIECE_ROWS) -> list[Piece]:
    """Return the pieces of a set, in order.

    Parameters
    ----------
    data : ShardedSet
    rows : int or None
        Rows of a piece at most; None leaves every shard whole. Formats in which a range of rows
        costs more than its own bytes are never cut.
    """
    pieces, first = [], 0
    for shard in data.shards:
        count = shard.facts.rows
        step = rows if rows is not None and shard.format.ranges else None
        if step is None or count <= step:
            pieces.append(Piece(shard, 0, count, first))
        else:
            pieces += [
                Piece(shard, start, min(start + step, count), first + start)
                for start in range(0, count, step)
            ]
        first += count
    return pieces


@dataclass(frozen=True, eq=False)
class UnitBlock:
    """Unit rows of one block of the input.

    Attributes
    ----------
    rows : (m, d) float32
    kept : array of int or None
        Which rows of the block they are; None for all.
    about : About
        Of the kept rows.
    norms : NormRange
        Of the kept rows as they were.
    first : int
        Number of the block's first row in its shard.
    """

    rows: Float32
    kept: Integers | None
    about: About
    norms: NormRange
    first: int


@dataclass(frozen=True, eq=False)
class RawBlock:
    """One block as it was read.

    ``first`` is the number of its first row in its shard; ``notes`` say how the shard was
    understood.
    """

    chunk: Chunk
    first: int
    name: str
    drop_invalid: bool = field(default=False)
    notes: tuple[str, ...] = ()

    def unit(self) -> UnitBlock:
        """Check the rows and place them on the unit sphere, as :meth:`EmbeddingSet.from_array`.

        The memory of the rows is used again where that is possible, so this is done once.

        Raises
        ------
        InvalidRowsError
            If rows are non-finite or all zeros and are not to be dropped.
        """
        with explained(self.notes):
            found = admit(
                self.chunk.array, self.name, drop_invalid=self.drop_invalid, first=self.first
            )
        about = self.chunk.about if found.kept is None else self.chunk.about.take(found.kept)
        rows, measured = found.rows, found.measured
        if not (rows.dtype == np.float32 and measured.is_unit):  # then they stay as they are
            rows = found.unit(in_place=True)
        return UnitBlock(rows, found.kept, about, measured, self.first)


def raw_blocks(
    piece: Piece,
    *,
    drop_invalid: bool = False,
    about: bool = False,
    digest: PassingDigest | None = None,
) -> Iterator[RawBlock]:
    """Read the blocks of a piece, in order."""
    first = piece.start
    for chunk in piece.shard.chunks(
        BLOCK_ROWS, piece.start, piece.stop, about=about, digest=digest
    ):
        yield RawBlock(chunk, first, piece.shard.name, drop_invalid, piece.shard.facts.notes)
        first += len(chunk.array)
    if first != piece.stop:
        raise ShapeError(
            f"{piece.shard.name} has {first:,} rows where it had {piece.stop:,}. It changed while "
            "it was read."
        )


class Sum(Protocol):
    """What a pass gives for a piece; adding keeps the order."""

    def __add__(self, other: Self) -> Self:
        """Add what comes after."""


Total = TypeVar("Total", bound=Sum)


class Pass(ABC, Generic[Total]):
    """What is done with every block, and how that is put together."""

    drop_invalid: bool
    digests: ClassVar[bool]
    """Whether the digests of the files are taken on the way."""
    words: ClassVar[str]
    """What has been done with the rows so far: for progress."""

    @property
    @abstractmethod
    def light(self) -> bool:
        """Whether a block takes no longer than it takes to be read: sums, and no products."""

    @abstractmethod
    def block(self, raw: RawBlock, begin: int) -> tuple[Any, NormRange]:
        """Work on one block; ``begin`` is the number of its shard's first row in the set."""

    @abstractmethod
    def total(self, blocks: Iterable[Any], dim: int) -> Total:
        """Put together what :meth:`block` gave, in order."""


@dataclass(frozen=True, eq=False)
class MomentTotal:
    """Sums over some rows, and the wanted ones among them; None where there were no rows."""

    moments: Moments | None
    norms: NormRange
    picked: tuple[Float32, ...]

    def __add__(self, other: MomentTotal) -> MomentTotal:
        """Add what comes after."""
        moments = self.moments if other.moments is None else other.moments
        if self.moments is not None and other.moments is not None:
            moments = self.moments + other.moments
        picked = tuple(np.concatenate(two) for two in zip(self.picked, other.picked, strict=True))
        return MomentTotal(moments, self.norms + other.norms, picked)


@dataclass(frozen=True)
class MomentPass(Pass[MomentTotal]):
    """Sum moments.

    Attributes
    ----------
    precise, diagonal, thin : bool
        As in :meth:`Moments.from_chunks`.
    drop_invalid : bool
    wanted : tuple of arrays
        Sorted numbers of rows, in the whole set, that are to be handed back group by group.
    """

    precise: bool
    diagonal: bool
    drop_invalid: bool
    wanted: tuple[Integers, ...] = ()
    thin: bool = False
    digests = True
    words = "summed"

    @classmethod
    def over(
        cls, data: ShardedSet, diagonal: bool, drop_invalid: bool, wanted: tuple[Integers, ...] = ()
    ) -> MomentPass:
        """Return the pass over a set: in float64 throughout where the set is small enough."""
        size = data.rows, data.dim
        return cls(is_precise(*size), diagonal, drop_invalid, wanted, thin=is_thin(*size))

    @property
    def light(self) -> bool:
        """Whether only the diagonal is summed."""
        return self.diagonal

    def block(self, raw: RawBlock, begin: int) -> tuple[Any, NormRange]:
        """Sum one block, and pick the wanted rows in it."""
        block, first, count = raw.unit(), begin + raw.first, len(raw.chunk.array)
        picked = [_picked(block, group, first, count) for group in self.wanted]
        if not len(block.rows):
            return (None, block.norms, picked), block.norms
        sums = BlockSum.of(block.rows, precise=self.precise, diagonal=self.diagonal, thin=self.thin)
        return (sums, block.norms, picked), block.norms

    def total(self, blocks: Iterable[Any], dim: int) -> MomentTotal:
        """Add up blocks in the order in which they come."""
        total, norms = MomentSum(), NormRange()
        groups = [[np.empty((0, dim), dtype=np.float32)] for _ in self.wanted]
        for sums, measured, picked in blocks:
            norms = norms + measured
            if sums is not None:
                total.add(sums)
            for group, rows in zip(groups, picked, strict=True):
                group.append(rows)
        moments = total.moments() if norms.rows else None
        return MomentTotal(moments, norms, tuple(np.concatenate(group) for group in groups))


@dataclass(frozen=True, eq=False)
class SphereTotal:
    """Sum of ``Norm(e)`` over some rows, and their number."""

    rows_sum: Float64
    rows: int

    def __add__(self, other: SphereTotal) -> SphereTotal:
        """Add what comes after."""
        return SphereTotal(self.rows_sum + other.rows_sum, self.rows + other.rows)

    @property
    def mean(self) -> Float64:
        """Mean of ``Norm(e)``."""
        return np.asarray(self.rows_sum / max(self.rows, 1))


@dataclass(frozen=True)
class SpherePass(Pass[SphereTotal]):
    """Sum ``Norm(e)``, of which a map's last translation is the mean."""

    affine: AffineMap
    drop_invalid: bool
    digests = False
    words = "calibrated"

    @property
    def light(self) -> bool:
        """Whether rows are mapped without a matrix."""
        return self.affine.linear.ndim < 2

    def block(self, raw: RawBlock, begin: int) -> tuple[Any, NormRange]:
        """Sum one block."""
        block = raw.unit()
        found = SphereTotal(self.affine.sphere_sum(block.rows, raw.first), block.norms.rows)
        return found, block.norms

    def total(self, blocks: Iterable[Any], dim: int) -> SphereTotal:
        """Add up blocks in the order in which they come."""
        return sum(blocks, SphereTotal(np.zeros(dim), 0))


def over_piece(piece: Piece, work: Pass[Total]) -> Total:
    """Pass over one piece."""
    blocks = raw_blocks(piece, drop_invalid=work.drop_invalid)
    found = (work.block(raw, piece.first - piece.start)[0] for raw in blocks)
    return work.total(found, piece.shard.facts.dim)


def _picked(block: UnitBlock, group: Integers, first: int, count: int) -> Float32:
    """Rows of a block that are wanted; those that were dropped are not there."""
    low, high = np.searchsorted(group, (first, first + count))
    local = group[low:high] - first
    if block.kept is not None:
        local = np.flatnonzero(np.isin(block.kept, local))
    return block.rows[local]
