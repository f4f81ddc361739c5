"""Models from names, tags and files, and sentences where that is not possible."""

import json
import urllib.error

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.encode import weights as weights_room
from anisoalign_core.errors import FormatError, ParameterError
from tests.encode.conftest import (
    SPOKEN,
    TEXT,
    TINY,
    VISION,
    WORDS,
    local_model,
    picture,
    random_model,
    save_weights,
)

AnisoAlignError = aa.AnisoAlignError
TEXTS = ["a photo of a cat", "ring", "something else"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_hand(model, images, texts, mean, std):
    """What open_clip's model gives for images of its own size and texts, with plain arithmetic."""
    import open_clip
    import torch

    pixels = np.stack([np.asarray(image, dtype=np.float64) for image in images]) / 255
    pixels = ((pixels - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    tokens = open_clip.tokenize(texts, context_length=TEXT["context_length"])
    with torch.no_grad():
        x = model.encode_image(torch.from_numpy(pixels)).numpy()
        y = model.encode_text(tokens).numpy()
    return unit(x), unit(y)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_an_architecture_of_the_registry_with_local_weights(tiny_architecture, tmp_path, suffix):
    import torch

    model = random_model()
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pt":  # as training scripts leave it
        state = {f"module.{key}": value for key, value in model.state_dict().items()}
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        save_weights(model, path)
    encoder = aa.encode.load_encoder(tiny_architecture, checkpoint=path)
    images = [picture(seed, (32, 32)) for seed in range(3)]
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    x, y = by_hand(model, images, TEXTS, mean, std)
    np.testing.assert_allclose(encoder.encode_images(images), x, atol=2e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), y, atol=2e-6)
    assert encoder.encode_images(images).dtype == np.float32
    assert not encoder.model.training  # dropout and the like are off
    assert (encoder.dim, encoder.name) == (16, f"tiny-vit mine{suffix}")
    assert encoder.describe()["parameters"] == sum(w.numel() for w in model.parameters())
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 16)


def test_published_weights_bring_their_preprocessing_and_activation(
    tiny_architecture, tmp_path, monkeypatch
):
    import open_clip

    quick = random_model({**TINY, "quick_gelu": True})
    path = save_weights(quick, tmp_path / "published.safetensors")
    settings = {
        "url": "https://nowhere/x.pt",
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"web": settings})
    monkeypatch.setattr(weights_room, "reach", lambda place: None)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda settings: str(path))
    encoder = aa.encode.load_encoder(tiny_architecture, "web")
    images = [picture(seed, (32, 32)) for seed in range(3)]
    x, y = by_hand(quick, images, TEXTS, 0.5, 0.5)
    np.testing.assert_allclose(encoder.encode_images(images), x, atol=2e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), y, atol=2e-6)
    about = encoder.describe()
    assert about["weights"]["tag"] == "web"
    assert about["quick_gelu"] is True
    # the tag's preprocessing also serves other weights of the architecture
    mine = save_weights(random_model(seed=1), tmp_path / "mine.safetensors")
    local = aa.encode.load_encoder(tiny_architecture, "web", checkpoint=mine).describe()
    assert local["preprocess"]["mean"] == [0.5] * 3
    assert local["weights"] == {"tag": None, "file": "mine.safetensors"} | {
        "digest": local["weights"]["digest"]
    }


def test_weights_are_never_random(tiny_architecture):
    with pytest.raises(ParameterError, match=r"which weights ViT-B-16-plus-240 shall have.*laion"):
        aa.encode.load_encoder("ViT-B-16-plus-240")
    with pytest.raises(ParameterError, match=r"shall have\. Give a file with checkpoint="):
        aa.encode.load_encoder(tiny_architecture)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Nothing says which model"),
        ({"pretrained": "openai"}, "say of which"),
        ({"architecture": "ViT-B-32", "config": "x.json"}, "Both an architecture and a config"),
        ({"checkpoint": "absent.safetensors"}, "no file absent.safetensors"),
        ({"config": "x.json"}, "Nothing says which model"),
    ],
)
def test_what_is_not_said_is_asked_for(given, words):
    with pytest.raises(AnisoAlignError, match=words):
        aa.encode.load_encoder(**given)


