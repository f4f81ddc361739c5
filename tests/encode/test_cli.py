"""``anisoalign encode``: files in, files out, and what a shell relies on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.cli.parser import build_parser
from tests.encode.conftest import image_bytes, zipped

ROOT = Path(__file__).resolve().parents[2]
ENCODER = ["--checkpoint", str(aa.sample_encoder_path())]
BOTH = ["--images", "scenes.zip", "--captions", "captions.csv"]
OUTS = ["--out-images", "image.npy", "--out-texts", "text.npy"]


@pytest.fixture
def files(tmp_path, monkeypatch, sample):
    """Work in a folder with an archive of twenty scenes, and their captions."""
    members = {
        f"{key}.png": image_bytes(Image.fromarray(tile))
        for key, tile in zip(sample.target.ids[:20], sample.target.thumbnails, strict=False)
    }
    (tmp_path / "scenes.zip").write_bytes(zipped(members))
    rows = zip(sample.target.ids[:20], sample.source.captions, strict=False)
    (tmp_path / "captions.csv").write_text(
        "image,caption\n" + "".join(f'{key}.png,"{text}"\n' for key, text in rows)
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_help_has_an_example_that_parses(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["encode", "--help"])
    assert stop.value.code == 0
    example = capsys.readouterr().out.partition("example:")[2].split()
    assert example[:2] == ["anisoalign", "encode"]
    assert build_parser().parse_args(example[1:]).verb == "encode"


def test_an_archive_and_a_table_become_two_sets(files, sample, capsys):
    command = ["encode", *BOTH, *ENCODER, *OUTS]
    assert main([*command, "--json", "about.json"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "100% 20 of 20 captions" in said.err
    assert "20 images in image.npy and 20 texts in text.npy, 128 dimensions" in said.err
    images, texts = aa.load("image.npy", modality="image"), aa.load("text.npy", modality="text")
    np.testing.assert_allclose(images.vectors, sample.target.vectors[:20], atol=1e-5)
    np.testing.assert_allclose(texts.vectors, sample.source.vectors[:20], atol=1e-5)
    assert images.ids.tolist() == texts.ids.tolist() == sample.target.ids[:20].tolist()
    assert texts.captions.tolist() == sample.source.captions[:20].tolist()
    about = json.loads((files / "about.json").read_text())
    assert about["written"]["images"] == {
        "file": "image.npy",
        "rows": 20,
        "dimensions": 128,
        "digest": images.digest,
    }
    assert (
        about["encoder"] == aa.encode.load_encoder(checkpoint=aa.sample_encoder_path()).describe()
    )
    assert about["inputs"] == ["scenes.zip", "captions.csv"]
    assert about["broken"] == about["notes"] == about["left_out"] == []


def test_every_caption_of_an_image_gives_a_row(files, sample, capsys):
    """And the two files are one grouped pair to every other verb."""
    with (files / "captions.csv").open("a") as table:
        for key in sample.target.ids[:20]:
            table.write(f"{key}.png,a red ring\n")
    assert main(["encode", *BOTH, *ENCODER, *OUTS]) == 0
    said = capsys.readouterr().err
    assert "Found 20 images, 40 captions, 2 each." in said
    assert "20 images in image.npy and 40 texts in text.npy" in said
    sides = ["--source", "text.npy", "--target", "image.npy", "--join-ids"]
    assert main(["diagnose", *sides, "--json", "-"]) == 0
    said = capsys.readouterr().err
    assert "20 things: 20 image rows (1 each) and 40 text rows (2 each)" in said


def test_json_goes_to_stdout_and_quiet_is_quiet(files, capsys):
    command = ["encode", "--images", "scenes.zip", *ENCODER, "--out-images", "image.parquet"]
    assert main([*command, "--json", "-", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["written"]["images"]["rows"] == 20
    assert names(files) == ["captions.csv", "image.parquet", "scenes.zip"]
    assert aa.load("image.parquet", modality="image").provenance.model.startswith("encoder.safe")


def test_captions_alone(files, sample, capsys):
    command = ["encode", "--captions", "captions.csv", *ENCODER, "--out-texts", "text.npz"]
    assert main([*command, "--quiet"]) == 0
    texts = aa.load("text.npz", modality="text")
    np.testing.assert_allclose(texts.vectors, sample.source.vectors[:20], atol=1e-5)
    assert texts.ids[0] == "scene-00000.png"


def test_broken_images_are_named_and_leave_both_sides(files, capsys):
    for row in range(7):
        (files / f"bad-{row}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (files / f"bad-{row}.txt").write_text("a red ring")
    (files / "good.png").write_bytes(image_bytes())
    (files / "good.txt").write_text("a zeppelin at dusk")
    pictures = [f"bad-{row}.png" for row in range(7)]
    command = ["encode", "--images", *pictures, "good.png", *ENCODER, *OUTS, "--json", "a.json"]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "bad-0 is left out: it is no image" in said
    assert "bad-4 is left out" in said
    assert "bad-5 is left out" not in said
    assert "2 more images are left out as well." in said
    assert '"zeppelin"' in said
    about = json.loads((files / "a.json").read_text())
    assert [one["id"] for one in about["broken"]] == [f"bad-{row}" for row in range(7)]
    assert about["written"]["texts"]["rows"] == 1
    assert "zeppelin" in about["notes"][0]
    assert main([*command, "--unpaired", "--quiet"]) == 0
    assert json.loads((files / "a.json").read_text())["written"]["texts"]["rows"] == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "scenes.zip", *ENCODER], "Say where the embeddings shall go"),
        (["--captions", "captions.csv", *ENCODER, "--out-images", "i.npy"], "needs --images"),
        (["--images", "scenes.zip", *ENCODER, *OUTS], "There are no captions for --out-texts"),
        (["--images", "absent.zip", *ENCODER, "--out-images", "i.npy"], "absent.zip"),
        (["--images", "scenes.zip", *ENCODER, "--out-images", "no/i.npy"], 'no folder "no"'),
        (["--images", "scenes.zip", *ENCODER, "--out-images", "i.pt"], "i.pt"),
        (
            [*BOTH, *ENCODER, "--out-images", "a.npy", "--out-texts", "a.npy"],
            "are both a.npy",
        ),
        (["--images", "scenes.zip", "--out-images", "i.npy"], "which model is meant"),
        (["--images", "scenes.zip", "--model", "ViT-B32", "--out-images", "i.npy"], "ViT-B-32"),
        (["--images", "scenes.zip", "--model", "RN50", "--out-images", "i.npy"], "cc12m"),
        (
            ["--images", "scenes.zip", *ENCODER, "--device", "tpu", "--out-images", "i.npy"],
            "choose cpu",
        ),
        (
            ["--images", "scenes.zip", *ENCODER, "--batch-size", "0", "--out-images", "i.npy"],
            "batch_size is 0",
        ),
        (["--list-models", "no-such-thing"], "No architecture matches"),
    ],
)
def test_wrong_use_exits_2_with_one_line_and_leaves_nothing(files, capsys, arguments, words):
    before = names(files)
    assert main(["encode", *arguments, "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.startswith("anisoalign encode: ")
    assert len(said.err.strip().splitlines()) == 1
    assert names(files) == before


def test_an_old_file_of_captions_is_not_taken_for_that_of_the_images(files, capsys):
    (files / "image.captions.txt").write_text("old\n")
    command = ["encode", "--images", "scenes.zip", *ENCODER, "--out-images", "image.npy"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "image.captions.txt lies beside" in said
    assert "%" not in said  # it is said before any work
    assert main([*command, "--captions", "captions.csv", "--quiet"]) == 0


def test_an_interrupt_exits_130_and_leaves_no_half_file(files, capsys, monkeypatch):
    from anisoalign_core.encode import run

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_image_batch", stop)
    before = names(files)
    command = ["encode", *BOTH, *ENCODER, *OUTS]
    assert main(command) == 130
    assert "cancelled; nothing was written" in capsys.readouterr().err
    assert names(files) == before


def test_a_real_interrupt_ends_the_process_quickly(files):
    slow = str(ROOT / "sample_data" / "scenes" / "thumbnails.png")  # four million pixels
    command = ["encode", "--images", *[slow] * 400, *ENCODER, "--out-images", "image.npy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "anisoalign_core.cli", *command, "--batch-size", "1"],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert "%" in process.stderr.readline()  # it is at work
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    said = process.stderr.read()
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - began < 20
    assert said.strip().splitlines()[-1].startswith("anisoalign encode: cancelled; nothing was")
    assert not [name for name in names(files) if "image" in name]


def test_models_are_listed_with_sizes_and_tags(capsys):
    assert main(["encode", "--list-models", "RN50", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["architecture", "dimensions", "pixels", "parameters", "tags"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert rows["RN50"].split()[1:5] == ["1024", "224", "102", "M"]
    assert "cc12m" in rows["RN50"]
    assert main(["encode", "--list-models", "*roberta*", "--json", "-", "--quiet"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["roberta-ViT-B-32"]["parameters"] is None
    assert found["roberta-ViT-B-32"]["tags"] == ["laion2b_s12b_b32k"]


def test_sounds_and_captions_through_a_model_of_another_library(tmp_path, capsys):
    """And the backend, the model's folder and its logits are in what is said."""
    pytest.importorskip("transformers", reason="the package transformers is missing")
    from scipy.io import wavfile

    from tests.encode import tiny_hub

    model = str(tiny_hub.clap(tmp_path / "clap"))
    random, folder = np.random.default_rng(0), tmp_path / "sounds"
    folder.mkdir()
    for number in (1, 2, 10):
        samples = (random.standard_normal((9_000, 2)) * 3_000).astype(np.int16)
        wavfile.write(folder / f"s{number}.wav", 16_000, samples)
    (tmp_path / "captions.csv").write_text("image,caption\ns2,a red ring\ns1,blue\ns10,a\n")
    command = ["encode", "--backend", "transformers", "--checkpoint", model, "--audio", str(folder)]
    command += ["--captions", str(tmp_path / "captions.csv")]
    outs = ["--out-audio", str(tmp_path / "a.npy"), "--out-texts", str(tmp_path / "t.npy")]
    assert main([*command, *outs, "--json", str(tmp_path / "about.json")]) == 0
    assert "3 sounds in" in capsys.readouterr().err
    sounds = aa.load(tmp_path / "a.npy", modality="audio")
    assert sounds.ids.tolist() == ["s1", "s2", "s10"]
    encoder = aa.encode.load_encoder(backend="transformers", checkpoint=model)
    clips = [aa.encode.read_clip(folder / f"s{number}.wav") for number in (1, 2, 10)]
    np.testing.assert_allclose(sounds.vectors, encoder.encode_audio(clips), atol=1e-5)
    texts = aa.load(tmp_path / "t.npy", modality="text")
    assert len(aa.EmbeddingPair.join(texts, sounds).source) == 3
    about = json.loads((tmp_path / "about.json").read_text())
    assert about["encoder"] == encoder.describe()
    assert about["written"]["sounds"]["rows"] == 3


