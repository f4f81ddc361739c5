"""Distances between the corrected and the target cloud as distributions; no pairs needed."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.matrices import Matrix, trace
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, generator
from anisoalign_core.threads import eigenvalues, psd_factor

PROJECTIONS = 128
"""Random directions of the sliced Wasserstein distance."""


def target_halves(c: Comparison) -> tuple[Float32, Float32, float]:
    """Two random halves of the target, and how much less a distance strays at full sizes.

    The last number is ``(1/n_z + 1/n_x)`` of this comparison over that of the halves: a squared
    distance of two samples of one cloud shrinks by it.
    """
    order = generator(c.random_state).permutation(len(c.target))
    first, second = np.split(order, [len(order) // 2])
    here = 1 / len(c.after) + 1 / len(c.target)
    ratio = here / (1 / len(first) + 1 / len(second))
    return c.target[first], c.target[second], ratio


def frechet(c: Comparison) -> float:
    """Squared Fréchet distance, from moments when they are cheaper than the rows."""
    if min(len(c.after), len(c.target)) < c.target.shape[1]:
        return frechet_of_rows(c.target, c.after)
    return frechet_of_moments(c.fixed.target_moments, Moments.of(c.after))


def frechet_of_moments(x: Moments, z: Moments) -> float:
    """Squared Fréchet distance of two Gaussians with these moments.

    ``F = ‖μ_x − μ_z‖² + tr(Σ_x + Σ_z − 2 (Σ_x^{1/2} Σ_z Σ_x^{1/2})^{1/2})``.
    """
    step = float(np.sum((x.mean - z.mean) ** 2))
    return step + squared_bures(x.covariance, z.covariance)


def squared_bures(x: Matrix, z: Matrix) -> float:
    """Squared Bures distance of two covariances.

    ``B² = tr(Σ_x + Σ_z − 2 (Σ_x^{1/2} Σ_z Σ_x^{1/2})^{1/2})``. The last trace is a nuclear norm,
    ``‖F_xᵀ F_z‖_*`` for any factors with ``F Fᵀ = Σ``: here a pivoted Cholesky factor. Nothing is
    inverted, so singular covariances are no special case. Biased upwards by about ``1/n_x + 1/n_z``
    times the effective dimension.

    Parameters
    ----------
    x, z : Matrix
        Σ_x and Σ_z, (d, d).
    """
    factor = psd_factor(np.asarray(x))
    inner = factor.T @ z @ factor
    shared = np.sqrt(np.maximum(eigenvalues(inner), 0.0)).sum()
    return max(trace(x) + trace(z) - 2.0 * float(shared), 0.0)


def frechet_of_rows(x: Float32, z: Float32) -> float:
    """:func:`frechet_of_moments` from fewer rows than dimensions: the centred rows are factors."""
    if x.shape[1] != z.shape[1]:
        raise ShapeError(f"Rows have {x.shape[1]} and {z.shape[1]} dimensions.")
    step = x.mean(axis=0, dtype=np.float64) - z.mean(axis=0, dtype=np.float64)
    return float(np.sum(step**2)) + squared_bures_of_rows(x, z)


def squared_bures_of_rows(x: Float32, z: Float32) -> float:
    """:func:`squared_bures` from few rows.

    Singular values come from the eigenvalues of a Gram matrix, which leaves 1e-8 of the largest.
    """
    centred = [(rows - rows.mean(axis=0, dtype=np.float64)) / np.sqrt(len(rows)) for rows in (x, z)]
    fewer, more = sorted(centred, key=len)
    product = fewer @ more.T
    most = min(len(fewer), x.shape[1])  # the rank; beyond it is rounding
    shared = np.sqrt(np.maximum(eigenvalues(product @ product.T)[:most], 0.0)).sum()
    spread = sum(float(np.sum(rows**2)) for rows in centred)
    return max(spread - 2.0 * float(shared), 0.0)


def frechet_floor(c: Comparison) -> float:
    """Fréchet distance of two random halves of the target, scaled by ``1/n`` to these sizes."""
    first, second, ratio = target_halves(c)
    return frechet(Comparison.between(first, second)) * ratio


def sliced_wasserstein(
    target: Float32,
    after: Float32,
    *,
    n_projections: int = PROJECTIONS,
    random_state: int | np.random.Generator = 0,
) -> float:
    """Sliced 2-Wasserstein distance, exact along each of the random directions.

    ``SW₂² = mean_θ ∫₀¹ (F_θx⁻¹(q) − F_θz⁻¹(q))² dq`` with θ uniform on the sphere (Bonneel 2015).
    The empirical quantile functions are step functions, so the integral is a finite sum over the
    union of their steps; sets of different sizes need no resampling.

    Parameters
    ----------
    target, after : (n_x, d) and (n_z, d) float32
    n_projections : int, default 128
    random_state : int or numpy Generator
    """
    d = target.shape[1]
    directions = generator(random_state).standard_normal((d, n_projections))
    directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    x = np.sort((target @ directions).T, axis=1)
    z = np.sort((after @ directions).T, axis=1)
    steps = np.union1d(np.arange(len(target)) * len(after), np.arange(len(after)) * len(target))
    widths = np.diff(np.append(steps, len(target) * len(after))) / (len(target) * len(after))
    gaps = x[:, steps // len(after)] - z[:, steps // len(target)]
    return float(np.sqrt(np.mean((gaps.astype(np.float64) ** 2) @ widths)))


def wasserstein_floor(c: Comparison) -> float:
    """Sliced Wasserstein of two random halves of the target, scaled by ``1/√n`` to these sizes."""
    first, second, ratio = target_halves(c)
    distance = sliced_wasserstein(first, second, random_state=c.random_state)
    return distance * float(np.sqrt(ratio))


def mmd(target: Cosines, after: Cosines, cross: Cosines) -> float:
    """Squared maximum mean discrepancy, unbiased, with a Gaussian kernel (Gretton 2012).

    ``MMD² = mean_{i≠j} κ(z_i,z_j) + mean_{i≠j} κ(x_i,x_j) − 2 mean κ(x_i,z_j)`` and
    ``κ(u,v) = exp(−‖u−v‖²/(2h²))`` with ``‖u − v‖² = 2 − 2 ⟨u, v⟩``. h is the median distance
    between *target* rows (the first 1000), so that every correction of a source is measured with
    the same kernel. Unbiased, hence slightly negative at times when the distributions agree.

    Parameters
    ----------
    target, after, cross : Cosines
        Of target rows, of corrected rows, and of corrected with target rows.
    """
    width = max(_median_squared_distance(target), 1e-12)
    inside_x, inside_z = (_kernel_mean(own, width, True) for own in (target, after))
    return inside_x + inside_z - 2.0 * _kernel_mean(cross, width, False)


def _median_squared_distance(own: Cosines) -> float:
    rows = np.arange(min(len(own.queries), 1000))
    first = own.take(rows, rows).matrix
    return 2.0 - 2.0 * float(np.median(first[np.triu_indices(len(rows), 1)]))


def _kernel_mean(cosines: Cosines, width: float, without_diagonal: bool) -> float:
    total = 0.0
    for part, block in cosines.blocks():
        kernel = np.exp((block - np.float32(1.0)) / np.float32(width))
        total += float(kernel.sum(dtype=np.float64))
        if without_diagonal:
            own = np.arange(part.start, part.stop)
            total -= float(kernel[own - part.start, own].sum(dtype=np.float64))
    n, m = cosines.shape
    return total / (n * (m - 1) if without_diagonal else n * m)


FAMILY = (
    Metric(
        name="frechet",
        label="Distance between the two clouds (mean and covariance)",
        symbol="F",
        description="Squared Fréchet distance of two Gaussians with the moments of the corrected "
        "and the target rows.",
        direction="lower",
        range=(0.0, np.inf),
        needs="unpaired",
        group="support",
        cost="heavy",
        reference="Dowson & Landau 1982; Heusel et al. 2017",
        function=frechet,
        floor=frechet_floor,
        curve=True,
    ),
    Metric(
        name="sliced_wasserstein",
        label="Distance between the two clouds (along random lines)",
        symbol="SW₂",
        description="Root mean square of the exact Wasserstein distances along 128 random "
        "directions.",
        direction="lower",
        range=(0.0, np.inf),
        needs="unpaired",
        group="support",
        reference="Bonneel et al. 2015",
        function=lambda c: sliced_wasserstein(c.target, c.after, random_state=c.random_state),
        floor=wasserstein_floor,
    ),
    Metric(
        name="mmd",
        label="Distance between the two clouds (Gaussian kernel)",
        symbol="MMD²",
        description="Unbiased squared maximum mean discrepancy; the kernel is as wide as the "
        "median distance between target rows.",
        direction="lower",
        range=(-np.inf, 2.0),
        needs="unpaired",
        group="support",
        reference="Gretton et al. 2012",
        function=lambda c: mmd(c.fixed.target_cosines, c.after_cosines, c.cross_cosines),
    ),
)
