"""Residuals of parts and of re-pairings, from one read of the rows for all of them."""

import numpy as np
import pytest

from anisoalign_core.geometry.lanczos import TOLERANCE, largest_eigenvalues
from anisoalign_core.geometry.resampled import ResidualRows, part_means
from anisoalign_core.geometry.residual import Residual, residual_anisotropy
from anisoalign_core.metrics.intervals import balanced_halves
from anisoalign_core.numerics import unit_rows
from anisoalign_core.things import Things


def rows(n, d, seed, mean=1.0):
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5
    return unit_rows((spread + mean * np.eye(d)[0]).astype(np.float32))


def world(kind):
    if kind == "grouped":
        things = Things(np.repeat(np.arange(60), 3), np.concatenate([np.arange(60), [0, 1, 1]]), 60)
        return rows(180, 24, 0), rows(63, 24, 1), things
    n, d = {"many": (300, 24), "thin": (20, 64)}[kind]
    return rows(n, d, 0), rows(n, d, 1), Things.rows(n)


@pytest.mark.parametrize("kind", ["many", "thin", "grouped"])
def test_parts_are_those_measured_one_by_one(kind):
    y, x, things = world(kind)
    halves = balanced_halves(things.count, 6, 3)
    shares, shapes = ResidualRows.made(y, x, things).of_parts(halves, 0)
    for half, share, shape in zip(halves, shares, shapes, strict=True):
        of_y, of_x = things.rows_of(half)
        one = Residual.of(y[of_y], x[of_x], things.take(of_y, of_x))
        assert share == pytest.approx(one.share, rel=1e-6)
        assert shape == pytest.approx(one.anisotropy, rel=2 * TOLERANCE)


@pytest.mark.parametrize("kind", ["many", "thin", "grouped"])
def test_pairs_made_anew_are_those_measured_one_by_one(kind):
    y, x, things = world(kind)
    orders = [np.random.default_rng(seed).permutation(things.count) for seed in range(4)]
    found = ResidualRows.made(y, x, things).repaired(orders, 0)
    for seed, value in enumerate(found):
        shuffled = things.shuffled(np.random.default_rng(seed))
        assert value == pytest.approx(Residual.of(y, x, shuffled).anisotropy, rel=2 * TOLERANCE)
        if things.are_rows:
            exact = residual_anisotropy(y[orders[seed]], x)
            assert value == pytest.approx(exact, rel=2 * TOLERANCE)


def test_where_nothing_is_left_there_is_no_shape():
    x = rows(40, 8, 0)
    shares, shapes = ResidualRows.made(x, x, Things.rows(40)).of_parts(balanced_halves(40, 2), 0)
    assert np.isnan(shapes).all()
    assert np.isnan(shares).all()


def test_the_largest_eigenvalue_is_found_however_the_spectrum_lies():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    spectra = np.array(
        [
            np.ones(60),
            np.r_[np.ones(2), np.full(58, 0.999)],
            np.arange(60, 0, -1) ** 0.1,
            np.r_[1.0, np.zeros(59)],
            np.zeros(60),
            np.arange(60.0, 0, -1) * 1e-12,
        ]
    )

    def product(vectors):
        return basis @ (spectra.T * (basis.T @ vectors))

    found = largest_eigenvalues(product, 60, len(spectra))
    np.testing.assert_allclose(found, spectra.max(axis=1), rtol=TOLERANCE)
    assert (found <= spectra.max(axis=1) * (1 + 1e-12)).all()


def test_means_of_parts_are_the_means_of_their_rows():
    x = rows(50, 6, 2)
    parts = [np.arange(7), np.array([49, 3])]
    wanted = [x[part].mean(axis=0, dtype=np.float64) for part in parts]
    np.testing.assert_allclose(part_means(x, parts), wanted, rtol=1e-12)
