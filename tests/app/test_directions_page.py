"""What a person does on Directions: search, colour, keep, look along, compare neighbours."""

import io

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from app.widgets.selections import Selection, as_csv, from_event, from_search
from tests.app.test_pages import open_page, pair_of, words
from tests.conftest import paired_world

N = 160


def captioned(paired=True):
    y, x = paired_world(N, 12)
    captions = [f"a {'red' if i % 4 == 0 else 'blue'} thing, number {i}" for i in range(N)]
    table = pd.DataFrame({"colour": ["red" if i % 4 == 0 else "blue" for i in range(N)]})
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=captions, labels=table),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=paired,
    )


def keep_search(at, text, name):
    at.text_input(key="search").set_value(text).run()
    form = next(t for t in at.text_input if t.label == "Keep this selection as")
    form.set_value(name)
    next(b for b in at.button if b.label == "Keep").click().run()
    assert not at.exception and not at.error
    return at


def test_selections_are_read_in_both_forms_that_arrive():
    points = [
        {"customdata": [7, 0]},
        {"customdata": {"0": 3, "1": 1}},
        {"customdata": {"0": 2, "1": 2}},  # corrected: the same row of the source
        {"customdata": None},
        {},
    ]
    found = from_event({"selection": {"points": points}})
    assert (found.target, found.source) == ((7,), (2, 3))
    assert not from_event(None)


def test_search_finds_captions_whatever_their_case():
    pair = captioned()
    found = from_search(pair, " RED ")
    assert found.source == tuple(range(0, N, 4)) and found.target == ()
    assert not from_search(pair, "green") and not from_search(pair, "  ")


def test_a_search_is_listed_kept_and_exported():
    at = open_page("directions", captioned())
    keep_search(at, "red", "reds <b>")
    kept = at.session_state["selections"]["reds <b>"]
    assert kept.source == tuple(range(0, N, 4))
    assert "40 text rows" in words(at)
    table = pd.read_csv(io.StringIO(as_csv(captioned(), kept)))
    assert table["row"].tolist() == list(range(0, N, 4))
    assert set(table["colour"]) == {"red"} and set(table["modality"]) == {"text"}
    assert table["caption"].str.contains("red").all()


def test_partners_come_along_when_asked():
    at = open_page("directions", captioned())
    at.text_input(key="search").set_value("red").run()
    next(c for c in at.checkbox if "partners" in c.label).check()
    next(b for b in at.button if b.label == "Keep").click().run()
    (kept,) = at.session_state["selections"].values()
    assert kept.target == kept.source == tuple(range(0, N, 4))


def test_two_selections_make_a_direction():
    pair = captioned()
    at = open_page("directions", pair)
    keep_search(at, "red", "reds")
    keep_search(at, "number 1", "ones")
    at.selectbox(key="first_kind").select("selections").run()
    assert not at.exception and not at.error
    at.selectbox(key="first_from").select("ones").run()
    at.selectbox(key="first_to").select("reds").run()
    shown = words(at)
    reds = np.arange(0, N, 4)
    ones = [i for i in range(N) if f"number {i}".startswith("number 1")]
    rows = pair.source.vectors
    size = np.linalg.norm(rows[reds].mean(axis=0) - rows[ones].mean(axis=0))
    assert "**ones → reds**" in shown and f"**{size:.3g}" in shown


def test_one_selection_is_told_from_everything_else():
    at = open_page("directions", captioned())
    keep_search(at, "red", "reds")
    at.selectbox(key="first_kind").select("selections").run()
    assert "everything else → reds" in words(at)
    at.selectbox(key="first_from").select("reds").run()
    assert "is no direction" in words(at).replace("\\", "")


def test_selections_without_a_modality_in_common_say_so():
    at = open_page("directions", captioned())
    at.session_state["selections"] = {
        "texts": Selection(source=(1, 2, 3)),
        "images": Selection(target=(4, 5)),
    }
    at.run()
    at.selectbox(key="first_kind").select("selections").run()
    at.selectbox(key="first_from").select("texts").run()
    at.selectbox(key="first_to").select("images").run()
    assert "share no modality" in words(at)


def test_selections_belong_to_their_set():
    at = open_page("directions", captioned())
    keep_search(at, "red", "reds")
    at.switch_page("../pages/home.py").run()
    next(b for b in at.button if b.key == "home_sample").click().run()
    assert at.session_state["selections"] == {}


def test_neighbours_say_what_a_correction_gains_and_loses():
    pair = captioned()
    at = open_page("directions", pair)
    at.text_input(key="search").set_value("number 12").run()
    shown = words(at)
    assert "before and after" in shown
    method = aa.BoundedTransport(bound=0.2).fit(pair.source, pair.target)
    z = method.transform(pair.source)
    row = at.selectbox(key="neighbours_of").value
    before = set(np.argsort(-(pair.source.vectors[row] @ pair.target.vectors.T))[:6].tolist())
    after = set(np.argsort(-(z[row] @ pair.target.vectors.T))[:6].tolist())
    for name, rows in (("kept", before & after), ("gained", after - before)):
        assert (f"{name} ({len(rows)})" in shown) or not rows


def test_without_the_correction_neighbours_are_listed_plainly():
    at = open_page("directions", captioned())
    at.toggle(key="show_after").set_value(False).run()
    at.text_input(key="search").set_value("number 12").run()
    assert "before and after" not in words(at) and "kept (" not in words(at)


def test_colours_follow_a_label_and_readings_name_it():
    at = open_page("directions", captioned())
    at.selectbox(key="colour_by").select("colour").run()
    assert not at.exception and not at.error
    assert "Circles are image, diamonds text" in words(at)
    assert "corrected by Holm" in words(at)


@pytest.mark.parametrize("paired", [True, False])
def test_sets_without_captions_and_labels_are_explored_too(paired):
    at = open_page("directions", pair_of(paired=paired))
    assert not at.exception and not at.error
    assert "There is no search: this set has no captions." in words(at)
    assert not at.text_input


def test_a_search_in_vain_says_so():
    at = open_page("directions", captioned())
    at.text_input(key="search").set_value("green").run()
    assert "No caption holds that text" in words(at)


def test_texts_make_directions_once_the_samples_encoder_is_loaded():
    at = open_page("directions")
    next(b for b in at.button if "load the sample's encoder" in b.label).click().run(timeout=120)
    at.selectbox(key="first_kind").select("prompt").run()
    at.text_input(key="first_prompt").set_value("a blue star").run()
    at.text_input(key="first_instead").set_value("a red circle").run()
    assert not at.exception and not at.error
    shown = words(at)
    assert "“a blue star” instead of “a red circle”" in shown
    high = shown[shown.rindex("**text**") :]
    assert "blue" in high and "star" in high
