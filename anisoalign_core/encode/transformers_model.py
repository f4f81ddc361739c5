"""Models of the transformers library with two towers: CLIP, SigLIP, CLAP and what is like them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.encode.audio import Clip, mono
from anisoalign_core.encode.devices import check_computing, inference, plain
from anisoalign_core.encode.encoder import Encoder, Tower
from anisoalign_core.encode.hub import ModelFolder, model_folder
from anisoalign_core.encode.registry import count_parameters, quiet_logs
from anisoalign_core.encode.tokenizers import Tokenizer, Tokens
from anisoalign_core.encode.weights import exponential, one_number
from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import first_line, printable

if TYPE_CHECKING:
    from PIL.Image import Image

TOWERS = {"image": "get_image_features", "sound": "get_audio_features"}
"""What the library's models call their towers, beside ``get_text_features``."""
READS_PADDING = ("siglip", "siglip2")
"""Kinds whose text tower has no mask: captions must be padded to the length of training."""
SCALES = ("logit_scale", "logit_scale_t")
OWN: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
"""Whatever is read lies in the folder, and runs no code."""
UNBOUNDED = 1_000_000
"""Lengths above are what tokenizers say where nobody told them."""


def load(
    name: str | None,
    revision: str | None,
    *,
    checkpoint: Path | None,
    device: str,
    precision: str,
    texts: bool,
) -> Encoder:
    """Load a model of transformers; see :func:`~anisoalign_core.encode.load_encoder`."""
    import torch

    folder = model_folder(name, revision, checkpoint)
    check_computing(device, precision)
    with torch.random.fork_rng(devices=[]), understood(folder, "transformers"):
        model, processor = _built(folder)
    model = model.to(device).eval().requires_grad_(False)
    towers, tokenizer, transform, listen = _towers(model, processor, device, precision, texts)
    if not towers:
        raise FormatError(
            f"{folder.name} is a {type(model).__name__}, which has none of the towers of images, "
            "sounds and texts that are known by get_image_features, get_audio_features and "
            "get_text_features, or no files that say how to prepare for them. Choose a model like "
            "CLIP, SigLIP or CLAP."
        )
    scale, bias = logits_of(model)
    return Encoder(
        name=folder.name,
        dim=_dim(towers, tokenizer, transform, listen, folder),
        model=model,
        tokenizer=tokenizer,
        transform=transform,
        device=device,
        precision=precision,
        towers=towers,
        listen=listen,
        logit_scale=scale,
        logit_bias=bias,
        about={
            "backend": "transformers",
            "architecture": type(model).__name__,
            "weights": folder.about(),
            "parameters": count_parameters(model),
            "preprocess": preparing(processor),
            "versions": {one: version(one) for one in ("transformers", "torch", "pillow")},
        },
    )


@contextmanager
def understood(folder: ModelFolder, library: str) -> Iterator[None]:
    """Say in a sentence what a library raises of a model's files."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    try:
        logging.disable_progress_bar()
        with quiet_logs():
            yield
    except FormatError:
        raise
    except Exception as error:  # the library checks little, and raises whatever comes of it
        reason = first_line(error)
        if "trust_remote_code" in str(error):
            reason = "it needs code that lies beside it, which is never run"
        raise FormatError(
            f"{library} cannot load {folder.name}: {reason}. Check that the folder is whole, "
            f"update {library}, or choose another model."
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()


def checked_config(folder: ModelFolder, place: Path) -> Any:
    """Return the configuration in a part of a folder, if a model of it fits the weights there."""
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(place, **OWN)
    with torch.device("meta"):
        folder.check_size(AutoModel.from_config(config, trust_remote_code=False))
    return config


def _built(folder: ModelFolder) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoProcessor

    config = checked_config(folder, folder.path)
    model, about = AutoModel.from_pretrained(
        folder.path,
        config=config,
        dtype=torch.float32,
        use_safetensors=folder.safe,
        weights_only=True,
        output_loading_info=True,
        **OWN,
    )
    absent = sorted(map(str, (*about["missing_keys"], *about["mismatched_keys"])))
    if absent:
        raise FormatError(
            f"The weights of {folder.name} do not fit its configuration: {len(absent)} are missing "
            f"or of another shape ({printable(absent[0], 80)}{', …' if len(absent) > 1 else ''}). "
            "Copy or download it again."
        )
    return model, AutoProcessor.from_pretrained(folder.path, **OWN)


def _towers(
    model: Any, processor: Any, device: str, precision: str, texts: bool
) -> tuple[dict[str, Tower], Tokenizer | None, Any, Any]:
    """Return the towers of which both the model and the preparation are there."""

    def tower(method: str) -> Tower:
        def embed(prepared: Any) -> Any:
            given = _together(prepared)
            with inference(device, precision):
                found = getattr(model, method)(**{k: v.to(device) for k, v in given.items()})
                return plain(getattr(found, "pooler_output", found))

        return embed

    towers: dict[str, Tower] = {}
    tokenizer, transform, listen = None, None, None
    pictures = getattr(processor, "image_processor", None)
    if pictures is not None and hasattr(model, TOWERS["image"]):

        def transform(image: Image) -> Any:
            return dict(pictures(images=[image], return_tensors="pt"))

        towers["image"] = tower(TOWERS["image"])
    sounds = getattr(processor, "feature_extractor", None)
    if sounds is not None and hasattr(model, TOWERS["sound"]):
        listen = _Listening(sounds)
        towers["sound"] = tower(TOWERS["sound"])
    words = getattr(processor, "tokenizer", None)
    if texts and words is not None and hasattr(model, "get_text_features"):
        tokenizer = HubTokenizer(words, model.config)
        towers["caption"] = tower("get_text_features")
    return towers, tokenizer, transform, listen


def _together(prepared: Any) -> Mapping[str, Any]:
    """Return the parameters of a tower for many things, prepared one by one or as tokens."""
    import torch

    if isinstance(prepared, Tokens):
        arrays = {"input_ids": prepared.ids, **prepared.beside}
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
    return {key: torch.cat([each[key] for each in prepared]) for key in prepared[0]}


class HubTokenizer:
    """A tokenizer of transformers: captions are cut at the length that the text tower reads.

    They are padded to the longest of a batch, or to that length where the tower reads padding.
    """

    def __init__(self, tokenizer: Any, config: Any) -> None:
        self.name = type(tokenizer).__name__
        text = getattr(config, "text_config", config)
        lengths = (tokenizer.model_max_length, getattr(text, "max_position_embeddings", None))
        known = [int(one) for one in lengths if one and one < UNBOUNDED]
        self.length = min(known) if known else None
        self._whole = getattr(config, "model_type", "") in READS_PADDING and bool(known)
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return numbers and mask, and how many captions were cut."""
        length = self.length
        found = self._tokenizer(
            list(texts),
            padding="max_length" if self._whole else True,
            truncation=length is not None,
            max_length=length,
            return_tensors="np",
        )
        arrays = {key: np.asarray(value, dtype=np.int64) for key, value in found.items()}
        ids = arrays.pop("input_ids")
        cut = 0
        if length is not None and ids.shape[1] == length:  # only then can one have lost its end
            with quiet_logs():
                whole = self._tokenizer(list(texts), truncation=False)["input_ids"]
            cut = sum(len(each) > length for each in whole)
        return Tokens(ids, cut=cut, beside=arrays)


