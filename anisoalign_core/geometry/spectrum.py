"""What the eigenvalues of a covariance say: size, decay, effective dimension, isotropy.

Every function takes eigenvalues in descending order, as :func:`anisoalign_core.numerics.eigh`
returns them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anisoalign_core import matrices
from anisoalign_core.matrices import Matrix
from anisoalign_core.numerics import Float64

EIGENVALUE_FLOOR = 1e-10
"""Eigenvalues at or below this are left out of logarithms [AA]."""


def eigenvalues(covariance: Matrix) -> Float64:
    """All eigenvalues of a symmetric matrix, descending, with rounding below zero removed."""
    return np.asarray(np.maximum(matrices.eigenvalues(covariance), 0.0))


def has_spread(values: Float64) -> bool:
    """Whether there is any variance at all; shape measures of none are NaN."""
    return bool(values.sum() > 1e-14)


def effective_dimension(values: Float64) -> float:
    """``d_eff = (Σλ)² / Σλ²``, between 1 and d [AA]."""
    return float(values.sum() ** 2 / np.sum(values**2)) if has_spread(values) else math.nan


def effective_rank(values: Float64) -> float:
    """``exp H(λ / Σλ)``, the exponential of the spectral entropy (Roy & Vetterli 2007)."""
    if not has_spread(values):
        return math.nan
    share = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def marchenko_pastur_edge(n: int, dim: int) -> float:
    """Largest A of isotropic noise seen through n rows: ``(1 + √(d/n))²``."""
    return float((1 + math.sqrt(dim / n)) ** 2)


def cumulative_energy(values: Float64) -> Float64:
    """``E(K) = Σ_{j≤K} λ_j / Σ λ_j`` for K = 1 … d; ``K/d`` if isotropic [AA]."""
    if not has_spread(values):
        return np.full(len(values), math.nan)
    return np.asarray(np.cumsum(values) / values.sum())


@dataclass(frozen=True)
class Decay:
    """Slope of ``log λ_j`` on ``log j`` over ranks ``first … last`` (counted from 1)."""

    exponent: float
    first: int
    last: int


def decay_exponent(values: Float64, n: int) -> Decay:
    """Power-law exponent of a spectrum over ranks 5 … min(n, d)/4.

    Parameters
    ----------
    values : (d,) float64
    n : int
        Rows behind the spectrum.

    Returns
    -------
    Decay
        Its exponent is NaN when fewer than three ranks are in the range.
    """
    first, last = 5, min(n, len(values)) // 4
    ranks = np.arange(first, last + 1)
    ranks = ranks[values[ranks - 1] > EIGENVALUE_FLOOR]
    if len(ranks) < 3:
        return Decay(math.nan, first, last)
    slope = np.polyfit(np.log(ranks), np.log(values[ranks - 1]), 1)[0]
    return Decay(float(slope), first, last)


def spectral_correlation(values_x: Float64, values_y: Float64) -> float:
    """``C_λ = corr(log λ(Σ_x), log λ(Σ_y))``, sorted, where both exceed 1e-10 [AA].

    Close to 1 for any two decaying spectra: read it beside the decay exponents.
    """
    keep = (values_x > EIGENVALUE_FLOOR) & (values_y > EIGENVALUE_FLOOR)
    if keep.sum() < 3:
        return math.nan
    return float(np.corrcoef(np.log(values_x[keep]), np.log(values_y[keep]))[0, 1])


def isoscore(values: Float64) -> float:
    """IsoScore ι of a spectrum: 1 if isotropic, 0 if one direction holds everything.

    ``v = √d λ/‖λ‖``, ``δ = ‖v − 1‖ / √(2(d − √d))``, ``n_iso = d − δ²(d − √d)``,
    ``ι = (n_iso² − d) / (d² − d)`` (Rudman et al. 2022). Give shrunk eigenvalues for IsoScore*.
    """
    if not has_spread(values):
        return math.nan
    d = len(values)
    v = math.sqrt(d) * values / np.linalg.norm(values)
    delta = np.linalg.norm(v - 1) / math.sqrt(2 * (d - math.sqrt(d)))
    dims = d - delta**2 * (d - math.sqrt(d))
    return float((dims**2 - d) / (d**2 - d))
