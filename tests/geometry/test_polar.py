"""Polar coordinates of coordinate pairs, and how far bounded ones move."""

import numpy as np
import pytest

from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.polar import from_polar, kappa, to_polar, wrap


def test_round_trip():
    c = np.random.default_rng(0).uniform(-1, 1, (500, 12))
    radii, phases = to_polar(c)
    assert np.abs(from_polar(radii, phases) - c)[np.repeat(radii, 2, axis=1) > 0.02].max() < 1e-6
    assert np.abs(from_polar(radii, phases) - c).max() <= np.sqrt(1e-8) + 1e-12


def test_the_origin_has_a_radius_whose_log_is_finite():
    radii, _ = to_polar(np.zeros((1, 2)))
    assert radii[0, 0] == pytest.approx(1e-4)


@pytest.mark.parametrize("angle", [-np.pi, np.pi, 3 * np.pi, -7.0, 100.0, 0.0])
def test_wrapped_angles_point_the_same_way_and_lie_in_one_turn(angle):
    wrapped = wrap(np.array([angle]))[0]
    assert -np.pi <= wrapped < np.pi
    assert np.exp(1j * wrapped) == pytest.approx(np.exp(1j * angle))


def test_an_odd_number_of_coordinates_is_refused():
    with pytest.raises(ShapeError, match="even"):
        to_polar(np.zeros((3, 5)))


def test_kappa_is_the_farthest_a_bounded_block_can_go():
    rng = np.random.default_rng(1)
    for theta, rho in ((0.3, 0.3), (0.0, 0.5), (1.2, 0.0), (3.5, 0.1)):
        turn = rng.uniform(-theta, theta, 20000)
        stretch = np.exp(rng.uniform(-rho, rho, 20000))
        turn[:4], stretch[:4] = [theta, -theta, theta, np.minimum(theta, np.pi)], np.exp(rho)
        reached = np.abs(stretch * np.exp(1j * turn) - 1).max()
        assert reached <= kappa(theta, rho) + 1e-12
        assert reached == pytest.approx(kappa(theta, rho), rel=1e-6)
