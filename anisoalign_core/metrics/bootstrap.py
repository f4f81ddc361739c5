"""Intervals by one mechanism: balanced half-samples without replacement.

An ordinary bootstrap repeats rows, and a repeated row is its own nearest neighbour, so every
neighbour metric would be wrong on it. A half drawn *without* replacement repeats nothing, and the
mean over n/2 of n rows has variance ``S²/(n/2) · (1 − ½) = S²/n``: exactly the sampling variance
at the full size. Halves come in complementary pairs, so each row is used equally often.

Metrics that are means over rows (recall against a fixed gallery, cosines) average their row values
over the same halves; the others are computed anew on each half, with the same k.
The spread is turned into an interval by Student's t with one degree of freedom per complementary
pair: 24 replicates are too few to read 2.5 % quantiles from, and this covers a Gaussian mean at
its nominal 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float64, Integers, generator

HALVES = 24
"""Half-samples for most metrics: twelve complementary pairs."""

HEAVY_HALVES = 8
"""Half-samples for metrics whose cost is "heavy": the first four pairs of the same halves."""

COVERAGE = 0.95


def balanced_halves(
    n: int, count: int = HALVES, random_state: int | np.random.Generator = 0
) -> list[Integers]:
    """Draw complementary halves of ``range(n)``, each sorted.

    Parameters
    ----------
    n : int
    count : int, default 24
        Even.
    random_state : int or numpy Generator

    Returns
    -------
    list of int arrays
        Entries 2p and 2p+1 are complementary; sizes differ by one when n is odd.
    """
    if count < 2 or count % 2:
        raise ParameterError(f"count is {count}; halves come in pairs, so choose an even number.")
    rng = generator(random_state)
    halves: list[Integers] = []
    for _ in range(count // 2):
        order = rng.permutation(n)
        halves += [np.sort(order[: n // 2]), np.sort(order[n // 2 :])]
    return halves


def margin(replicates: npt.ArrayLike, coverage: float = COVERAGE) -> float:
    """Half-width of the interval from the values on balanced halves.

    ``t_{B/2} · √(mean_b (θ_b − θ̄)²)``.

    Parameters
    ----------
    replicates : (B,) array
    coverage : float, default 0.95
    """
    from scipy.special import stdtrit

    values = np.asarray(replicates, dtype=np.float64)
    spread = np.sqrt(np.mean((values - values.mean()) ** 2))
    return float(stdtrit(len(values) / 2, 0.5 + coverage / 2) * spread)


def interval(
    value: float,
    replicates: npt.ArrayLike,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    coverage: float = COVERAGE,
) -> tuple[float, float]:
    """Interval around a value from its replicates on balanced halves, cut at the metric's range.

    The replicates say how far a sample of this size strays, not where the value lies: many
    metrics have another level at half the rows, which the centring at their mean removes.
    """
    half = margin(replicates, coverage)
    return max(value - half, min(bounds[0], value)), min(value + half, max(bounds[1], value))


def half_means(rows: Float64, halves: Sequence[Integers]) -> Float64:
    """Mean of per-row values over each half, (B,)."""
    return np.array([rows[half].mean() for half in halves])
