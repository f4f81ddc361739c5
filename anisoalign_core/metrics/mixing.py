"""Whether corrected rows live among the target's: distance of the centres, and neighbourhoods.

None of these needs to know which row belongs to which. The sample sizes of both sides enter the
definitions, so numbers are compared at equal sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.neighbours import merge, nearest
from anisoalign_core.numerics import Float64


def delta_mu(c: Comparison) -> float:
    """Distance of the centroids, ``Δμ = ‖μ_z − μ_x‖`` [MG]."""
    return float(np.linalg.norm(c.after_mean - c.fixed.target_mean))


def sampling_floor(c: Comparison) -> float:
    """Δμ of two samples of these sizes with one mean; see :func:`gap_floor`."""
    return gap_floor((c.after_mean, c.fixed.target_mean), (len(c.after), len(c.target)))


def gap_floor(means: tuple[Float64, Float64], rows: tuple[int, int]) -> float:
    """Distance of two sample means of one distribution, ``√(tr Σ_z/n_z + tr Σ_x/n_x)``.

    On unit rows ``tr Σ = 1 − ‖μ‖²``.

    Parameters
    ----------
    means : pair of (d,) float64
        Of unit rows.
    rows : pair of int
        n_z and n_x.
    """
    spreads = (max(1.0 - float(mean @ mean), 0.0) for mean in means)
    return float(np.sqrt(sum(spread / n for spread, n in zip(spreads, rows, strict=True))))


def binary_entropy(share: Float64) -> Float64:
    """``H₂(p) = −p log₂ p − (1 − p) log₂ (1 − p)`` in bits, 0 at both ends."""
    from scipy.special import entr

    return np.asarray((entr(share) + entr(1.0 - share)) / np.log(2.0))


def expected_entropy(n_target: int, n_others: int, k: int) -> float:
    """Exact mean of ``H₂(J/k)`` when labels are shuffled: J is hypergeometric.

    Parameters
    ----------
    n_target : int
        Target rows among the others.
    n_others : int
        Rows of the pool other than the row itself.
    k : int
        Neighbours drawn without replacement.
    """
    from scipy.special import gammaln

    drawn = np.arange(max(0, k - (n_others - n_target)), min(k, n_target) + 1, dtype=np.float64)

    def log_choose(n: int, chosen: Float64) -> Float64:
        return np.asarray(gammaln(n + 1) - gammaln(chosen + 1) - gammaln(n - chosen + 1))

    chance = log_choose(n_target, drawn) + log_choose(n_others - n_target, k - drawn)
    chance = np.exp(chance - log_choose(n_others, np.array([float(k)])))
    return float(chance @ binary_entropy(drawn / k))


@dataclass(frozen=True, eq=False)
class Mixing:
    """Neighbourhood mixing of corrected source rows Z with target rows X.

    Attributes
    ----------
    penetration : float
        ``M_k^Z``: how mixed the neighbourhoods of corrected rows are.
    coverage : float
        ``M_k^X``: how mixed the neighbourhoods of target rows are.
    after_share, target_share : (n_z,) and (n_x,) float64
        Share p_k(u) of target rows among the k neighbours of each row.
    after_values, target_values : (n_z,) and (n_x,) float64
        Normalised entropy of each row; their means are penetration and coverage.
    """

    penetration: float
    coverage: float
    after_share: Float64
    target_share: Float64
    after_values: Float64
    target_values: Float64


def mixing(c: Comparison) -> Mixing:
    """Pool both sets and ask of each row how mixed its neighbourhood is [AA].

    ``M_k = mean_u H₂(p_k(u)) / E_shuffled[H₂]`` with p_k(u) the share of target rows among the k
    nearest rows of the pool, u itself left out. 0 for separate clouds, about 1 when a row's
    origin cannot be told from its neighbours; penetration averages over corrected rows, coverage
    over target rows. Of things with several rows one row a side is drawn: a picture whose nearest
    rows are its own five captions is not badly covered.
    """
    c = c.one_each
    depth, n_z, n_x = c.fixed.depth, len(c.after), len(c.target)
    after_in_target = nearest(c.cross_cosines, depth)
    target_in_after = nearest(c.cross_cosines.transposed, depth)
    share_z = merge(c.after_neighbours, after_in_target, c.k).mean(axis=1)
    share_x = 1.0 - merge(c.fixed.target_neighbours, target_in_after, c.k).mean(axis=1)
    others = n_z + n_x - 1
    values_z = binary_entropy(share_z) / expected_entropy(n_x, others, c.k)
    values_x = binary_entropy(share_x) / expected_entropy(n_x - 1, others, c.k)
    return Mixing(
        float(values_z.mean()), float(values_x.mean()), share_z, share_x, values_z, values_x
    )


FAMILY = (
    Metric(
        name="delta_mu",
        label="Distance left between the two centres",
        symbol="Δμ",
        description="Distance between the mean corrected row and the mean target row.",
        direction="lower",
        range=(0.0, 2.0),
        needs="unpaired",
        group="support",
        cost="cheap",
        reference="[MG] arXiv:2203.02053",
        function=delta_mu,
        floor=sampling_floor,
        live=True,
    ),
    Metric(
        name="mixing_penetration",
        label="Share of the corrected rows' neighbourhood that is mixed with the target",
        symbol="M_k^Z",
        description="Entropy of origin among a corrected row's k nearest rows of both sets; "
        "shuffled origin gives 1.",
        direction="higher",
        range=(0.0, np.inf),
        needs="unpaired",
        group="support",
        reference="[AA] arXiv:2605.07825",
        function=lambda c: c.once(mixing).penetration,
        live=True,
        curve=True,
        card="Mixes in",
    ),
    Metric(
        name="mixing_coverage",
        label="Share of the target's neighbourhood covered",
        symbol="M_k^X",
        description="Entropy of origin among a target row's k nearest rows of both sets; "
        "shuffled origin gives 1.",
        direction="higher",
        range=(0.0, np.inf),
        needs="unpaired",
        group="support",
        reference="[AA] arXiv:2605.07825",
        function=lambda c: c.once(mixing).coverage,
        live=True,
        curve=True,
        card="Covers the target",
    ),
)
