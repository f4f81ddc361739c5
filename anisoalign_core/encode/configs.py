"""What a model is: its shape, how images are prepared for it, and its words."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anisoalign_core.encode.registry import (
    CONFIG_NAME,
    TOWERS,
    architecture_config,
    need_open_clip,
    tag_settings,
)
from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import first_line, printable, readable
from anisoalign_core.io.lines import decode_utf8

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model")
PREPARED = ("size", "mean", "std", "interpolation", "resize_mode", "fill_color")
MOST = {"layers": 1000, "context_length": 8192}
"""A text tower's mask has the square of its context in numbers (256 MiB)."""
MAX_WIDTH = 1_000_000
NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)
"""An architecture, or OWNER/NAME on the hub: neither a path nor an address."""
TOKENIZER_OPTIONS = ("clean", "strip_sep_token", "language", "reduction_mask", "tokenizer_mode")
"""Of open_clip's tokenizers; others name files, or have a hub's code run."""


@dataclass(frozen=True)
class ModelSpec:
    """A model's configuration, before anything is built.

    Attributes
    ----------
    name : str
        The architecture, or the configuration's file name.
    model : dict
        ``embed_dim``, ``vision_cfg``, ``text_cfg``, … as open_clip has them.
    preprocess : dict
        The fields of open_clip's ``PreprocessCfg``; ``size`` is (height, width).
    vocabulary : tuple of str or None
        Words of a word tokenizer; None for open_clip's own tokenizers.
    folder : Path or None
        Where the files of a Hugging Face tokenizer lie.
    """

    name: str
    model: dict[str, Any]
    preprocess: dict[str, Any]
    vocabulary: tuple[str, ...] | None = None
    folder: Path | None = None

    @property
    def dim(self) -> int:
        """Dimensions d of the embeddings."""
        return int(self.model["embed_dim"])


def registered(architecture: str, tag: str | None) -> ModelSpec:
    """Return the configuration of an architecture of open_clip.

    Mean, spread and the way of resizing are those of the tag; without one, those that all published
    weights of the architecture share, or else open_clip's usual ones. Where the weights of a tag
    were trained with the quick approximation of GELU, the model gets it too: open_clip itself only
    warns there.

    Raises
    ------
    ParameterError
        If there is no such architecture or tag.
    """
    config = architecture_config(architecture)
    tags = [tag] if tag else need_open_clip().list_pretrained_tags_by_model(architecture)
    settings = [tag_settings(architecture, each) for each in tags]
    shared = [{key: one[key] for key in PREPARED if one.get(key) is not None} for one in settings]
    if tag and settings[0].get("quick_gelu"):
        config["quick_gelu"] = True
    agreed = shared[0] if shared and all(one == shared[0] for one in shared) else {}
    return ModelSpec(architecture, config, _prepared(agreed, config, architecture))


def read_config(path: Path) -> ModelSpec:
    """Read a local configuration.

    Three kinds are known. ``{"model_cfg", "preprocess", "vocabulary"}``, as
    ``sample_data/make_samples.py`` writes it beside a checkpoint: images are resized to ``size``
    pixels (untouched if they have them), scaled to [0, 1], and normalised by ``mean`` and ``std``.
    ``{"model_cfg", "preprocess_cfg"}``, which folders of the Hugging Face hub hold as
    ``open_clip_config.json``. A bare ``model_cfg``, as open_clip's own registry has them.

    Raises
    ------
    FormatError
        If the file is missing, not JSON, or not such a configuration.
    LimitError
    """
    name = path.name
    with readable(name):
        check_text_size(path.stat().st_size, name, Limits.from_env())
        text = decode_utf8(path.read_bytes(), name)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{name} is not JSON: {first_line(error)}. Give the model's configuration, such as the "
            f"{CONFIG_NAME} beside its weights."
        ) from error
    if not isinstance(body, dict):
        raise FormatError(f"{name} holds no configuration but a {type(body).__name__}.")
    model = _model(body.get("model_cfg", body), name)
    if (own := body.get("preprocess")) is None:
        given = _mapping(body.get("preprocess_cfg") or {}, f"preprocess_cfg of {name}")
        settings = {key: given[key] for key in PREPARED if given.get(key) is not None}
    else:
        three = ("size", "mean", "std")
        absent = [key for key in three if key not in _mapping(own, f"preprocess of {name}")]
        if absent:
            raise FormatError(f"preprocess of {name} lacks {', '.join(absent)}.")
        settings = {key: own[key] for key in three} | {"resize_mode": "squash"}
    words = body.get("vocabulary")
    listed = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if words is not None and not listed:
        raise FormatError(f"The vocabulary of {name} is not a list of words.")
    beside = any((path.parent / file).is_file() for file in TOKENIZER_FILES)
    return ModelSpec(
        path.stem if name != CONFIG_NAME else path.resolve().parent.name,
        model,
        _prepared(settings, model, name),
        None if words is None else tuple(words),
        path.parent if beside else None,
    )


