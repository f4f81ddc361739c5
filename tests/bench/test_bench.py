"""A bench as one file: what comes back, and names, views and changes of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.bench import Bench, BenchEntry, found_by_one, keep, small_cloud
from anisoalign_core.errors import LimitError, ParameterError
from anisoalign_core.files.source import Source
from anisoalign_core.gap.saved import report_of
from tests.bench.bench_worlds import bench_of, edited, members_of, run_of
from tests.conftest import paired_world
from tests.gap.encoder_worlds import grouped, ids_of, pair_of, shuffled


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return bench_of(tmp_path_factory.mktemp("runs"))


def opened(data):
    return Bench.load(Source("my.bench.zip", data=data))


# ------------------------------------------------------------------------------------- the file


def test_everything_comes_back(bench, tmp_path):
    again = Bench.load(bench.save(tmp_path / "my.bench.zip"))
    assert [one.name for one in again.entries] == ["<b>one", "two", "numbers"]
    assert again.baseline == "two"
    for one, other in zip(bench.entries, again.entries, strict=True):
        assert other.report == one.report and other.note == one.note
        assert other.kept.found == one.kept.found and other.kept.tradeoff == one.kept.tradeoff
        if one.kept.rows is None:
            assert other.kept.rows is None
            continue
        np.testing.assert_array_equal(other.report.curves.target, one.report.curves.target)
        for side in ("source", "target"):
            kept, read = (getattr(each.kept.rows, side) for each in (one, other))
            np.testing.assert_allclose(read.vectors, kept.vectors, atol=6e-4)
            assert read.ids.tolist() == kept.ids.tolist() and read.modality == kept.modality
        captions = other.kept.rows.source.captions
        assert captions.tolist() == one.kept.rows.source.captions.tolist()
    (run,), (known,) = again.runs, bench.runs
    assert run.name == "my run" and run.settings == known.settings
    assert run.frame.equals(known.frame)
    for measure, points in bench.compare().points.items():
        read = again.compare().points[measure]
        assert {name: repr(one) for name, one in read.items()} == {
            name: repr(one) for name, one in points.items()
        }


def test_the_same_bench_is_the_same_bytes(bench):
    data = bench.to_bytes()
    assert bench.to_bytes() == data
    first, again = members_of(data), members_of(opened(data).to_bytes())
    assert list(first) == list(again)
    for name in first:  # kept rows are rounded to float16, and are unit rows when they are read
        assert again[name] == first[name] or name.startswith("rows/")


def test_every_part_can_be_read_alone(bench, tmp_path):
    members = members_of(bench.to_bytes())
    contents = json.loads(members["bench.json"])
    assert contents["bench_version"] == 1 and contents["baseline"] == "two"
    for listed, one in zip(contents["entries"], bench.entries, strict=True):
        assert report_of(members[listed["report"]]) == one.report
        for part, modality in zip(listed["rows"] or (), listed["modalities"] or (), strict=True):
            (tmp_path / "part.npz").write_bytes(members[part])
            read = aa.load(tmp_path / "part.npz", modality=modality)
            assert len(read) == 40 and np.load(tmp_path / "part.npz")[modality].dtype == np.float16
    (tmp_path / "run.jsonl").write_bytes(members[contents["runs"][0]])
    assert aa.gap.Run.load(tmp_path / "run.jsonl").frame.equals(bench.runs[0].frame)
    used = {"bench.json", *contents["runs"]}
    for listed in contents["entries"]:
        used |= {listed["report"], *(listed["rows"] or ())}
    assert used == set(members)


def test_an_empty_bench_is_a_bench_and_compares_nothing():
    again = opened(Bench().to_bytes())
    assert again.entries == again.runs == ()
    with pytest.raises(ParameterError, match="no report"):
        again.compare()


def test_reports_of_earlier_versions_stay_on_a_bench(bench):
    body = json.loads(bench.entries[0].report.to_json())
    for key in ("distribution", "shares", "galleries", "items", "encoder"):
        del body["details"][key]
    old = report_of(json.dumps(body))
    both = opened(Bench((bench.entries[0], BenchEntry("old", old))).to_bytes())
    assert both.get("old").report == old
    assert not both.compare().same_items


# ------------------------------------------------------------------------------------------ names


def test_names_are_made_free_where_they_are_taken(bench):
    twice = bench.with_all(bench)
    assert [one.name for one in twice.entries] == [
        "<b>one",
        "two",
        "numbers",
        "<b>one (2)",
        "two (2)",
        "numbers (2)",
    ]
    assert [run.name for run in twice.runs] == ["my run", "my run (2)"]
    assert twice.baseline == "two"


@pytest.mark.parametrize(
    "name",
    [
        "x" * 10_000,
        "نموذج‌الترميز",
        "\u202egnp.exe",
        "‮a" * 300,
        "  two ",
        "\udcff.bin",
        " ",
        "a\nb",
        "../../x",
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_odd_names_are_kept_as_far_as_they_are_text(bench, name):
    entry = replace(bench.entries[2], name=name)
    found = bench.with_entry(entry).with_entry(entry)
    again = opened(found.to_bytes())
    names = [one.name for one in again.entries]
    assert names == [one.name for one in found.entries] and len(set(names)) == 5
    assert all(0 < len(one) <= 200 and one.encode() for one in names)
    again.compare().plot("table")
    again.compare().to_json().encode()


def test_names_that_repeat_or_are_empty_are_refused(bench):
    one = bench.entries[0]
    with pytest.raises(ParameterError, match="two encoders called"):
        Bench((one, one))
    with pytest.raises(ParameterError, match="two runs called"):
        Bench((), bench.runs * 2)
    for name in ("", "  ", "x" * 201):
        with pytest.raises(ParameterError, match="1 to 200 characters"):
            Bench((replace(one, name=name),))
    with pytest.raises(ParameterError, match='no encoder "three"'):
        Bench((one,), (), "three")
    with pytest.raises(ParameterError, match='no encoder "three"'):
        bench.get("three")


def test_a_bench_holds_a_hundred_encoders(bench):
    one = bench.entries[2]
    many = tuple(replace(one, name=f"e{number}") for number in range(101))
    assert len(Bench(many[:100]).entries) == 100
    with pytest.raises(LimitError, match="at most 100 encoders"):
        Bench(many)


def test_renaming_and_removing_carry_the_baseline(bench):
    renamed = bench.renamed({"two": " three ", "<b>one": "two"})
    assert [one.name for one in renamed.entries] == ["two", "three", "numbers"]
    assert renamed.baseline == "three" and bench.baseline == "two"
    with pytest.raises(ParameterError, match="two encoders called"):
        bench.renamed({"two": "numbers"})
    less = bench.without(["two"], ["my run"])
    assert [one.name for one in less.entries] == ["<b>one", "numbers"]
    assert less.baseline == "" and less.runs == ()
    assert bench.without([]).baseline == "two"


# -------------------------------------------------------------------------------------- kept rows


@pytest.mark.parametrize("named", ["ids", "captions"])
def test_two_encoders_of_the_same_things_keep_the_same_ones(named):
    how = {"ids": named == "ids", "captions": True}
    first = keep(pair_of(150, **how), rows=30)
    second = keep(pair_of(150, 20, seed=5, order=shuffled(150), **how), rows=30)
    ids = first.rows.target.ids.tolist()
    assert len(ids) == 30 and ids == first.rows.source.ids.tolist()
    assert second.rows.target.ids.tolist() == second.rows.source.ids.tolist() == ids
    assert keep(pair_of(150, **how), rows=10).rows.target.ids.tolist() == ids[:10]
    assert first.rows.things.are_rows


def test_kept_rows_are_partners():
    pair = pair_of(80, captions=True)
    kept = keep(pair, rows=20).rows
    place = {one: row for row, one in enumerate(pair.target.ids)}
    rows = [place[one] for one in kept.target.ids]
    np.testing.assert_array_equal(kept.target.vectors, pair.target.vectors[rows])
    np.testing.assert_array_equal(kept.source.vectors, pair.source.vectors[rows])
    assert kept.source.captions.tolist() == pair.source.captions[rows].tolist()


def test_rows_without_names_are_kept_and_linked_to_no_other(tmp_path):
    entries = [
        BenchEntry.measure(name, pair_of(60, seed=seed, ids=False))
        for name, seed in (("a", 0), ("b", 1))
    ]
    assert len(entries[0].kept.rows.target) == 60
    with pytest.raises(ParameterError, match="no kept things in common"):
        found_by_one(*entries)
    bench = Bench(tuple(entries))
    assert bench.compare().agreements == () and not bench.compare().same_items


def test_captions_that_repeat_name_nothing():
    y, x = paired_world(60, 8)
    words = ["a dog"] * 20 + ids_of(40)
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=words),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )
    kept = keep(pair)
    assert sorted(kept.rows.target.ids) == sorted(ids_of(40))
    assert kept.found.searched == 60
    classes = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=["dog", "cat", "ox"] * 20),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )
    assert len(set(keep(classes).rows.target.ids)) == 60


def test_groups_keep_one_row_a_side_and_unpaired_sets_none():
    kept = keep(grouped(60))
    assert len(kept.rows.source) == len(kept.rows.target) == 60 and kept.rows.things.are_rows
    assert kept.found.searched == 60
    assert vars(keep(pair_of(paired=False))) == {"rows": None, "found": None, "tradeoff": None}
    assert keep(pair_of(49)).tradeoff is None


def test_a_trade_off_has_a_score_at_each_bound(bench):
    curve = bench.entries[0].kept.tradeoff
    assert curve["bound"][0] == 0 and list(curve["bound"]) == sorted(curve["bound"])
    assert {"psi", "mixing_coverage"} <= set(curve)
    assert {len(values) for values in curve.values()} == {8}
    assert curve["psi"][0] > curve["psi"][-1]  # a wider bound keeps less of the meaning


def test_a_collapsed_encoder_has_its_numbers_and_no_trade_off():
    y, x = paired_world(80, 8)
    sides = (
        aa.EmbeddingSet.from_array(rows, modality=modality, ids=ids_of(80))
        for rows, modality in ((np.ones_like(y), "text"), (x, "image"))
    )
    entry = BenchEntry.measure("collapsed", aa.EmbeddingPair(*sides, paired=True))
    assert entry.kept.tradeoff is None and len(entry.kept.rows.source) == 80
    both = opened(Bench((entry,)).with_entry(entry).to_bytes())
    json.loads(both.compare().to_json())
    assert np.ptp(small_cloud(both.entries[0]).source, axis=0).max() < 1e-3
    with pytest.raises(ParameterError, match=r"collapsed cannot be corrected: All .* same way"):
        small_cloud(both.entries[0], 0.2)


def test_what_is_found_is_a_plain_count(bench):
    pair = pair_of(captions=True)
    y, x = pair.source.vectors.astype(np.float64), pair.target.vectors.astype(np.float64)
    ids = pair.target.ids.tolist()
    entry = bench.entries[0]
    for places, cosines in (
        (entry.kept.found.ahead_of_target, y @ x.T),
        (entry.kept.found.ahead_of_source, x @ y.T),
    ):
        for one, ahead in zip(entry.kept.rows.target.ids, places, strict=True):
            row = ids.index(one)
            assert ahead == np.count_nonzero(cosines[row] > cosines[row, row] + 1e-6)
    assert entry.kept.found.searched == 120


@pytest.mark.parametrize("forward", [True, False])
def test_found_by_one_is_a_plain_count_of_both(bench, forward):
    first, second = bench.entries[:2]
    found = found_by_one(first, second, forward=forward)
    way = "ahead_of_target" if forward else "ahead_of_source"
    places = [
        dict(zip(one.kept.rows.target.ids, getattr(one.kept.found, way), strict=True))
        for one in (first, second)
    ]
    expected = {key for key in places[0] if places[0][key] == 0 and places[1][key] > 0}
    assert set(found.ids) == expected and found.of == 40 and found.searched == (120, 120)
    for key, caption, (a, b) in zip(found.ids, found.captions, found.ahead, strict=True):
        assert (a, b) == (0, places[1][key]) and caption == key.replace("thing", "caption")
    assert list(found.ahead[:, 1]) == sorted(found.ahead[:, 1], reverse=True)
    assert found_by_one(first, first).ids == ()


def test_views_need_kept_rows(bench):
    for ask in (lambda: small_cloud(bench.entries[2]), lambda: found_by_one(*bench.entries[1:])):
        with pytest.raises(ParameterError, match="numbers is known by its numbers only"):
            ask()


def test_a_small_cloud_shows_the_gap_across(bench):
    entry = bench.entries[0]
    raw, corrected = small_cloud(entry), small_cloud(entry, 0.2)
    rows = entry.kept.rows
    assert raw.ids == tuple(rows.target.ids) and raw.captions == tuple(rows.source.captions)
    gap = rows.target.vectors.mean(0) - rows.source.vectors.mean(0)
    apart = raw.target.mean(0) - raw.source.mean(0)
    assert abs(apart[0]) == pytest.approx(np.linalg.norm(gap), rel=1e-4)
    assert apart[1] == pytest.approx(0.0, abs=1e-5)
    np.testing.assert_array_equal(corrected.target, raw.target)
    left = corrected.target.mean(0) - corrected.source.mean(0)
    assert np.linalg.norm(left) < 0.2 * abs(apart[0])


# ------------------------------------------------------------------------------------- comparison


def test_a_bench_compares_its_reports_and_kept_directions(bench):
    found = bench.compare(gallery=50, percent=50)
    assert list(found.reports) == ["<b>one", "two", "numbers"]
    assert (found.gallery, found.percent) == (50, 50) and found.same_items
    (one,) = found.agreements
    assert (one.first, one.second, one.rows) == ("<b>one", "two", 40)


def test_other_things_and_few_rows_have_no_directions_to_compare():
    few = [BenchEntry.measure(name, pair_of(8, seed=seed)) for name, seed in (("a", 0), ("b", 1))]
    assert Bench(tuple(few)).compare().agreements == ()
    other = [BenchEntry.measure(str(n), pair_of(n), rows=20) for n in (60, 61)]
    assert Bench(tuple(other)).compare().agreements == ()


def test_runs_alone_are_a_bench(tmp_path):
    bench = Bench(runs=(run_of(tmp_path),))
    assert opened(bench.to_bytes()).runs[0].frame.equals(bench.runs[0].frame)


def test_a_failed_save_leaves_what_was_there(bench, tmp_path, monkeypatch):
    path = bench.save(tmp_path / "my.bench.zip")
    before = path.read_bytes()
    broken = replace(
        bench.entries[0], kept=replace(bench.entries[0].kept, tradeoff={"bound": (float("nan"),)})
    )
    with pytest.raises(ValueError):
        Bench((broken,)).save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_a_list_says_of_rows_must_fit(bench):
    def fewer(body):
        body["entries"][0]["found"]["ahead_of_target"].pop()

    with pytest.raises(aa.AnisoAlignError, match="does not fit"):
        opened(edited(bench.to_bytes(), fewer))
