"""How much of the source's own meaning a correction keeps: nothing here looks at the target."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.neighbours import Cosines, nearest, overlap
from anisoalign_core.numerics import Float32, Float64, blocks

CACHE_ROWS = 64
"""Rows converted to float64 at a time, so that the copies stay in the processor's cache."""


def row_cosines(first: Float32, second: Float32) -> Float64:
    """``⟨a_i, b_i⟩`` of corresponding unit rows, (n,) float64."""
    if first.shape != second.shape:
        raise ShapeError(f"Rows of shapes {first.shape} and {second.shape} do not correspond.")
    return np.asarray(np.einsum("ij,ij->i", first, second), dtype=np.float64)


def mean_rows(rows: Float32) -> Float64:
    """Mean row in float64, (d,), summed by blocks."""
    total = np.zeros(rows.shape[1])
    for part in blocks(len(rows)):
        total += rows[part].sum(axis=0, dtype=np.float64)
    return total / len(rows)


def phi(before: Float32, after: Float32) -> float:
    """Mean cosine between a row and its correction, ``Φ = mean ⟨y_i, z_i⟩`` [AA].

    Parameters
    ----------
    before, after : (n, d) float32
        Unit rows y_i and z_i.
    """
    return float(row_cosines(before, after).mean())


def phi_max(before: Float32, after: Float32) -> float:
    """Largest Φ the means allow, ``Φ_max = 1 − ½ ‖μ_z − μ_y‖²``.

    For unit rows ``Φ = 1 − ½ mean ‖y_i − z_i‖²``, and the mean of squares is at least the square
    of the mean. A correction that moves the centroid must pay this much.

    Parameters
    ----------
    before, after : (n, d) float32
        Unit rows.
    """
    return phi_max_from_means(mean_rows(before), mean_rows(after))


def phi_max_from_means(before: Float64, after: Float64) -> float:
    """Φ_max from the two mean rows, each (d,)."""
    return float(1.0 - 0.5 * np.sum((after - before) ** 2))


def pair_correlation(first: Cosines, second: Cosines) -> float:
    """Pearson correlation of two square matrices of cosines over all pairs i < j.

    Blocks are centred at a pilot mean and summed in float64, so a narrow cone costs no digits.
    A constant matrix has no correlation; the answer is then 0.

    Parameters
    ----------
    first, second : Cosines of shape (n, n)
    """
    n = len(first.queries)
    if first.shape != (n, n) or second.shape != (n, n):
        raise ShapeError(f"Cosines of shapes {first.shape} and {second.shape} do not correspond.")
    pilots: tuple[float, float] | None = None
    sums = np.zeros(5)
    for (part, block_a), (_, block_b) in zip(first.blocks(), second.blocks(), strict=True):
        if pilots is None:
            pilots = float(block_a.mean()), float(block_b.mean())
        for rows in blocks(len(block_a), CACHE_ROWS):
            a = np.subtract(block_a[rows], pilots[0], dtype=np.float64)
            b = np.subtract(block_b[rows], pilots[1], dtype=np.float64)
            own = np.arange(len(a))
            a[own, own + part.start + rows.start] = 0.0
            b[own, own + part.start + rows.start] = 0.0
            a, b = a.ravel(), b.ravel()
            sums += a.sum(), b.sum(), a @ a, b @ b, a @ b
    count = n * (n - 1)
    mean_a, mean_b, square_a, square_b, product = sums / count
    variance = (square_a - mean_a**2) * (square_b - mean_b**2)
    return float((product - mean_a * mean_b) / np.sqrt(variance)) if variance > 1e-24 else 0.0


def psi(before: Float32, after: Float32) -> float:
    """Correlation of pairwise cosines before and after, ``Ψ = corr_{i<j}(⟨y_i,y_j⟩, ⟨z_i,z_j⟩)``.

    1 for every orthogonal map [AA].

    Parameters
    ----------
    before, after : (n, d) float32
        Unit rows.
    """
    return pair_correlation(Cosines(before, before), Cosines(after, after))


def omega(before: Float32, after: Float32, k: int = 20) -> float:
    """Mean share of the k nearest neighbours that stay, ``Ω_k = mean |N_k(y_i) ∩ N_k(z_i)| / k``.

    Parameters
    ----------
    before, after : (n, d) float32
        Unit rows.
    k : int, default 20
        Neighbours per row [AA]. Chance is ``k / (n − 1)``.
    """
    old, _ = nearest(Cosines(before, before), k, exclude_self=True)
    new, _ = nearest(Cosines(after, after), k, exclude_self=True)
    return float(overlap(old, new, len(before)).mean())


def trustworthiness(before: Float32, after: Float32, k: int = 20) -> float:
    """Whether neighbours after the correction were near before (Venna & Kaski 2001).

    ``T_k = 1 − 2/(nk(2n−3k−1)) Σ_i Σ_{j ∈ N_k(z_i)} max(0, r(i,j) − k)`` with r(i, j) the rank of
    row j among the neighbours of row i before.

    Parameters
    ----------
    before, after : (n, d) float32
        Unit rows.
    k : int, default 20
        Below n / 2.
    """
    from sklearn.manifold import trustworthiness as sklearn_trustworthiness

    if not 1 <= k < len(before) / 2:
        raise ParameterError(
            f"k is {k}; trustworthiness of {len(before)} rows needs 1 ≤ k < {len(before) / 2:g}."
        )
    return float(sklearn_trustworthiness(before, after, n_neighbors=k))


def trustworthiness_chance(n: int, k: int) -> float:
    """Return the expected trustworthiness of a map that shuffles its n rows."""
    expected = (n - 1 - k) * (n - k) / (2 * (n - 1))
    return 1.0 - 2.0 * expected / (2 * n - 3 * k - 1)
