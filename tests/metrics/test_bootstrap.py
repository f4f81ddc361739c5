"""Intervals: half-sampling has the right width, and pairs of methods share their halves."""

import numpy as np
import pytest

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics import paired_difference, score_rows
from anisoalign_core.metrics.intervals import (
    balanced_halves,
    half_means,
    interval,
    margin,
)
from anisoalign_core.metrics.separability import auc_interval


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [10, 11])
def test_halves_repeat_no_row_and_use_each_equally_often(n):
    halves = balanced_halves(n, 24)
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), np.arange(n))
        assert len(first) == n // 2
    np.testing.assert_array_equal(np.bincount(np.concatenate(halves)), np.full(n, 12))


def test_the_interval_of_a_gaussian_mean_covers_it_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(800):
        rows = rng.standard_normal(60) + 3
        low, high = interval(rows.mean(), half_means(rows, balanced_halves(60, 24, seed)))
        covered += low <= 3 <= high
    assert covered / 800 == pytest.approx(0.95, abs=0.025)


def test_width_is_that_of_the_full_sample_not_of_half():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal(4000)
    halves = half_means(rows, balanced_halves(4000, 2000))
    assert np.std(halves) == pytest.approx(rows.std() / np.sqrt(4000), rel=0.06)
    assert margin(halves) == pytest.approx(1.96 * np.std(halves), rel=0.01)


def test_intervals_stay_in_the_range_and_hold_the_value():
    assert interval(0.99, [0.9, 1.0] * 12, (0.0, 1.0)) == pytest.approx(
        (0.99 - margin([0.9, 1.0] * 12), 1.0)
    )


def test_auc_interval_covers_and_keeps_a_width_at_1():
    low, high = auc_interval(1.0, 50, 50)
    assert 0.8 < low < 1.0 == high
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        positive, negative = rng.standard_normal(40) + 1.0, rng.standard_normal(50)
        auc = (positive[:, None] > negative).mean()
        low, high = auc_interval(auc, 40, 50)
        covered += low <= 0.7602 <= high  # Φ(1/√2)
    assert covered / 300 == pytest.approx(0.95, abs=0.04)


def test_paired_differences_are_narrower_than_the_two_intervals():
    rng = np.random.default_rng(3)
    y, x = unit(rng.standard_normal((200, 12)) + 1), unit(rng.standard_normal((200, 12)) + 1)
    a, b = unit(y + 0.3), unit(y + 0.35)
    names = ["matched_cosine", "phi", "mixing_coverage", "separability"]
    first, second = (score_rows(y, z, x, paired=True, k=10, metrics=names) for z in (a, b))
    found = paired_difference(first, second)
    assert set(found) == set(names) - {"separability"}
    cosine = found["matched_cosine"]
    assert cosine.value == first["matched_cosine"].value - second["matched_cosine"].value
    assert cosine.high - cosine.low < 0.5 * (
        first["matched_cosine"].high - first["matched_cosine"].low
    )
    assert cosine.low <= cosine.value <= cosine.high


def test_scores_of_different_settings_are_not_compared():
    rng = np.random.default_rng(4)
    y = unit(rng.standard_normal((60, 6)))
    first, second = (score_rows(y, y, y, paired=True, k=k, metrics=["omega"]) for k in (5, 6))
    with pytest.raises(ParameterError, match="same settings"):
        paired_difference(first, second)
    with pytest.raises(ParameterError, match="even"):
        balanced_halves(10, 3)