def test_an_unreachable_hub_is_one_sentence_and_quick(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AnisoAlignError) as caught:
        aa.encode.load_encoder("RN50", "cc12m")
    text = str(caught.value)
    assert "http://127.0.0.1:9/timm/resnet50_clip.cc12m" in text
    assert 'weights "cc12m" of RN50' in text
    assert "refused" in text
    assert "--checkpoint FILE" in text
    assert "\n" not in text


def test_a_download_that_fails_is_one_sentence(monkeypatch):
    import open_clip

    def fails(settings):
        raise urllib.error.URLError(OSError(28, "No space left on device"))

    monkeypatch.setattr(weights_room, "reach", lambda place: None)
    monkeypatch.setattr(open_clip, "download_pretrained", fails)
    with pytest.raises(AnisoAlignError, match=r"\(\[Errno 28\] No space left on device\)"):
        aa.encode.load_encoder("RN50", "cc12m")


def test_weights_in_the_cache_are_used_without_asking_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(tmp_path))
    monkeypatch.setattr(weights_room, "reach", lambda place: pytest.fail("asked"))
    monkeypatch.setattr("open_clip.download_pretrained", lambda settings: tmp_path / "w.bin")
    with pytest.raises(AnisoAlignError, match=r"no file came of it"):
        weights_room.fetch("RN50", "cc12m")
    (tmp_path / "w.bin").write_bytes(b"x")
    assert weights_room.fetch("RN50", "cc12m") == tmp_path / "w.bin"


