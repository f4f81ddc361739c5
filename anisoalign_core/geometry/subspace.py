"""Subspaces: frames, their overlap and angles, and what of a vector or covariance they hold."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.matrices import Matrix, eigh, is_thin, leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, fix_signs, generator

RANK_ENERGY = 0.9
RANK_ROWS = 10


def overlap(u: Float64, v: Float64) -> float:
    """``O_q = ‖Uᵀ V‖²_F / q`` of two orthonormal frames [AA].

    1 for equal subspaces; q/d in expectation for random ones.

    Parameters
    ----------
    u, v : (d, q) float64
        Orthonormal columns.
    """
    return float(np.sum((u.T @ v) ** 2) / u.shape[1])


def overlap_curve(u: Float64, v: Float64) -> Float64:
    """``O_q`` of the leading q columns, for q = 1 … k, from one product.

    Parameters
    ----------
    u, v : (d, k) float64
        Orthonormal columns, most important first.
    """
    squared = (u.T @ v) ** 2
    total = np.cumsum(np.cumsum(squared, axis=0), axis=1)
    return np.asarray(np.diag(total) / np.arange(1, u.shape[1] + 1))


def principal_angles(u: Float64, v: Float64) -> Float64:
    """Principal angles between two subspaces, radians, ascending (Björck & Golub 1973)."""
    from scipy.linalg import subspace_angles

    return np.asarray(np.sort(subspace_angles(u, v)))


def overlap_ceiling(
    rows: Float32, ranks: list[int], random_state: int, of: Integers | None = None
) -> Float64:
    """``O_q`` between the leading subspaces of two random halves of one set; see `half_frames`.

    The most that two samples of *the same* distribution would show at half the rows: what O_q
    between modalities is to be read against.

    Parameters
    ----------
    rows : (n, d) float32
    ranks : list of int
        The q.
    random_state : int
    of : (n,) int, optional
        Thing of each row: halves hold different things.

    Returns
    -------
    (len(ranks),) float64
    """
    first, second = half_frames(rows, max(ranks), random_state, of)
    return np.array([overlap(first[:, :q], second[:, :q]) for q in ranks])


def half_frames(
    rows: Float32,
    rank: int,
    random_state: int,
    of: Integers | None = None,
    whole: Moments | None = None,
) -> tuple[Float64, Float64]:
    """Leading eigenvectors of two random halves of a set, (d, rank) each.

    The halves hold different things, and those of two sets with the same things and seed are
    halves of the same things. With the moments of all rows, where they are known, the second half
    is what the first leaves of them.
    """
    of = np.arange(len(rows)) if of is None else of
    order = generator(random_state).permutation(int(of.max()) + 1)
    is_first = np.zeros(len(order), dtype=bool)
    is_first[order[: len(order) // 2]] = True
    thin = is_thin(*rows.shape)
    first = Moments.of(rows[is_first[of]], thin=thin)
    if whole is None or thin:
        second = Moments.of(rows[~is_first[of]], thin=thin)
    else:
        second = whole.without(first)
    return leading(first.covariance, rank), leading(second.covariance, rank)


def energy_inside(u: Float64, vector: Float64) -> float:
    """``‖P_U Δ‖² / ‖Δ‖²``: the share of a vector that a subspace holds."""
    return float(np.sum((u.T @ vector) ** 2) / np.sum(vector**2))


def few_coordinates(delta: Float64) -> Float64:
    """Cumulative share of ``‖Δ‖²`` in the largest raw coordinates, largest first [TE]."""
    squared = np.sort(delta**2)[::-1]
    return np.asarray(np.cumsum(squared) / squared.sum())


def auto_rank(covariance: Matrix, rows: int) -> int:
    """Smallest even rank holding 90 % of the trace, at most a tenth of the rows, at least 2.

    Parameters
    ----------
    covariance : Matrix
        Σ_x + Σ_y, (d, d).
    rows : int
        All rows behind it.
    """
    values = eigh(covariance)[0]
    energy = np.cumsum(values) / values.sum()
    rank = int(np.searchsorted(energy, RANK_ENERGY)) + 1
    rank = min(rank + rank % 2, rows // RANK_ROWS // 2 * 2, len(values) // 2 * 2)
    return max(rank, 2)


def principal_plane(rows: Float32) -> Float32:
    """Coordinates of rows on their two leading principal directions, centred, (n, 2) float32.

    Parameters
    ----------
    rows : (n, d) float32
    """
    moments = Moments.of(rows)
    axes = leading(moments.covariance, 2).astype(np.float32)
    return np.asarray((rows - moments.mean.astype(np.float32)) @ axes)


def complete_basis(u: Float64) -> Float64:
    """Extend (d, r) orthonormal columns to an orthonormal (d, d) basis, columns kept first."""
    d, r = u.shape
    if r > d:
        raise ParameterError(f"{r} columns cannot be orthonormal in {d} dimensions.")
    from scipy.linalg import qr

    full = qr(u)[0]
    return np.asarray(np.concatenate([u, fix_signs(full[:, r:])], axis=1))


def overlap_ranks(dim: int, n: int) -> list[int]:
    """Return the q at which O_q is reported: d/10 and d/4, as far as the rows reach."""
    limit = max(min(dim - 1, n // 2 - 1), 1)
    return sorted({min(max(dim // 10, 1), limit), min(max(dim // 4, 1), limit)})
