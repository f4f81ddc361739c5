"""Our numbers are those of the packages others use: prdc, POT and scikit-learn.

The packages share no code with the library, so every comparison is of two independent programs.
Trustworthiness has its comparison with scikit-learn in ``test_semantics.py``.
"""

import numpy as np
import ot
import pytest
from prdc import compute_prdc
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import rbf_kernel

from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.align.gaussian import Bures, bures_map
from anisoalign_core.metrics import METRICS, Comparison
from anisoalign_core.metrics.distributions import (
    frechet,
    frechet_of_moments,
    sliced_wasserstein,
)
from anisoalign_core.metrics.manifold import manifold
from anisoalign_core.moments import Moments


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clouds(seed, n_target, n_after, d):
    """Target and corrected unit rows whose means, spectra and axes differ, but which overlap."""
    rng = np.random.default_rng(seed)
    scale = np.linspace(1.0, 0.3, d)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    target = rng.standard_normal((n_target, d)) * scale + 0.4
    after = rng.standard_normal((n_after, d)) * scale[::-1] @ axes + 0.4
    return unit(target), unit(after)


def covariance(rows):
    """Divide by n, as every covariance here does."""
    return np.cov(rows.astype(np.float64).T, bias=True)


SIZES = [(0, 120, 120, 8), (1, 150, 90, 8), (3, 160, 70, 24)]


@pytest.mark.parametrize("k", [5, 3])
@pytest.mark.parametrize(("seed", "n_target", "n_after", "d"), SIZES)
def test_precision_recall_density_and_coverage_are_those_of_prdc(seed, n_target, n_after, d, k):
    # prdc measures Euclidean distances and we cosines: on unit rows they order rows alike. Both
    # leave a row out of its own neighbours, so the ball of a row reaches its k-th other row.
    target, after = clouds(seed, n_target, n_after, d)
    across = pairwise_distances(target.astype(np.float64), after.astype(np.float64))
    radius_x, radius_z = (
        np.sort(pairwise_distances(rows.astype(np.float64)), axis=1)[:, k]
        for rows in (target, after)
    )
    nearest_miss = min(
        np.abs(across - radius_x[:, None]).min(), np.abs(across - radius_z[None]).min()
    )
    assert nearest_miss > 1e-6  # else rounding, or < against ≤, could tell the two programs apart
    wanted = compute_prdc(target, after, k)
    result = manifold(Comparison.between(target, after), k)
    assert 0.05 < min(wanted.values())
    assert max(wanted.values()) < 1.0
    for name, value in wanted.items():
        assert getattr(result, name) == pytest.approx(value, rel=1e-12), name


def test_a_row_exactly_at_the_radius_is_inside_the_ball_here_and_outside_in_prdc():
    # Kynkäänniemi 2019 writes ≤, and so do we; prdc computes <. All these rows are at right
    # angles, so every distance is √2 and every row lies exactly on every sphere.
    axes = np.eye(16, dtype=np.float32)
    target, after = axes[:9], axes[9:]
    ours, theirs = manifold(Comparison.between(target, after, k=2)), compute_prdc(target, after, 5)
    assert (ours.precision, ours.recall, ours.coverage) == (1.0, 1.0, 1.0)
    assert ours.density == pytest.approx(9 / 5)
    assert set(theirs.values()) == {0.0}


@pytest.mark.parametrize(("seed", "n_target", "n_after", "d"), SIZES)
def test_frechet_is_the_square_of_the_bures_wasserstein_distance_of_pot(seed, n_target, n_after, d):
    target, after = clouds(seed, n_target, n_after, d)
    wanted = ot.gaussian.bures_wasserstein_distance(
        target.mean(axis=0, dtype=np.float64),
        after.mean(axis=0, dtype=np.float64),
        covariance(target),
        covariance(after),
    )
    assert frechet(Comparison.between(target, after)) == pytest.approx(wanted**2, rel=1e-9)
    assert frechet_of_moments(Moments.of(target), Moments.of(after)) == pytest.approx(
        wanted**2, rel=1e-9
    )


