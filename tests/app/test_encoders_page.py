"""The bench of a session: kept from Spectra, compared on Encoders, opened and saved as a file."""

from __future__ import annotations

import base64

import pytest

import anisoalign_core as aa
from anisoalign_core.files.source import Source
from app.widgets import bench as bench_widgets
from app.widgets.bench_add import _sort
from tests.app.test_pages import open_page, words
from tests.conftest import paired_world


def pair_of(dim, seed):
    y, x = paired_world(150, dim, seed=seed)
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )


def keep(at, name):
    next(t for t in at.text_input if t.label.startswith("Keep what was measured")).set_value(name)
    next(b for b in at.button if b.label == "Keep").click().run()
    assert not at.exception
    return at


def names(at):
    return [one.name for one in at.session_state["bench"].entries]


def load(at, pair):
    from collections import OrderedDict

    from app.session import Loaded

    at.session_state["loaded"] = Loaded(pair, "another")
    at.session_state["results"] = OrderedDict()
    at.run()
    return at


def test_sets_are_kept_from_spectra_under_names_that_differ():
    at = open_page("spectra", pair_of(12, 0))
    keep(at, "one")
    assert "On the bench as" in words(at)
    load(at, pair_of(20, 1))
    keep(at, "one")
    assert names(at)[-2:] == ["one", "one (2)"]
    entry = at.session_state["bench"].get("one (2)")
    assert entry.report.bias.centroid_gap.value == pytest.approx(
        aa.diagnose(pair_of(20, 1)).bias.centroid_gap.value
    )
    assert len(entry.kept.rows.source) == 150
    at.switch_page("../pages/encoders.py").run()
    assert not at.exception
    assert "No ranking" in words(at)  # what was kept shows other things
    text = bench_widgets.own(at.session_state["bench"])
    assert [one.name for one in text.entries] == ["one", "one (2)"]


def test_encoders_are_renamed_removed_and_begun_again():
    at = open_page("encoders")
    first = names(at)[0]
    at.selectbox(key="bench_edit").set_value(first).run()
    at.text_input(key=f"bench_name_{first}").set_value("called so")
    at.button(key="bench_rename").click().run()
    assert names(at)[0] == "called so"
    at.selectbox(key="bench_edit").set_value("called so").run()
    at.button(key="bench_remove").click().run()
    assert "called so" not in names(at) and first not in names(at)
    at.button(key="bench_reset").click().run()
    assert names(at)[0] == first
    assert not at.exception and not at.error


def test_a_name_that_is_taken_is_refused_in_words():
    at = open_page("encoders")
    first, second = names(at)[:2]
    at.selectbox(key="bench_edit").set_value(first).run()
    at.text_input(key=f"bench_name_{first}").set_value(second)
    at.button(key="bench_rename").click().run()
    assert "two encoders called" in at.error[0].value
    assert names(at)[:2] == [first, second]


def test_the_order_and_a_baseline_can_be_chosen():
    at = open_page("encoders")
    at.selectbox(key="bench_sort").set_value("recall_source_to_target").run()
    at.selectbox(key="bench_baseline").set_value("untrained").run()
    at.selectbox(key="bench_percent").set_value(50).run()
    assert not at.exception and not at.error
    table = at.dataframe[0].value
    assert table.index[-1] == "untrained"  # it finds nothing


def test_one_bound_moves_all_clouds():
    at = open_page("encoders")
    at.segmented_control(key="bench_how").set_value("Under one bound").run()
    at.slider(key="bench_bound").set_value(0.5).run()
    assert not at.exception and not at.error
    assert "a picture" in words(at)


def test_runs_are_moved_along_their_steps():
    at = open_page("encoders")
    slider = next(s for s in at.select_slider if s.label == "Step")
    last = slider.value
    slider.set_value(slider.options[3]).run()
    assert not at.exception
    assert f"At step {int(slider.options[3]):,}" in words(at)
    assert int(slider.options[3]) < int(last)


def test_a_bench_is_opened_beside_what_is_there_and_saved_whole(tmp_path):
    at = open_page("encoders")
    before = names(at)
    y, x = paired_world(60, 8)
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )
    entry = aa.bench.BenchEntry.measure("<b>mine</b>", pair)
    data = aa.bench.Bench((entry,)).to_bytes()
    at.session_state["bench"] = at.session_state["bench"].with_all(
        aa.bench.Bench.load(Source("b", data=data))
    )
    at.run()
    assert names(at) == [*before, "<b>mine</b>"]
    assert not at.exception
    packed = bench_widgets.own(at.session_state["bench"]).to_bytes()
    again = aa.bench.Bench.load(Source("again", data=base64.b64decode(base64.b64encode(packed))))
    assert [one.name for one in again.entries] == ["<b>mine</b>"]


def test_uploads_are_told_apart_by_their_names():
    files = [Source(name, data=b"") for name in ("a.bench.zip", "r.json", "t.jsonl", "x.npy")]
    found = _sort(files)
    assert [len(found.benches), len(found.reports), len(found.runs), len(found.vectors)] == [1] * 4
