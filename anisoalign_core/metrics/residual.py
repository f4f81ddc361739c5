"""What is left between matched rows after a correction: paired, so never used to fit."""

from __future__ import annotations

import numpy as np

from anisoalign_core.geometry.residual import residual_anisotropy
from anisoalign_core.geometry.spectrum import marchenko_pastur_edge
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import row_cosines
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.numerics import Float64


def isotropic_anisotropy(c: Comparison) -> float:
    """Marchenko–Pastur edge ``(1 + √(d/n))²``: isotropic residuals seen in n rows."""
    return marchenko_pastur_edge(*c.after.shape)


def matched_cosine(c: Comparison) -> Float64:
    """Cosine of each corrected row with its own target row, ``⟨x_i, z_i⟩``."""
    return row_cosines(c.target, c.after)


def repaired_cosine(c: Comparison) -> float:
    """Mean cosine of a corrected row with a target row that is *not* its partner."""
    n = len(c.after)
    total = n * n * float(c.fixed.target_mean @ c.after_mean)
    return float((total - matched_cosine(c).sum()) / (n * (n - 1)))


FAMILY = (
    Metric(
        name="residual_anisotropy",
        label="How few directions hold what separates partners",
        symbol="A_r",
        description="Largest eigenvalue of the covariance of partner differences over the mean "
        "eigenvalue.",
        direction="lower",
        range=(1.0, np.inf),
        needs="paired",
        group="residual",
        reference="[AA] arXiv:2605.07825",
        function=lambda c: np.nan_to_num(residual_anisotropy(c.after, c.target)),
        floor=isotropic_anisotropy,
    ),
    Metric(
        name="matched_cosine",
        label="Similarity of partners",
        symbol="cos",
        description="Mean cosine between a corrected source row and its own target row.",
        direction="higher",
        range=(-1.0, 1.0),
        needs="paired",
        group="residual",
        cost="cheap",
        reference="[AA] arXiv:2605.07825",
        function=matched_cosine,
        floor=repaired_cosine,
        live=True,
        meaningful=True,
        card="Partners' cosine",
    ),
)
