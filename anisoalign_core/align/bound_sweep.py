"""What a change of BoundedTransport's bound needs: its eigenvalues are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.knobs import Stretches, Values
from anisoalign_core.matrices import extended
from anisoalign_core.numerics import Float32, Float64, Integers


class Bounding(Protocol):
    """A fitted BoundedTransport, as far as a sweep asks."""

    basis_: Float64
    raw_stretch_: Float64
    scale_: float
    bound_: float
    rank_: int
    map_: AffineMap

    def bounded(self, bound: float) -> Float64:
        """Stretches under a bound, (d,)."""

    def promised(self, bound: float) -> str:
        """Say what a bound promises, and what the fitted stretches actually are."""

    def turned(self, basis: Float64) -> Float64:
        """``Rᵀ U`` of a basis U, in which source rows are expanded."""


@dataclass(eq=False)
class BoundSweep:
    """What a change of bound needs about some rows: matrix–vector products, no new n×d×d one.

    With ``C = (y − μ_y) Rᵀ U`` in the eigenbasis U of A (R = I unless ``recentre="rotate"``) and w
    the bounded stretches, the corrected rows before projection are ``e = C diag(w) Uᵀ + μ_x``, so
    ``‖e‖² = C² w² + 2 C (w ∘ Uᵀμ_x) + ‖μ_x‖²`` and ``e p = C (w ∘ Uᵀp) + μ_xᵀp`` for any
    direction p.

    Parameters
    ----------
    method : BoundedTransport
        Fitted; its own bound does not matter.
    rows : (n, d) float32
        Unit source rows to correct.
    calibration_rows : (m, d) float32, optional
        Rows over which the centroid calibration is taken; by default ``rows`` themselves.
    weights : (m,) float64, optional
        Of these rows; all count the same by default.
    """

    method: Bounding
    rows: Float32
    calibration_rows: Float32 | None = None
    weights: Float64 | None = None
    coordinates: Float32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Expand both sets of rows in the eigenbasis, once."""
        others = self.calibration_rows
        self.basis = self._widened(self.rows, *(() if others is None else (others,)))
        self._basis = self.basis.astype(np.float32)
        self._mean = self.method.map_.target_mean
        self._mean_in_basis = self.basis.T @ self._mean
        self._turned = self.method.turned(self.basis).astype(np.float32)
        self.coordinates = self._expand(self.rows)
        self._squares = self.coordinates**2
        calibration = self.coordinates if others is None else self._expand(others)
        self._calibration = (calibration, calibration**2)
        each = np.ones(len(calibration)) if self.weights is None else self.weights
        self._weights = (each / each.mean()).astype(np.float32)

    def _widened(self, *sets: Float32) -> Float64:
        """U, with what rows add to its span where it is not everything."""
        basis, mean = self.method.basis_, self.method.map_.source_mean
        if basis.shape[1] == len(basis):
            return basis
        return extended(basis, *((rows - mean).T for rows in sets))

    def _expand(self, rows: Float32) -> Float32:
        centred = rows - self.method.map_.source_mean.astype(np.float32)
        return np.asarray(centred @ self._turned)

    def _norms(self, coordinates: Float32, squares: Float32, stretch: Float64) -> Float32:
        w = stretch.astype(np.float32)
        cross = (stretch * self._mean_in_basis).astype(np.float32)
        squared = (
            squares @ (w * w) + 2 * (coordinates @ cross) + np.float32(self._mean @ self._mean)
        )
        return np.asarray(np.sqrt(np.maximum(squared, np.float32(1e-24))))

    def at(self, bound: float | None = None) -> BoundView:
        """Everything about the rows under another bound."""
        bound = self.method.bound_ if bound is None else bound
        every = self.method.bounded(bound)
        stretch = self._held(every)
        coordinates, squares = self._calibration
        inverse = self._weights / self._norms(coordinates, squares, stretch)
        n = len(coordinates)
        centre = self.basis @ (stretch * (inverse @ coordinates) / n)
        centre = centre + self._mean * (float(inverse.sum(dtype=np.float64)) / n)
        recentring = self._mean - centre
        norms = self._norms(self.coordinates, self._squares, stretch)
        return BoundView(self, bound, every, norms, recentring)

    def paths(self, settings: Sequence[Values], directions: Float64) -> Float32:
        """Return positions under all bounds at once, in a few products of matrices.

        Equal to ``at(bound).project(directions)`` to rounding. With W the stretches (r, m) of m
        bounds, the norms are ``C² W² + 2 C (W ∘ Uᵀμ_x) + ‖μ_x‖²`` (n, m), and the projections one
        product of C with ``W_j ∘ Uᵀp`` for every bound j and direction p.
        """
        bounds = [values.get("bound", self.method.bound_) for values in settings]
        held = np.stack([self._held(self.method.bounded(bound)) for bound in bounds], axis=1)
        coordinates, squares = self._calibration
        inverse = self._weights[:, None] / self._all_norms(coordinates, squares, held)
        centres = self.basis @ (held * (coordinates.T @ inverse)) / len(coordinates)
        centres += np.outer(self._mean, inverse.mean(axis=0, dtype=np.float64))
        recentring = self._mean[:, None] - centres
        turned = np.repeat((self.basis.T @ directions)[:, None, :], len(bounds), axis=1)
        columns = np.dstack([turned, self.basis.T @ recentring]) * held[:, :, None]
        k = directions.shape[1]
        found = self.coordinates @ columns.reshape(len(held), -1).astype(np.float32)
        first = found.reshape(-1, len(bounds), k + 1)
        offsets = np.column_stack(
            [np.tile(self._mean @ directions, (len(bounds), 1)), self._mean @ recentring]
        )
        first += offsets.astype(np.float32)
        first /= self._all_norms(self.coordinates, self._squares, held)[:, :, None]
        sizes = np.einsum("dj,dj->j", recentring, recentring).astype(np.float32)
        norms = np.sqrt(np.maximum(1.0 + 2.0 * first[:, :, -1] + sizes, np.float32(1e-24)))
        moved = first[:, :, :-1] + (recentring.T @ directions).astype(np.float32)
        return np.ascontiguousarray((moved / norms[:, :, None]).transpose(1, 0, 2))

    def _all_norms(self, coordinates: Float32, squares: Float32, held: Float64) -> Float32:
        """``‖e‖`` (n, m) under m bounds."""
        cross = (held * self._mean_in_basis[:, None]).astype(np.float32)
        squared = squares @ (held * held).astype(np.float32) + 2 * (coordinates @ cross)
        squared += np.float32(self._mean @ self._mean)
        return np.asarray(np.sqrt(np.maximum(squared, np.float32(1e-24))))

    def _held(self, stretch: Float64) -> Float64:
        """Stretches of the basis: beyond those of U, all directions have the last one."""
        return stretch[: self.basis.shape[1]]


