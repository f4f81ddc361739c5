"""Small models, images in memory, and the sample's own encoder."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa

VISION = {"image_size": 32, "patch_size": 16, "width": 32, "head_width": 16, "layers": 1}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TINY = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
WORDS = ["a", "blue", "red", "ring", "square"]
SPOKEN = {**TINY, "text_cfg": {**TEXT, "context_length": 6, "vocab_size": len(WORDS) + 2}}


@pytest.fixture(scope="session")
def sample_encoder():
    """Return the encoder that made the bundled sample."""
    return aa.encode.load_encoder(checkpoint=aa.sample_encoder_path())


@pytest.fixture(scope="session")
def sample():
    """Return the bundled sample."""
    return aa.load_sample()


@pytest.fixture
def tiny_architecture(tmp_path, monkeypatch):
    """Add a small architecture to open_clip's registry for one test, and return its name."""
    import open_clip
    from open_clip import factory

    from anisoalign_core.encode import registry

    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    (tmp_path / "tiny-vit.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny-vit.json")
    registry._all_models.cache_clear()
    registry.parameter_count.cache_clear()
    yield "tiny-vit"
    registry._all_models.cache_clear()
    registry.parameter_count.cache_clear()


def random_model(config: dict = TINY, seed: int = 0):
    """Build an open_clip model with seeded random weights."""
    import open_clip
    import torch

    torch.manual_seed(seed)
    return open_clip.CLIP(**config).eval()


def save_weights(model, path: Path) -> Path:
    """Write a model's weights as safetensors."""
    from safetensors.torch import save_file

    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, path)
    return path


def local_model(folder: Path, config: dict = SPOKEN, **changes) -> Path:
    """Write a checkpoint and its configuration beside it; returns the checkpoint."""
    body = {
        "model_cfg": config,
        "preprocess": {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3},
        "vocabulary": WORDS,
    } | changes
    body = {key: value for key, value in body.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(body))
    return save_weights(random_model(config), folder / "model.safetensors")


def picture(seed: int = 0, size: tuple[int, int] = (40, 32)) -> Image.Image:
    """Return noise as an RGB image of (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def image_bytes(image: Image.Image | None = None, kind: str = "PNG", **options) -> bytes:
    """Return an image as the bytes of a file."""
    stream = io.BytesIO()
    (image or picture()).save(stream, kind, **options)
    return stream.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive with these members, in this order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()
