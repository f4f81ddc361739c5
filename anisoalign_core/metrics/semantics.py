"""How much of the source's own meaning a correction keeps: nothing here looks at the target."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import pair_correlation, row_cosines
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.neighbours import overlap
from anisoalign_core.numerics import Float32, Float64


def phi(c: Comparison) -> Float64:
    """Cosine of each row with its correction, ``⟨y_i, z_i⟩``; the mean is Φ [AA]."""
    return row_cosines(c.before, c.after)


def unrelated_cosine(c: Comparison) -> float:
    """Mean cosine of a source row with *another* row's correction: what a shuffle would keep."""
    n = len(c.before)
    total = n * n * float(c.fixed.before_mean @ c.after_mean)
    return float((total - phi(c).sum()) / (n * (n - 1)))


def phi_max(c: Comparison) -> float:
    """Largest Φ the means allow, ``Φ_max = 1 − ½ ‖μ_z − μ_y‖²``.

    For unit rows ``Φ = 1 − ½ mean ‖y_i − z_i‖²``, and the mean of squares is at least the square
    of the mean. A correction that moves the centroid must pay this much.
    """
    return float(1.0 - 0.5 * np.sum((c.after_mean - c.fixed.before_mean) ** 2))


def no_floor(_: Comparison) -> None:
    """No value of chance exists: the metric is a limit."""


def psi(c: Comparison) -> float:
    """Correlation of pairwise cosines before and after, ``Ψ = corr_{i<j}(⟨y_i,y_j⟩, ⟨z_i,z_j⟩)``.

    1 for every orthogonal map [AA].
    """
    return pair_correlation(c.fixed.before_cosines, c.after_cosines)


def omega(c: Comparison) -> float:
    """Mean share of the k nearest neighbours that stay, ``Ω_k = mean |N_k(y_i) ∩ N_k(z_i)| / k``.

    Both sets are searched in themselves [AA].
    """
    old, new = c.fixed.before_neighbours[0][:, : c.k], c.after_neighbours[0][:, : c.k]
    return float(overlap(old, new, len(c.before)).mean())


def neighbour_chance(c: Comparison) -> float:
    """``k/(n−1)``: overlap of two random neighbour lists."""
    return c.k / (len(c.before) - 1)


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


def shuffled_trustworthiness(c: Comparison) -> float:
    """Trustworthiness of a map that shuffles the rows; about 0.5 for small k."""
    n, k = len(c.before), c.k
    expected = (n - 1 - k) * (n - k) / (2 * (n - 1))
    return 1.0 - 2.0 * expected / (2 * n - 3 * k - 1)


FAMILY = (
    Metric(
        name="phi",
        label="How little each row moves",
        symbol="Φ",
        description="Mean cosine between a source row and its correction.",
        direction="higher",
        range=(-1.0, 1.0),
        needs="fit-free",
        group="semantics",
        cost="cheap",
        reference="[AA] arXiv:2605.07825",
        function=phi,
        floor=unrelated_cosine,
        live=True,
        meaningful=True,
    ),
    Metric(
        name="phi_max",
        label="Closest the rows could stay, given how far their centre moved",
        symbol="Φ_max",
        description="Upper limit of Φ: moving the centroid of unit rows costs at least this much "
        "cosine.",
        direction="neutral",
        range=(-1.0, 1.0),
        needs="fit-free",
        group="semantics",
        cost="cheap",
        reference="1 − ½‖μ_z − μ_y‖², from Jensen's inequality",
        function=phi_max,
        floor=no_floor,
        live=True,
    ),
    Metric(
        name="psi",
        label="Similarities between source rows preserved",
        symbol="Ψ",
        description="Correlation of the pairwise cosines of the source rows before and after.",
        direction="higher",
        range=(-1.0, 1.0),
        needs="fit-free",
        group="semantics",
        cost="cheap",
        reference="[AA] arXiv:2605.07825",
        function=psi,
        live=True,
        curve=True,
        meaningful=True,
        card="Similarities kept",
    ),
    Metric(
        name="omega",
        label="Nearest neighbours kept",
        symbol="Ω_k",
        description="Mean share of a source row's k nearest source rows that are still its "
        "nearest after.",
        direction="higher",
        range=(0.0, 1.0),
        needs="fit-free",
        group="semantics",
        cost="cheap",
        reference="[AA] arXiv:2605.07825",
        function=omega,
        floor=neighbour_chance,
        live=True,
        curve=True,
        meaningful=True,
        card="Neighbours kept",
    ),
    Metric(
        name="trustworthiness",
        label="New neighbours were near before",
        symbol="T_k",
        description="One minus the mean rank penalty of neighbours that appear only after the "
        "correction.",
        direction="higher",
        range=(0.0, 1.0),
        needs="fit-free",
        group="semantics",
        cost="heavy",
        reference="Venna & Kaski 2001",
        function=lambda c: trustworthiness(c.before, c.after, c.k),
        floor=shuffled_trustworthiness,
        meaningful=True,
    ),
)
