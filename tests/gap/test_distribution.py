"""What is left of a gap when the centroids coincide, and how alike rows are to their mean."""

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

import anisoalign_core as aa
from anisoalign_core.gap.distribution import distribution_gap, distribution_gap_floor
from anisoalign_core.metrics.distributions import (
    frechet_of_moments,
    frechet_of_rows,
    squared_bures,
    squared_bures_of_rows,
)
from anisoalign_core.moments import Moments
from tests.conftest import paired_world
from tests.gap.encoder_worlds import grouped, pair_of


def bures(x, z):
    """Return the distance of two covariances by dense matrix roots."""
    root = sqrtm(x)
    return math.sqrt(max(np.trace(x + z - 2 * np.real(sqrtm(root @ z @ root))), 0.0))


def diagnosed(y, x, paired=False):
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=paired,
    )
    return aa.diagnose(pair, parts=("distribution",)).distribution


def test_it_is_the_bures_distance():
    y, x = paired_world(300, 16)
    covariances = [np.cov(rows.T.astype(np.float64), bias=True) for rows in (y, x)]
    found = distribution_gap(*covariances)
    assert found == pytest.approx(bures(*covariances), rel=1e-6)
    assert found == pytest.approx(distribution_gap(*covariances[::-1]), rel=1e-6)
    assert diagnosed(y, x).gap.value == pytest.approx(found, rel=1e-4)


def test_of_known_spectra_on_common_axes_it_is_the_distance_of_their_roots():
    first, second = np.array([4.0, 1.0, 0.25, 0.0]), np.array([1.0, 1.0, 0.0, 0.09])
    expected = np.sum((np.sqrt(first) - np.sqrt(second)) ** 2)
    assert squared_bures(np.diag(first), np.diag(second)) == pytest.approx(expected, rel=1e-9)


def test_fewer_rows_than_dimensions_give_the_same():
    y, x = paired_world(30, 64)
    dense = squared_bures(Moments.of(x).covariance, Moments.of(y).covariance)
    assert squared_bures_of_rows(x, y) == pytest.approx(dense, rel=1e-5)
    assert diagnosed(y, x).gap.value == pytest.approx(math.sqrt(dense), rel=1e-5)


def test_with_the_centroid_gap_it_makes_the_frechet_distance():
    for n, d in ((300, 16), (30, 64)):
        y, x = paired_world(n, d)
        report = aa.diagnose(pair_of(n, d), parts=("distribution",))
        squared = report.bias.centroid_gap.value**2 + report.distribution.gap.value**2
        of_moments = frechet_of_moments(Moments.of(x), Moments.of(y))
        assert squared == pytest.approx(of_moments, rel=1e-4)
        assert frechet_of_rows(x, y) == pytest.approx(of_moments, rel=1e-5)
        share = report.distribution.gap.value**2 / squared
        assert report.distribution.share == pytest.approx(share, rel=1e-6)


def test_a_pure_shift_leaves_nothing():
    """Two rings of the sphere, parallel and of one size: the centroids are all the gap there is."""
    rng = np.random.default_rng(0)
    ring = rng.standard_normal((400, 11))
    ring *= 0.8 / np.linalg.norm(ring, axis=1, keepdims=True)
    y, x = (np.hstack([np.full((400, 1), height), ring]) for height in (-0.6, 0.6))
    report = aa.diagnose(
        aa.EmbeddingPair(
            aa.EmbeddingSet.from_array(y, modality="text"),
            aa.EmbeddingSet.from_array(x, modality="image"),
        ),
        parts=("distribution",),
    )
    assert report.bias.centroid_gap.value == pytest.approx(1.2, abs=1e-5)
    assert report.distribution.gap.value < 1e-3
    assert report.distribution.share < 1e-6


def test_a_common_rotation_changes_nothing():
    y, x = paired_world(300, 16)
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((16, 16)))[0]
    first, second = diagnosed(y, x, True), diagnosed(y @ turn, x @ turn, True)
    for get in (
        lambda d: d.gap.value,
        lambda d: d.floor,
        lambda d: d.share,
        lambda d: d.source.mean,
        lambda d: d.target.spread,
        lambda d: d.conformity_distance,
        lambda d: d.conformity_correlation,
    ):
        assert get(second) == pytest.approx(get(first), rel=1e-3)