def test_an_encoder_of_ones_own(files, capsys):
    (files / "mine.py").write_text(
        "import numpy as np, anisoalign_core as aa\n"
        "def images(them): return [[one.width, one.height, 1.0] for one in them]\n"
        "def texts(them): return np.array([[len(one), 1, 2] for one in them])\n"
        "def make(): return aa.encode.from_callables(images, texts, name='mine')\n"
    )
    command = ["encode", *BOTH, "--backend", "python", "--model", "mine.py:make", *OUTS]
    assert main([*command, "--quiet", "--json", "about.json"]) == 0
    images = aa.load("image.npy", modality="image").vectors
    np.testing.assert_allclose(images, np.tile(images[0], (20, 1)))
    assert json.loads((files / "about.json").read_text())["encoder"]["name"] == "mine"
    with (files / "mine.py").open("a") as code:
        code.write(
            "class Mine:\n"
            "    name, dim, summary = 'mine', 3, 'mine, as a class'\n"
            "    def describe(self): return {'edition': 2}\n"
            "    def encode_images(self, them): return images(them)\n"
            "    def encode_texts(self, them): return texts(them)\n"
            "ready = Mine()\n"
        )
    for name in ("Mine", "ready"):
        command = ["encode", *BOTH, "--backend", "python", "--model", f"mine.py:{name}"]
        assert main([*command, *OUTS, "--quiet", "--json", "about.json"]) == 0
        assert json.loads((files / "about.json").read_text())["encoder"]["edition"] == 2
        np.testing.assert_array_equal(aa.load("image.npy", modality="image").vectors, images)
    for place, words in (
        ("mine.py", "names no encoder"),
        ("absent.py:make", "no file absent.py"),
        ("mine.py:absent", "AttributeError"),
        ("mine.py:images", "TypeError"),
        ("json:dumps", "gave no encoder"),
    ):
        assert main(["encode", *BOTH, "--backend", "python", "--model", place, *OUTS]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--audio", "a", "--out-texts", "t.npy"], "--audio needs --out-audio"),
        (["--out-audio", "a.npy"], "--out-audio needs --audio"),
        (["--audio", "absent", "--out-audio", "a.npy"], "sounds"),
        (["--audio", "absent", "--out-audio", "a.npy", "--out-texts", "a.npy"], "are both a.npy"),
    ],
)
def test_sounds_that_cannot_be(files, capsys, arguments, words):
    assert main(["encode", *ENCODER, *arguments]) == 2
    assert words in capsys.readouterr().err
