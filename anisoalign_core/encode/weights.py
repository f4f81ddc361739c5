"""Weights of a model: from a local file, or from where they were published."""

from __future__ import annotations

import math
import os
import pickle
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anisoalign_core.encode.registry import need_open_clip, quiet_logs, tag_settings
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import first_line, malformed, printable, readable
from anisoalign_core.io.torch_file import DAMAGE, load_plain

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
HOLDERS = tuple(
    "state_dict model_state_dict model module net weights params "
    "ema ema_state_dict model_ema state_dict_ema".split()
)
"""Under which training programs keep the weights beside other things; averages come last."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name: several cards, a compiled model, a trainer."""
IN_FOLDERS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Weights in a folder of the Hugging Face hub, as open_clip calls them."""
REACH_SECONDS = 10.0
WITHOUT_USE = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")
"""Entries that no embedding depends on: their absence, or presence, says nothing."""
POSITIONS = ("positional_embedding", "pos_embed")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors by name; nothing in the file is executed.

    Of ``.pt``, ``.pth`` and ``.bin`` only plain tensors and numbers are read (PyTorch's
    ``weights_only``; the reader of open_clip gives that up where it fails). The weights may lie
    under one of :data:`HOLDERS`, and all their names may begin with :data:`PREFIXES`.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another kind, or holds objects besides tensors.
    """
    return found_weights(path)[0]


def found_weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """Read a checkpoint as :func:`read_weights`; also return the name its weights lie under."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name, suffix = path.name, path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(
            f"{name} is not a checkpoint by its suffix; known are {', '.join(SUFFIXES)}. Save the "
            "weights with safetensors.torch.save_file(model.state_dict(), path)."
        )
    kind = "a .safetensors file" if suffix == SUFFIXES[0] else "a PyTorch file"
    errors = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, SafetensorError)
    loaded: Any
    with readable(name), malformed(name, kind, *errors, *DAMAGE):
        if not path.stat().st_size:
            raise FormatError(f"{name} is empty (0 bytes). Copy it again.")
        try:
            loaded = load_file(path) if suffix == SUFFIXES[0] else load_plain(path)
        except pickle.UnpicklingError as error:
            raise FormatError(
                f"{name} holds Python objects besides tensors, which are never loaded because "
                "they can run code. Save the weights alone: safetensors.torch.save_file("
                "model.state_dict(), path)."
            ) from error
    under = next((key for key in HOLDERS if _tensors_in(loaded, key)), "")
    tensors = _tensors_in(loaded, under) if under else _tensors_of(loaded)
    if not tensors:
        raise FormatError(f"{name} holds no weights by name. Save model.state_dict().")
    tensors = {key.removeprefix(PREFIXES[0]): value for key, value in tensors.items()}
    while (first := next(iter(tensors))) and (
        before := next((each for each in PREFIXES if first.startswith(each)), "")
    ):
        if not all(key.startswith(before) for key in tensors):
            break
        tensors = {key.removeprefix(before): value for key, value in tensors.items()}
    return tensors, under


def _tensors_in(loaded: Any, key: str) -> dict[str, torch.Tensor]:
    return _tensors_of(loaded.get(key)) if isinstance(loaded, dict) else {}


def _tensors_of(held: Any) -> dict[str, torch.Tensor]:
    import torch

    items = held.items() if isinstance(held, dict) else ()
    return {str(key): value for key, value in items if isinstance(value, torch.Tensor)}


def weights_file(place: Path) -> Path:
    """Return the file of weights: the place itself, or that in a folder of open_clip.

    Raises
    ------
    FormatError
        If a folder holds none, or a model that is not open_clip's.
    """
    if not place.is_dir():
        return place
    found = next((place / name for name in IN_FOLDERS if (place / name).is_file()), None)
    if found is not None:
        return found
    if (place / "config.json").is_file():
        raise FormatError(
            f"{place.name} is a folder of the transformers library, whose weights have other names "
            "than open_clip's. Take the model's version for open_clip (open_clip_config.json and "
            f"{IN_FOLDERS[0]}), or its architecture and tag (--model, --pretrained)."
        )
    raise FormatError(
        f"{place.name} is a folder without {' or '.join(IN_FOLDERS)}. Give the file of weights."
    )


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint says besides the weights that embeddings depend on.

    Attributes
    ----------
    under : str
        The name that the weights lie under in the file, empty where they lie at the top.
    logit_scale, logit_bias : float or None
        s and b of the logits ``s · cos(x, y) + b``; files hold ``log s``. None where it has none.
    """

    under: str
    logit_scale: float | None
    logit_bias: float | None


