"""What is left between matched rows after a correction: paired, so never used to fit."""

from __future__ import annotations

import numpy as np

from anisoalign_core.geometry.residual import repaired_anisotropy, residual_anisotropy
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import mean_rows, row_cosines
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.numerics import Float32, Float64


def repaired(c: Comparison) -> float:
    """A_r of ``Σ_x + Σ_z``: what random partners leave."""
    return float(np.nan_to_num(repaired_anisotropy(c.after, c.target)))


def matched_cosine(c: Comparison) -> Float64:
    """Cosine of each corrected row with its own target row, ``⟨x_i, z_i⟩``, (G,).

    Of a thing with several rows the mean over its pairs, which is the product of its mean rows.
    """
    return row_cosines(*_means(c))


def _means(c: Comparison) -> tuple[Float32, Float32]:
    target = c.matched.mean_rows(c.target, of_source=False)
    return target, c.matched.mean_rows(c.after, of_source=True)


def repaired_cosine(c: Comparison) -> float:
    """Mean cosine of a corrected row with a target row that is *not* its partner."""
    n = c.matched.count
    means = (c.fixed.target_mean, c.after_mean)
    if not c.matched.are_rows:
        means = tuple(mean_rows(rows) for rows in _means(c))  # type: ignore[assignment]
    total = n * n * float(means[0] @ means[1])
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
        function=lambda c: np.nan_to_num(residual_anisotropy(c.after, c.target, c.matched)),
        floor=repaired,
    ),
    Metric(
        name="matched_cosine",
        label="Similarity of partners",
        symbol="cos",
        description="Mean cosine between a corrected source row and its own target row; of a "
        "thing with several rows, over all its pairs.",
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
        floor_words="shuffled",
    ),
)