class _Listening:
    """From a clip to what the tower of sounds reads: its beginning, where it is too long.

    The library itself would take a part by chance, and mark one clip of a batch by chance.
    """

    def __init__(self, extractor: Any) -> None:
        self._extractor, self._rate = extractor, int(extractor.sampling_rate)
        self._most = int(getattr(extractor, "nb_max_samples", 0)) or None

    def __call__(self, clip: Clip) -> Any:
        import torch

        heard = mono(clip, self._rate)[: self._most]
        found = dict(self._extractor([heard], sampling_rate=self._rate, return_tensors="pt"))
        if "is_longer" in found:
            found["is_longer"] = torch.zeros((1, 1), dtype=torch.bool)
        return found


def _dim(
    towers: Mapping[str, Tower],
    tokenizer: Tokenizer | None,
    transform: Any,
    listen: Any,
    folder: ModelFolder,
) -> int:
    """Return how many dimensions come out, by one small try."""
    from PIL import Image

    with understood(folder, "transformers"):
        if "caption" in towers and tokenizer is not None:
            found = towers["caption"](tokenizer(["a"]))
        elif "image" in towers:
            found = towers["image"]([transform(Image.new("RGB", (64, 64)))])
        else:
            found = towers["sound"]([listen(Clip(np.zeros(4800), 48000))])
    return int(np.shape(found)[-1])


def logits_of(model: Any) -> tuple[float | None, float | None]:
    """Return s and b of the logits ``s · cos(x, y) + b``, wherever in a model they lie.

    ALIGN divides by a temperature instead. Of CLAP, s is that of the captions.
    """
    found = dict(model.named_parameters())

    def ending(name: str) -> float | None:
        keys = [key for key in found if key.rpartition(".")[2] == name]
        return one_number(found[min(keys, key=len)]) if keys else None

    logarithm = next((value for key in SCALES if (value := ending(key)) is not None), None)
    if logarithm is not None:
        return exponential(logarithm), ending("logit_bias")
    temperature = ending("temperature")
    return (1 / temperature if temperature else None), ending("logit_bias")


def preparing(processor: Any) -> dict[str, Any]:
    """Return how images and sounds are prepared, as far as it is said in numbers and words.

    Of images, ``size`` is the height and width that come out, if they are fixed.
    """
    about: dict[str, Any] = {}
    for part in ("image_processor", "feature_extractor"):
        one = getattr(processor, part, None)
        if one is None:
            continue
        said = {key: _plain(value) for key, value in one.to_dict().items()}
        about |= {"class": type(one).__name__}
        about |= {key: value for key, value in said.items() if value is not None}
        size = about.pop("size", None)
        comes = about.get("crop_size") if about.get("do_center_crop") else size
        if isinstance(comes, dict) and {"height", "width"} <= set(comes):
            about["size"] = [int(comes["height"]), int(comes["width"])]
        elif size is not None:
            about["resized"] = size
    return about


def _plain(value: Any) -> Any:
    """Return a value that JSON has; None for all others."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool) else None
