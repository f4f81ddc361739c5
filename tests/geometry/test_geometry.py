"""Facts about spectra, subspaces and the residual."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from anisoalign_core.geometry import residual, spectrum, subspace
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import fix_signs
from tests.conftest import paired_world

Y, X = paired_world(500, 24)


def frame(d, q, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, q)))[0]


def test_a_subspace_overlaps_itself_fully_and_random_ones_by_q_over_d():
    u = frame(60, 12, 0)
    assert subspace.overlap(u, u) == pytest.approx(1)
    random = [
        subspace.overlap(frame(60, 12, 2 * i), frame(60, 12, 2 * i + 1)) for i in range(1, 60)
    ]
    assert np.mean(random) == pytest.approx(12 / 60, abs=0.01)


def test_overlap_is_the_mean_squared_cosine_of_the_principal_angles():
    u, v = frame(30, 6, 1), frame(30, 6, 2)
    angles = subspace.principal_angles(u, v)
    assert subspace.overlap(u, v) == pytest.approx(np.mean(np.cos(angles) ** 2))
    curve = subspace.overlap_curve(u, v)
    assert curve[-1] == pytest.approx(subspace.overlap(u, v))
    assert curve[2] == pytest.approx(subspace.overlap(u[:, :3], v[:, :3]))


def test_isotropic_spectra_have_anisotropy_one_and_full_dimension():
    values = np.full(16, 0.3)
    assert residual.anisotropy(values[0], values.sum(), 16) == pytest.approx(1)
    assert spectrum.effective_dimension(values) == pytest.approx(16)
    assert spectrum.effective_rank(values) == pytest.approx(16)
    assert spectrum.isoscore(values) == pytest.approx(1)
    lonely = np.eye(16)[0]
    assert spectrum.effective_dimension(lonely) == pytest.approx(1)
    assert spectrum.isoscore(lonely) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(spectrum.cumulative_energy(values), np.arange(1, 17) / 16)


def test_isotropic_noise_stays_below_the_marchenko_pastur_edge():
    rows = np.random.default_rng(0).standard_normal((2000, 100))
    values = spectrum.eigenvalues(Moments.of(rows).covariance)
    edge = spectrum.marchenko_pastur_edge(2000, 100)
    assert residual.anisotropy(values[0], values.sum(), 100) == pytest.approx(edge, rel=0.05)


def test_a_power_law_gives_its_exponent_back():
    values = np.arange(1, 201.0) ** -1.3
    decay = spectrum.decay_exponent(values, n=1000)
    assert decay.exponent == pytest.approx(-1.3)
    assert (decay.first, decay.last) == (5, 50)
    assert np.isnan(spectrum.decay_exponent(values[:8], n=8).exponent)


def test_squared_distance_splits_exactly_into_mean_and_residual():
    found = Residual.of(Y, X)
    squared = np.mean(np.sum((X.astype(np.float64) - Y) ** 2, axis=1))
    assert squared == pytest.approx(found.delta @ found.delta + found.trace, rel=1e-9)
    cosine = np.mean(np.sum(X.astype(np.float64) * Y, axis=1))
    gap = found.delta @ found.delta
    assert found.share == pytest.approx(1 - gap / (2 - 2 * cosine), rel=1e-5)
    exact = np.cov((X.astype(np.float64) - Y).T, bias=True)
    np.testing.assert_allclose(found.moments.covariance, exact, atol=1e-9)


def test_random_pairs_have_the_repaired_spectrum():
    order = np.random.default_rng(1).permutation(len(Y))
    shuffled = Residual.of(Y[order], X)
    assert shuffled.anisotropy == pytest.approx(shuffled.anisotropy_repaired, rel=0.15)
    assert shuffled.trace == pytest.approx(shuffled.repaired_values.sum(), rel=0.03)
    assert Residual.of(Y, X).trace < 0.7 * shuffled.trace
    ratios, _ = shuffled.directional_ratio(10)
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    shared, directions = Residual.of(Y, X).directional_ratio(10)
    assert shared[0] < 0.6
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1)


def test_top_anisotropy_agrees_with_the_full_spectrum_both_ways():
    for rows in (10, len(X)):
        whole = Residual.of(Y[:rows], X[:rows]).anisotropy
        assert residual.residual_anisotropy(Y[:rows], X[:rows]) == pytest.approx(whole, rel=1e-4)


def test_the_projected_mean_is_predicted_to_second_order():
    rng = np.random.default_rng(0)
    mean = np.r_[1.0, np.zeros(9)]
    spread = np.diag(np.linspace(0.02, 0.001, 10))
    rows = mean + rng.standard_normal((400_000, 10)) @ np.sqrt(spread)
    measured = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(0)
    predicted = residual.projection_drift(mean, spread)
    assert np.linalg.norm(measured - predicted) < 0.1 * np.linalg.norm(measured - mean)


def test_numbers_do_not_depend_on_the_basis():
    q = ortho_group.rvs(24, random_state=0)
    turned = Residual.of((Y @ q).astype(np.float32), (X @ q).astype(np.float32))
    straight = Residual.of(Y, X)
    np.testing.assert_allclose(turned.values, straight.values, atol=1e-7)
    assert turned.anisotropy_repaired == pytest.approx(straight.anisotropy_repaired, rel=1e-5)


def test_eigenvector_signs_are_fixed():
    vectors = frame(9, 4, 5)
    flipped = vectors * np.array([1, -1, -1, 1])
    np.testing.assert_array_equal(fix_signs(vectors), fix_signs(flipped))
    largest = np.abs(fix_signs(vectors)).argmax(axis=0)
    assert (fix_signs(vectors)[largest, range(4)] > 0).all()


def test_a_completed_basis_is_orthonormal_and_keeps_its_start():
    u = frame(12, 5, 3)
    full = subspace.complete_basis(u)
    np.testing.assert_allclose(full.T @ full, np.eye(12), atol=1e-12)
    np.testing.assert_array_equal(full[:, :5], u)


def test_the_principal_plane_holds_the_two_largest_variances():
    plane = subspace.principal_plane(X)
    values = spectrum.eigenvalues(Moments.of(X).covariance)
    np.testing.assert_allclose(plane.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(plane.var(0), values[:2], rtol=1e-4)


def test_auto_rank_is_even_and_holds_ninety_percent_when_rows_allow():
    covariance = np.diag(np.r_[np.full(7, 1.0), np.full(13, 0.01)])
    assert subspace.auto_rank(covariance, rows=1000) == 8
    assert subspace.auto_rank(covariance, rows=45) == 4
    assert np.sort(np.diag(covariance))[-8:].sum() > 0.9 * np.trace(covariance)
