"""What is left between two modalities when their centroids coincide."""

from __future__ import annotations

import math

import numpy as np

from anisoalign_core.metrics.distributions import squared_bures
from anisoalign_core.numerics import Float64


def distribution_gap(covariance_source: Float64, covariance_target: Float64) -> float:
    """Distance of two distributions with their means removed, as Gaussians.

    ``√tr(Σ_x + Σ_y − 2 (Σ_x^{1/2} Σ_y Σ_x^{1/2})^{1/2})``, the Bures (Gaussian 2-Wasserstein)
    distance. With the centroid gap it makes the Fréchet distance:
    ``F = ‖μ_x − μ_y‖² + distribution_gap²``.

    Parameters
    ----------
    covariance_source, covariance_target : (d, d) float64
        Σ_y and Σ_x.
    """
    return math.sqrt(squared_bures(covariance_target, covariance_source))


def distribution_gap_floor(values: Float64, n_source: int, n_target: int) -> float:
    """Distribution gap of two samples of one distribution of these sizes, to first order.

    ``√(½ (1/n_y + 1/n_x) Σ_ij λ_i λ_j (1 + δ_ij) / (λ_i + λ_j))``: the Bures metric of
    ``Σ̂ − Σ``, whose entries in the eigenbasis of Σ have variances ``λ_i λ_j (1 + δ_ij) / n``
    for Gaussian rows. Halves of real embeddings meet it within 8 % from 2 d rows on; of isotropic
    rows it is 3 % low at 4 d rows and 12 % low at d.

    Parameters
    ----------
    values : (d,) float64
        Eigenvalues λ of Σ: of ``(Σ_x + Σ_y) / 2``, where both are samples.
    n_source, n_target : int
        Rows behind each covariance.
    """
    known = np.maximum(values[values > 0], np.finfo(np.float64).tiny)
    terms = np.outer(known, known) / (known[:, None] + known)
    both = 0.5 * (1.0 / n_source + 1.0 / n_target)
    return math.sqrt(both * float(terms.sum() + np.trace(terms)))
