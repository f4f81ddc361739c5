"""The gap of every two of several modalities."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import JoinError, ParameterError, ShapeError
from anisoalign_core.plots.style import as_text
from tests.conftest import paired_world
from tests.gap.encoder_worlds import ids_of, shuffled

NAMES = ("image", "text", "<b>audio")


@pytest.fixture(scope="module")
def sets():
    y, x = paired_world(90, 10)
    z = paired_world(90, 10, seed=2)[0] + y
    return {
        name: aa.EmbeddingSet.from_array(rows, modality=name, ids=ids_of(90))
        for name, rows in zip(NAMES, (x, y, z), strict=True)
    }


@pytest.fixture(scope="module")
def found(sets):
    return aa.gap.matrix(sets)


def test_every_two_are_measured_once_the_later_one_as_the_source(found, sets):
    assert found.modalities == NAMES
    assert list(found.reports) == [
        ("text", "image"),
        ("<b>audio", "image"),
        ("<b>audio", "text"),
    ]
    pair = aa.EmbeddingPair.match(sets["<b>audio"], sets["text"], "row")
    assert found.reports["<b>audio", "text"] == aa.diagnose(pair)
    assert "3 modalities" in str(found) and len(found.card().rows) == 3


def test_gaps_are_symmetric_and_retrieval_has_a_direction(found):
    for measure in ("centroid_gap", "distribution_gap", "residual_share", "overlap", "mutual_knn"):
        table = found.to_frame(measure).to_numpy()
        assert np.isnan(np.diagonal(table)).all()
        off = ~np.eye(3, dtype=bool)
        assert np.isfinite(table[off]).all()
        np.testing.assert_array_equal(table[off], table.T[off])
    table = found.to_frame("recall")
    for (source, target), report in found.reports.items():
        gallery = report.galleries[50].recall_at_1
        assert table.loc[source, target] == gallery["source_to_target"].value
        assert table.loc[target, source] == gallery["target_to_source"].value


def test_the_heat_map_shows_the_table_under_escaped_names(found):
    for measure in ("centroid_gap", "recall"):
        (map_,) = found.plot(measure).data
        np.testing.assert_array_equal(map_.z, found.to_frame(measure).to_numpy())
        assert list(map_.x) == list(map_.y) == [as_text(name) for name in NAMES]
        assert "<b>" not in "".join(map_.x)


def test_an_unknown_measure_is_refused_with_those_there_are(found):
    with pytest.raises(ParameterError, match=r'no measure "size".*centroid_gap.*recall'):
        found.to_frame("size")
    with pytest.raises(ParameterError, match="no measure"):
        found.plot("recall_source_to_target_twice")


def test_by_id_order_does_not_matter(sets, found):
    order = shuffled(90)
    mixed = {**sets, "text": sets["text"].take(order)}
    by_id = aa.gap.matrix(mixed, by="id")
    expected, same = (one.to_frame("residual_share") for one in (found, by_id))
    np.testing.assert_allclose(same, expected, rtol=1e-4)
    torn = aa.gap.matrix(mixed).to_frame("residual_share")
    assert torn.loc["text", "image"] > expected.loc["text", "image"] + 0.02


def test_unpaired_modalities_have_what_needs_no_pairs(sets):
    found = aa.gap.matrix(sets, by="none")
    assert np.isfinite(found.to_frame("distribution_gap").loc["text", "image"])
    with pytest.raises(ParameterError, match="no measure"):
        found.to_frame("recall")


def test_progress_runs_once_from_none_to_all(sets):
    told = []
    aa.gap.matrix(sets, by="none", progress=lambda fraction, words: told.append(fraction))
    assert told == sorted(told) and told[0] == 0 and told[-1] == pytest.approx(1.0)


def test_too_few_and_unlike_sets_are_refused(sets):
    with pytest.raises(ParameterError, match="at least two modalities"):
        aa.gap.matrix({"image": sets["image"]})
    with pytest.raises((ShapeError, JoinError)):
        aa.gap.matrix({"image": sets["image"], "text": sets["text"].take(np.arange(40))})
    wide = aa.EmbeddingSet.from_array(paired_world(90, 12)[0], modality="text")
    with pytest.raises(ShapeError):
        aa.gap.matrix({"image": sets["image"], "text": wide})
