"""Moments: any chunking equals the whole, and Ledoit–Wolf needs no second pass."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.moments import Moments
from tests.conftest import paired_world

Y, X = paired_world(400, 16)


def test_moments_are_mean_and_covariance():
    moments = Moments.of(X)
    exact = X.astype(np.float64)
    assert moments.n == 400
    np.testing.assert_allclose(moments.mean, exact.mean(0), atol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(exact.T, bias=True), atol=1e-12)
    assert moments.trace == pytest.approx(np.trace(np.cov(exact.T, bias=True)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 399), max_size=6, unique=True), st.booleans())
def test_any_chunking_equals_the_whole(cuts, precise):
    edges = [0, *sorted(cuts), 400]
    chunks = [X[a:b] for a, b in pairwise(edges)]
    merged = Moments.from_chunks(chunks, precise=precise)
    whole = Moments.of(X)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-7)
    scale = np.abs(whole.scatter).max()
    np.testing.assert_allclose(
        merged.scatter, whole.scatter, atol=(1e-12 if precise else 1e-6) * scale
    )


def test_addition_commutes():
    a, b = Moments.of(X[:130]), Moments.of(X[130:])
    np.testing.assert_allclose((a + b).scatter, (b + a).scatter, atol=1e-12)
    with pytest.raises(ShapeError, match="cannot be added"):
        _ = a + Moments.of(X[:, :5])


def test_an_extreme_cone_keeps_five_digits():
    rng = np.random.default_rng(0)
    rows = 0.06 * rng.standard_normal((5000, 32)) / np.sqrt(32)
    rows[:, 0] += 1.0
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    assert np.linalg.norm(rows.mean(0)) > 0.998
    exact = np.linalg.eigvalsh(np.cov(rows.astype(np.float64).T, bias=True))
    found = np.linalg.eigvalsh(Moments.from_chunks([rows]).covariance)
    np.testing.assert_allclose(found[1:], exact[1:], rtol=1e-5)


def test_shrinkage_from_moments_is_ledoit_wolf():
    rows = X[:40].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    reference = LedoitWolf().fit(rows)
    covariance, shrinkage = Moments.of(rows).shrunk()
    assert shrinkage == pytest.approx(reference.shrinkage_, rel=1e-6)
    assert 0.01 < shrinkage < 1
    np.testing.assert_allclose(covariance, reference.covariance_, atol=1e-9)
    assert np.trace(covariance) == pytest.approx(Moments.of(rows).trace)


def test_moments_round_trip_through_a_file(tmp_path):
    moments = Moments.of(X)
    moments.to_npz(tmp_path / "moments.npz")
    again = Moments.from_npz(tmp_path / "moments.npz")
    assert again.n == moments.n
    assert np.array_equal(again.scatter, moments.scatter)
    assert [path.name for path in tmp_path.iterdir()] == ["moments.npz"]


def test_no_rows_are_refused():
    with pytest.raises(ShapeError, match="no rows"):
        Moments.from_chunks([])


def test_what_cannot_be_summed_is_refused():
    with pytest.raises(ShapeError, match="has 3 axes, not 2"):
        Moments.from_chunks([X[None]])
    with pytest.raises(ShapeError, match="Rows of 16 and of 5 dimensions cannot be summed"):
        Moments.from_chunks([X, X[:, :5]])
    with pytest.raises(ShapeError, match="400 rows cannot be taken from 400"):
        Moments.of(X).without(Moments.of(X))
    diagonal = Moments.of(X, diagonal=True)
    np.testing.assert_allclose(diagonal.trace, Moments.of(X).trace)
    with pytest.raises(ParameterError, match="Only the diagonal of this scatter was summed"):
        _ = diagonal.covariance
