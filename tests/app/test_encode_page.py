"""What a person does on Encode: pictures in, embeddings out, nothing lost on the way."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.samples import load_sample, sample_encoder_path
from tests.app.test_pages import open_page, words

ROWS = 30


@pytest.fixture(scope="module")
def sample():
    return load_sample("scenes")


def png(picture):
    Image.fromarray(picture).save(stream := io.BytesIO(), "PNG")
    return stream.getvalue()


def zipped(sample, count=ROWS, captions=True, broken=False):
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for row in range(count):
            archive.writestr(f"{row:03d}.png", png(sample.target.thumbnails[row]))
            if captions:
                archive.writestr(f"{row:03d}.txt", sample.target.captions[row])
        if broken:
            archive.writestr("900.png", b"no picture at all")
            archive.writestr("900.txt", "a broken one")
    return stream.getvalue()


def upload(at, data, captions=None):
    at.file_uploader(key="encode_pictures").upload("scenes.zip", data, "application/zip")
    if captions is not None:
        at.file_uploader(key="encode_captions").upload("captions.csv", captions, "text/csv")
    return at.run()


def start(at):
    return at.button(key="encode_start").click().run(timeout=120)


def test_nothing_is_asked_of_a_model_before_there_is_something_to_encode():
    at = open_page("encode")
    assert not at.exception and not at.error
    assert "Choose pictures, captions, or both" in words(at)
    assert not [b for b in at.button if b.key == "encode_start"]


def test_a_zip_becomes_the_loaded_pair_and_equals_the_bundled_rows(sample):
    at = upload(open_page("encode"), zipped(sample, broken=True))
    assert "31 images, 31 captions; 31 images have captions" in words(at)
    start(at)
    assert not at.exception and not at.error
    pair = at.session_state["loaded"].pair
    for side, bundled in ((pair.target, sample.target), (pair.source, sample.source)):
        np.testing.assert_allclose(side.vectors, bundled.vectors[:ROWS], atol=1e-5)
    assert pair.paired and pair.target.captions.tolist() == sample.target.captions[:ROWS].tolist()
    shown = words(at).replace("\\", "")
    assert "1 pictures could not be read" in shown and "900: it is no image" in shown
    assert "They are loaded now" in shown
    at.switch_page("../pages/spectra.py").run()
    assert not at.exception and not at.error
    assert "30 pairs × 128 dimensions" in words(at)


def test_every_caption_of_a_picture_gives_a_row(sample):
    told = "".join(
        f"{row:03d}.png#{k}\t{'look, ' * k}{sample.target.captions[row]}\n"
        for row in range(ROWS)
        for k in range(2)
    )
    at = upload(open_page("encode"), zipped(sample, captions=False), told.encode())
    assert f"{ROWS} images, {2 * ROWS} captions, 2 each; {ROWS} images have captions" in words(at)
    start(at)
    assert not at.exception and not at.error
    pair = at.session_state["loaded"].pair
    assert pair.in_words() == (
        f"{ROWS} things: {ROWS} image rows (1 each) and {2 * ROWS} text rows (2 each)"
    )
    assert "They are loaded now" in words(at)


def test_captions_may_come_in_a_table(sample):
    table = "file,caption\n" + "\n".join(
        f'{row:03d}.png,"{sample.target.captions[row]}"' for row in reversed(range(ROWS))
    )
    at = upload(open_page("encode"), zipped(sample, captions=False), table.encode())
    start(at)
    assert at.session_state["loaded"].pair.source.captions.tolist() == (
        sample.target.captions[:ROWS].tolist()
    )


def test_scenes_of_the_sample_need_no_upload(sample):
    at = open_page("encode")
    at.segmented_control(key="encode_way").set_value("Scenes of the sample").run()
    at.segmented_control(key="encode_scenes").set_value(100).run()
    start(at)
    pair = at.session_state["loaded"].pair
    np.testing.assert_allclose(pair.target.vectors, sample.target.vectors[:100], atol=1e-5)


def test_pictures_alone_are_taken_home_and_change_nothing(sample):
    at = upload(open_page("encode"), zipped(sample, captions=False))
    start(at)
    assert at.session_state["loaded"].sample == "scenes"
    assert "One side alone makes no pair" in words(at)
    assert [b.label for b in at.get("download_button")] == ["image.npz", "image.npy"]


def test_a_checkpoint_of_ones_own(sample):
    path = sample_encoder_path()
    at = upload(open_page("encode"), zipped(sample))
    at.segmented_control(key="encode_model").set_value("a checkpoint file").run()
    weights, config = path.read_bytes(), path.with_suffix(".json").read_bytes()
    at.file_uploader(key="encode_checkpoint").upload("w.safetensors", weights, "application/x")
    at.file_uploader(key="encode_config").upload("c.json", config, "application/json")
    at.run()
    start(at)
    assert not at.error
    np.testing.assert_allclose(
        at.session_state["loaded"].pair.target.vectors, sample.target.vectors[:ROWS], atol=1e-5
    )


@pytest.mark.parametrize(
    ("weights", "config", "expected"),
    [
        (b"nothing of the kind", None, "weights.safetensors"),
        (None, b"[]", "config.json"),
        (None, json.dumps({"model_cfg": {"embed_dim": 3}}).encode(), "config.json"),
    ],
)
def test_files_that_are_no_model_are_refused_in_words(sample, weights, config, expected):
    path = sample_encoder_path()
    at = upload(open_page("encode"), zipped(sample))
    at.segmented_control(key="encode_model").set_value("a checkpoint file").run()
    at.file_uploader(key="encode_checkpoint").upload(
        "w.safetensors", weights or path.read_bytes(), "application/x"
    )
    at.file_uploader(key="encode_config").upload(
        "c.json", config or path.with_suffix(".json").read_bytes(), "application/json"
    )
    at.run()
    start(at)
    assert not at.exception
    assert expected in at.error[0].value.replace("\\", "")
    assert at.session_state["loaded"].sample == "scenes"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", b"GIF89a"])
def test_what_is_no_zip_is_refused_in_words(data):
    at = upload(open_page("encode"), data)
    assert not at.exception
    assert "scenes.zip" in at.error[0].value.replace("\\", "")


def test_what_was_stopped_goes_on_and_ends_with_the_same_bits(sample, monkeypatch):
    from app.widgets import encode as page

    whole = start(upload(open_page("encode"), zipped(sample)))
    at = upload(open_page("encode"), zipped(sample))
    true = page.encode

    class Stopped(Exception):
        pass

    def stopping(*arguments, progress, **options):
        def tell(fraction, told):
            if fraction > 0.4:
                raise Stopped
            progress(fraction, told)

        return true(*arguments, progress=tell, **options)

    at.select_slider(key="encode_batch").set_value(16).run()
    whole.select_slider(key="encode_batch").set_value(16).run()
    start(whole)
    monkeypatch.setattr(page, "encode", stopping)
    start(at)
    assert at.session_state["loaded"].sample == "scenes"
    monkeypatch.setattr(page, "encode", true)
    at.run()
    assert "Stopped after" in words(at) and at.button(key="encode_start").label == "Continue"
    kept = at.session_state["encode_state"][1].batches
    assert kept > 0
    start(at)
    for side in ("source", "target"):
        np.testing.assert_array_equal(
            getattr(at.session_state["loaded"].pair, side).vectors,
            getattr(whole.session_state["loaded"].pair, side).vectors,
        )


def test_models_are_listed_with_their_size():
    at = open_page("encode")
    at.segmented_control(key="encode_model").set_value("open_clip, by name").run(timeout=120)
    table = at.dataframe[-1].value
    names = [model.name for model in aa.encode.available_models()]
    assert table["architecture"].tolist() == names
    at.selectbox(key="encode_architecture").select("ViT-B-32").run(timeout=120)
    assert "512 dimensions, 224 × 224 pixels, 151.3 million parameters" in words(at)


def test_texts_of_the_loaded_model_make_directions(sample):
    at = start(upload(open_page("encode"), zipped(sample)))
    at.switch_page("../pages/directions.py").run()
    assert "prompt" in at.selectbox(key="first_kind").options or any(
        "text" in option for option in at.selectbox(key="first_kind").options
    )
    at.selectbox(key="first_kind").select("prompt").run()
    assert not at.exception and not at.error


def of_transformers(at):
    return at.segmented_control(key="encode_model").set_value("transformers, by name").run()


def test_models_of_other_libraries_are_offered_where_they_are_installed(monkeypatch):
    pytest.importorskip("transformers", reason="the package transformers is missing")
    import sys

    def ways():
        return open_page("encode").segmented_control(key="encode_model").options

    assert "transformers, by name" in ways()
    assert not any("ython" in way for way in ways())  # the page runs nobody's code
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    assert ways() == ["the sample's encoder", "open_clip, by name", "a checkpoint file"]


def test_a_model_of_transformers_from_the_servers_folder(sample, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the package transformers is missing")
    from tests.encode import tiny_hub

    tiny_hub.clip(tmp_path / "models" / "tiny")
    at = of_transformers(upload(open_page("encode"), zipped(sample)))
    keys = [one.key for one in at.text_input]
    assert "encode_name_transformers" in keys and "encode_folder_transformers" not in keys
    monkeypatch.setenv("ANISOALIGN_DATA_ROOT", str(tmp_path / "models"))
    at.run()
    at.text_input(key="encode_folder_transformers").set_value("../models/../..").run()
    assert "outside the folder that this server opens" in at.error[0].value
    at.text_input(key="encode_folder_transformers").set_value("tiny").run()
    start(at)
    assert not at.exception and not at.error
    pair = at.session_state["loaded"].pair
    assert pair.dim == 12 and len(pair.target) == ROWS
    assert pair.target.provenance.model.startswith("tiny (weights ")


def test_a_path_is_no_name_and_what_cannot_be_had_is_said(sample, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the package transformers is missing")
    from tests.encode import tiny_hub

    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("anisoalign_core.encode.hub.reach", unreachable)
    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    at = of_transformers(upload(open_page("encode"), zipped(sample)))
    path = str(tiny_hub.clip(tmp_path / "tiny"))
    for name, expected in ((path, "no name of a model"), ("some/clip", "could not be had")):
        at.text_input(key="encode_name_transformers").set_value(name).run()
        start(at)
        assert not at.exception
        assert expected in at.error[0].value.replace("\\", "")
        assert at.session_state["loaded"].sample == "scenes"


def test_a_model_without_room_is_refused_before_it_is_downloaded(sample, monkeypatch):
    pytest.importorskip("transformers", reason="the package transformers is missing")
    monkeypatch.setattr("app.widgets.encode_inputs.hub_bytes", lambda *_: 10**15)
    monkeypatch.setattr(
        "app.widgets.encode_inputs.load_encoder", lambda **_: pytest.fail("it was loaded")
    )
    at = of_transformers(upload(open_page("encode"), zipped(sample)))
    at.text_input(key="encode_name_transformers").set_value("some/clip").run()
    start(at)
    assert "a session on this server may hold" in at.error[0].value.replace("\\", "")
