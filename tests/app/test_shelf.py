"""Two encoders side by side on Spectra."""

import anisoalign_core as aa
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


def shown(at):
    return at.dataframe[-1].value


def load(at, pair):
    from collections import OrderedDict

    from app.session import Loaded

    at.session_state["loaded"] = Loaded(pair, "another")
    at.session_state["results"] = OrderedDict()
    at.run()
    return at


def test_reports_of_several_sets_are_kept_and_compared():
    at = open_page("spectra", pair_of(12, 0))
    assert "Keep this one" in words(at)
    keep(at, "old")
    assert list(shown(at).columns) == ["old"]
    load(at, pair_of(20, 1))
    table = shown(at)
    assert list(table.columns) == ["old", "this set"]
    keep(at, "new")
    table = shown(at)
    assert list(table.columns) == ["old", "new"]
    expected = aa.diagnose(pair_of(20, 1)).bias.centroid_gap.value
    assert table.loc["centroid_gap", "new"].startswith(f"{expected:.3g}")
    assert "null" in table.loc["centroid_gap", "new"]
    assert "d = 12" in words(at) and "d = 20" in words(at)
    at.multiselect(key="shelf_remove").select("old").run()
    next(b for b in at.button if b.label == "Remove these").click().run()
    assert list(shown(at).columns) == ["new"]


def test_names_are_taken_once():
    at = open_page("spectra", pair_of(12, 0))
    keep(at, "one")
    load(at, pair_of(20, 1))
    keep(at, "one")
    assert "name that is not taken" in words(at)
    assert list(at.session_state["shelf"]) == ["one"]
