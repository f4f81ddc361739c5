"""Models of every library: the numbers are the model's own, and what goes wrong is said."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.encode import BACKENDS, encode, load_encoder
from anisoalign_core.encode.backends import Backend
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError, ShapeError
from anisoalign_core.files.digests import file_digest
from tests.encode import tiny_hub
from tests.encode.conftest import local_model, picture

for package in ("transformers", "sentence_transformers"):
    pytest.importorskip(package, reason=f"the package {package} is missing")

TEXTS = ["a red ring", "a small blue square", "blue"]


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders that the libraries themselves wrote."""
    place = tmp_path_factory.mktemp("hub")
    kinds = (tiny_hub.clip, tiny_hub.siglip, tiny_hub.clap, tiny_hub.sentences)
    return {make.__name__: make(place / make.__name__) for make in kinds}


@pytest.fixture(scope="module")
def loaded(folders):
    def backend(kind):
        return "sentence-transformers" if kind == "sentences" else "transformers"

    return {
        kind: load_encoder(backend=backend(kind), checkpoint=folder)
        for kind, folder in folders.items()
    }


def own_rows(folder, images=None, texts=None, sounds=None):
    """What the library's model gives when it is called as its makers say."""
    import torch
    from transformers import AutoModel, AutoProcessor

    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    with torch.no_grad():
        if images is not None:
            given = processor(images=images, return_tensors="pt")
            found = model.eval().get_image_features(**given)
        elif sounds is not None:
            given = processor(audio=sounds, sampling_rate=8_000, return_tensors="pt")
            found = model.eval().get_audio_features(**given)
        else:
            padding = "max_length" if "siglip" in str(folder) else True
            given = processor.tokenizer(texts, padding=padding, return_tensors="pt")
            found = model.eval().get_text_features(**given)
    return unit(getattr(found, "pooler_output", found).numpy())


@pytest.mark.parametrize("kind", ["clip", "siglip", "sentences"])
def test_rows_are_the_models_own_features_on_the_sphere(folders, loaded, kind):
    images = [picture(seed, (40, 32)) for seed in range(5)]
    found = loaded[kind].encode_images(images)
    assert found.dtype == np.float32 and found.shape == (5, loaded[kind].dim)
    np.testing.assert_allclose(found, own_rows(folders[kind], images=images), atol=1e-6)
    found = loaded[kind].encode_texts(TEXTS)
    np.testing.assert_allclose(found, own_rows(folders[kind], texts=TEXTS), atol=1e-6)


@pytest.mark.parametrize("kind", ["clip", "siglip", "sentences"])
def test_the_size_of_a_batch_changes_no_row(loaded, kind):
    images = [picture(seed, (40, 32)) for seed in range(6)]
    together, alone = (
        loaded[kind].encode_images(images),
        np.concatenate([loaded[kind].encode_images([image]) for image in images]),
    )
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3  # and images differ by more than that
    together, alone = (
        loaded[kind].encode_texts(TEXTS),
        np.concatenate([loaded[kind].encode_texts([text]) for text in TEXTS]),
    )
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_tower_may_give_a_tensor_or_an_object(folders, loaded, monkeypatch):
    """Versions of the library differ in it."""
    encoder, images = loaded["clip"], [picture(0)]
    before, method = encoder.encode_images(images), encoder.model.get_image_features
    assert hasattr(method(**dict(encoder.transform(images[0]))), "pooler_output")
    monkeypatch.setattr(
        encoder.model, "get_image_features", lambda **given: method(**given).pooler_output
    )
    np.testing.assert_array_equal(encoder.encode_images(images), before)


