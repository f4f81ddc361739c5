"""The unit of work of every engine: a range of rows of one shard, as unit rows.

Pieces begin at multiples of the block that sums are taken over, so that every engine sums the same
blocks and reaches the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.files.digests import PassingDigest
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.shards import Shard, ShardedSet
from anisoalign_core.moments import is_precise
from anisoalign_core.numerics import (
    BLOCK_ROWS,
    Float32,
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
    """One block as it was read; ``first`` is the number of its first row in its shard."""

    chunk: Chunk
    first: int
    name: str
    drop_invalid: bool = field(default=False)

    def unit(self) -> UnitBlock:
        """Check the rows and place them on the unit sphere, as :meth:`EmbeddingSet.from_array`.

        The memory of the rows is used again where that is possible, so this is done once.

        Raises
        ------
        InvalidRowsError
            If rows are non-finite or all zeros and are not to be dropped.
        """
        found = admit(self.chunk.array, self.name, drop_invalid=self.drop_invalid, first=self.first)
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
        yield RawBlock(chunk, first, piece.shard.name, drop_invalid)
        first += len(chunk.array)
    if first != piece.stop:
        raise ShapeError(
            f"{piece.shard.name} has {first:,} rows where it had {piece.stop:,}. It changed while "
            "it was read."
        )


def sums_precisely(data: ShardedSet) -> bool:
    """Whether the set is small enough to be summed in float64 throughout."""
    return is_precise(data.rows, data.dim)