def config_beside(checkpoint: Path) -> Path:
    """Return ``<stem>.json`` or ``open_clip_config.json`` beside a checkpoint, or say neither."""
    places = (checkpoint.with_suffix(".json"), checkpoint.with_name(CONFIG_NAME))
    for place in places:
        if place.is_file():
            return place
    raise FormatError(
        f"What {checkpoint.name} is for is not said: beside it lies neither {places[0].name} nor "
        f"{CONFIG_NAME}. Name the architecture (--model), or give a configuration with config= "
        "(--config)."
    )


def _model(found: Any, name: str) -> dict[str, Any]:
    """Check what is needed to say more than open_clip's own errors would."""
    absent = [key for key in TOWERS if key not in _mapping(found, f"model_cfg of {name}")]
    if absent:
        raise FormatError(
            f"{name} is no configuration of a model: it lacks {', '.join(absent)}. Give an "
            "open_clip configuration, or a file with model_cfg and preprocess."
        )
    vision, text = (_mapping(found[key], f"{key} of {name}") for key in TOWERS[1:])
    for tower in (vision, text):
        for key in ("hf_model_name", "hf_tokenizer_name", "timm_model_name"):
            called = tower.get(key)
            if called and not (isinstance(called, str) and NAME.fullmatch(called)):
                raise FormatError(f"{key} of {name} is not a name.")
    options = _mapping(text.get("tokenizer_kwargs") or {}, f"tokenizer_kwargs of {name}")
    if strange := [key for key in options if key not in TOKENIZER_OPTIONS]:
        raise FormatError(
            f"tokenizer_kwargs of {name} has {printable(strange[0], 60)}; known are "
            f"{', '.join(TOKENIZER_OPTIONS)}. Remove it."
        )
    for key, value in (*text.items(), *vision.items(), *found.items()):
        most = MOST.get(key, MAX_WIDTH)
        if any(type(one) is int and one > most for one in _several(value)):
            raise FormatError(
                f"{printable(key, 60)} of {name} is above {most:,}; no model is of that size. "
                "Check the file."
            )
    dim = found["embed_dim"]
    if type(dim) is not int or dim < 2:
        raise FormatError(f"embed_dim of {name} is {printable(repr(dim), 40)}; give 2 or more.")
    return dict(found)


def _prepared(settings: dict[str, Any], model: dict[str, Any], name: str) -> dict[str, Any]:
    """Fill in open_clip's usual values, and check that images have the size the model takes."""
    from open_clip.transform import PreprocessCfg

    found = asdict(PreprocessCfg()) | settings
    takes = _sides(model["vision_cfg"].get("image_size", 224), "image_size", name)
    if _sides(settings.get("size", takes), "size", name) != takes:
        raise FormatError(
            f"{name} prepares images of {settings['size']} pixels, but its model takes "
            f"{takes[0]} × {takes[1]}. Make size and image_size agree."
        )
    for key in ("mean", "std"):
        three = _several(found[key])
        three = three if isinstance(found[key], list | tuple) else three * 3
        if len(three) != 3 or not all(
            type(one) in (int, float) and abs(one) < 1e9 for one in three
        ):
            raise FormatError(f"{key} of {name} is not three numbers: red, green, blue.")
        found[key] = tuple(map(float, three))
    if min(found["std"]) <= 0:
        raise FormatError(f"std of {name} is not above zero.")
    for key, known in (
        ("interpolation", ("bicubic", "bilinear", "random")),
        ("resize_mode", ("shortest", "longest", "squash")),
    ):
        if found[key] not in known:
            raise FormatError(f"{key} of {name} is none of {', '.join(known)}.")
    return found | {"size": takes}


def _sides(size: Any, key: str, name: str) -> tuple[int, int]:
    sides = [size, size] if type(size) is int else _several(size)
    if len(sides) == 2 and all(type(one) is int and one > 0 for one in sides):
        return sides[0], sides[1]
    raise FormatError(f"{key} of {name} is {printable(repr(size), 40)}; give whole pixels.")


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{what} is not a mapping.")
    return value
