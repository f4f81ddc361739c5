"""Support: mixing against its exact null, balls against brute force."""

import numpy as np
import pytest

from anisoalign_core.metrics import Comparison
from anisoalign_core.metrics.manifold import manifold
from anisoalign_core.metrics.mixing import (
    binary_entropy,
    delta_mu,
    expected_entropy,
    mixing,
    sampling_floor,
)

between = Comparison.between


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_expected_entropy_is_what_shuffled_labels_give():
    rng = np.random.default_rng(0)
    n_others, n_target, k = 60, 18, 7
    labels = np.arange(n_others) < n_target
    draws = rng.permuted(np.tile(labels, (40_000, 1)), axis=1)[:, :k].mean(axis=1)
    error = binary_entropy(draws).std() / np.sqrt(len(draws))
    assert expected_entropy(n_target, n_others, k) == pytest.approx(
        binary_entropy(draws).mean(), abs=4 * error
    )


def test_expected_entropy_of_one_sided_pools_is_zero():
    assert expected_entropy(0, 30, 5) == 0.0
    assert expected_entropy(30, 30, 5) == pytest.approx(0.0)


def test_mixing_is_0_for_separate_clouds_and_1_for_two_samples_of_one():
    rng = np.random.default_rng(1)
    x, z = unit(rng.standard_normal((400, 8))), unit(rng.standard_normal((250, 8)))
    both = mixing(between(x, z, k=15))
    assert both.penetration == pytest.approx(1.0, abs=0.03)
    assert both.coverage == pytest.approx(1.0, abs=0.03)
    far = unit(rng.standard_normal((60, 8)) * 0.1 + 1), unit(z[:50] * 0.1 - 1)
    apart = mixing(between(*far, k=15))
    assert (apart.penetration, apart.coverage) == (0.0, 0.0)


def test_a_permuted_target_mixes_fully():
    rng = np.random.default_rng(2)
    x = unit(rng.standard_normal((300, 16)))
    result = mixing(between(x, x[rng.permutation(300)]))
    assert result.penetration == pytest.approx(1.0, abs=0.06)
    assert result.coverage == pytest.approx(1.0, abs=0.06)


def test_mixing_shares_are_those_of_a_pooled_search():
    rng = np.random.default_rng(3)
    x, z, k = unit(rng.standard_normal((70, 6))), unit(rng.standard_normal((50, 6)) + 0.4), 9
    pool = np.concatenate([z, x]).astype(np.float64)
    cosines = pool @ pool.T
    np.fill_diagonal(cosines, -np.inf)
    share = (np.argsort(-cosines, axis=1)[:, :k] >= len(z)).mean(axis=1)
    result = mixing(between(x, z, k=k))
    np.testing.assert_allclose(result.after_share, share[:50])
    np.testing.assert_allclose(result.target_share, share[50:])
    assert result.penetration == pytest.approx(result.after_values.mean())
    assert result.coverage == pytest.approx(
        binary_entropy(share[50:]).mean() / expected_entropy(69, 119, k)
    )


def test_balls_agree_with_brute_force():
    rng = np.random.default_rng(4)
    x, z, k = unit(rng.standard_normal((80, 5))), unit(rng.standard_normal((60, 5)) + 0.5), 5

    def distances(a, b):
        return np.linalg.norm(a[:, None].astype(np.float64) - b[None], axis=2)

    radius_x = np.sort(distances(x, x), axis=1)[:, k]
    radius_z = np.sort(distances(z, z), axis=1)[:, k]
    across = distances(z, x)
    result = manifold(between(x, z))
    assert result.precision == pytest.approx((across <= radius_x).any(axis=1).mean())
    assert result.recall == pytest.approx((across <= radius_z[:, None]).any(axis=0).mean())
    assert result.density == pytest.approx((across <= radius_x).sum() / (k * len(z)))
    assert result.coverage == pytest.approx((across <= radius_x).any(axis=0).mean())


def test_centroid_distance_of_two_samples_of_one_cloud_is_its_floor():
    rng = np.random.default_rng(5)
    measured, floors = [], []
    for _ in range(30):
        x, z = (unit(rng.standard_normal((n, 20)) + 1) for n in (200, 90))
        measured.append(delta_mu(between(x, z)))
        floors.append(sampling_floor(between(x, z)))
    assert np.sqrt(np.mean(np.square(measured))) == pytest.approx(np.mean(floors), rel=0.1)