def test_sounds_are_heard(folders, loaded):
    encoder, random = loaded["clap"], np.random.default_rng(0)
    sounds = [random.standard_normal(n).astype(np.float32) for n in (900, 4_000, 8_000)]
    found = encoder.encode_audio([(sound, 8_000) for sound in sounds])
    np.testing.assert_allclose(found, own_rows(folders["clap"], sounds=sounds), atol=1e-6)
    np.testing.assert_allclose(
        encoder.encode_texts(TEXTS), own_rows(folders["clap"], texts=TEXTS), atol=1e-6
    )
    alone = np.concatenate([encoder.encode_audio([(sound, 8_000)]) for sound in sounds])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    long = random.standard_normal(50_000)  # longer than the model hears: its beginning, each time
    first, again, beginning = (
        encoder.encode_audio([(sound, 8_000)]) for sound in (long, long, long[:8_000])
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, beginning)
    with pytest.raises(ParameterError, match="encodes no images"):
        encoder.encode_images([picture()])


def test_provenance_has_weights_and_logits(folders, loaded):
    for kind, encoder in loaded.items():
        about = json.loads(json.dumps(encoder.describe()))
        assert about["name"] == kind and about["dimensions"] == encoder.dim
        weights = folders[kind] / "model.safetensors"
        assert about["weights"]["digest"] == file_digest(weights)
        assert about["weights"]["digest"][:8] in encoder.summary and "fp32" in encoder.summary
        assert about["parameters"] == sum(one.numel() for one in encoder.model.parameters())
    assert loaded["clip"].logit_scale == pytest.approx(np.exp(2.6592), rel=1e-6)
    assert loaded["sentences"].logit_scale == loaded["clip"].logit_scale
    assert "logit_bias" not in loaded["clip"].describe()
    siglip = loaded["siglip"].describe()
    assert siglip["logit_scale"] == pytest.approx(np.exp(2.0), rel=1e-6)
    assert siglip["logit_bias"] == -7.5
    assert "32 px" in loaded["clip"].summary and "32 px" in loaded["sentences"].summary


def test_logits_of_open_clip_are_those_of_the_file(tmp_path):
    from safetensors.torch import load_file, save_file

    path = local_model(tmp_path)
    weights = load_file(path)
    assert load_encoder(checkpoint=path).logit_scale == pytest.approx(
        float(np.exp(weights["logit_scale"].numpy())), rel=1e-6
    )
    import torch

    save_file(weights | {"logit_scale": torch.tensor(4.0)}, path)
    assert load_encoder(checkpoint=path).describe()["logit_scale"] == pytest.approx(np.exp(4.0))
    save_file({key: one for key, one in weights.items() if key != "logit_scale"}, path)
    assert load_encoder(checkpoint=path).logit_scale is None  # not what a new model begins with


@pytest.mark.parametrize("kind", ["clip", "sentences"])
def test_a_whole_job_goes_through_any_library(loaded, kind):
    from anisoalign_core.encode import Item

    def opener(seed):
        def opened():
            if seed == 3:
                raise FormatError("it is damaged (on purpose).")
            return picture(seed)

        return opened

    items = [Item(f"k{row}", TEXTS[row % 3], opener(row)) for row in range(11)]
    found = encode(items, loaded[kind], batch_size=4)
    kept = [row for row in range(11) if row != 3]
    assert found.images.ids.tolist() == [f"k{row}" for row in kept]
    expected = loaded[kind].encode_images([picture(row) for row in kept])
    np.testing.assert_allclose(found.images.vectors, expected, atol=1e-5)
    assert found.images.provenance.model == loaded[kind].summary
    assert [one.id for one in found.broken] == ["k3"]
    again = encode(items, loaded[kind], batch_size=4)
    assert again.images.digest == found.images.digest
    assert again.texts.digest == found.texts.digest


def test_captions_that_are_cut_are_counted(loaded):
    tokens = loaded["clip"].tokens_of(["a red ring", "a " * tiny_hub.LENGTH, "a"])
    assert tokens.cut == 1 and tokens.ids.shape == (3, tiny_hub.LENGTH)
    assert loaded["clip"].tokens_of(["a " * (tiny_hub.LENGTH - 2)]).cut == 0


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


