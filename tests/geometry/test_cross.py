"""The cross-scatter of matched rows, from blocks, is that of the whole in float64."""

import numpy as np
import pytest

from anisoalign_core.align.paired import nearest_rotation
from anisoalign_core.geometry.cross import ROUNDING, cross_scatter
from anisoalign_core.numerics import BLOCK_ROWS, unit_rows


def sides(n, mean, d=16):
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -1.0
    spread *= np.sqrt(1 - mean**2) / np.sqrt(np.mean(np.sum(spread**2, axis=1)))
    y = unit_rows((spread + mean * np.eye(d)[0]).astype(np.float32))
    turned = (spread + 0.3 * rng.standard_normal((n, d)) * spread.std(axis=0)) @ np.eye(d)[::-1]
    return y, unit_rows((turned + mean * np.eye(d)[1]).astype(np.float32))


@pytest.mark.parametrize("mean", [0.5, 0.998])
@pytest.mark.parametrize("n", [50, BLOCK_ROWS, 3 * BLOCK_ROWS + 100])
def test_it_is_that_of_all_rows_at_once_also_in_a_narrow_cone(n, mean):
    y, x = sides(n, mean)
    mean_y, mean_x, found = cross_scatter(y, x)
    wide_y, wide_x = y.astype(np.float64), x.astype(np.float64)
    np.testing.assert_allclose(mean_y, wide_y.mean(0), atol=1e-8)
    np.testing.assert_allclose(mean_x, wide_x.mean(0), atol=1e-8)
    wanted = (wide_y - wide_y.mean(0)).T @ (wide_x - wide_x.mean(0))
    assert np.linalg.norm(found - wanted) < 1e-6 * np.linalg.norm(wanted)


def test_rows_in_an_order_that_moves_their_mean_change_nothing():
    y, x = sides(3 * BLOCK_ROWS, 0.5)
    order = np.argsort(y[:, 0])
    first, sorted_ = cross_scatter(y, x)[2], cross_scatter(y[order], x[order])[2]
    assert np.linalg.norm(first - sorted_) < 1e-6 * np.linalg.norm(first)


def test_directions_in_which_no_row_varies_are_turned_as_little_as_can_be():
    y, x = sides(2 * BLOCK_ROWS, 0.5)
    y, x = (np.concatenate([rows, np.zeros_like(rows)], axis=1) for rows in (y, x))
    turn = nearest_rotation(cross_scatter(y, x)[2], ROUNDING)
    np.testing.assert_allclose(turn[16:, 16:], np.eye(16), atol=1e-6)
