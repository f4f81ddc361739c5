"""The toys obey the mathematics they are meant to show."""

import math

import numpy as np
import pytest

from anisoalign_core.align import Bures, MeanShift, ReAlign
from anisoalign_core.errors import ParameterError
from anisoalign_core.moments import Moments
from anisoalign_core.teach import ball_bound, ball_shift, two_cones
from anisoalign_core.teach.ball import SHIFTS

INFINITY = float("inf")


def assert_unit(*clouds):
    for rows in clouds:
        assert rows.dtype == np.float32
        assert rows.shape[1] == 3
        np.testing.assert_allclose(np.linalg.norm(rows.astype(float), axis=1), 1, atol=1e-6)


@pytest.fixture(scope="module")
def toy():
    return ball_bound()


@pytest.mark.parametrize("opening", [5.0, 30.0, 80.0, 120.0])
@pytest.mark.parametrize("angle", [0.0, 40.0, 150.0])
def test_the_gap_of_two_cones_is_what_geometry_says(opening, angle):
    cones = two_cones(opening, angle)
    assert_unit(cones.source, cones.target)
    a = math.radians(opening)
    length = 2 * (a * math.sin(a) + math.cos(a) - 1) / a**2
    assert cones.length == pytest.approx(length, abs=2e-3)
    assert cones.gap == pytest.approx(2 * length * math.sin(math.radians(angle) / 2), abs=4e-3)
    spread = np.linalg.norm(cones.target - cones.source, axis=1)
    assert cones.partners == pytest.approx(1 - (spread**2).mean() / 2, abs=1e-5)


def test_the_gap_grows_with_the_angle_and_shrinks_with_the_opening():
    by_angle = [two_cones(30, angle).gap for angle in range(0, 181, 15)]
    assert np.all(np.diff(by_angle) > 0)
    by_opening = [two_cones(opening, 80) for opening in range(5, 121, 15)]
    assert np.all(np.diff([cones.gap for cones in by_opening]) < 0)
    assert np.all(np.diff([cones.inside for cones in by_opening]) < 0)


def test_cones_on_one_axis_have_no_gap_and_partners_coincide():
    cones = two_cones(40, 0)
    assert cones.gap == pytest.approx(0, abs=1e-6)
    assert cones.partners == pytest.approx(1, abs=1e-6)


def test_partners_never_come_nearer_than_the_means_allow():
    for angle in (0, 30, 90, 150):
        cones = two_cones(50, angle)
        assert cones.partners <= 1 - cones.gap**2 / 2 + 1e-6


def test_an_opening_that_is_none_is_refused():
    with pytest.raises(ParameterError, match="opening"):
        two_cones(0, 30)


@pytest.mark.parametrize("method", SHIFTS)
def test_every_shift_is_the_librarys_own_and_repeats_itself(method):
    moved = ball_shift(method, turn=60)
    assert_unit(moved.source, moved.target, moved.after)
    np.testing.assert_array_equal(moved.after, ball_shift(method, turn=60).after)
    aligner = {"mean-shift": MeanShift, "realign": ReAlign}.get(method)
    if aligner is not None:
        wanted = aligner().fit(moved.source, moved.target).transform(moved.source)
        np.testing.assert_array_equal(moved.after, wanted)
    if method == "identity":
        np.testing.assert_allclose(moved.after, moved.source, atol=2e-7)


def test_a_mean_shift_loses_what_lies_along_the_gap_and_a_rotation_does_not():
    across, along = ball_shift("mean-shift", turn=0), ball_shift("mean-shift", turn=90)
    turned = ball_shift("rotate", turn=90)
    assert along.psi < across.psi - 0.2
    assert turned.psi > 0.99
    assert turned.omega > 0.99
    assert along.gap < 0.1 < ball_shift("identity", turn=90).gap
    assert turned.coverage > along.coverage + 0.3


def test_a_rotation_fits_only_if_the_shapes_agree():
    agree, crossed = ball_shift("rotate", turn=90), ball_shift("rotate", turn=0)
    assert agree.coverage > 0.95
    assert crossed.coverage < 0.6
    assert crossed.psi > 0.99


def test_a_round_cloud_needs_an_elongation_of_one_and_less_is_refused():
    moved = ball_shift("identity", elongation=1.0)
    values = np.linalg.eigvalsh(Moments.of(moved.source).covariance)
    assert values[2] < 1.4 * values[1]
    with pytest.raises(ParameterError, match="elongation"):
        ball_shift("identity", elongation=0.5)
    with pytest.raises(ParameterError, match="no shift"):
        ball_shift("teleport")


def test_bound_zero_is_realign(toy):
    wanted = ReAlign().fit(toy.source, toy.target).transform(toy.source)
    np.testing.assert_allclose(toy.view(0.0).after, wanted, atol=1e-6)


def test_no_bound_is_gaussian_optimal_transport(toy):
    stretch = toy.stretch(INFINITY)
    np.testing.assert_array_equal(stretch, toy.method.raw_stretch_)
    bures = Bures().fit(toy.source, toy.target)
    linear = (toy.method.basis_ * stretch) @ toy.method.basis_.T
    np.testing.assert_allclose(linear, bures.map_.linear, atol=1e-9)


@pytest.mark.parametrize("bound", [0.0, 0.2, 0.7, 1.5])
def test_stretches_stay_within_the_bound(toy, bound):
    ratio = np.log(toy.stretch(bound) / toy.method.scale_)
    assert np.abs(ratio).max() <= bound + 1e-12
    assert_unit(toy.view(bound).after)


def test_a_larger_bound_buys_fit_and_costs_neighbours(toy):
    views = [toy.view(bound) for bound in (0.0, 0.5, 1.0, INFINITY)]
    assert np.all(np.diff([view.coverage for view in views]) > 0)
    assert np.all(np.diff([view.omega for view in views]) < 0)
    assert np.all(np.diff([view.frechet for view in views]) < 0)
    assert views[0].psi > 0.95 > views[-1].psi