def cone(n, d, seed):
    """Draw rows of one decaying cloud around a mean."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)) * np.linspace(1.0, 0.2, d)
    rows[:, 0] += 4.0
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "m", "d"), [(600, 600, 16), (2000, 300, 16), (60, 60, 100)])
def test_two_samples_of_one_distribution_meet_the_floor(n, m, d):
    """Within a third, also where the sizes differ or rows are fewer than dimensions."""
    found = diagnosed(cone(n, d, 0), cone(m, d, 1))
    assert 0.75 < found.gap.value / found.floor < 1.35
    assert found.gap.low < found.floor * 1.35
    assert found.conformity_distance < 4 * found.conformity_distance_floor


def test_the_first_order_floor_is_that_of_gaussian_rows():
    rng = np.random.default_rng(0)
    values = np.linspace(1.0, 0.1, 12) ** 2
    found = []
    for _ in range(40):
        y, x = (rng.standard_normal((m, 12)) * np.sqrt(values) for m in (400, 200))
        found.append(squared_bures_of_rows(x, y))
    floor = distribution_gap_floor(values, 400, 200)
    assert math.sqrt(np.mean(found)) == pytest.approx(floor, rel=0.05)


def test_a_wider_cloud_is_a_gap_far_above_the_floor():
    x = cone(600, 16, 0)
    wide = cone(600, 16, 1) * [1.0, *[2.0] * 15]
    found = diagnosed(wide, x)
    assert found.gap.low > 2.5 * found.floor


def test_conformity_is_the_cosine_to_the_mean_of_the_own_modality():
    y, x = paired_world(300, 16)
    found = diagnosed(y, x, True)
    of_y, of_x = (rows @ (rows.mean(0) / np.linalg.norm(rows.mean(0))) for rows in (y, x))
    for known, values, rows in ((found.source, of_y, y), (found.target, of_x, x)):
        mean = rows.astype(np.float64).mean(0)
        assert known.mean == pytest.approx(np.linalg.norm(mean), rel=1e-5)
        assert known.mean == pytest.approx(values.mean(), rel=1e-4)
        assert known.spread == pytest.approx(values.std(), rel=1e-3)
        trace = np.var(rows.astype(np.float64), axis=0).sum()
        assert known.mean_floor == pytest.approx(math.sqrt(trace / 300), rel=1e-4)
        assert known.spread_floor == pytest.approx(math.sqrt(trace / 16), rel=1e-4)
    assert found.conformity_distance == pytest.approx(wasserstein_distance(of_y, of_x), rel=1e-3)
    assert found.conformity_correlation == pytest.approx(np.corrcoef(of_y, of_x)[0, 1], rel=1e-3)
    assert found.conformity_correlation_null == pytest.approx(1 / math.sqrt(299))


def test_rows_around_no_centre_have_no_more_than_their_floor():
    rows = np.random.default_rng(0).standard_normal((500, 20))
    found = diagnosed(rows, rows[::-1])
    assert 0.5 < found.target.mean / found.target.mean_floor < 1.5
    assert 0.7 < found.target.spread / found.target.spread_floor < 1.3


def test_shuffled_partners_have_no_conformity_in_common():
    y, x = paired_world(800, 16)
    order = np.random.default_rng(1).permutation(800)
    matched, shuffled = diagnosed(y, x, True), diagnosed(y[order], x, True)
    assert matched.conformity_correlation > 10 * matched.conformity_correlation_null
    assert abs(shuffled.conformity_correlation) < 3 * shuffled.conformity_correlation_null
    assert shuffled.gap.value == pytest.approx(matched.gap.value, rel=1e-4)  # needs no pairs
    unpaired = diagnosed(y, x)
    assert math.isnan(unpaired.conformity_correlation)
    assert math.isnan(unpaired.conformity_correlation_null)


def test_things_have_weight_one():
    """Three equal captions of a picture are one: repeated rows change neither gap nor floor."""
    plain, repeated = (
        aa.diagnose(pair, parts=("distribution",)).distribution
        for pair in (pair_of(60, 12), grouped(60, 12, noise=0.0))
    )
    assert repeated.gap.value == pytest.approx(plain.gap.value, rel=1e-3)
    assert repeated.source.mean == pytest.approx(plain.source.mean, rel=1e-4)
    assert repeated.conformity_correlation == pytest.approx(plain.conformity_correlation, rel=1e-3)
    assert repeated.conformity_distance == pytest.approx(plain.conformity_distance, rel=1e-3)
    assert 0.75 < repeated.floor / plain.floor < 1.35
