"""Checkpoints as training programs leave them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from tests.encode.conftest import SPOKEN, TINY, local_model, picture, random_model, save_weights

torch = pytest.importorskip("torch")


def beginning(*prefixes):
    """Return a function that puts prefixes before all names."""
    before = "".join(prefixes)
    return lambda state: {f"{before}{key}": value for key, value in state.items()}


@pytest.mark.parametrize(
    ("kept", "under"),
    [
        (beginning("_orig_mod."), ""),
        (beginning("module.", "_orig_mod."), ""),
        (beginning("model."), ""),
        (beginning("_orig_mod.", "module.", "model."), ""),
        (lambda state: {"model": state, "epoch": 3}, "model"),
        (lambda state: {"model_state_dict": state, "ema": {}}, "model_state_dict"),
        (lambda state: {"ema": beginning("module.")(state)}, "ema"),
        (lambda s: {"state_dict": s, "best": np.float64(0.5), "step": np.int64(7)}, "state_dict"),
    ],
)
def test_weights_are_found_and_said(tmp_path, kept, under):
    path = local_model(tmp_path)
    expected = aa.encode.load_encoder(checkpoint=path).encode_images([picture()])
    other = tmp_path / "other.pt"
    torch.save(kept(random_model(SPOKEN).state_dict()), other)
    found = aa.encode.load_encoder(checkpoint=other, config=tmp_path / "model.json")
    np.testing.assert_array_equal(found.encode_images([picture()]), expected)
    assert found.describe()["weights"].get("under", "") == under
    assert (f'under "{under}"' in found.summary) is bool(under)


def test_a_folder_of_open_clip_is_a_checkpoint(tmp_path):
    body = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(body))
    path = save_weights(random_model(), tmp_path / "open_clip_model.safetensors")
    expected = aa.encode.load_encoder(checkpoint=path).encode_images([picture()])
    found = aa.encode.load_encoder(checkpoint=tmp_path).encode_images([picture()])
    np.testing.assert_array_equal(found, expected)


def test_a_folder_of_another_library_is_named(tmp_path):
    with pytest.raises(FormatError, match="is a folder without open_clip_model"):
        aa.encode.load_encoder(checkpoint=tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(FormatError, match="folder of the transformers library"):
        aa.encode.load_encoder(checkpoint=tmp_path)


def test_images_alone_need_no_tokenizer(tmp_path, monkeypatch):
    path = local_model(tmp_path)
    expected = aa.encode.load_encoder(checkpoint=path).encode_images([picture()])

    def unreachable(*_):
        raise AnisoAlignError("The tokenizer cannot be had.")

    monkeypatch.setattr("anisoalign_core.encode.open_clip_model.make_tokenizer", unreachable)
    with pytest.raises(AnisoAlignError, match="cannot be had"):
        aa.encode.load_encoder(checkpoint=path)
    found = aa.encode.load_encoder(checkpoint=path, texts=False)
    np.testing.assert_array_equal(found.encode_images([picture()]), expected)
    assert found.describe()["tokenizer"] is None
    with pytest.raises(ParameterError, match="for images alone"):
        found.encode_texts(["a red ring"])
