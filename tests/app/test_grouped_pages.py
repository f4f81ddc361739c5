"""Pages on a pair whose pictures have several captions each."""

from __future__ import annotations

import numpy as np
import pytest

import anisoalign_core as aa
from tests.app.test_pages import PAGES, open_page, words

GROUPED = "1,000 things: 1,000 image rows (1 each) and 3,000 text rows (3 each)"


@pytest.fixture(scope="module")
def pair():
    """The grouped sample's first scenes, their captions shuffled."""
    whole = aa.load_sample("scenes-captions").take(range(170))
    order = np.random.default_rng(0).permutation(len(whole.source))
    return aa.EmbeddingPair.join(whole.source.take(order), whole.target)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_runs_on_the_grouped_sample(name):
    at = open_page("data")
    at.button(key="open_scenes-captions").click().run()
    if name != "data":
        at.switch_page("../pages/home.py" if name == "home" else f"../pages/{name}.py").run()
    assert not at.exception and not at.error
    assert f"{GROUPED} × 128 dimensions" in words(at)
    if name == "data":
        assert f"Paired by id: {GROUPED}. Rows of one thing count as one." in words(at).replace(
            "\\", ""
        )
        assert "200 things with all their rows are held out" in words(at)


@pytest.mark.parametrize("method", ["realign", "procrustes", "ridge"])
def test_methods_are_corrected_and_scored_in_full(pair, method):
    at = open_page("correct", pair)
    at.selectbox(key="method").set_value(method).run()
    at.button(key="evaluate").click().run()
    assert not at.exception and not at.error


def test_comparing_and_the_mixed_gallery(pair):
    chosen = {"compare_methods": ["procrustes"], "compare_columns": ["shape"]}
    at = open_page("compare", pair, compare_splits=3, **chosen)
    at.button(key="compare_run").click().run(timeout=200)
    assert not at.exception and not at.error
    assert "170 things" in words(at)
    for group in ("retrieval", "search", "mixed"):
        at.button_group(key="compare_group").set_value(group).run()
        assert not at.exception and not at.error


def test_a_selection_takes_all_partners_along(pair):
    at = open_page("directions", pair)
    at.text_input(key="search").set_value("crescent").run()
    assert not at.exception and not at.error
    at.checkbox[-1].check()
    next(b for b in at.button if b.label == "Keep").click().run()
    assert not at.exception
    (kept,) = at.session_state["selections"].values()
    assert len(kept.source) == 3 * len(kept.target)
    shown = set(pair.target.ids[list(kept.target)])
    assert set(pair.source.ids[list(kept.source)]) == shown


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".parquet"])
def test_an_export_keeps_the_order_the_ids_and_the_captions(pair, suffix, monkeypatch, tmp_path):
    """Read with numpy (and pandas) alone."""
    monkeypatch.setenv("ANISOALIGN_EXPORT_ROOT", str(tmp_path))
    monkeypatch.setattr("app.widgets.export.DOWNLOAD_LIMIT", 0)
    at = open_page("export", pair)
    at.selectbox(key="export_format").set_value(suffix).run()
    next(each for each in at.button if each.label.startswith("Write ")).click().run()
    assert not at.exception and not at.error
    (path,) = tmp_path.rglob(f"*{suffix}")
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            rows, ids, told = stored["text"], stored["text_ids"], stored["text_captions"]
    elif suffix == ".npy":
        rows = np.load(path, allow_pickle=False)
        ids, told = (
            path.with_suffix(ending).read_text().splitlines()
            for ending in (".ids.txt", ".captions.txt")
        )
    else:
        import pandas as pd

        table = pd.read_parquet(path)
        rows, ids, told = np.stack(table["embedding"]), table["id"], table["caption"]
    assert list(ids) == pair.source.ids.tolist()
    assert list(told) == pair.source.captions.tolist()
    _, corrected, _ = aa.cook(pair, "bounded", {"bound": 0.2})
    np.testing.assert_allclose(rows, corrected.vectors, atol=1e-6)
    again = aa.EmbeddingPair.join(aa.load(path, modality="text"), pair.target)
    assert again.in_words() == pair.in_words()


def test_a_plain_array_is_offered_with_its_ids_and_captions(pair):
    at = open_page("export", pair)
    labels = [each.label for each in at.get("download_button")]
    assert "Download its ids (.ids.txt)" in labels
    assert "Download its captions (.captions.txt)" in labels
    assert "put together from 2 files" in words(at)


def test_each_thing_can_count_the_same_and_export_writes_it_down(pair):
    sides = (pair.source, pair.target)
    own = aa.EmbeddingPair.join(
        *(
            aa.EmbeddingSet.from_array(s.vectors, modality=s.modality, ids=s.ids, name=s.modality)
            for s in sides
        )
    )
    at = open_page("correct", own)
    at.button_group(key="weigh").set_value("thing").run()
    assert not at.exception and not at.error
    at.selectbox(key="method").set_value("procrustes").run()
    assert "weigh" not in {group.key for group in at.button_group}
    at.selectbox(key="method").set_value("mean-shift").run()
    at.button_group(key="weigh").set_value("thing").run()
    at.switch_page("../pages/export.py").run()
    assert not at.exception and not at.error
    assert "each thing counts the same" in words(at)
    said = " ".join(code.value for code in at.code)
    assert 'weigh="thing"' in said and "--weigh thing" in said


def test_rows_that_are_things_leave_nothing_to_weigh():
    at = open_page("correct")
    assert "weigh" not in {group.key for group in at.button_group}
