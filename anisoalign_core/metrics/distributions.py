"""Distances between the corrected and the target cloud as distributions; no pairs needed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.neighbours import Cosines
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, generator
from anisoalign_core.threads import eigenvalues, psd_factor, singular_values

PROJECTIONS = 128
"""Random directions of the sliced Wasserstein distance."""

TEST_SHARE = 0.3
"""Share of the rows held out to measure separability."""


def frechet(target: Float32 | Moments, after: Float32 | Moments) -> float:
    """Squared Fréchet distance of two Gaussians with the sets' moments.

    ``F = ‖μ_x − μ_z‖² + tr(Σ_x + Σ_z − 2 (Σ_x^{1/2} Σ_z Σ_x^{1/2})^{1/2})``. The last trace is a
    nuclear norm, ``‖F_xᵀ F_z‖_*`` for any factors with ``F Fᵀ = Σ``: pivoted Cholesky factors
    of the moments, or the centred rows themselves when there are fewer rows than dimensions.
    Neither inverts anything, so singular covariances are no special case.

    Parameters
    ----------
    target, after : (n, d) float32 rows or Moments

    Returns
    -------
    float
        0 or more; biased upwards by about ``1/n_x + 1/n_z`` times the effective dimension.
    """
    if not isinstance(target, Moments) and not isinstance(after, Moments):
        if target.shape[1] != after.shape[1]:
            raise ShapeError(f"Rows have {target.shape[1]} and {after.shape[1]} dimensions.")
        if min(len(target), len(after)) < target.shape[1]:
            return _frechet_of_rows(target, after)
    x = target if isinstance(target, Moments) else Moments.of(target)
    z = after if isinstance(after, Moments) else Moments.of(after)
    return _frechet_of_moments(x, z)


def _frechet_of_moments(x: Moments, z: Moments) -> float:
    factor = psd_factor(x.covariance)
    inner = factor.T @ z.covariance @ factor
    shared = np.sqrt(np.maximum(eigenvalues(inner), 0.0)).sum()
    step = float(np.sum((x.mean - z.mean) ** 2))
    return max(step + x.trace + z.trace - 2.0 * float(shared), 0.0)


def _frechet_of_rows(x: Float32, z: Float32) -> float:
    mean_x, mean_z = x.mean(axis=0, dtype=np.float64), z.mean(axis=0, dtype=np.float64)
    centred_x, centred_z = (x - mean_x) / np.sqrt(len(x)), (z - mean_z) / np.sqrt(len(z))
    shared = singular_values(centred_x @ centred_z.T).sum()
    spread = float(np.sum(centred_x**2) + np.sum(centred_z**2))
    return max(float(np.sum((mean_x - mean_z) ** 2)) + spread - 2.0 * float(shared), 0.0)


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


def mmd(target: Float32, after: Float32) -> float:
    """Squared maximum mean discrepancy, unbiased, with a Gaussian kernel (Gretton 2012).

    ``MMD² = mean_{i≠j} κ(z_i,z_j) + mean_{i≠j} κ(x_i,x_j) − 2 mean κ(x_i,z_j)`` and
    ``κ(u,v) = exp(−‖u−v‖²/(2h²))``. h is the median distance between *target* rows (the first
    1000), so that every correction of a source is measured with the same kernel. Unbiased, hence
    slightly negative at times when the distributions agree.

    Parameters
    ----------
    target, after : (n_x, d) and (n_z, d) float32
        Unit rows.
    """
    return mmd_of_cosines(Cosines(target, target), Cosines(after, after), Cosines(after, target))


def mmd_of_cosines(target: Cosines, after: Cosines, cross: Cosines) -> float:
    """:func:`mmd` from the three sets of cosines: ``‖u − v‖² = 2 − 2 ⟨u, v⟩`` on unit rows."""
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


@dataclass(frozen=True)
class Separability:
    """Held-out AUC of a linear classifier of modality, and the rows it was measured on."""

    auc: float
    n_target: int
    n_source: int


def separability(
    target: Float32,
    after: Float32,
    *,
    paired: bool = False,
    random_state: int | np.random.Generator = 0,
) -> Separability:
    """Held-out AUC of a logistic regression that tells target rows from corrected source rows.

    0.5 when no linear rule can, 1 when one always can. 1.0 on every raw encoder tried, including
    random-weight ones, so it shows that there is a gap and not that there is meaning. Well below
    0.5 when the means were matched on these very rows: what the training part lacks the test part
    has. That is a sign of scoring the rows a method was fitted on, not of a better correction.

    Parameters
    ----------
    target, after : (n_x, d) and (n_z, d) float32
        Unit rows; scaled by √d about the mean of the training rows, ridge strength 1.
    paired : bool, default False
        Whether rows correspond; a pair is then on one side of the 70:30 split.
    random_state : int or numpy Generator
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if min(len(target), len(after)) < 4:
        raise ParameterError("Separability needs at least 4 rows of each modality.")
    rng = generator(random_state)
    order_x = rng.permutation(len(target))
    order_z = order_x if paired else rng.permutation(len(after))
    cut_x, cut_z = (max(2, round(len(order) * TEST_SHARE)) for order in (order_x, order_z))
    train = np.concatenate([target[order_x[cut_x:]], after[order_z[cut_z:]]])
    test = np.concatenate([target[order_x[:cut_x]], after[order_z[:cut_z]]])
    centre, size = train.mean(axis=0), np.float32(np.sqrt(target.shape[1]))
    label = np.repeat([1, 0], [len(target) - cut_x, len(after) - cut_z])
    model = LogisticRegression(max_iter=300)
    with warnings.catch_warnings():  # a score short of the last digit is good enough for an AUC
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((train - centre) * size, label)
    scores: Float64 = model.decision_function((test - centre) * size)
    auc = roc_auc_score(np.repeat([1, 0], [cut_x, cut_z]), scores)
    return Separability(float(auc), int(cut_x), int(cut_z))
