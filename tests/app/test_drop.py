"""The Data page's one drop zone, under AppTest: read, correct, load, and lose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from anisoalign_core.io import to_bytes
from tests.app.test_pages import give, npy, open_page, pair_of, words
from tests.app.test_recognise import IDS, N, X, Y, csv, jsonl, npz, parquet

BOTH = {"image.npy": npy(X), "text.npy": npy(Y)}


def said(at):
    return words(at).replace("\\", "").replace("*", "")


def load(at):
    at.button(key="load").click().run()
    assert not at.exception and not at.error
    return at.session_state["loaded"].pair


def test_an_empty_zone_offers_the_samples_and_nothing_to_load():
    at = open_page("data", "empty")
    assert not [one for one in at.button if one.key == "load"]
    at.button(key="open_scenes-untrained").click().run()
    assert at.session_state["loaded"].sample == "scenes-untrained"


def test_several_files_at_once_are_said_corrected_and_loaded():
    captions = csv(id=range(N), caption=[f"c {k}" for k in range(N)])
    at = give(open_page("data"), {"a.npy": npy(Y), "b.npy": npy(X), "words.csv": captions})
    assert "Which of a.npy and b.npy is image" in said(at)
    assert at.button(key="load").disabled
    at.selectbox(key="drop_role_0").set_value("source").run()
    assert (
        "b.npy (60 × 8) as image and a.npy (60 × 8) as text, partners row by row; captions from "
        "words.csv by id. The text rows become stand-ins for image rows."
    ) in said(at)
    at.selectbox(key="drop_of_2").set_value("source").run()
    at.text_input(key="target_modality").set_value("scan").run()
    at.text_input(key="drop_encoder").set_value("ViT-B-16, mine").run()
    assert "captions of text from words.csv" in said(at)
    pair = load(at)
    assert (pair.target.modality, pair.source.modality) == ("scan", "text")
    np.testing.assert_allclose(pair.source.vectors, Y, atol=1e-6)
    assert pair.source.captions[9] == "c 9" and pair.target.captions is None
    assert {side.provenance.model for side in (pair.source, pair.target)} == {"ViT-B-16, mine"}
    assert "ViT-B-16, mine" in said(at)  # in the sidebar's card
    assert at.table[0].value.loc["encoder"].tolist() == ["ViT\\-B\\-16, mine"] * 2
    assert not [one for one in at.button if one.key == "load"]  # the zone is empty again


def test_one_file_with_both_asks_which_array_is_which():
    at = give(open_page("data"), {"both.npz": npz(one=Y, two=X)})
    assert "holds several arrays (one, two). Say which is image" in said(at)
    at.selectbox(key="drop_target_0").set_value("two").run()
    at.selectbox(key="drop_source_0").set_value("one").run()
    assert "both.npz holds both: two (60 × 8) as image and one (60 × 8) as text" in said(at)
    np.testing.assert_allclose(load(at).source.vectors, Y, atol=1e-6)


def test_the_encoder_is_what_files_say_until_another_is_named():
    sides = pair_of(n=N)
    files = {
        f"{side.modality}.npz": to_bytes(side, ".npz", metadata={"model": f"tower {side.modality}"})
        for side in (sides.target, sides.source)
    }
    at = give(open_page("data"), files)
    assert at.text_input(key="drop_encoder").value == ""
    assert at.text_input(key="drop_encoder").placeholder == "tower image and tower text"
    assert load(at).source.provenance.model == "tower text"
    one = {"image.npz": files["image.npz"], "text.npy": npy(Y[:, :8])}
    at = give(open_page("data"), one)
    assert at.text_input(key="drop_encoder").value == "tower image"


def test_partners_and_stand_ins_are_a_persons_choice():
    at = give(open_page("data"), BOTH)
    at.segmented_control(key="drop_by").set_value("none")
    at.segmented_control(key="drop_stands").set_value("target").run()
    assert "unpaired. The image rows become stand-ins for text rows." in said(at)
    pair = load(at)
    assert not pair.paired and (pair.source.modality, pair.target.modality) == ("image", "text")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cat.jpg": b"?"}, "cat.jpg"),
        ({"image.npy": b"no array"} | {"text.npy": npy(Y)}, "image.npy is not a .npy file"),
        ({"notes.csv": b"a,b\nhello,you\nthere,now\n"}, "no column of numbers"),
        ({"a.npy": npy(X), "b.npy": npy(Y), "c.npy": npy(X)}, "3 files hold vectors"),
        ({"image.npy": npy(X)}, "is one side, image, and a pair has two"),
        ({"broken.studio.zip": b"PK"}, "saved session"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence_and_nothing_is_lost(files, expected):
    pair = pair_of()
    at = give(open_page("data", pair), files)
    assert not at.exception and expected in said(at)
    button = at.button(key="load")
    if not button.disabled:
        button.click().run()
        assert not at.exception and len(at.error) == 1
    assert at.session_state["loaded"].pair is pair


def test_ids_that_do_not_meet_are_told_and_rows_can_be_taken_in_order():
    files = {
        "image.parquet": parquet(X, id=IDS),
        "text.parquet": parquet(Y, id=[f"t{i}" for i in IDS]),
    }
    at = give(open_page("data"), files)
    at.button(key="load").click().run()
    assert len(at.error) == 1 and at.session_state["loaded"].sample == "scenes"
    at.segmented_control(key="drop_by").set_value("row").run()
    assert load(at).paired


def test_captions_that_name_pictures_wait_for_a_word_where_rows_have_no_ids():
    names = [f"{k}.png" for k in range(N)]
    at = give(open_page("data"), BOTH | {"c.jsonl": jsonl(names, names)})
    assert "says whose its captions are" in said(at) and at.button(key="load").disabled
    at.selectbox(key="drop_by_2").set_value("row").run()
    assert load(at).target.captions[3] == "3.png"


def test_a_server_folder_and_its_captions_are_dropped_like_files(tmp_path, monkeypatch):
    for part, array in (("img_emb", X), ("text_emb", Y)):
        (tmp_path / "set" / part).mkdir(parents=True)
        (tmp_path / "set" / part / f"{part}_0.npy").write_bytes(npy(array))
    (tmp_path / "lines.txt").write_text("\n".join(f"a line {k}" for k in range(N)))
    monkeypatch.setenv("ANISOALIGN_DATA_ROOT", str(tmp_path))
    at = open_page("data")
    at.multiselect(key="server_0").set_value(["set/", "lines.txt"]).run()
    assert "set/ holds both: image (60 × 8) as image" in said(at)
    assert load(at).source.captions[2] == "a line 2"