def test_devices_and_precisions_that_are_not_here_are_refused(tmp_path, monkeypatch):
    import torch

    path = local_model(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device, words in (
        ("cuda", "no cuda device here; there is: cpu"),
        ("mps", "no mps device"),
        ("tpu", "choose cpu, cuda"),
        ("cpu:1", "choose cpu, cuda"),
        ("cuda:x", "choose cpu, cuda"),
    ):
        with pytest.raises(ParameterError, match=words):
            aa.encode.load_encoder(checkpoint=path, device=device)
    with pytest.raises(ParameterError, match='precision is "fp8"'):
        aa.encode.load_encoder(checkpoint=path, precision="fp8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ParameterError, match=r"cuda:2, and this machine has 2 card"):
        aa.encode.load_encoder(checkpoint=path, device="cuda:2")


@pytest.mark.parametrize("answer", ["raises", "float32"])
def test_a_precision_the_device_cannot_do_is_refused(tmp_path, monkeypatch, answer):
    import torch

    def linear(x, y):
        if answer == "raises":
            raise RuntimeError("not implemented for 'Half'\nmore")
        return torch.zeros(1)

    path = local_model(tmp_path)
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    with pytest.raises(ParameterError, match=r"fp16 does not work on cpu.*Choose another"):
        aa.encode.load_encoder(checkpoint=path, precision="fp16")


def test_half_precision_is_near_but_not_the_same(tmp_path):
    path = local_model(tmp_path)
    full = aa.encode.load_encoder(checkpoint=path)
    half = aa.encode.load_encoder(checkpoint=path, precision="bf16")
    images = [picture(seed) for seed in range(4)]
    x, y = full.encode_images(images), half.encode_images(images)
    assert y.dtype == np.float32
    assert 1e-5 < np.abs(x - y).max() < 3e-2
    assert half.describe()["precision"] == "bf16"


def test_rows_without_direction_are_said(tmp_path):
    import torch

    encoder = aa.encode.load_encoder(checkpoint=local_model(tmp_path))
    with torch.no_grad():
        encoder.model.visual.proj.zero_()
    with pytest.raises(AnisoAlignError, match=r"no direction for 2 of 2 images.*zeros, NaN"):
        encoder.encode_images([picture(0), picture(1)])


def test_too_little_memory_is_said(tmp_path, monkeypatch):
    import torch

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    encoder = aa.encode.load_encoder(checkpoint=local_model(tmp_path))
    monkeypatch.setattr(encoder.model, "encode_text", full)
    with pytest.raises(AnisoAlignError, match=r"batch of 2 .*smaller batch_size"):
        encoder.encode_texts(["a", "ring"])


def test_loading_leaves_torchs_random_numbers_alone(tmp_path):
    import torch

    path = local_model(tmp_path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    aa.encode.load_encoder(checkpoint=path)
    assert torch.equal(torch.rand(3), expected)


def test_without_open_clip_the_package_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(AnisoAlignError, match=r'pip install "anisoalign-studio\[encode\]"'):
        aa.encode.load_encoder("ViT-B-32", "openai")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("another width", r"do not fit model: .* has the shape .* such tensors\).* another archit"),
        ("missing", r"3 missing \(text_projection, token_embedding.weight, …\)"),
        ("left over", r"1 left over \(decoder.weight\).*another architecture"),
        ("another size", "on images or captions of another size"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, words):
    path = local_model(tmp_path)
    state = dict(random_model(SPOKEN).state_dict())
    if change == "another width":
        wide = {**SPOKEN, "vision_cfg": {**VISION, "width": 64}}
        state = random_model(wide).state_dict()
    elif change == "missing":
        for key in ("token_embedding.weight", "text_projection", "ln_final.bias"):
            del state[key]
    elif change == "left over":
        state["decoder.weight"] = state["text_projection"]
    else:
        larger = {**SPOKEN, "vision_cfg": {**VISION, "image_size": 64}}
        state = random_model(larger).state_dict()
    _rewrite(state, path)
    with pytest.raises(FormatError, match=words) as caught:
        aa.encode.load_encoder(checkpoint=path)
    assert "model.safetensors" in str(caught.value)


def _rewrite(state, path):
    from safetensors.torch import save_file

    save_file({key: value.clone() for key, value in state.items()}, path)


def test_a_missing_logit_scale_is_no_matter(tmp_path):
    path = local_model(tmp_path)
    expected = aa.encode.load_encoder(checkpoint=path).encode_texts(["a red ring"])
    state = random_model(SPOKEN).state_dict()
    del state["logit_scale"]
    _rewrite(state, path)
    again = aa.encode.load_encoder(checkpoint=path).encode_texts(["a red ring"])
    np.testing.assert_array_equal(again, expected)


def test_objects_in_a_checkpoint_are_not_executed(tmp_path, tiny_architecture):
    import pickle

    import torch

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"state_dict": {"x": torch.ones(2)}, "trap": Trap()}, tmp_path / "a.pt")
    (tmp_path / "b.bin").write_bytes(pickle.dumps(Trap(), protocol=2))
    for name in ("a.pt", "b.bin"):
        with pytest.raises(FormatError, match=f"{name} (holds Python objects|cannot be read)"):
            aa.encode.load_encoder(tiny_architecture, checkpoint=tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("w.safetensors", b"", "w.safetensors is empty"),
        ("w.safetensors", b"\xff" * 64, "cannot be read as a .safetensors file"),
        ("w.pt", b"not a checkpoint", "w.pt"),
        ("w.onnx", b"123", "not a checkpoint by its suffix"),
    ],
)
def test_files_that_are_no_checkpoints(tiny_architecture, tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=words):
        aa.encode.load_encoder(tiny_architecture, checkpoint=tmp_path / name)


def test_a_checkpoint_without_weights(tiny_architecture, tmp_path):
    import torch

    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(FormatError, match=r"holds no weights by name"):
        aa.encode.load_encoder(tiny_architecture, checkpoint=tmp_path / "w.pt")


