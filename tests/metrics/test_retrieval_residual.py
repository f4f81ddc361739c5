"""Paired measures: recall with ties, mixed galleries, and the matched residual."""

import numpy as np
import pytest

from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.residual import Residual, residual_anisotropy
from anisoalign_core.geometry.spectrum import marchenko_pastur_edge
from anisoalign_core.metrics import METRICS, Comparison
from anisoalign_core.metrics.retrieval import mixed_gallery_bias, recall


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_identical_sets_are_found_at_once():
    rows = unit(np.random.default_rng(0).standard_normal((40, 8)))
    for way in recall(rows, rows).values():
        assert way == {1: 1.0, 5: 1.0, 10: 1.0}


def test_a_gallery_of_copies_gives_chance_not_certainty():
    rng = np.random.default_rng(1)
    target = np.repeat(unit(rng.standard_normal((1, 6))), 20, axis=0)
    source = unit(rng.standard_normal((20, 6)))
    found = recall(source, target, at=(1, 5, 20))
    assert found["source_to_target"] == pytest.approx({1: 1 / 20, 5: 5 / 20, 20: 1.0})


def test_ties_count_as_broken_at_random():
    target = np.eye(4, dtype=np.float32)[[0, 0, 0, 1]]
    found = recall(target, target, at=(1, 2, 3))
    for way in found.values():
        # three rows tie with two others, one stands alone
        assert way == pytest.approx({1: (3 / 3 + 1) / 4, 2: (3 * 2 / 3 + 1) / 4, 3: 1.0})


def test_recall_without_ties_is_the_rank_of_the_match():
    rng = np.random.default_rng(2)
    source, target = unit(rng.standard_normal((60, 10))), unit(rng.standard_normal((60, 10)))
    cosines = source.astype(np.float64) @ target.T
    found = recall(source, target, at=(3,))
    for way, table in (("source_to_target", cosines), ("target_to_source", cosines.T)):
        rank = (table > np.diag(table)[:, None]).sum(axis=1)
        assert found[way][3] == pytest.approx((rank < 3).mean())
    with pytest.raises(ShapeError, match="row by row"):
        recall(source, target[:5])


def test_gallery_bias_is_0_when_shares_are_fair_and_most_when_nothing_is_found():
    fair = mixed_gallery_bias(np.full(3, 20 / 29), 10, 20)
    np.testing.assert_allclose(fair, 0.0, atol=1e-12)
    np.testing.assert_allclose(mixed_gallery_bias(np.zeros(3), 10, 20), 20 / 29)


def test_anisotropy_is_1_for_isotropic_residuals_and_d_for_one_direction():
    d = 6
    target = np.concatenate([np.eye(d), -np.eye(d)]).astype(np.float32)
    nothing = np.zeros_like(target)
    assert residual_anisotropy(target, nothing) == pytest.approx(1.0)
    line = np.outer(np.linspace(-1, 1, 12), np.ones(d)).astype(np.float32)
    assert residual_anisotropy(line, nothing) == pytest.approx(d, rel=1e-5)
    assert np.isnan(residual_anisotropy(target, target))
    same = Comparison.between(target, target, paired=True)
    assert METRICS["residual_anisotropy"].function(same) == 0.0


def test_isotropic_noise_stays_at_the_marchenko_pastur_edge():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((400, 100)).astype(np.float32)
    measured = residual_anisotropy(noise, np.zeros_like(noise))
    assert measured == pytest.approx(marchenko_pastur_edge(400, 100), rel=0.06)


def test_random_re_pairing_has_the_anisotropy_of_the_summed_covariances():
    rng = np.random.default_rng(4)
    shared = rng.standard_normal((2000, 8)) * np.arange(1, 9)
    x = shared.astype(np.float32)
    z = (shared + rng.standard_normal(shared.shape)).astype(np.float32)
    shuffled = residual_anisotropy(x, z[rng.permutation(2000)])
    assert shuffled == pytest.approx(Residual.of(z, x).anisotropy_repaired, rel=0.08)
    assert residual_anisotropy(x, z) < 0.7 * shuffled


def test_rows_that_do_not_correspond_have_no_residual():
    rows = unit(np.random.default_rng(3).standard_normal((12, 5)))
    with pytest.raises(ShapeError, match="12 target and 11 source rows cannot be matched"):
        residual_anisotropy(rows[:11], rows)