@dataclass(frozen=True, eq=False)
class BoundView:
    """Rows of a :class:`BoundSweep` under one bound.

    Attributes
    ----------
    bound : float
    stretch : (d,) float64
    norms : (n,) float32
        ``‖e‖`` before projection.
    recentring : (d,) float64
        ``μ_x − μ'``.
    """

    sweep: BoundSweep
    bound: float
    stretch: Float64
    norms: Float32
    recentring: Float64

    @property
    def stretches(self) -> Stretches:
        """What each direction asks for, and what the bound lets through."""
        known = self.sweep.method
        return Stretches(known.raw_stretch_, self.stretch, known.scale_, self.bound, known.rank_)

    @property
    def guarantee(self) -> str:
        """See :meth:`BoundedTransport.promised`."""
        return self.sweep.method.promised(self.bound)

    def _first(self, directions: Float64, rows: slice | Integers) -> Float32:
        """Projections of ``Norm(e)``."""
        turned = self.sweep.basis.T @ directions
        weighted = (self.sweep._held(self.stretch)[:, None] * turned).astype(np.float32)
        offset = (self.sweep._mean @ directions).astype(np.float32)
        projected = self.sweep.coordinates[rows] @ weighted + offset
        return np.asarray(projected / self.norms[rows, None])

    def project(self, directions: Float64, rows: slice | Integers = slice(None)) -> Float32:
        """Coordinates ``z p`` of corrected rows on the columns p of ``directions`` (d, k)."""
        extended = np.column_stack([directions, self.recentring])
        first = self._first(extended, rows)
        along = first[:, -1]
        size = np.float32(self.recentring @ self.recentring)
        norms = np.sqrt(np.maximum(1.0 + 2.0 * along + size, np.float32(1e-24)))
        shift = (self.recentring @ directions).astype(np.float32)
        return np.asarray((first[:, :-1] + shift) / norms[:, None])

    def rows(self, rows: slice | Integers = slice(None)) -> Float32:
        """Corrected unit rows (k, d): one product for the rows asked for."""
        w = self.sweep._held(self.stretch).astype(np.float32)
        mapped = (self.sweep.coordinates[rows] * w) @ self.sweep._basis.T
        mapped += self.sweep._mean.astype(np.float32)
        mapped /= self.norms[rows, None]
        mapped += self.recentring.astype(np.float32)
        mapped /= np.sqrt(np.einsum("ij,ij->i", mapped, mapped))[:, None]
        return np.asarray(mapped)
