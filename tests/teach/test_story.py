"""What the story measures is what its words say, on the sample and on small worlds."""

import numpy as np
import pytest

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.numerics import unit_rows
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.samples import load_sample
from anisoalign_core.teach import (
    Checkpoint,
    claims,
    cone_shares,
    find_pictures,
    gap_plane,
    mean_cosine,
    mean_length,
    shape_axes,
)
from tests.conftest import paired_world

Y, X = paired_world(200, 12)


@pytest.fixture(scope="module")
def measured():
    return {claim.name: claim for claim in claims(load_sample(), load_sample("scenes-untrained"))}


def test_the_nearest_pictures_come_first_and_the_partner_has_its_rank():
    hits = 0
    for row in range(len(Y)):
        found = find_pictures(Y, X, row, count=5)
        cosines = X.astype(float) @ Y[row].astype(float)
        assert set(found.rows) == set(np.argsort(-cosines)[:5])
        assert np.all(np.diff(found.cosines) <= 0)
        assert found.partner_cosine == pytest.approx(cosines[row], abs=1e-6)
        assert found.rank == 1 + np.count_nonzero(cosines > cosines[row] + 1e-6)
        hits += found.rank == 1
    assert hits / len(Y) == pytest.approx(recall(Y, X, (1,))["source_to_target"][1], abs=0.01)


def test_a_row_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="row 200"):
        find_pictures(Y, X, 200)


def test_cones_are_measured_by_the_mean_and_against_no_cone():
    rng = np.random.default_rng(0)
    everywhere = unit_rows(rng.standard_normal((600, 40)))
    narrow = unit_rows(everywhere + 3 * np.eye(40)[0])
    assert mean_length(everywhere) < 0.1 < 0.9 < mean_length(narrow)
    cosines = (narrow.astype(float) @ narrow.T)[np.triu_indices(600, 1)]
    assert mean_cosine(narrow) == pytest.approx(cosines.mean(), abs=1e-6)
    shares = cone_shares(narrow, everywhere, bins=40)
    for share in (shares.target, shares.source, shares.everywhere):
        assert share.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares.target, shares.everywhere, atol=0.01)
    middles = (shares.edges[1:] + shares.edges[:-1]) / 2
    assert middles @ shares.source == pytest.approx(shares.source_mean, abs=0.01)
    assert shares.everywhere @ middles**2 == pytest.approx(1 / 40, rel=0.03)


def test_a_checkpoint_splits_the_distance_of_partners_exactly():
    found = Checkpoint.of(Y, X)
    residual = Residual.of(Y, X)
    assert found.gap**2 + residual.trace == pytest.approx(2 - 2 * found.matched_cosine, abs=1e-5)
    assert found.gap == pytest.approx(np.linalg.norm(residual.delta), abs=1e-6)
    assert found.target_length == pytest.approx(np.linalg.norm(X.mean(axis=0)), abs=1e-6)


@pytest.mark.parametrize("axes", [gap_plane, shape_axes])
def test_axes_are_orthonormal_and_begin_with_the_gap(axes):
    found = axes(Y, X)
    np.testing.assert_allclose(found.T @ found, np.eye(found.shape[1]), atol=1e-9)
    means = X.mean(axis=0, dtype=float) - Y.mean(axis=0, dtype=float)
    assert found[:, 0] @ means == pytest.approx(np.linalg.norm(means), abs=1e-6)
    projected = [rows.mean(axis=0, dtype=float) @ found[:, 1:] for rows in (X, Y)]
    np.testing.assert_allclose(projected[0], projected[1], atol=1e-6)


def test_shapes_differ_along_their_axes_in_the_stated_sense():
    axes = shape_axes(Y, X)
    spread = [rows.astype(float).var(axis=0) for rows in (X @ axes, Y @ axes)]
    assert spread[0][1] > spread[1][1]
    assert spread[1][2] > spread[0][2]


def test_clouds_with_one_mean_have_axes_too():
    assert np.isfinite(gap_plane(Y, Y)).all()
    assert np.isfinite(shape_axes(Y, Y)).all()


def test_only_the_careful_claim_holds_on_the_sample(measured):
    assert len(measured) == 5
    assert [claim.name for claim in measured.values() if claim.holds] == [
        "Bounded covers more, at a price"
    ]
    for claim in measured.values():
        assert len(claim.bars) >= 4
        assert all(0 <= bar.value <= claim.top for bar in claim.bars)


def values(claim):
    return {bar.label: bar.value for bar in claim.bars}


def test_the_untrained_encoder_has_the_gap_without_the_meaning(measured):
    found = values(measured["A gap means something is shared"])
    assert found["gap between the means, untrained"] > 0.5
    assert found["told apart by a line, untrained"] > 0.99
    chance = found["captions find their picture, by chance"]
    assert found["captions find their picture, untrained"] < 5 * chance
    assert found["captions find their picture, trained"] > 50 * chance


def test_closing_the_gap_alone_makes_search_worse_here(measured):
    found = values(measured["Closing the gap improves search"])
    for words in ("captions find their picture", "pictures find their caption"):
        assert found[f"{words}: mean shift"] < found[f"{words}: as they are"]


def test_residual_shares_are_those_of_the_files(measured):
    found = values(measured["A number from one encoder is a law"])
    pair = load_sample()
    wanted = Residual.of(pair.source.vectors, pair.target.vectors).share
    assert found["this sample"] == pytest.approx(wanted)


def test_the_careful_claim_is_not_made_where_it_fails():
    def small(y, x):
        sides = (EmbeddingSet.from_array(rows, modality="any") for rows in (y, x))
        return EmbeddingPair(*sides, paired=True)

    same = small(*paired_world(400, 12, seed=3))
    turned = small(same.target.vectors, same.target.vectors)
    found = {claim.name: claim for claim in claims(turned, same)}
    assert not found["Bounded covers more, at a price"].holds
