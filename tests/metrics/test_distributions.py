"""Distances between clouds: closed forms, and nothing where there is nothing."""

import numpy as np
import pytest
from scipy import linalg
from scipy.stats import wasserstein_distance

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import METRICS, Comparison
from anisoalign_core.metrics.distributions import (
    frechet,
    frechet_of_moments,
    frechet_of_rows,
    sliced_wasserstein,
)
from anisoalign_core.metrics.separability import separability
from anisoalign_core.moments import Moments


def mmd(target, after):
    return METRICS["mmd"].function(Comparison.between(target, after))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [20, 300])
def test_frechet_of_equal_sets_is_0_and_of_a_shift_its_square(n):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 40)).astype(np.float32)
    step = np.linspace(-1, 1, 40, dtype=np.float32)
    assert frechet(Comparison.between(x, x)) == pytest.approx(0.0, abs=1e-4)
    assert frechet(Comparison.between(x, x + step)) == pytest.approx(np.sum(step**2), rel=1e-4)


def test_both_ways_to_frechet_agree_with_the_textbook_formula():
    rng = np.random.default_rng(1)
    x = unit(rng.standard_normal((90, 12)) * np.arange(1, 13))
    z = unit(rng.standard_normal((70, 12)) + 0.3)
    a, b = Moments.of(x), Moments.of(z)
    root = linalg.sqrtm(a.covariance @ b.covariance).real
    wanted = np.sum((a.mean - b.mean) ** 2) + a.trace + b.trace - 2 * np.trace(root)
    assert frechet_of_moments(a, b) == pytest.approx(wanted, rel=1e-5)
    assert frechet_of_rows(x, z) == pytest.approx(wanted, rel=1e-5)


def test_frechet_of_singular_covariances_does_not_depend_on_the_way():
    rng = np.random.default_rng(2)
    flat = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 30))
    x, z = unit(flat[:110]), unit(flat[110:] + 0.2)
    by_rows = frechet_of_rows(x, z)
    assert frechet_of_moments(Moments.of(x), Moments.of(z)) == pytest.approx(by_rows, rel=1e-4)


def test_sliced_wasserstein_of_a_shift_is_its_length_over_root_d():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((300, 10)).astype(np.float32)
    step = np.full(10, 0.7, dtype=np.float32)
    assert sliced_wasserstein(x, x + step, n_projections=4000) == pytest.approx(0.7, rel=0.05)
    assert sliced_wasserstein(x, x[::-1]) == pytest.approx(0.0, abs=1e-7)


def test_sliced_wasserstein_is_exact_for_unequal_sizes():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((6, 3)).astype(np.float32)
    assert sliced_wasserstein(x, np.repeat(x, 4, axis=0)) == pytest.approx(0.0, abs=1e-7)
    z = np.full((7, 3), 9.0, dtype=np.float32)  # beyond every x: W2 is then a plain quantile match
    line = np.random.default_rng(0).standard_normal((3, 1))
    line = (line / np.linalg.norm(line)).astype(np.float32)
    gap = (x @ line - z[:1] @ line).astype(np.float64)
    assert sliced_wasserstein(x, z, n_projections=1) == pytest.approx(np.sqrt(np.mean(gap**2)))
    first = wasserstein_distance((x @ line).ravel(), (z @ line).ravel())
    assert sliced_wasserstein(x, z, n_projections=1) >= first - 1e-6


def test_mmd_is_unbiased_and_sees_a_shift():
    rng = np.random.default_rng(5)
    same = [
        mmd(unit(rng.standard_normal((60, 6)) + 1), unit(rng.standard_normal((40, 6)) + 1))
        for _ in range(60)
    ]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(len(same))
    x = unit(rng.standard_normal((60, 6)) + 1)
    assert mmd(x, -x) > 0.5


def test_mmd_agrees_with_the_double_sum():
    rng = np.random.default_rng(6)
    x, z = unit(rng.standard_normal((30, 4))), unit(rng.standard_normal((25, 4)) + 0.5)

    def squared(a, b):
        return np.sum((a[:, None].astype(np.float64) - b[None]) ** 2, axis=2)

    width = np.median(squared(x, x)[np.triu_indices(30, 1)])
    k_xx, k_zz, k_xz = (np.exp(-squared(a, b) / (2 * width)) for a, b in ((x, x), (z, z), (x, z)))
    wanted = (k_xx.sum() - 30) / (30 * 29) + (k_zz.sum() - 25) / (25 * 24) - 2 * k_xz.mean()
    assert mmd(x, z) == pytest.approx(wanted, abs=1e-5)


def test_separability_is_chance_for_one_cloud_and_1_for_two():
    rng = np.random.default_rng(7)
    x, z = unit(rng.standard_normal((400, 6))), unit(rng.standard_normal((500, 6)))
    assert separability(x, z).auc == pytest.approx(0.5, abs=0.1)
    result = separability(unit(x + 2), unit(z - 2))
    assert (result.auc, result.n_target, result.n_source) == (1.0, 120, 150)
    assert separability(x, z[:400], paired=True, random_state=1) == separability(
        x, z[:400], paired=True, random_state=1
    )
    with pytest.raises(ParameterError, match="4 rows"):
        separability(x[:3], z)


def test_different_spaces_are_refused():
    with pytest.raises(ShapeError, match="dimensions"):
        frechet_of_rows(np.ones((5, 3), np.float32), np.ones((5, 4), np.float32))
