"""Intervals over repeated splits."""

import numpy as np
import pytest
from scipy.stats import t as student

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.intervals import over_splits


def test_the_interval_is_that_of_nadeau_and_bengio():
    values = np.array([0.61, 0.64, 0.58, 0.66, 0.60])
    found = over_splits(values, 0.25)
    half = student.ppf(0.975, 4) * np.sqrt((1 / 5 + 0.25 / 0.75) * values.var(ddof=1))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_more_splits_never_promise_more_than_the_rows_hold():
    rng = np.random.default_rng(0)
    wide = over_splits(rng.standard_normal(4000), 0.25)
    assert (wide.high - wide.low) / 2 == pytest.approx(1.96 * np.sqrt(0.25 / 0.75), rel=0.05)


def test_it_covers_the_mean_of_the_population_where_the_spread_over_splits_does_not():
    rng = np.random.default_rng(1)
    inside, too_narrow = [], []
    for _ in range(400):
        rows = rng.standard_normal(200)
        splits = np.array([rng.choice(rows, 50, replace=False).mean() for _ in range(5)])
        found = over_splits(splits, 0.25)
        inside.append(found.low <= 0.0 <= found.high)
        half = student.ppf(0.975, 4) * splits.std(ddof=1) / np.sqrt(5)
        too_narrow.append(abs(splits.mean()) <= half)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert np.mean(too_narrow) < 0.85


def test_signs_ends_and_single_splits():
    assert over_splits([0.3, 0.31, 0.32], 0.25).sign == 1
    assert over_splits([-0.3, 0.31, 0.02], 0.25).sign == 0
    assert over_splits([0.97, 0.99, 1.0], 0.25, (0.0, 1.0)).high == 1.0
    alone = over_splits([0.4], 0.25)
    assert (alone.value, alone.low, alone.high, alone.sign) == (0.4, None, None, 0)
    for values, held in (([], 0.25), ([0.1], 0.0), ([0.1], 1.0)):
        with pytest.raises(ParameterError):
            over_splits(values, held)
