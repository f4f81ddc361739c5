"""The gap split into a bias and a residual, and the residual read against its nulls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.spectrum import cumulative_energy, eigenvalues
from anisoalign_core.matrices import (
    Matrix,
    Span,
    eigh,
    largest_eigenvalue,
    leading,
    trace,
    widened,
)
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.things import Things

NOTHING = 1e-12
"""Traces up to this are rounding of float32 unit rows, not variance."""


@dataclass(frozen=True, eq=False)
class Residual:
    """The residual ``r_i = (x_i − μ_x) − (y_i − μ_y)`` of a paired sample [AA].

    For each pair ``x_i − y_i = Δ + r_i`` and, averaged, ``E‖x − y‖² = ‖Δ‖² + tr Σ_r`` exactly.

    Attributes
    ----------
    source, target, moments : Moments
        Of y, of x, and of r.
    """

    source: Moments
    target: Moments
    moments: Moments

    @classmethod
    def of(
        cls,
        y: Float32,
        x: Float32,
        things: Things | None = None,
        sides: tuple[Moments, Moments] | None = None,
    ) -> Residual:
        """Residual of (n, d) source rows y and target rows x, matched row by row or by thing.

        ``sides`` are the moments of :func:`weighted_sides` where they are known.

        Notes
        -----
        Over all pairs of rows of a thing, each thing with weight one, ``E r rᵀ`` needs no list of
        pairs: it is ``Σ_x + Σ_y − C − Cᵀ`` with weighted covariances and the cross-covariance C of
        the things' mean rows. So the split of the squared distance stays exact.
        """
        source, target = sides or weighted_sides(y, x, things)
        if things is None or things.are_rows:
            return cls(source, target, Moments.of(x - y))
        mean_y, mean_x = (
            things.mean_rows(rows, of_source=rows is y) - side.mean
            for rows, side in ((y, source), (x, target))
        )
        both = source.scatter + target.scatter
        span = Span.shared(both)  # holds the rows, and so their means
        cross = span.coordinates(mean_x).T @ span.coordinates(mean_y)
        scatter = both - span.matrix(cross) - span.matrix(cross.T)
        return cls(source, target, Moments(things.count, target.mean - source.mean, scatter))

    @staticmethod
    def share_of(y: Float32, x: Float32, things: Things | None = None) -> float:
        """:attr:`share` of unit rows, from their means alone and without any covariance.

        Over the pairs of a thing ``E‖x − y‖² = 2 − 2 m_x·m_y`` with the means m of its rows, so
        ``share = 1 − ‖Δ‖²/(2 − 2 E m_x·m_y)``, each thing with weight one.
        """
        mean_y, mean_x = y, x
        if things is not None:
            mean_y = things.mean_rows(y, of_source=True)
            mean_x = things.mean_rows(x, of_source=False)
        cosines = np.einsum("ij,ij->i", mean_x, mean_y).astype(np.float64)
        delta = mean_x.mean(axis=0, dtype=np.float64) - mean_y.mean(axis=0, dtype=np.float64)
        whole, bias = 2.0 - 2.0 * float(cosines.mean()), float(delta @ delta)
        return residual_share(bias, max(whole - bias, 0.0))

    @property
    def delta(self) -> Float64:
        """``Δ = μ_x − μ_y``, (d,)."""
        return self.target.mean - self.source.mean

    @property
    def trace(self) -> float:
        """``tr Σ_r``."""
        return self.moments.trace

    @property
    def share(self) -> float:
        """``tr Σ_r / (‖Δ‖² + tr Σ_r)``: how much of the squared distance is not the mean."""
        return residual_share(float(self.delta @ self.delta), self.trace)

    @cached_property
    def _decomposition(self) -> tuple[Float64, Float64]:
        return eigh(self.moments.covariance)

    @property
    def values(self) -> Float64:
        """Eigenvalues of Σ_r, descending, (d,)."""
        return np.maximum(self._decomposition[0], 0.0)

    @property
    def directions(self) -> Float64:
        """Eigenvectors of Σ_r, one per column, sign-fixed, (d, min(n, d))."""
        return self._decomposition[1]

    @property
    def anisotropy(self) -> float:
        """``A_r = λ_max(Σ_r) / (tr Σ_r / d)``."""
        return anisotropy(float(self.values[0]), self.trace, len(self.values))

    @cached_property
    def repaired_values(self) -> Float64:
        """Eigenvalues of ``Σ_x + Σ_y``: what Σ_r becomes when pairs are drawn at random."""
        return eigenvalues(self.source.covariance + self.target.covariance)

    @property
    def anisotropy_repaired(self) -> float:
        """A_r under random re-pairing, in expectation: the null that needs no pairs."""
        values = self.repaired_values
        return anisotropy(float(values[0]), float(values.sum()), len(values))

    @property
    def energy(self) -> Float64:
        """``E(K)`` of Σ_r."""
        return cumulative_energy(self.values)

    def directional_ratio(self, rank: int, frame: Float64 | None = None) -> tuple[Float64, Float64]:
        """Which directions the modalities share, ignore, or oppose each other in.

        Generalised eigenvalues ν of ``(Σ_r, Σ_x + Σ_y)`` inside U, the top ``rank``
        eigenvectors of Σ_x + Σ_y: ``ν < 1`` shared, ``≈ 1`` unrelated, ``> 1`` opposed.

        Parameters
        ----------
        rank : int
        frame : (d, ·) float64, optional
            Eigenvectors of Σ_x + Σ_y, where they are known.

        Returns
        -------
        ratios : (rank,) float64
            Ascending: most shared first.
        directions : (d, rank) float64
            Unit columns.
        """
        from scipy import linalg

        total = self.source.covariance + self.target.covariance
        u = leading(total, rank) if frame is None else widened(frame[:, :rank], rank)
        ratios, vectors = linalg.eigh(u.T @ self.moments.covariance @ u, u.T @ total @ u)
        directions = u @ vectors
        directions /= np.linalg.norm(directions, axis=0)
        return np.asarray(ratios), np.asarray(directions)


def residual_share(bias: float, trace: float) -> float:
    """``tr Σ_r / (‖Δ‖² + tr Σ_r)`` of a squared centroid gap and a residual's trace."""
    return trace / (bias + trace) if bias + trace > 0 else math.nan


