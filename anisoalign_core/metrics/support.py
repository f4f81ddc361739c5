"""Whether corrected rows live where the target lives: neighbourhoods, moments, distributions.

None of these needs to know which row belongs to which. The sample sizes of both sides enter the
definitions, so numbers are compared at equal sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.metrics.neighbours import Cosines, Neighbours, merge, nearest
from anisoalign_core.metrics.semantics import mean_rows
from anisoalign_core.numerics import Float32, Float64

PRDC_K = 5
"""Neighbours that span a row's ball in precision, recall, density and coverage (Naeem 2020)."""


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


def delta_mu(after: Float32, target: Float32) -> float:
    """Distance of the centroids, ``Δμ = ‖μ_z − μ_x‖``; see :func:`delta_mu_floor`."""
    return float(np.linalg.norm(mean_rows(after) - mean_rows(target)))


def delta_mu_floor(after: Float32, target: Float32) -> float:
    """Δμ that sampling alone gives, ``√(tr Σ_z/n_z + tr Σ_x/n_x)``, with ``tr Σ = 1 − ‖μ‖²``."""
    return centroid_floor(mean_rows(after), len(after), mean_rows(target), len(target))


def centroid_floor(after: Float64, n_after: int, target: Float64, n_target: int) -> float:
    """Return the sampling floor of Δμ from the mean rows of two sets of unit rows."""
    spread_z, spread_x = (max(1.0 - float(mean @ mean), 0.0) for mean in (after, target))
    return float(np.sqrt(spread_z / n_after + spread_x / n_target))


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


def mixing(target: Float32, after: Float32, k: int = 20) -> Mixing:
    """Pool both sets and ask of each row how mixed its neighbourhood is [AA].

    ``M_k = mean_u H₂(p_k(u)) / E_shuffled[H₂]`` with p_k(u) the share of target rows among the k
    nearest rows of the pool, u itself left out. 0 for separate clouds, about 1 when a row's
    origin cannot be told from its neighbours; penetration averages over corrected rows, coverage
    over target rows.

    Parameters
    ----------
    target : (n_x, d) float32
        Unit rows.
    after : (n_z, d) float32
        Unit rows.
    k : int, default 20
    """
    cross = Cosines(after, target)
    inside_z = nearest(Cosines(after, after), k, exclude_self=True)
    inside_x = nearest(Cosines(target, target), k, exclude_self=True)
    return mixing_of_neighbours(
        inside_z, nearest(cross, k), inside_x, nearest(cross.transposed, k), k
    )


def mixing_of_neighbours(
    after_in_after: Neighbours,
    after_in_target: Neighbours,
    target_in_target: Neighbours,
    target_in_after: Neighbours,
    k: int,
) -> Mixing:
    """:func:`mixing` from the neighbours of each set in itself and in the other, k deep."""
    n_z, n_x = len(after_in_after[0]), len(target_in_target[0])
    share_z = merge(after_in_after, after_in_target, k).mean(axis=1)
    share_x = 1.0 - merge(target_in_target, target_in_after, k).mean(axis=1)
    others = n_z + n_x - 1
    values_z = binary_entropy(share_z) / expected_entropy(n_x, others, k)
    values_x = binary_entropy(share_x) / expected_entropy(n_x - 1, others, k)
    return Mixing(
        float(values_z.mean()), float(values_x.mean()), share_z, share_x, values_z, values_x
    )


@dataclass(frozen=True)
class Manifold:
    """Precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(target: Float32, after: Float32, k: int = PRDC_K) -> Manifold:
    """Compare supports through balls that reach each row's k-th neighbour of its own set.

    Precision is the share of corrected rows inside any target ball, recall the share of target
    rows inside any corrected ball, density the mean number of target balls a corrected row lies
    in divided by k, coverage the share of target balls that hold a corrected row.

    Parameters
    ----------
    target, after : (n_x, d) and (n_z, d) float32
        Unit rows; on them the cosine orders as the Euclidean distance does.
    k : int, default 5
    """
    radius_x = nearest(Cosines(target, target), k, exclude_self=True)[1][:, -1]
    radius_z = nearest(Cosines(after, after), k, exclude_self=True)[1][:, -1]
    return manifold_of_radii(Cosines(after, target), radius_z, radius_x, k)


def manifold_of_radii(cross: Cosines, after: Float32, target: Float32, k: int) -> Manifold:
    """:func:`manifold` from cross cosines (n_z, n_x) and the cosines to the k-th neighbours."""
    n_z, n_x = cross.shape
    inside = count = 0
    covered = np.zeros(n_x, dtype=bool)
    reached = np.zeros(n_x, dtype=bool)
    for part, block in cross.blocks():
        in_target_ball = block >= target
        inside += int(in_target_ball.any(axis=1).sum())
        count += int(np.count_nonzero(in_target_ball))
        covered |= in_target_ball.any(axis=0)
        reached |= (block >= after[part, None]).any(axis=0)
    return Manifold(inside / n_z, float(reached.mean()), count / (k * n_z), float(covered.mean()))