def test_frechet_of_fewer_rows_than_dimensions_is_the_limit_of_pot_without_regularisation():
    # POT adds reg · I, as it cannot take the root of a singular matrix; we add nothing.
    target, after = clouds(3, 40, 25, 64)
    ours = frechet(Comparison.between(target, after))
    theirs = [
        ot.gaussian.empirical_bures_wasserstein_distance(
            target.astype(np.float64), after.astype(np.float64), reg=reg
        )
        ** 2
        for reg in (1e-4, 1e-6, 1e-8)
    ]
    errors = np.abs(np.array(theirs) - ours) / ours
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 5
    assert errors[2] < 1e-3


@pytest.mark.parametrize(("seed", "n_target", "n_after", "d"), SIZES)
def test_sliced_wasserstein_is_that_of_pot_along_the_same_directions(seed, n_target, n_after, d):
    target, after = clouds(seed, n_target, n_after, d)
    directions = np.random.default_rng(seed).standard_normal((d, 32))
    directions /= np.linalg.norm(directions, axis=0)
    wanted = ot.sliced_wasserstein_distance(
        target.astype(np.float64), after.astype(np.float64), projections=directions, p=2
    )
    ours = sliced_wasserstein(target, after, n_projections=32, random_state=seed)
    assert ours == pytest.approx(wanted, rel=1e-6)  # ours projects in float32
    other = sliced_wasserstein(target, after, n_projections=32, random_state=seed + 1)
    assert abs(other - wanted) > 1e-4 * wanted  # so the directions did matter


@pytest.mark.parametrize(("n_target", "n_after"), [(102, 102), (102, 59), (1203, 90)])
def test_mmd_is_the_unbiased_estimate_from_the_rbf_kernel_of_scikit_learn(n_target, n_after):
    # h is the median distance of the first 1000 target rows. We take the median of the squares:
    # of an odd number of pairs (102 rows) it is the square of the median, of an even number
    # (1000 rows) nearly so.
    target, after = clouds(4, n_target, n_after, 8)
    x, z = target.astype(np.float64), after.astype(np.float64)
    first = x[:1000]
    width = np.median(pairwise_distances(first)[np.triu_indices(len(first), 1)])
    gamma = 1.0 / (2.0 * width**2)

    def off_diagonal_mean(rows):
        kernel = rbf_kernel(rows, gamma=gamma)
        return (kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1))

    cross = rbf_kernel(x, z, gamma=gamma).mean()
    wanted = off_diagonal_mean(x) + off_diagonal_mean(z) - 2.0 * cross
    assert wanted > 1e-3
    assert METRICS["mmd"].function(Comparison.between(target, after)) == pytest.approx(
        wanted, abs=1e-7
    )


@pytest.mark.parametrize(("seed", "n_target", "n_after", "d"), SIZES)
def test_the_bures_map_is_the_linear_map_of_pot(seed, n_target, n_after, d):
    target, source = clouds(seed, n_target, n_after, d)
    sigma_y, sigma_x = covariance(source), covariance(target)
    zero = np.zeros(d)
    wanted, _ = ot.gaussian.bures_wasserstein_mapping(zero, zero, sigma_y, sigma_x)
    np.testing.assert_allclose(bures_map(sigma_y, sigma_x), wanted, atol=1e-9)


@pytest.mark.parametrize(
    "method", [Bures(), BoundedTransport(bound=1e3), BoundedTransport(bound=float("inf"))]
)
@pytest.mark.parametrize(("seed", "n_target", "n_after", "d"), SIZES)
def test_gaussian_transport_is_the_map_of_pot_between_ledoit_wolf_covariances(
    seed, n_target, n_after, d, method
):
    # Both methods shrink the covariances first, so POT gets those of scikit-learn's Ledoit–Wolf.
    target, source = clouds(seed, n_target, n_after, d)
    x, y = target.astype(np.float64), source.astype(np.float64)
    linear, shift = ot.gaussian.bures_wasserstein_mapping(
        y.mean(axis=0), x.mean(axis=0), ledoit_wolf(y)[0], ledoit_wolf(x)[0]
    )
    fitted = clone(method).fit(source, target).map_
    np.testing.assert_allclose(fitted.linear, linear, atol=1e-7)
    np.testing.assert_allclose(fitted.before_projection(source), y @ linear + shift, atol=1e-6)
    unshrunk, _ = ot.gaussian.bures_wasserstein_mapping(
        y.mean(axis=0), x.mean(axis=0), covariance(y), covariance(x)
    )
    assert np.abs(fitted.linear - unshrunk).max() > 1e-3  # so the shrinkage did matter
