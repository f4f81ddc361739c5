"""What an engine sums over one block or one piece: pure functions that any process can run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.engine.pieces import Piece, RawBlock, UnitBlock, raw_blocks
from anisoalign_core.moments import BlockSum, Moments, MomentSum
from anisoalign_core.numerics import Float32, Float64, Integers
from anisoalign_core.rows import NormRange

Groups = tuple[Integers, ...]


@dataclass(frozen=True)
class SumRequest:
    """What is to be summed.

    Attributes
    ----------
    precise, diagonal : bool
        As in :meth:`Moments.from_chunks`.
    drop_invalid : bool
    wanted : tuple of arrays
        Sorted numbers of rows, in the whole set, that are to be handed back group by group.
    """

    precise: bool
    diagonal: bool
    drop_invalid: bool
    wanted: Groups = ()


@dataclass(frozen=True, eq=False)
class BlockResult:
    """Sums over one block, and the wanted rows in it."""

    sums: BlockSum | None
    norms: NormRange
    picked: tuple[Float32, ...]


@dataclass(frozen=True, eq=False)
class PieceResult:
    """Sums over one piece, and the wanted rows in it; adding keeps the order."""

    moments: Moments | None
    norms: NormRange
    picked: tuple[Float32, ...]

    def __add__(self, other: PieceResult) -> PieceResult:
        """Add what comes after."""
        moments = self.moments if other.moments is None else other.moments
        if self.moments is not None and other.moments is not None:
            moments = self.moments + other.moments
        picked = tuple(np.concatenate(two) for two in zip(self.picked, other.picked, strict=True))
        return PieceResult(moments, self.norms + other.norms, picked)


class PieceSum:
    """Adds up the blocks of a piece, or of a whole set, in the order in which they come."""

    def __init__(self, request: SumRequest, dim: int) -> None:
        self.norms = NormRange()
        self._total = MomentSum()
        nothing = np.empty((0, dim), dtype=np.float32)
        self._picked: list[list[Float32]] = [[nothing] for _ in request.wanted]

    def add(self, block: BlockResult) -> None:
        """Add one block."""
        self.norms = self.norms + block.norms
        if block.sums is not None:
            self._total.add(block.sums)
        for group, rows in zip(self._picked, block.picked, strict=True):
            group.append(rows)

    def result(self) -> PieceResult:
        """Return the sums; moments are None where there were no rows."""
        moments = self._total.moments() if self.norms.rows else None
        picked = tuple(np.concatenate(group) for group in self._picked)
        return PieceResult(moments, self.norms, picked)


def sum_block(raw: RawBlock, request: SumRequest, begin: int) -> BlockResult:
    """Sum one block; ``begin`` is the number of its shard's first row in the set."""
    block = raw.unit()
    first = begin + raw.first
    picked = tuple(_picked(block, group, first, len(raw.chunk.array)) for group in request.wanted)
    if not len(block.rows):
        return BlockResult(None, block.norms, picked)
    sums = BlockSum.of(block.rows, precise=request.precise, diagonal=request.diagonal)
    return BlockResult(sums, block.norms, picked)


def sum_piece(piece: Piece, request: SumRequest) -> PieceResult:
    """Sum one piece."""
    total = PieceSum(request, piece.shard.facts.dim)
    for raw in raw_blocks(piece, drop_invalid=request.drop_invalid):
        total.add(sum_block(raw, request, piece.first - piece.start))
    return total.result()


def sphere_block(raw: RawBlock, affine: AffineMap) -> tuple[Float64, NormRange]:
    """Sum ``Norm(e)`` over one block; return it with what was measured of the rows."""
    block = raw.unit()
    return affine.sphere_sum(block.rows, raw.first), block.norms


def sphere_piece(piece: Piece, affine: AffineMap, drop_invalid: bool) -> tuple[Float64, int]:
    """Sum ``Norm(e)`` over a piece; return it with the number of rows."""
    total, rows = np.zeros(affine.dim), 0
    for raw in raw_blocks(piece, drop_invalid=drop_invalid):
        one, norms = sphere_block(raw, affine)
        total, rows = total + one, rows + norms.rows
    return total, rows


def _picked(block: UnitBlock, group: Integers, first: int, count: int) -> Float32:
    """Rows of a block that are wanted; those that were dropped are not there."""
    low, high = np.searchsorted(group, (first, first + count))
    local = group[low:high] - first
    if block.kept is not None:
        local = np.flatnonzero(np.isin(block.kept, local))
    return block.rows[local]
