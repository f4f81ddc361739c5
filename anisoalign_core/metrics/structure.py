"""Structure that two sets share, or that one set has: the diagnosis' view of the gap.

Measures that need pairs come with a null: shuffle the pairs and measure again
(:func:`permuted_null`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.cosines import (
    Cosines,
    MatchedCosines,
    link_cosines,
    mean_rows,
    row_cosines,
    squared_distances,
)
from anisoalign_core.metrics.neighbours import k_occurrence, nearest, overlap, reordered
from anisoalign_core.numerics import Float32, Float64, Integers, generator
from anisoalign_core.things import Things


@dataclass(frozen=True, eq=False)
class SharedStructure:
    """What two sets of matched rows have in common; each measure also for rows matched anew.

    Cosines and neighbours of a set in itself do not depend on what its rows are matched with, so
    that a null of shuffled pairs costs little more than the measure.

    Attributes
    ----------
    x, y : Cosines of shape (n, n)
        Of matched unit rows, each set with itself.
    """

    x: Cosines
    y: Cosines

    @classmethod
    def of(cls, x: Float32, y: Float32) -> SharedStructure:
        """Of (n, d_x) and (n, d_y) matched unit rows."""
        _matched(x, y)
        return cls(Cosines(x, x), Cosines(y, y))

    @property
    def size(self) -> int:
        """How many rows are matched, n."""
        return len(self.x.queries)

    @cached_property
    def _cosines(self) -> MatchedCosines:
        return MatchedCosines(self.x, self.y)

    @cached_property
    def _near(self) -> dict[int, tuple[Integers, Integers]]:
        return {}

    def mutual_knn(self, k: int, order: Integers | None = None) -> float:
        """See :func:`mutual_knn`; with ``order`` row i of x is matched with row ``order[i]``."""
        if k not in self._near:
            near_x, near_y = (nearest(one, k, exclude_self=True)[0] for one in (self.x, self.y))
            self._near[k] = near_x, near_y
        near_x, near_y = self._near[k]
        if order is not None:
            near_y = reordered(near_y, order)
        return float(overlap(near_x, near_y, self.size).mean())

    def rsa(self, order: Integers | None = None) -> float:
        """See :func:`rsa`, by Pearson's correlation; with ``order`` as in `mutual_knn`."""
        return self._cosines.correlation(order)

    def debiased_cka(self, order: Integers | None = None) -> float:
        """See :func:`debiased_cka`; with ``order`` as in `mutual_knn`."""
        n = self.size
        if n < 4:
            raise ParameterError(f"Debiased CKA needs at least 4 matched rows, not {n}.")
        (rows_x, rows_y), squares, product = self._cosines.sums_of(order)

        def hsic(trace: float, rows_k: Float64, rows_l: Float64) -> float:
            both = rows_k.sum() * rows_l.sum() / ((n - 1) * (n - 2))
            return float((trace + both - 2.0 * (rows_k @ rows_l) / (n - 2)) / (n * (n - 3)))

        scale = hsic(squares[0], rows_x, rows_x) * hsic(squares[1], rows_y, rows_y)
        return hsic(product, rows_x, rows_y) / math.sqrt(scale) if scale > 1e-24 else 0.0


def debiased_cka(x: Float32, y: Float32) -> float:
    """Linear CKA with the unbiased HSIC of Song et al. (2012), after Murphy et al. (2024).

    ``CKA = HSIC₁(K,L)/√(HSIC₁(K,K) HSIC₁(L,L))`` with ``K = X Xᵀ``, ``L = Y Yᵀ``, zero diagonals
    and ``HSIC₁ = [tr KL + 1ᵀK1·1ᵀL1/((n−1)(n−2)) − 2·1ᵀKL1/(n−2)]/(n(n−3))``. Centred on 0 for
    unrelated rows, unlike the plain estimate, which tends to 1 when d exceeds n. HSIC₁ does not
    change when ``a_i + a_j`` is taken from all entries off the diagonal, for any a: so rows need
    no centring.

    Parameters
    ----------
    x, y : (n, d_x) and (n, d_y) float32
        Matched rows, at least 4.
    """
    return SharedStructure.of(x, y).debiased_cka()


def mutual_knn(x: Float32, y: Float32, k: int = 10) -> float:
    """Mean share of neighbours that matched rows have in common (Huh et al. 2024).

    ``mean_i |N_k(x_i) ∩ N_k(y_i)| / k``, each set searched in itself. Chance is ``k/(n−1)``.

    Parameters
    ----------
    x, y : (n, d_x) and (n, d_y) float32
        Matched unit rows.
    k : int, default 10
    """
    return SharedStructure.of(x, y).mutual_knn(k)