class Touch:
    """A pickle that leaves a trace where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["clip", "sentences"])
def test_nothing_in_a_folder_is_run(folders, loaded, kind, tmp_path):
    backend = loaded[kind].about["backend"]
    trace = tmp_path / "ran"
    place = copied(folders[kind], tmp_path / "model")
    (place / "model.safetensors").unlink()
    (place / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(trace)))
    with pytest.raises(FormatError, match="pytorch_model"):
        load_encoder(backend=backend, checkpoint=place)
    code = tmp_path / "code"
    copied(folders[kind], code)
    body = json.loads((code / "config.json").read_text())
    body |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (code / "config.json").write_text(json.dumps(body))
    (code / "own.py").write_text(f"import pathlib; pathlib.Path({str(trace)!r}).touch()")
    with pytest.raises(FormatError, match=r"which is never run|never loaded|cannot load"):
        load_encoder(backend=backend, checkpoint=code)
    assert not trace.exists()


def test_a_model_of_sentences_chooses_neither_code_nor_pickles(folders, tmp_path):
    trace = tmp_path / "ran"
    place = copied(folders["sentences"], tmp_path / "one")
    (place / "modules.json").write_text(json.dumps([{"type": "subprocess.Popen", "path": ""}]))
    with pytest.raises(FormatError, match=r"subprocess\.Popen.*not loaded here"):
        load_encoder(backend="sentence-transformers", checkpoint=place)
    place = copied(folders["sentences"], tmp_path / "two")
    (place / "other.bin").write_bytes(pickle.dumps(Touch(trace)))
    (place / "sentence_bert_config.json").write_text(
        json.dumps({"model_args": {"weights_only": False, "use_safetensors": False}})
    )
    with pytest.raises(FormatError, match=r"other\.bin"):
        load_encoder(backend="sentence-transformers", checkpoint=place)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "config", "words"),
    [
        ({"type": "Pooling", "path": "../other"}, {}, "outside"),
        ({"type": "Dense", "path": "2_Dense"}, {"in_features": 12, "out_features": 10**9}, "large"),
    ],
)
def test_modules_stay_in_their_folder_and_size(folders, tmp_path, module, config, words):
    place = copied(folders["sentences"], tmp_path / "model")
    listed = json.loads((place / "modules.json").read_text())
    kind = f"sentence_transformers.models.{module['type']}"
    (place / "modules.json").write_text(json.dumps([*listed, module | {"type": kind}]))
    (place / module["path"]).mkdir()
    (place / module["path"] / "config.json").write_text(json.dumps(config))
    with pytest.raises(FormatError, match=words):
        load_encoder(backend="sentence-transformers", checkpoint=place)


def test_weights_of_plain_tensors_are_read(folders, loaded, tmp_path):
    import torch
    from safetensors.torch import load_file

    place = copied(folders["clip"], tmp_path / "model")
    torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    found = load_encoder(backend="transformers", checkpoint=place)
    np.testing.assert_allclose(
        found.encode_images([picture()]), loaded["clip"].encode_images([picture()]), atol=1e-6
    )
    assert found.about["weights"]["file"] == "pytorch_model.bin"


def test_weights_in_several_files_have_one_digest(folders, loaded, tmp_path):
    from transformers import CLIPModel

    place = copied(folders["clip"], tmp_path / "model")
    (place / "model.safetensors").unlink()
    CLIPModel.from_pretrained(folders["clip"]).save_pretrained(place, max_shard_size="20KB")
    found = load_encoder(backend="transformers", checkpoint=place)
    np.testing.assert_allclose(
        found.encode_images([picture()]), loaded["clip"].encode_images([picture()]), atol=1e-6
    )
    digests = found.about["weights"]["files"]
    assert len(digests) > 1
    assert digests == {one: file_digest(place / one) for one in digests}
    assert len(found.about["weights"]["digest"]) == 32
    (place / next(iter(digests))).unlink()
    with pytest.raises(FormatError, match=r"lacks .*which its index"):
        load_encoder(backend="transformers", checkpoint=place)


def test_weights_are_never_random(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    place = copied(folders["clip"], tmp_path / "model")
    weights = load_file(place / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FormatError, match=r"1 are missing .*visual_projection"):
        load_encoder(backend="transformers", checkpoint=place)


@pytest.mark.parametrize("kind", ["clip", "sentences"])
def test_a_model_larger_than_its_file_is_not_built(folders, loaded, tmp_path, kind):
    place = copied(folders[kind], tmp_path / "model")
    body = json.loads((place / "config.json").read_text())
    body["text_config"]["vocab_size"] = 10**9
    (place / "config.json").write_text(json.dumps(body))
    with pytest.raises(FormatError, match=r"declares 16,0.* parameters"):
        load_encoder(backend=loaded[kind].about["backend"], checkpoint=place)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Say which model is meant"),
        ({"architecture": "a/b", "checkpoint": "."}, "one of them"),
        ({"architecture": "../secret"}, "no name of a model on the Hugging Face hub"),
        ({"architecture": "https://x.y/z"}, "no name of a model"),
        ({"architecture": "a/b", "pretrained": "../../refs"}, "is no revision"),
        ({"checkpoint": "absent"}, "is no folder"),
        ({"checkpoint": "empty"}, "holds no weights"),
        ({"checkpoint": "empty", "pretrained": "main"}, "no revisions"),
        ({"checkpoint": "empty", "config": "c.json"}, "takes no config"),
        ({"checkpoint": "clip", "device": "tpu"}, "choose cpu, cuda"),
    ],
)
def test_wrong_use_is_said(folders, tmp_path, monkeypatch, given, words):
    (tmp_path / "empty").mkdir()
    copied(folders["clip"], tmp_path / "clip")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AnisoAlignError, match=words):
        load_encoder(backend="transformers", **given)


def test_models_of_other_kinds_are_said(folders, tmp_path):
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(**tiny_hub.TOWER, num_attention_heads=2, vocab_size=20))
    model.save_pretrained(tmp_path)
    tiny_hub.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(FormatError, match=r"is a BertModel, which has none of the towers"):
        load_encoder(backend="transformers", checkpoint=tmp_path)
    with pytest.raises(FormatError, match=r"no modules\.json.*backend transformers"):
        load_encoder(backend="sentence-transformers", checkpoint=tmp_path)


def test_a_name_of_a_folder_here_is_not_read_as_one(folders, tmp_path, monkeypatch):
    """A name is one of the hub's, whatever lies in the working folder."""
    copied(folders["clip"], tmp_path / "clip")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("anisoalign_core.encode.hub.reach", unreachable)
    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(AnisoAlignError, match=r"could not be had.*--checkpoint FOLDER"):
        load_encoder("clip", backend="transformers")


