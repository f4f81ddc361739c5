"""Reports of several encoders beside each other: what is fair, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.gap.encoders import compare
from anisoalign_core.gap.measures import MEASURES
from tests.conftest import paired_world
from tests.gap.encoder_worlds import pair_of, shuffled


@pytest.fixture(scope="module")
def reports():
    """Reports of three encoders of the same things; the third in a space of its own size."""
    return {
        "one": aa.diagnose(pair_of()),
        "two": aa.diagnose(pair_of(seed=3, order=shuffled(120))),
        "wide": aa.diagnose(pair_of(d=20)),
    }


def earlier(report, version=1):
    """Return what a report of an earlier version looked like."""
    body = json.loads(report.to_json())
    for key in ("distribution", "shares", "galleries", "items", "encoder"):
        del body["details"][key]
    return json.dumps(body if version == 0 else {"report_version": version, **body})


# --------------------------------------------------------------------------------- the comparison


def test_points_are_the_reports_own_numbers(reports):
    found = compare(reports)
    assert found.gallery == 100 and found.percent == 80
    assert [measure.name for measure in found.measures] == [one.name for one in MEASURES]
    for name, report in reports.items():
        point = {measure: points[name] for measure, points in found.points.items()}
        gallery, share = report.galleries[100], report.shares[80]
        for measure, value, null in (
            ("centroid_gap", report.bias.centroid_gap, report.bias.floor),
            ("distribution_gap", report.distribution.gap, report.distribution.floor),
            ("overlap", share.excess, 0.0),
            ("recall_target_to_source", gallery.recall_at_1["target_to_source"], 0.01),
            ("recall_source_to_target", gallery.recall_at_1["source_to_target"], 0.01),
        ):
            assert (point[measure].value, point[measure].low, point[measure].high) == (
                value.value,
                value.low,
                value.high,
            )
            assert point[measure].null == null
        assert point["mutual_knn"].value == gallery.mutual_knn
        assert point["mutual_knn"].null == gallery.mutual_knn_chance
        assert point["residual_share"].value == report.residual.share.value
        leading = report.residual.anisotropy.value / report.dim
        assert point["leading_share"].value == leading  # λ_max over the trace: in [1/d, 1]
        assert 1 / report.dim <= leading <= 1


def test_the_residual_share_is_read_against_its_repairing():
    """Shuffled partners have the share that the null says."""
    pair = pair_of(600, 12)
    order = shuffled(600)
    source = pair.source.take(order)
    mixed = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(source.vectors, modality="text"), pair.target, paired=True
    )
    plain, torn = (
        compare({"a": aa.diagnose(p)}).points["residual_share"]["a"] for p in (pair, mixed)
    )
    assert torn.value == pytest.approx(plain.null, rel=0.02)
    assert plain.high < plain.null


def test_the_frame_holds_every_point(reports):
    found = compare(reports, gallery=20, percent=50)
    frame = found.to_frame()
    assert len(frame) == 3 * len(MEASURES) and found.gallery == 20 and found.percent == 50
    for row in frame.itertuples():
        point = found.points[row.measure][row.encoder]
        assert (row.value, row.null) == (point.value, point.null)
        assert (row.n, row.d) == (reports[row.encoder].n_target, reports[row.encoder].dim)
    assert frame[frame.measure == "overlap"].null_is.unique().tolist() == ["random frames"]


def test_json_says_the_same_and_is_valid(reports):
    unpaired = aa.diagnose(pair_of(paired=False), parts=("subspaces",))
    found = compare({**reports, "unpaired": unpaired})
    body = json.loads(found.to_json(), parse_constant=lambda word: pytest.fail(word))
    assert body["gallery"] == 100 and body["percent"] == 80 and body["same_items"] is True
    assert body["sentences"] == list(found.sentences)
    one = body["encoders"]["one"]
    assert one["measures"]["overlap"]["value"] == reports["one"].shares[80].excess.value
    assert one["measures"]["mutual_knn"]["low"] is None  # no interval
    assert one["verdict"]["level"] == reports["one"].verdict.level
    assert set(body["encoders"]["unpaired"]["measures"]) == {"centroid_gap", "overlap"}


def test_what_some_lack_is_said_and_left_out(reports):
    unpaired = aa.diagnose(pair_of(paired=False))
    found = compare({"one": reports["one"], "<b>unpaired": unpaired})
    assert "<b>unpaired" not in found.points["residual_share"]
    assert "<b>unpaired" in found.points["distribution_gap"]
    assert any("No retrieval or neighbours of <b>unpaired" in one for one in found.sentences)
    assert list(found.parts()) == ["one"]
    assert "2 encoders" in str(found)
    assert {row[0] for row in found.card().rows} == {"one", "<b>unpaired"}


def test_parts_add_to_the_mean_squared_distance(reports):
    y, x = paired_world(120, 12)
    expected = np.sum((x - y).astype(np.float64) ** 2) / 120
    assert sum(compare(reports).parts()["one"]) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------------ names


def test_names_come_from_the_person_the_file_or_the_encoder(reports, tmp_path):
    one = reports["one"]
    one.save(tmp_path / "clip.json")
    assert list(compare([tmp_path / "clip.json"]).reports) == ["clip"]
    known = replace(one, encoder="ViT-B-32")
    assert list(compare([known, one, known]).reports) == ["ViT-B-32", "encoder 2", "ViT-B-32 (3)"]
    assert list(compare({"mine": tmp_path / "clip.json"}).reports) == ["mine"]


def test_two_files_of_one_name_are_told_apart_by_the_person(reports, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        reports["one"].save(tmp_path / folder / "report.json")
    places = [tmp_path / folder / "report.json" for folder in ("a", "b")]
    with pytest.raises(ParameterError, match='Two reports are called "report"'):
        compare(places)
    assert len(compare(dict(zip("ab", places, strict=True))).reports) == 2


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"percent": 70}, "percent is 70; choose among 50, 80, 90"),
        ({"gallery": 1000}, "gallery of 1000; all have 10, 20, 50, 100"),
        ({"gallery": 0}, "gallery of 0"),
        ({"gallery": -1}, "gallery of -1"),
    ],
)
def test_what_is_not_at_hand_is_refused(reports, given_, words):
    with pytest.raises(ParameterError, match=words):
        compare(reports, **given_)


def test_nothing_and_what_is_no_report_are_refused(tmp_path):
    for none in ([], {}):
        with pytest.raises(ParameterError, match="no report to compare"):
            compare(none)
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(FormatError, match="report that diagnose wrote"):
        compare([tmp_path / "other.json"])


# ------------------------------------------------------------------------------- the same things?


def test_the_same_ids_in_any_order_may_be_ranked(reports):
    found = compare(reports)
    assert found.same_items and "the same 120 things, by their ids" in found.sentences[0]
    for by in found.points:
        values = [found.points[by][name].value for name in found.order(by)]
        assert values == sorted(values, reverse=True)
    assert found.order() == ["one", "two", "wide"]


def test_captions_tell_where_there_are_no_ids():
    first, second, other = (
        aa.diagnose(pair, parts=("distribution",))
        for pair in (
            pair_of(ids=False, captions=True),
            pair_of(ids=False, captions=True, seed=2, order=shuffled(120)),
            pair_of(ids=False, captions=True, n=119),
        )
    )
    assert first.items.by == "captions" and first.items.count == 120
    assert compare([first, second]).same_items
    assert not compare([first, other]).same_items


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (lambda: pair_of(n=119), "ids differ"),
        (lambda: pair_of(ids=False), "other has no ids or captions to tell by"),
    ],
)
def test_other_or_unknown_things_are_not_ranked(reports, other, why):
    found = compare({"one": reports["one"], "other": aa.diagnose(other())})
    assert not found.same_items
    assert found.sentences[0].startswith("No ranking") and why in found.sentences[0]
    for by in ("recall_source_to_target", "recall_target_to_source", "mutual_knn"):
        with pytest.raises(ParameterError, match="no ranking"):
            found.order(by)
    assert sorted(found.order("centroid_gap")) == ["one", "other"]  # a gap is no merit
    with pytest.raises(ParameterError, match=r'no measure "size".*centroid_gap'):
        found.order("size")


def test_one_report_is_no_comparison(reports):
    assert compare([reports["one"]]).sentences[0].startswith("One report alone")


# ------------------------------------------------------------------- reports of earlier versions


@pytest.mark.parametrize("version", [0, 1])
def test_reports_of_earlier_versions_are_compared_as_far_as_they_reach(reports, tmp_path, version):
    (tmp_path / "old.json").write_text(earlier(reports["one"], version))
    old = aa.GapReport.load(tmp_path / "old.json")
    assert old.galleries == {} and old.items is None and old.distribution is None
    assert old.bias == reports["one"].bias
    found = compare({"old": old, "new": reports["two"]})
    assert not found.same_items and found.gallery == 100
    assert any("earlier report without galleries; diagnose again" in s for s in found.sentences)
    assert set(found.points["centroid_gap"]) == {"old", "new"}
    assert set(found.points["overlap"]) == set(found.points["mutual_knn"]) == {"new"}
    alone = compare({"old": old})
    assert alone.gallery == alone.percent == 0
    assert {"overlap", "mutual_knn", "distribution_gap"}.isdisjoint(alone.points)
    json.loads(found.to_json())


def test_reports_come_back_as_they_were(reports, tmp_path):
    for name, report in reports.items():
        again = aa.GapReport.load(report.save(tmp_path / f"{name}.json"))
        assert again == report
        for measure, points in compare({name: report}).points.items():
            np.testing.assert_equal(
                vars(compare({name: again}).points[measure][name]), vars(points[name])
            )


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body["details"]["galleries"]["100"].pop("recall_at_1"),
        lambda body: body["details"]["galleries"].update(ten={}),
        lambda body: body["details"]["shares"]["80"].update(q="many"),
        lambda body: body["details"]["items"].update(by="colour"),
        lambda body: body["details"].update(encoder=3),
        lambda body: body["curves"].update(target=[[1.0], [2.0]]),
        lambda body: body["curves"].update(names=["image"]),
        lambda body: body.update(report_version=3),
        lambda body: body.update(report_version="2\n\ud800"),
        lambda body: body["curves"].update(target=[float("inf")]),
        lambda body: body["curves"]["ceiling"][1].__setitem__(0, float("inf")),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(reports, tmp_path, change):
    body = json.loads(reports["one"].save(tmp_path / "r.json").read_text())
    change(body)
    (tmp_path / "r.json").write_text(json.dumps(body))
    with pytest.raises(FormatError, match=r"^r\.json .*\.$"):
        aa.GapReport.load(tmp_path / "r.json")


def test_a_gallery_without_one_of_the_ways_is_left_out_of_its_measure(reports, tmp_path):
    body = json.loads(reports["one"].save(tmp_path / "r.json").read_text())
    for one in body["details"]["galleries"].values():
        one["recall_at_1"]["targetxto_source"] = one["recall_at_1"].pop("target_to_source")
    (tmp_path / "r.json").write_text(json.dumps(body))
    found = compare([tmp_path / "r.json"])
    assert "recall_target_to_source" not in found.points
    assert "recall_source_to_target" in found.points