def rsa(x: Float32, y: Float32, method: Literal["spearman", "pearson"] = "spearman") -> float:
    """Representational similarity: correlation of both sets' pairwise cosines over pairs i < j.

    Parameters
    ----------
    x, y : (n, d_x) and (n, d_y) float32
        Matched unit rows.
    method : {"spearman", "pearson"}
        Rank correlation by default (Kriegeskorte 2008), which holds all n(n−1)/2 pairs in memory;
        "pearson" runs by blocks and is the same number as Ψ between the two sets.
    """
    n = _matched(x, y)
    if method == "pearson":
        return SharedStructure.of(x, y).rsa()
    if method != "spearman":
        raise ParameterError(f'RSA method is "{method}"; choose "spearman" or "pearson".')
    from scipy.stats import rankdata

    upper = np.triu_indices(n, 1)
    ranks = [rankdata((rows @ rows.T)[upper]) for rows in (x, y)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def hubness(rows: Float32, k: int = 10) -> float:
    """Skewness of the k-occurrence, ``E(N_k − k)³/σ³`` (Radovanović 2010); 0 without hubs.

    Parameters
    ----------
    rows : (n, d) float32
        Unit rows.
    k : int, default 10
    """
    return hubness_of(Cosines(rows, rows), k)


def hubness_of(own: Cosines, k: int = 10) -> float:
    """:func:`hubness` from the cosines of rows with themselves."""
    near, _ = nearest(own, k, exclude_self=True)
    counts = k_occurrence(near, len(near)) - float(k)
    spread = float(np.mean(counts**2))
    return float(np.mean(counts**3)) / spread**1.5 if spread > 0 else 0.0


def rmg(x: Float32, y: Float32, things: Things | None = None) -> float:
    """Relative modality gap [TE]: the matched distance against the distances inside each set.

    ``RMG = m_xy/(m_xy + ½(m_xx + m_yy))`` with ``m(s) = 1 − (s + 1)/2`` of the mean cosine s over
    matched pairs (m_xy) and over pairs i ≠ j of one set (m_xx, m_yy). Below ½ when partners are
    nearer than strangers of one's own modality.

    Parameters
    ----------
    x, y : (n, d) float32
        Matched unit rows.
    things : Things, optional
        What rows show (y is the source), where they are not matched one by one: m_xy is then over
        rows of one thing and m_xx, m_yy over rows of different things, each thing with weight one.
    """
    if things is None:
        things = Things.rows(_matched(x, y))
    n = things.count
    means = [things.mean_rows(rows, of_source=rows is y) for rows in (x, y)]
    across = _half_distance(float(row_cosines(*means).mean()))
    own = [1.0 if things.are_rows else float(np.sum(rows**2) / n) for rows in means]
    inside = [
        _half_distance((n * float(np.sum(mean_rows(rows) ** 2)) - one) / (n - 1))
        for rows, one in zip(means, own, strict=True)
    ]
    return across / (across + 0.5 * (inside[0] + inside[1]))


def alignment(x: Float32, y: Float32, alpha: float = 2.0, things: Things | None = None) -> float:
    """Mean matched distance ``mean ‖x_i − y_i‖^α`` (Wang & Isola 2020); 0 when partners coincide.

    Parameters
    ----------
    x, y : (n, d) float32
        Matched unit rows.
    alpha : float, default 2
    things : Things, optional
        What rows show (y is the source), where they are not matched one by one.
    """
    if things is None:
        things = Things.rows(_matched(x, y))
    squared = squared_distances(link_cosines(y, x, things.links))
    return float(np.average(squared ** (alpha / 2.0), weights=things.links.weights))


def uniformity(rows: Float32, t: float = 2.0) -> float:
    """``log mean_{i≠j} exp(−t ‖x_i − x_j‖²)`` (Wang & Isola 2020); lower is more uniform.

    Parameters
    ----------
    rows : (n, d) float32
        Unit rows.
    t : float, default 2
    """
    return uniformity_of(Cosines(rows, rows), t)


def uniformity_of(cosines: Cosines, t: float = 2.0) -> float:
    """:func:`uniformity` from the cosines of rows with themselves."""
    n, total = len(cosines.queries), 0.0
    for part, block in cosines.blocks():
        kernel = np.exp(np.float32(2.0 * t) * (block - np.float32(1.0)))
        own = np.arange(part.start, part.stop)
        kernel[own - part.start, own] = 0.0
        total += float(kernel.sum(dtype=np.float64))
    return float(np.log(total / (n * (n - 1))))


def permuted_null(
    function: Callable[[Float32, Float32], float],
    x: Float32,
    y: Float32,
    n_permutations: int = 20,
    random_state: int | np.random.Generator = 0,
) -> tuple[float, float]:
    """Mean and standard deviation of a paired measure when the pairs are shuffled.

    Parameters
    ----------
    function : callable of (x, y)
        Any measure of matched rows here.
    x, y : (n, d_x) and (n, d_y) float32
    n_permutations : int, default 20
        At least 2.
    random_state : int or numpy Generator
    """
    n = _matched(x, y)
    return shuffled_nulls(lambda order: (function(x, y[order]),), n, n_permutations, random_state)[
        0
    ]


def shuffled_nulls(
    measures: Callable[[Integers], tuple[float, ...]],
    n: int,
    n_permutations: int = 20,
    random_state: int | np.random.Generator = 0,
) -> list[tuple[float, float]]:
    """:func:`permuted_null` of several measures of n matched rows, each under the same orders.

    They take the order of the second side, and may share what it costs.
    """
    if n_permutations < 2:
        raise ParameterError(f"n_permutations is {n_permutations}; a spread needs at least 2.")
    rng = generator(random_state)
    values = np.array([measures(rng.permutation(n)) for _ in range(n_permutations)])
    return [(float(np.mean(each)), float(np.std(each, ddof=1))) for each in values.T]


def _half_distance(cosine: float) -> float:
    return 1.0 - (cosine + 1.0) / 2.0


def _matched(x: Float32, y: Float32) -> int:
    if len(x) != len(y):
        raise ShapeError(f"{len(x)} and {len(y)} rows cannot be matched row by row.")
    return len(x)
