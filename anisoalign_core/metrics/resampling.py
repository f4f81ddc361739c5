"""Intervals of a mean over repeated splits of one set of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError


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


def over_splits(
    values: npt.ArrayLike,
    held_out: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    coverage: float = 0.95,
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
    low, high = max(mean - half, min(bounds[0], mean)), min(mean + half, max(bounds[1], mean))
    return Interval(mean, low, high)