def test_a_folder_of_the_hub_is_read_by_its_own_configuration(tmp_path):
    body = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(body))
    model = random_model()
    path = save_weights(model, tmp_path / "open_clip_model.safetensors")
    images = [picture(seed, (32, 32)) for seed in range(3)]
    x, y = by_hand(model, images, TEXTS, 0.5, 0.5)
    encoder = aa.encode.load_encoder(checkpoint=path)
    np.testing.assert_allclose(encoder.encode_images(images), x, atol=2e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), y, atol=2e-6)
    assert encoder.describe()["tokenizer"] == "byte pairs"
    assert encoder.describe()["preprocess"]["resize_mode"] == "shortest"
    (tmp_path / "bare.json").write_text(json.dumps(TINY))
    bare = aa.encode.load_encoder(checkpoint=path, config=tmp_path / "bare.json")
    assert bare.describe()["preprocess"]["mean"][0] == pytest.approx(0.48145466)


def test_images_are_resized_to_size_or_left_as_they_are(tmp_path):
    from PIL import Image

    encoder = aa.encode.load_encoder(checkpoint=local_model(tmp_path))
    exact = picture(0, (32, 32))
    left = encoder.transform(exact).numpy()
    np.testing.assert_allclose(
        left, (np.asarray(exact).transpose(2, 0, 1) / 255 - 0.5) / 0.25, atol=1e-6
    )
    wide = picture(1, (96, 48))
    squeezed = wide.resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(encoder.transform(wide), encoder.transform(squeezed))


def with_text(**changes):
    return {**SPOKEN, "text_cfg": {**SPOKEN["text_cfg"], **changes}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_cfg": {"embed_dim": 16}}, "lacks vision_cfg, text_cfg"),
        ({"model_cfg": [1]}, "model_cfg of model.json is not a mapping"),
        ({"model_cfg": {**SPOKEN, "embed_dim": 1}}, "embed_dim of model.json is 1"),
        ({"model_cfg": {**SPOKEN, "vision_cfg": {**VISION, "depth": 3}}}, "cannot build.*depth"),
        ({"model_cfg": {**SPOKEN, "vision_cfg": {**VISION, "layers": 10**9}}}, "layers of model"),
        ({"model_cfg": {**SPOKEN, "vision_cfg": {**VISION, "width": 16384}}}, "parameters, and"),
        ({"model_cfg": with_text(context_length=10**5)}, "context_length of model.json is above"),
        ({"model_cfg": with_text(hf_tokenizer_name="/etc")}, "hf_tokenizer_name .* not a name"),
        ({"model_cfg": with_text(hf_model_name="../x")}, "hf_model_name .* not a name"),
        ({"model_cfg": with_text(tokenizer_kwargs={"bpe_path": "/etc/hosts"})}, "has bpe_path"),
        (
            {"model_cfg": with_text(tokenizer_kwargs={"trust_remote_code": True})},
            "tokenizer_kwargs of model.json has trust_remote_code",
        ),
        (
            {"model_cfg": {**SPOKEN, "vision_cfg": {"timm_model_name": "local-dir:/etc"}}},
            "timm_model_name .* not a name",
        ),
        ({"preprocess": {"size": 32, "mean": [0.5] * 3}}, "preprocess of model.json lacks std"),
        ({"preprocess": {"size": 64, "mean": [0] * 3, "std": [1] * 3}}, "64 pixels, but its model"),
        ({"preprocess": {"size": 32, "mean": [0] * 2, "std": [1] * 3}}, "mean .* not three numb"),
        ({"preprocess": {"size": 32, "mean": [0] * 3, "std": [1, 0, 1]}}, "std .* not above zero"),
        ({"preprocess": {"size": "big", "mean": [0] * 3, "std": [1] * 3}}, "size of model.json is"),
        ({"preprocess": None, "preprocess_cfg": {"resize_mode": "crop"}}, "resize_mode of model"),
        ({"vocabulary": WORDS[:-1]}, "4 words.*makes 6 numbers.*knows 7"),
        ({"vocabulary": [*WORDS[:-1], "a"]}, '"a" occurs twice'),
        ({"vocabulary": [*WORDS[:-1], "Ring 2"]}, '"Ring 2" is not made of'),
        ({"vocabulary": "a b c"}, "not a list of words"),
        ({"vocabulary": None}, r"knows 7 numbers.*49,408\. Add the \"vocabulary\""),
    ],
)
def test_configurations_that_are_wrong(tmp_path, changes, words):
    path = local_model(tmp_path)
    body = json.loads((tmp_path / "model.json").read_text()) | changes
    body = {key: value for key, value in body.items() if value is not None}
    (tmp_path / "model.json").write_text(json.dumps(body))
    with pytest.raises(FormatError, match=words):
        aa.encode.load_encoder(checkpoint=path)


