"""Semantics: what a map does to the source's own geometry."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import Comparison, cosines, semantics


def of(metric, before, after, k=20):
    return np.mean(metric(Comparison(before, after, before, k=k)))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def cone():
    rng = np.random.default_rng(0)
    return unit(rng.standard_normal((150, 24)) + 1.5)


def test_an_orthogonal_map_keeps_every_similarity_and_every_neighbour(cone):
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    turned = unit(cone @ rotation)
    assert of(semantics.psi, cone, turned) == pytest.approx(1.0, abs=1e-6)
    assert of(semantics.omega, cone, turned, 10) == pytest.approx(1.0, abs=2e-3)
    assert semantics.trustworthiness(cone, turned, 10) == pytest.approx(1.0, abs=1e-5)


def test_phi_never_exceeds_the_limit_set_by_the_means(cone):
    rng = np.random.default_rng(2)
    for step in (0.0, 0.3, 3.0):
        after = unit(cone + step * rng.standard_normal(24) + 0.1 * rng.standard_normal(cone.shape))
        assert of(semantics.phi, cone, after) <= of(semantics.phi_max, cone, after) + 1e-7
    opposite = -cone
    assert of(semantics.phi, cone, opposite) == pytest.approx(-1.0, abs=1e-6)


def test_psi_is_the_correlation_over_pairs_in_blocks_and_whole(cone, monkeypatch):
    after = unit(cone**2)
    upper = np.triu_indices(len(cone), 1)
    before_pairs = (cone.astype(np.float64) @ cone.T)[upper]
    after_pairs = (after.astype(np.float64) @ after.T)[upper]
    wanted = np.corrcoef(before_pairs, after_pairs)[0, 1]
    assert of(semantics.psi, cone, after) == pytest.approx(wanted, abs=1e-6)
    monkeypatch.setattr(cosines, "HELD_CELLS", 0)
    monkeypatch.setattr(cosines, "BLOCK_CELLS", 1)
    assert of(semantics.psi, cone, after) == pytest.approx(wanted, abs=1e-6)


def test_shuffling_the_rows_brings_every_measure_to_chance():
    rng = np.random.default_rng(3)
    rows = unit(rng.standard_normal((400, 12)))
    shuffled = rows[rng.permutation(400)]
    assert of(semantics.psi, rows, shuffled) == pytest.approx(0.0, abs=0.02)
    assert of(semantics.omega, rows, shuffled, 20) == pytest.approx(20 / 399, abs=0.01)
    assert semantics.trustworthiness(rows, shuffled, 20) == pytest.approx(
        of(semantics.shuffled_trustworthiness, rows, shuffled), abs=0.02
    )


def test_trustworthiness_is_the_published_one(cone):
    after = unit(cone[:, ::-1] * np.arange(1, 25))
    assert semantics.trustworthiness(cone, after, 7) == pytest.approx(
        sklearn_trustworthiness(cone, after, n_neighbors=7)
    )
    with pytest.raises(ParameterError, match="75"):
        semantics.trustworthiness(cone, after, 75)


def test_rows_that_do_not_correspond_are_refused(cone):
    with pytest.raises(ShapeError, match="do not correspond"):
        of(semantics.phi, cone, cone[:5])
