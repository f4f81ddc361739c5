"""What a newcomer stumbles over between the pages: verdicts, first mistakes, what numbers say."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.compare.falsify import at_omega
from anisoalign_core.encode.furnish import furnish
from anisoalign_core.encode.inputs import find_items
from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.source import Source
from anisoalign_core.io.captions import Captions
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.residual import repaired_cosine
from anisoalign_core.metrics.retrieval import gallery_recall, recall
from tests.app.live import live_facts, live_note
from tests.app.test_links import follow, said
from tests.app.test_pages import (
    choose_anisoalign,
    give,
    npy,
    open_page,
    pair_of,
    read,
    trained,
    words,
)
from tests.conftest import paired_world


def strangers(n=160, d=12):
    """Images and texts that have nothing to do with each other."""
    y, x = (np.random.default_rng(seed).standard_normal((n, d)) for seed in (1, 2))
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y + 0.5, modality="text"),
        aa.EmbeddingSet.from_array(x - 0.5, modality="image"),
        paired=True,
    )


@pytest.mark.parametrize("name", ["correct", "compare", "export"])
def test_the_verdict_that_nothing_is_to_align_travels(name):
    at = open_page(name, strangers())
    assert not at.exception
    assert "There is nothing to align" in at.warning[0].value
    assert not open_page(name, pair_of(n=240)).warning


def test_partners_cosine_stands_beside_that_of_shuffled_pairs_along_the_whole_dial():
    pair = strangers()
    facts = live_facts(open_page("correct", pair))
    (card,) = [one for one in facts["cards"] if one["name"] == "matched_cosine"]
    called, series = card["floor"]
    assert called == "shuffled"
    split = pair.split(0, 0.2)
    for place in (0, -1):
        method = aa.BoundedTransport(bound=facts["grid"][place])
        method.fit_pair(pair, split)
        held = pair.take(split.holdout_pairs)
        z, x = method.transform(held.source), held.target.vectors
        cosines = z @ x.T
        apart = cosines[~np.eye(len(z), dtype=bool)].mean()
        assert facts["scores"][series][place] == pytest.approx(apart, abs=1e-5)
        assert repaired_cosine(Comparison.between(x, z, paired=True)) == pytest.approx(
            apart, abs=1e-5
        )


def test_the_same_bytes_on_both_sides_are_no_pair():
    _, x = paired_world(60, 8)
    at = give(open_page("data"), {"image.npy": npy(x), "again.npy": npy(x)})
    assert "are the same file, byte by byte" in at.error[0].value
    assert at.button(key="load").disabled
    at = give(open_page("data"), {"image.npy": npy(x), "again.npy": npy(x.astype(np.float64))})
    at.button(key="load").click().run()
    assert "hold the same 60 rows" in at.error[0].value
    assert at.session_state["loaded"].sample == "scenes"


@pytest.mark.parametrize("paired", [True, False])
def test_equal_sides_are_told_and_refused_on_the_command_line(paired, tmp_path, capsys):
    _, x = paired_world(60, 8)
    sides = [aa.EmbeddingSet.from_array(x, modality=name) for name in ("text", "image")]
    report = aa.diagnose(aa.EmbeddingPair(*sides, paired=paired))
    assert report.verdict.headline == "There is nothing to align: both sides are the same rows."
    assert "nan" not in f"{report} {report.card()}"
    np.save(tmp_path / "image.npy", x)
    both = ["--target", str(tmp_path / "image.npy"), "--source", str(tmp_path / "image.npy")]
    assert main(["diagnose", *both, *["--paired"] * paired]) == 2
    out, err = capsys.readouterr()
    assert "nan" not in out and "no gap between them" in err


def test_files_called_after_the_other_side_are_asked_about_and_swapped():
    y, x = paired_world(60, 8)
    files = {"my-text.npy": npy(y), "clip_image.npy": npy(x)}

    def misplaced():
        at = give(open_page("data"), files)
        assert not at.warning and not at.button(key="load").disabled
        at.selectbox(key="drop_role_0").set_value("target")
        at.selectbox(key="drop_role_1").set_value("source").run()
        assert "names say otherwise" in at.warning[0].value
        assert at.button(key="load").disabled
        return at

    at = misplaced()
    at.button(key="files_swap").click().run()
    assert not at.warning and "**clip\\_image\\.npy** (60 × 8) as image" in words(at)
    at.button(key="load").click().run()
    pair = at.session_state["loaded"].pair
    np.testing.assert_allclose(pair.target.vectors, x, atol=1e-6)
    assert (pair.target.modality, pair.source.modality) == ("image", "text")
    at = misplaced()
    at.button(key="files_keep").click().run()
    at.button(key="load").click().run()
    np.testing.assert_allclose(at.session_state["loaded"].pair.target.vectors, y, atol=1e-6)


def test_the_way_of_the_correction_is_said_and_turned_round_by_one_click():
    pair = pair_of(n=240)
    at = open_page("correct", pair)
    assert "text rows become stand-ins for image rows" in words(at)
    at.button(key="turn_round").click().run()
    assert not at.exception and not at.error
    assert "image rows become stand-ins for text rows" in words(at)
    assert live_facts(at)["names"]["corrected"] == "image, corrected"
    now = at.session_state["loaded"].pair
    assert (now.source, now.target, now.paired) == (pair.target, pair.source, True)
    at.button(key="turn_round").click().run()
    assert at.session_state["loaded"].pair.digest == pair.digest


def test_a_turned_sample_is_the_same_sample_and_a_link_says_so():
    at = open_page("data")
    at.button(key="turn_round").click().run()
    held = at.session_state["loaded"]
    assert (held.sample, held.turned, held.pair.source.modality) == ("scenes", True, "image")
    assert said(at, "turned") == "1"
    assert follow(sample="scenes", turned="1").session_state["loaded"].pair is held.pair


@pytest.mark.parametrize("kind", ["residual", "joint", "gap"])
def test_both_axes_are_never_the_same_direction(kind):
    at = open_page("directions", pair_of())
    assert at.selectbox(key="second_kind").value == "residual"
    at.selectbox(key="first_kind").select(kind).run()
    at.selectbox(key="second_kind").select("joint" if kind == "gap" else kind).run()
    assert not at.exception and not at.error
    if kind == "gap":
        assert "Gap between the means" not in at.selectbox(key="second_kind").options
        return
    second = at.number_input(key=f"second_{kind}_number")
    assert second.value == 2
    second.set_value(3).run()
    at.number_input(key=f"second_{kind}_number").set_value(1).run()
    assert at.number_input(key=f"second_{kind}_number").value == 2
    at.number_input(key=f"first_{kind}_number").set_value(2).run()
    number = at.number_input(key=f"second_{kind}_number").value
    assert number in (1, 3) and "meet at a cosine of" in words(at)


def test_directions_that_are_one_under_two_names_are_told_apart():
    pair = pair_of(d=2)
    at = open_page("directions", pair)
    at.selectbox(key="first_kind").select("target").run()
    at.selectbox(key="second_kind").select("source").run()
    at.number_input(key="second_source_number").set_value(2).run()
    assert "is the same direction as Target varies most 1" in words(at)
    assert "meet at a cosine of 1.00" not in words(at)


def test_numbers_have_names_in_words_on_every_page():
    pair = pair_of(n=240)
    report = open_page("spectra", pair).dataframe[0].value
    assert len(report) == len(aa.diagnose(pair).to_frame())
    at = open_page("correct", pair)
    scores = read(at.button(key="evaluate").click().run())
    for table in (report, scores):
        named = [*table.index, *table.columns]
        assert not [name for name in named if "_" in name or name == name.upper()]


def test_legends_show_dots_that_can_be_seen():
    from anisoalign_core.plots import clouds

    y, x = paired_world(60, 8)
    drawn = clouds(x[:, :2], y[:, :2])
    assert drawn.layout.legend.itemsizing == "constant"


def test_training_says_what_it_learned_under_the_cards():
    at = choose_anisoalign()
    at.button(key="train").click().run()
    (learned,) = trained(at)
    unseen = learned.method.losses_["stage_1_unseen"][-1]
    knows = "knows less than nothing" if unseen >= 1 else "of what knowing nothing costs"
    note = live_note(at)
    assert f"it pays {unseen:.3g}"[:11] in note and knows in note
    learned.method.losses_["stage_1_unseen"].append(1.2)
    at.slider(key="bound_theta").set_value(0.9).run()
    moved = live_note(at)
    assert "knows less than nothing of them" in moved
    view = learned.trial.view({"bound_theta": 0.9, "bound_rho": 0.3, "bound_v": 0.02})
    curve = learned.trial.study.fit(aa.BoundedTransport(bound=0.2)).curve()
    there, outside = at_omega(curve, view.scores["omega"])
    for scores in (view.scores, there):
        assert f"{scores['mixing_coverage']:.3g}"[:5] in moved
    assert outside == ("No bound of BoundedTransport" in moved)


def test_retrieval_is_of_one_gallery_on_every_page():
    pair = pair_of(n=240, d=24)
    y, x = pair.source.vectors, pair.target.vectors
    hits = gallery_recall(y, x)
    (card,) = [one for one in open_page("home", pair).metric if "finds its image" in one.label]
    assert card.value == f"{100 * hits['source_to_target']:.3g} %"
    assert "of 100; chance 1 %" in words(open_page("home", pair))
    report = open_page("spectra", pair).dataframe[0].value
    assert report.loc["Source finds its target, of 100", "value"] == hits["source_to_target"]
    assert report.loc["Source finds its target, of 100", "read against"] == 0.01
    assert not [name for name in report.index if "among all" in name]
    at = open_page("correct", pair, holdout=0.5)
    table = read(at.button(key="evaluate").click().run())
    row = table.loc["Partner found in the first place of 100 (source → target)"]
    assert float(row["by chance"]) == 0.01
    assert f"Partner found in the first 10 places of {120} (source → target)" in table.index
    assert not [
        name for name in table.index if name.startswith("Partner found in the first place (")
    ]


def test_a_gallery_of_all_is_plain_retrieval_and_draws_agree():
    y, x = paired_world(60, 12)
    whole = recall(y, x, at=(1,))
    for way, value in gallery_recall(y, x).items():  # fewer than 100: all of them
        assert value == pytest.approx(whole[way][1])
    rng, draws = np.random.default_rng(0), []
    for _ in range(600):
        rows = rng.permutation(60)[:20]
        draws.append(recall(y[rows], x[rows], at=(1,))["source_to_target"][1])
    assert gallery_recall(y, x, size=20)["source_to_target"] == pytest.approx(
        np.mean(draws), abs=4 * np.std(draws) / 600**0.5
    )


def test_warnings_of_an_earlier_set_end_where_new_files_are_chosen():
    at = open_page("data", pair_of(n=20, d=32))
    assert any("fewer rows" in one.value for one in at.warning)
    y, x = paired_world(60, 8)
    at = give(at, {"image.npy": npy(x), "text.npy": npy(y)})
    assert not at.warning
    at.button(key="load").click().run()
    assert not at.warning and not at.error


def test_a_picture_says_one_bound_only():
    pair = pair_of(n=240)
    at = open_page("correct", pair)
    at.number_input(key="bound").set_value(0.9).run()
    facts = live_facts(at)
    assert "0.2" not in facts["method"] and "α" not in facts["foot"]
    made = aa.live(aa.BoundedTransport(bound=0.2), pair)
    moved = made.at(0.9)
    assert (made.facts["dial"]["value"], moved.facts["dial"]["value"]) == (0.2, 0.9)
    assert moved.facts["scores"] == made.facts["scores"] and moved.facts["id"] != made.facts["id"]


def picture(colour):
    from PIL import Image

    Image.new("RGB", (20, 10), colour).save(stream := io.BytesIO(), format="PNG")
    return stream.getvalue()


def zipped(files):
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_captions_and_pictures_are_added_to_a_loaded_pair_by_row():
    pair = pair_of(n=60)
    at = open_page("data", pair)
    words_given = "\n".join(f"a thing called {i}" for i in range(60)).encode()
    tiles = zipped({f"shots/{i}.png": picture((i, 0, 0)) for i in range(1, 61)})
    give(at, {"captions.txt": words_given, "shots.zip": tiles})
    assert "the rows that are loaded: captions from" in words(at)
    assert "pictures from **shots\\.zip** in order" in words(at)
    at.button(key="load").click().run()
    assert not at.exception and not at.error
    now = at.session_state["loaded"].pair
    assert now.digest == pair.digest
    for side in (now.target, now.source):
        assert side.captions[7] == "a thing called 7"
        assert side.thumbnails[7].max() == 8  # the eighth in natural order
    at.switch_page("../pages/directions.py").run()
    assert not at.exception and "a thing called" in words(at)


def test_pictures_find_their_rows_by_id_and_what_is_left_over_is_said():
    _, x = paired_world(4, 8)
    ids = ["a/cat", "a/dog", "b/cat", "none"]
    data = aa.EmbeddingSet.from_array(x, modality="image", ids=ids, name="image.npy")
    files = {"a/cat.png": picture("red"), "a/dog.png": b"broken", "b/cat.png": picture("lime")}
    files |= {"a/cat.txt": b"a red cat", "extra.png": picture("blue")}
    pictures = find_items(Source("all.zip", data=zipped(files)))
    found, notes = furnish(data, None, pictures)
    assert found.captions.tolist() == ["a red cat", "", "", ""]
    corners = [tuple(tile[0, 0]) for tile in found.thumbnails]
    assert corners == [(255, 0, 0), (127,) * 3, (0, 255, 0), (127,) * 3]
    said = " ".join(notes)
    assert "1 pictures cannot be read" in said and "1 pictures have no row" in said
    with pytest.raises(FormatError, match="called after the id"):
        furnish(data, None, find_items(Source("z.zip", data=zipped({"x.png": picture("red")}))))
    with pytest.raises(ShapeError, match=r"There are 4 .* has 5 rows"):
        five = aa.EmbeddingSet.from_array(paired_world(5, 8)[1], modality="image", name="image.npy")
        furnish(five, None, pictures, by="row")


def test_what_was_dropped_on_loading_keeps_its_place_among_captions_in_order():
    _, x = paired_world(5, 8)
    x = x.copy()
    x[1] = 0
    data = aa.EmbeddingSet.from_array(x, modality="image", drop_invalid=True)
    captions = Captions("c.txt", None, tuple("vwxyz"))
    assert furnish(data, captions)[0].captions.tolist() == list("vxyz")
    assert furnish(data, Captions("c.txt", None, tuple("abcd")))[0].captions.tolist() == list(
        "abcd"
    )