def test_configurations_that_are_none(tmp_path):
    path = local_model(tmp_path)
    for text, words in (("{", "not JSON"), ("[]", "no configuration but a list")):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(FormatError, match=words):
            aa.encode.load_encoder(checkpoint=path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(FormatError, match=r"neither model.json nor open_clip_config.json.*--model"):
        aa.encode.load_encoder(checkpoint=path)
    with pytest.raises(FormatError, match=r"other.json cannot be read"):
        aa.encode.load_encoder(checkpoint=path, config=tmp_path / "other.json")


@pytest.mark.parametrize(
    ("kind", "tower", "library"),
    [("CustomTextCLIP", "text_cfg", "hf"), ("CLIP", "vision_cfg", "timm")],
)
def test_towers_are_built_without_their_published_weights(monkeypatch, kind, tower, library):
    from open_clip import factory

    from anisoalign_core.encode import registry

    built = {}

    def caught(**config):
        built.update(config)
        raise ValueError("enough seen")

    monkeypatch.setattr(factory, kind, caught)
    monkeypatch.setattr(registry, "missing_packages", lambda config, **_: ())
    config = {"embed_dim": 16, "vision_cfg": {}, "text_cfg": {}}
    config |= {tower: {f"{library}_model_name": "someone/net"}}
    before = json.loads(json.dumps(config))
    with pytest.raises(FormatError, match="cannot build some model: enough seen"):
        registry.build(config, "some model")
    assert config == before
    assert built[tower][f"{library}_model_pretrained"] is False


def test_a_text_tower_that_only_the_hub_knows_needs_the_hub(monkeypatch):
    from open_clip import factory

    from anisoalign_core.encode import registry

    def unreachable(**config):
        raise OSError("we could not connect\nand more")

    config = {"embed_dim": 16, "vision_cfg": {}, "text_cfg": {"hf_model_name": "someone/bert"}}
    monkeypatch.setattr(registry, "missing_packages", lambda config, **_: ("transformers",))
    with pytest.raises(
        AnisoAlignError, match=r"needs transformers, which is not installed\. Run pip"
    ):
        registry.build(config, "some model")
    monkeypatch.setattr(registry, "missing_packages", lambda config, **_: ())
    monkeypatch.setattr(factory, "CustomTextCLIP", unreachable)
    with pytest.raises(AnisoAlignError, match=r"not be reached \(we could not connect\)\. Check"):
        registry.build(config, "some model")


def test_building_says_nothing_of_its_own(tmp_path, caplog, recwarn):
    aa.encode.load_encoder(checkpoint=local_model(tmp_path))
    assert not caplog.records
    assert not recwarn.list


def test_blocks_that_overlap_leave_logging_as_it_was():
    import logging

    from anisoalign_core.encode.registry import quiet_logs

    before = logging.root.manager.disable
    first, second = quiet_logs(), quiet_logs()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logging.root.manager.disable >= logging.WARNING
    second.__exit__(None, None, None)
    assert logging.root.manager.disable == before