def unreachable(*_, **__):
    raise OSError("no route to host")


@pytest.fixture
def hub(folders, monkeypatch):
    """A hub of one model, which says what was asked of it."""
    import huggingface_hub

    asked = []
    files = [*folders["clip"].iterdir(), Path("run.py"), Path("onnx/model.safetensors")]
    siblings = [
        SimpleNamespace(
            rfilename=str(file.relative_to(folders["clip"]) if file.is_absolute() else file),
            size=file.stat().st_size if file.is_absolute() else 10,
        )
        for file in files
    ]

    def model_info(_, name, *, revision, files_metadata):
        asked.append((name, revision))
        return SimpleNamespace(sha="c0ffee", siblings=siblings)

    def download(name, *, revision=None, allow_patterns=None, local_files_only=False):
        asked.append((revision, sorted(allow_patterns or ())))
        return str(folders["clip"])

    monkeypatch.setattr("anisoalign_core.encode.hub.reach", lambda place: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


def test_of_a_model_by_name_the_commit_is_kept_and_no_code_fetched(hub, folders):
    found = load_encoder("some/clip", "main", backend="transformers")
    assert (found.name, found.about["weights"]["tag"]) == ("some/clip", "c0ffee")
    words = ["config.json", "model.safetensors", "processor_config.json"]
    words += ["tokenizer.json", "tokenizer_config.json"]
    assert hub == [("some/clip", "main"), ("c0ffee", words)]
    from anisoalign_core.encode.hub import hub_bytes

    assert hub_bytes("some/clip") == sum(one.stat().st_size for one in folders["clip"].iterdir())


def test_without_a_network_the_cache_serves(hub, monkeypatch):
    monkeypatch.setattr("anisoalign_core.encode.hub.reach", unreachable)
    assert load_encoder("some/clip", backend="transformers").name == "some/clip"


@pytest.mark.parametrize("name", ["open_clip", "transformers", "sentence-transformers"])
def test_a_missing_package_is_said_with_its_extra(monkeypatch, name):
    import tomllib

    backend = BACKENDS[name]
    monkeypatch.setitem(sys.modules, backend.packages[-1], None)
    with pytest.raises(AnisoAlignError) as refused:
        load_encoder("a/b", backend=name)
    assert f'pip install "anisoalign-studio[{backend.extra}]"' in str(refused.value)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["name"] == "anisoalign-studio"
    assert backend.extra in project["optional-dependencies"]


def test_an_unknown_backend_is_said():
    with pytest.raises(ParameterError, match="choose open_clip, transformers"):
        load_encoder("a", backend="keras")


def test_a_declared_backend_is_one_everywhere(monkeypatch):
    """Whoever adds one declares it once."""
    from anisoalign_core.cli.parser import build_parser

    toy = Backend("toy", "Toys", "a toy", "", "Toys.", (), "", "callables", takes=())
    monkeypatch.setitem(BACKENDS, "toy", toy)
    with pytest.raises(ParameterError, match="names no encoder in Python"):
        load_encoder("x", backend="toy")
    assert build_parser().parse_args(["encode", "--backend", "toy"]).backend == "toy"


def test_the_page_has_every_backend_as_it_is_declared():
    page = (Path(__file__).parents[2] / "docs" / "ENCODERS.md").read_text(encoding="utf-8")
    told = page.partition("<!-- backends -->")[2].partition("<!-- end of backends -->")[0]
    rows = [
        f"| `{one.name}` | {f'`anisoalign-studio[{one.extra}]`' if one.extra else '–'} | "
        f"{one.summary} | {one.model} | {one.weights or '–'} |"
        for one in BACKENDS.values()
    ]
    assert told.strip().splitlines()[2:] == rows


def test_importing_the_room_imports_no_library():
    code = (
        "import sys, anisoalign_core as aa; aa.encode.load_encoder; aa.encode.encode;"
        "print({'torch','transformers','open_clip','sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_rows_of_another_shape_are_said():
    wrong = aa.encode.from_callables(texts=lambda texts: np.ones((len(texts), 3)), name="t", dim=4)
    with pytest.raises(ShapeError, match=r"t made 2 rows of 3 dimensions of 2 captions"):
        wrong.encode_texts(["a", "b"])


def test_models_that_fuse_long_sounds_hear_the_same_in_every_batch(tmp_path):
    encoder = load_encoder(
        backend="transformers", checkpoint=tiny_hub.clap(tmp_path / "fused", fusion=True)
    )
    random = np.random.default_rng(0)
    clips = [(random.standard_normal(n), 8_000) for n in (900, 8_000, 30_000)]
    together, again = encoder.encode_audio(clips), encoder.encode_audio(clips)
    alone = np.concatenate([encoder.encode_audio([clip]) for clip in clips])
    np.testing.assert_array_equal(together, again)
    np.testing.assert_allclose(together, alone, atol=1e-5)
