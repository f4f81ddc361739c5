"""Structure that two sets share, or that one set has: the diagnosis' view of the gap.

Measures that need pairs come with a null: shuffle the pairs and measure again
(:func:`permuted_null`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.cosines import (
    Cosines,
    link_cosines,
    mean_rows,
    pair_correlation,
    row_cosines,
    squared_distances,
)
from anisoalign_core.metrics.neighbours import k_occurrence, nearest, overlap
from anisoalign_core.numerics import Float32, Float64, generator
from anisoalign_core.things import Things


def debiased_cka(x: Float32, y: Float32) -> float:
    """Linear CKA with the unbiased HSIC of Song et al. (2012), after Murphy et al. (2024).

    ``CKA = HSIC₁(K,L)/√(HSIC₁(K,K) HSIC₁(L,L))`` with ``K = X Xᵀ``, ``L = Y Yᵀ``, zero diagonals
    and ``HSIC₁ = [tr KL + 1ᵀK1·1ᵀL1/((n−1)(n−2)) − 2·1ᵀKL1/(n−2)]/(n(n−3))``. Centred on 0 for
    unrelated rows, unlike the plain estimate, which tends to 1 when d exceeds n.

    Parameters
    ----------
    x, y : (n, d_x) and (n, d_y) float32
        Matched rows, at least 4.
    """
    n = _matched(x, y)
    if n < 4:
        raise ParameterError(f"Debiased CKA needs at least 4 matched rows, not {n}.")
    first, second = (rows - mean_rows(rows).astype(np.float32) for rows in (x, y))
    traces = np.zeros(3)
    sums_x, sums_y = np.empty(n), np.empty(n)
    left, right = Cosines(first, first), Cosines(second, second)
    for (part, block_x), (_, block_y) in zip(left.blocks(), right.blocks(), strict=True):
        a, b = block_x.astype(np.float64), block_y.astype(np.float64)
        own = np.arange(part.start, part.stop)
        a[own - part.start, own] = 0.0
        b[own - part.start, own] = 0.0
        sums_x[part], sums_y[part] = a.sum(axis=1), b.sum(axis=1)
        a, b = a.ravel(), b.ravel()
        traces += a @ b, a @ a, b @ b

    def hsic(trace: float, rows_k: Float64, rows_l: Float64) -> float:
        both = rows_k.sum() * rows_l.sum() / ((n - 1) * (n - 2))
        return float((trace + both - 2.0 * (rows_k @ rows_l) / (n - 2)) / (n * (n - 3)))

    scale = hsic(traces[1], sums_x, sums_x) * hsic(traces[2], sums_y, sums_y)
    return hsic(traces[0], sums_x, sums_y) / float(np.sqrt(scale)) if scale > 1e-24 else 0.0


def mutual_knn(x: Float32, y: Float32, k: int = 10) -> float:
    """Mean share of neighbours that matched rows have in common (Huh et al. 2024).

    ``mean_i |N_k(x_i) ∩ N_k(y_i)| / k``, each set searched in itself. Chance is ``k/(n−1)``.

    Parameters
    ----------
    x, y : (n, d_x) and (n, d_y) float32
        Matched unit rows.
    k : int, default 10
    """
    n = _matched(x, y)
    near_x, _ = nearest(Cosines(x, x), k, exclude_self=True)
    near_y, _ = nearest(Cosines(y, y), k, exclude_self=True)
    return float(overlap(near_x, near_y, n).mean())


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
        return pair_correlation(Cosines(x, x), Cosines(y, y))
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
    near, _ = nearest(Cosines(rows, rows), k, exclude_self=True)
    counts = k_occurrence(near, len(rows)) - float(k)
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
    n, total = len(rows), 0.0
    for part, block in Cosines(rows, rows).blocks():
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
    if n_permutations < 2:
        raise ParameterError(f"n_permutations is {n_permutations}; a spread needs at least 2.")
    rng = generator(random_state)
    values = [function(x, y[rng.permutation(_matched(x, y))]) for _ in range(n_permutations)]
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _half_distance(cosine: float) -> float:
    return 1.0 - (cosine + 1.0) / 2.0


def _matched(x: Float32, y: Float32) -> int:
    if len(x) != len(y):
        raise ShapeError(f"{len(x)} and {len(y)} rows cannot be matched row by row.")
    return len(x)