def anisotropy(largest: float, trace: float, dim: int) -> float:
    """Return ``A = λ_max / (tr Σ / d)``: 1 for an isotropic covariance, d for a line [AA].

    Not a number where the trace is no more than float32 rounding: nothing has no shape.
    """
    return largest * dim / trace if trace > NOTHING else math.nan


def weighted_sides(y: Float32, x: Float32, things: Things | None = None) -> tuple[Moments, Moments]:
    """Moments of source and target rows, each thing with weight one."""
    if things is None or things.are_rows:
        return Moments.of(y), Moments.of(x)
    source, target = (
        Moments.of(rows) if weights is None else Moments.weighted([(rows, weights)])
        for rows, weights in zip((y, x), things.weights, strict=True)
    )
    return source, target


def residual_anisotropy(y: Float32, x: Float32, things: Things | None = None) -> float:
    """``A_r`` of matched rows from the largest eigenvalue alone.

    That of the covariance or, where there are fewer rows than dimensions, of the Gram matrix.

    Parameters
    ----------
    y, x : (n, d) float32
        Matched rows.
    things : Things, optional
        What rows show, where they are not matched one by one.
    """
    if things is not None and not things.are_rows:
        moments = Residual.of(y, x, things).moments
        return anisotropy(largest_eigenvalue(moments.covariance), moments.trace, y.shape[1])
    if y.shape != x.shape:
        raise ShapeError(f"{len(x)} target and {len(y)} source rows cannot be matched row by row.")
    difference = x - y
    n, d = difference.shape
    if n < d:
        centred = difference - difference.mean(axis=0, dtype=np.float64)
        gram = centred @ centred.T / n
        return anisotropy(largest_eigenvalue(gram), float(np.trace(gram)), d)
    moments = Moments.of(difference)
    return anisotropy(largest_eigenvalue(moments.covariance), moments.trace, d)


def repaired_anisotropy(y: Float32, x: Float32) -> float:
    """``A_r`` under random re-pairing, in expectation: that of Σ_x + Σ_y, without its spectrum.

    Parameters
    ----------
    y, x : (n, d) and (m, d) float32
    """
    d = y.shape[1]
    if len(y) + len(x) < d:
        centred = np.concatenate(
            [(rows - rows.mean(axis=0, dtype=np.float64)) / math.sqrt(len(rows)) for rows in (y, x)]
        )
        gram = centred @ centred.T
        return anisotropy(largest_eigenvalue(gram), float(np.trace(gram)), d)
    both = Moments.of(y).covariance + Moments.of(x).covariance
    return anisotropy(largest_eigenvalue(both), trace(both), d)


def projection_drift(mean: Float64, covariance: Matrix) -> Float64:
    """Second-order prediction of ``E[z/‖z‖]`` for ``z`` of the given mean and covariance [RA].

    ``E π(μ+ε) ≈ u (1 − tr Σ/(2m²) + 3 uᵀΣu/(2m²)) − Σu/m²`` with ``m = ‖μ‖``, ``u = μ/m``:
    projecting to the sphere moves the mean, which is why a mean shift alone does not land on μ_x.
    Not a number where μ is zero: there is no direction to expand around.
    """
    m = np.linalg.norm(mean)
    if m <= 1e-12:
        return np.full(len(mean), np.nan)
    u = mean / m
    along = float(u @ covariance @ u)
    factor = 1 - trace(covariance) / (2 * m**2) + 1.5 * along / m**2
    return np.asarray(u * factor - covariance @ u / m**2)