def load_weights(model: Any, path: Path, name: str, *, resize: bool = False) -> Loaded:
    """Put a checkpoint's weights into a model, called ``name``; all must be there and fit.

    With ``resize``, positional embeddings of another number of patches are interpolated, as some
    published weights need; otherwise they are a mismatch like any other.

    Raises
    ------
    FormatError
        If weights are missing, left over, or of another shape: which, and how many.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import (
        convert_to_custom_text_state_dict,
        resize_pos_embed,
        resize_text_pos_embed,
    )

    # from other libraries' names, and from open_clip's older layout
    read, under = found_weights(path)
    weights = convert_state_dict(model, read)
    if "positional_embedding" in weights and not hasattr(model, "positional_embedding"):
        weights = convert_to_custom_text_state_dict(weights)
    if resize:
        resize_pos_embed(weights, model)
        resize_text_pos_embed(weights, model)
    takes = {key: value.shape for key, value in model.state_dict().items()}
    other = [key for key in weights if key in takes and weights[key].shape != takes[key]]
    other = [key for key in other if not _without_use(key)]
    fit = {key: w for key, w in weights.items() if key not in other and not _without_use(key)}
    found = model.load_state_dict(fit, strict=False)
    said = []
    if other:
        said.append(
            f"{printable(other[0], 80)} has the shape {_shape(weights[other[0]].shape)} where the "
            f"model has {_shape(takes[other[0]])}"
            + (f" ({len(other)} such tensors)" if len(other) > 1 else "")
        )
    for what, keys in (("missing", found.missing_keys), ("left over", found.unexpected_keys)):
        keys = [key for key in keys if key not in other and not _without_use(key)]
        if keys:
            shown = ", ".join(printable(key, 80) for key in keys[:2])
            more = ", …" if len(keys) > 2 else ""
            said.append(f"{len(keys)} {what} ({shown}{more})")
    if said:
        resized = len(said) == 1 and other and all(key.endswith(POSITIONS) for key in other)
        why = (
            "They were trained on images or captions of another size."
            if resized
            else "They are of another architecture."
        )
        raise FormatError(
            f"The weights of {path.name} do not fit {name}: {'; '.join(said)}. {why} Choose the "
            "architecture or the configuration that they were trained with."
        )
    scale, bias = (one_number(weights.get(key)) for key in ("logit_scale", "logit_bias"))
    return Loaded(under, None if scale is None else exponential(scale), bias)


def one_number(tensor: Any) -> float | None:
    """Return the entry of a tensor that holds just one, finite one; None for all else."""
    if tensor is None or tensor.numel() != 1:
        return None
    value = float(tensor.detach().float().reshape(()))
    return value if math.isfinite(value) else None


def exponential(value: float) -> float:
    """``exp(value)``, at most the largest number there is."""
    return math.exp(min(value, math.log(sys.float_info.max)))


def _without_use(key: str) -> bool:
    return key in WITHOUT_USE or key.endswith(("position_ids", "attn_mask"))


def _shape(sides: Any) -> str:
    return " × ".join(map(str, sides)) or "of one number"


def fetch(architecture: str, tag: str) -> Path:
    """Return the file of published weights: from this machine's cache, or downloaded into it.

    Raises
    ------
    ParameterError
        If the architecture has no weights of that tag.
    AnisoAlignError
        If they cannot be reached, with what could not be.
    """
    open_clip = need_open_clip()
    settings = tag_settings(architecture, tag)
    hub = str(settings.get("hf_hub", "")).rstrip("/")
    place = str(settings.get("url", "the place that open_clip names"))
    try:
        with quiet_logs():
            if hub:
                from huggingface_hub import constants

                place = f"{constants.ENDPOINT.rstrip('/')}/{hub}"
            if not (hub and _is_cached(settings["hf_hub"])):
                reach(place)
            found = Path(open_clip.download_pretrained(settings))
        if not found.is_file():
            raise FileNotFoundError("no file came of it")
    except Exception as error:  # whatever the hub, urllib or the disk raise
        inner = getattr(error, "reason", None)
        reason = first_line(inner if isinstance(inner, BaseException) else error)
        raise AnisoAlignError(
            f'The weights "{tag}" of {architecture} could not be downloaded from {place} '
            f"({reason}). Check the connection, or give a local file with checkpoint= "
            "(--checkpoint FILE)."
        ) from error
    return found


def _is_cached(hub: str) -> bool:
    """Whether the hub's cache holds weights of ``OWNER/NAME/FILE``, or of ``OWNER/NAME/``."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, file = hub.rpartition("/")
    names = (file,) if file else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)
    return any(isinstance(try_to_load_from_cache(repository, one), str) for one in names)


def reach(place: str) -> None:
    """Ask once whether a host answers: the hub's own client would ask for most of a minute."""
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or os.environ.get("HF_HUB_OFFLINE"):
        return
    asked = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")  # noqa: S310  (http or https)
    try:
        urllib.request.urlopen(asked, timeout=REACH_SECONDS).close()  # noqa: S310  (http or https)
    except urllib.error.HTTPError:  # it answers, and that is all we ask
        return
