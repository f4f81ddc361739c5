"""Affine maps onto the sphere: what every closed-form method amounts to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import InvalidRowsError, ShapeError
from anisoalign_core.matrices import Matrix, SpanMatrix
from anisoalign_core.numerics import (
    BLOCK_ROWS,
    Float32,
    Float64,
    Progress,
    blocks,
    room_for_tile,
    row_norms,
    tiles,
    triangular_product,
    unit_rows,
)
from anisoalign_core.threads import orthogonal_triangular


@dataclass(frozen=True, eq=False)
class AffineMap:
    """``e = μ_t + A (y − μ_s)``, to the sphere, then optionally re-centred once.

    Attributes
    ----------
    source_mean : (d,) float64
        μ_s.
    linear : (), (d,) or (d, d) float64, or SpanMatrix
        A as a multiple of the identity, a diagonal, in full, or in full on the span of what was
        fitted and a multiple of the identity outside.
    target_mean : (d,) float64
        μ_t.
    recentring : (d,) float64 or None
        Centroid calibration of [RA]: ``μ_x − μ'`` with μ' the mean of ``Norm(e)`` over the rows
        the map was fitted on; then the result is ``Norm(Norm(e) + μ_x − μ')``.
    """

    source_mean: Float64
    linear: Matrix
    target_mean: Float64
    recentring: Float64 | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together, as a damaged model file may hold."""
        d = self.source_mean.shape
        vectors = [self.target_mean] + ([] if self.recentring is None else [self.recentring])
        fits = len(d) == 1 and all(vector.shape == d for vector in vectors)
        if not fits or self.linear.shape not in ((), d, d * 2):
            raise ShapeError("The parts of an affine map have shapes that do not fit together.")

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return len(self.source_mean)

    def before_projection(
        self, rows: Float32, out: Float32 | None = None, room: Float32 | None = None
    ) -> Float32:
        """``e`` for an (n, d) block of rows, not yet on the sphere.

        Memory for the result and for centred rows may be given: new memory costs as much as the
        work in it.
        """
        mean, scale, goal = self._float32
        if isinstance(self.linear, SpanMatrix):
            mapped = self.linear.of_rows(rows - mean)
            if out is not None:
                out[:] = mapped
                mapped = out
        elif self.linear.ndim == 2:
            centred = np.subtract(rows, mean, out=None if room is None else room[: len(rows)])
            mapped = np.matmul(centred, self._narrow.T, out=out)
        else:
            mapped = np.subtract(rows, mean, out=out)
            mapped *= scale
        mapped += goal
        return mapped

    def apply(self, rows: Float32, progress: Progress | None = None) -> Float32:
        """Map (n, d) rows to unit rows, block by block.

        Raises
        ------
        InvalidRowsError
            If a row falls on the origin, where no direction is defined.
        """
        out = np.empty(rows.shape, dtype=np.float32)
        room = np.empty((min(BLOCK_ROWS, len(rows)), self.dim), dtype=np.float32)
        recentring = None if self.recentring is None else self.recentring.astype(np.float32)
        for block in blocks(len(rows)):
            for part in [block] if self.linear.ndim == 2 else _tiles_of(rows, block):
                mapped = self.before_projection(rows[part], out[part], room)
                for tile in tiles(mapped):
                    first = part.start + tile.start
                    _onto_sphere(mapped[tile], first)
                    if recentring is not None:
                        mapped[tile] += recentring
                        _onto_sphere(mapped[tile], first)
            if progress is not None and len(rows) > BLOCK_ROWS:
                done = block.stop
                progress(done / len(rows), f"{done:,} of {len(rows):,} rows corrected")
        return out

    def sphere_sum(self, rows: Float32, first: int = 0) -> Float64:
        """``Σ_i Norm(e_i)`` over a block of rows, (d,); ``first`` is the number of its first.

        With ``A = Q R``, ``‖e‖ = ‖R (y − μ_s) + Qᵀ μ_t‖``, and R is triangular: the norms cost
        little more than half of what the rows would, and the weighted sum is mapped once.
        """
        is_matrix = self.linear.ndim == 2
        mean, scale, goal = self._float32
        along, total = np.zeros(self.dim), 0.0
        rooms = [] if is_matrix else [room_for_tile(rows, np.float32) for _ in range(2)]
        for part in [slice(0, len(rows))] if is_matrix else tiles(rows):
            if is_matrix:
                centred = rows - mean
                if isinstance(self.linear, SpanMatrix):
                    turned = self.linear.of_rows(centred)
                    turned += goal
                else:
                    triangle, offset = self._triangle
                    turned = triangular_product(centred, triangle)
                    turned += offset
            else:
                centred, turned = (room[: part.stop - part.start] for room in rooms)
                np.subtract(rows[part], mean, out=centred)
                np.multiply(centred, scale, out=turned)
                turned += goal
            inverse = 1.0 / _lengths(turned, first + part.start)
            along += inverse.astype(np.float32) @ centred
            total += float(inverse.sum())
        mapped = self.linear @ along if is_matrix else self.linear * along
        return np.asarray(mapped + total * self.target_mean)

    @property
    def _float32(self) -> tuple[Float32, Float32, Float32]:
        """μ_s, A where it is no matrix, and μ_t, as rows are mapped with them."""
        scale = np.ones(()) if self.linear.ndim == 2 else np.asarray(self.linear)
        parts = (self.source_mean, scale, self.target_mean)
        mean, scale, goal = (part.astype(np.float32) for part in parts)
        return mean, scale, goal

    @cached_property
    def _narrow(self) -> Float32:
        """A in full, as rows are mapped with it."""
        return np.asarray(self.linear, dtype=np.float32)

    @cached_property
    def _triangle(self) -> tuple[Float32, Float32]:
        """R, and ``Qᵀ μ_t``, of ``A = Q R``."""
        q, r = orthogonal_triangular(np.asarray(self.linear))
        return r.astype(np.float32), (q.T @ self.target_mean).astype(np.float32)

    def sphere_mean(self, rows: Float32) -> Float64:
        """Mean of ``Norm(e)`` over (n, d) rows."""
        parts = blocks(len(rows))
        sums = (self.sphere_sum(rows[part], part.start) for part in parts)
        return sum(sums, np.zeros(self.dim)) / len(rows)

    def recentred(self, sphere_mean: Float64) -> AffineMap:
        """Return the map re-centred so that a mean of ``Norm(e)`` moves to μ_t."""
        return replace(self, recentring=self.target_mean - sphere_mean)

    def calibrated(self, rows: Float32, weights: Float64 | None = None) -> AffineMap:
        """Return the map re-centred so that the mean of ``Norm(e)`` over ``rows`` moves to μ_t."""
        if weights is None:
            return self.recentred(self.sphere_mean(rows))
        total = np.zeros(self.dim)
        for part in blocks(len(rows)):
            total += weights[part] @ to_sphere(self.before_projection(rows[part]), part.start)
        return self.recentred(total / weights.sum())


def _tiles_of(rows: Float32, block: slice) -> Iterator[slice]:
    """Yield the tiles of a block of rows."""
    for tile in tiles(rows[block]):
        yield slice(block.start + tile.start, block.start + tile.stop)


def to_sphere(rows: npt.NDArray[np.floating[Any]], first: int = 0) -> Float32:
    """Return ``z / ‖z‖``; an error names the row (counted from ``first``) that is the origin."""
    return unit_rows(rows, _lengths(rows, first))


def _onto_sphere(rows: Float32, first: int) -> Float32:
    """:func:`to_sphere` in place, with one more rounding: of the inverse norm to float32."""
    rows *= (1.0 / _lengths(rows, first)).astype(np.float32)[:, None]
    return rows


def _lengths(rows: npt.NDArray[np.floating[Any]], first: int) -> Float64:
    norms = row_norms(rows)
    beyond = np.flatnonzero(~np.isfinite(norms))
    if len(beyond):
        raise InvalidRowsError(
            f"Row {first + int(beyond[0])} leaves the range of float32 under this map "
            f"({len(beyond)} such rows in the block). Choose another method, or a smaller bound.",
            (beyond + first).tolist(),
        )
    lost = np.flatnonzero(norms <= 1e-12)
    if len(lost):
        raise InvalidRowsError(
            f"Row {first + int(lost[0])} falls on the origin under this map ({len(lost)} such "
            "rows in the block), so it has no direction. Choose another method or leave it out.",
            (lost + first).tolist(),
        )
    return norms
