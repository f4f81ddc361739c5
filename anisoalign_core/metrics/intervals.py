"""Intervals: of one set of rows by balanced half-samples, of a mean over repeated splits by t.

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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float64, Integers, generator

HALVES = 24
"""Half-samples for most metrics: twelve complementary pairs."""

HEAVY_HALVES = 8
"""Half-samples for metrics whose cost is "heavy": the first four pairs of the same halves."""

COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval; both limits are None when there is one split only."""

    value: float
    low: float | None
    high: float | None

    @property
    def limits(self) -> tuple[float, float]:
        """Both limits; NaN where there is none."""
        return (
            float("nan") if self.low is None else self.low,
            float("nan") if self.high is None else self.high,
        )

    @property
    def sign(self) -> int:
        """+1 or −1 when the interval leaves out zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


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
    return _within(value, margin(replicates, coverage), bounds)


def half_means(rows: Float64, halves: Sequence[Integers]) -> Float64:
    """Mean of per-row values over each half, (B,)."""
    return np.array([rows[half].mean() for half in halves])


def over_splits(
    values: npt.ArrayLike,
    held_out: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    coverage: float = COVERAGE,
) -> Interval:
    """Mean over repeated random splits with the corrected resampled t interval.

    Splits of one set share rows, so their spread divided by √S says how firmly the *splits* fix the
    mean, and nothing about other rows: it shrinks to zero as splits are added. Nadeau & Bengio
    (2003) add what the shared rows hide,

        ``mean ± t_{S−1} · √(1/S + h/(1 − h)) · s``,

    with s the standard deviation over the splits and h the share held out. For a mean over
    held-out rows the second term is exactly the variance σ²/n of a mean over all n rows.
    For the difference of two methods pass the differences, split by split: what both share cancels.

    Parameters
    ----------
    values : (S,) array
        One value per split.
    held_out : float
        h, in (0, 1).
    bounds : (float, float)
        Smallest and largest possible value; the interval ends there.
    coverage : float, default 0.95

    Returns
    -------
    Interval
        No limits for S = 1. Where all splits agree exactly (an AUC of 1, an unmoved row) the
        interval has no width: it says that the splits agree, not that other rows would.

    Raises
    ------
    ParameterError
        If there are no values or h is not between 0 and 1.

    References
    ----------
    Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52 (2003), eq. 9.
    How often it covers is measured in ``benchmarks/coverage.py``.
    """
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    if len(found) == 0 or not 0.0 < held_out < 1.0:
        raise ParameterError(
            f"{len(found)} splits with a share of {held_out} held out: an interval needs at least "
            "one split and a share between 0 and 1."
        )
    mean = float(found.mean())
    if len(found) == 1:
        return Interval(mean, None, None)
    spread = np.sqrt((1 / len(found) + held_out / (1 - held_out)) * found.var(ddof=1))
    half = float(stdtrit(len(found) - 1, 0.5 + coverage / 2) * spread)
    return Interval(mean, *_within(mean, half, bounds))


def _within(value: float, half: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """Value ± half, cut at the smallest and largest possible value."""
    return max(value - half, min(bounds[0], value)), min(value + half, max(bounds[1], value))
