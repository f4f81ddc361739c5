"""Weights of a model: from a local file, or from where they were published."""

from __future__ import annotations

import os
import pickle
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anisoalign_core.encode.registry import need_open_clip, quiet_logs, tag_settings
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import first_line, malformed, printable, readable
from anisoalign_core.io.torch_file import DAMAGE

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
REACH_SECONDS = 10.0
WITHOUT_USE = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")
"""Entries that no embedding depends on: their absence, or presence, says nothing."""
POSITIONS = ("positional_embedding", "pos_embed")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors by name; nothing in the file is executed.

    Of ``.pt``, ``.pth`` and ``.bin`` only plain tensors are read (PyTorch's ``weights_only``; the
    reader of open_clip gives that up where it fails). The weights may lie under ``state_dict``, and
    their names may begin with ``module.``.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another kind, or holds objects besides tensors.
    """
    import torch
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
            loaded = (
                load_file(path)
                if suffix == SUFFIXES[0]
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except pickle.UnpicklingError as error:
            raise FormatError(
                f"{name} holds Python objects besides tensors, which are never loaded because "
                "they can run code. Save the weights alone: safetensors.torch.save_file("
                "model.state_dict(), path)."
            ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    items = loaded.items() if isinstance(loaded, dict) else ()
    tensors = {
        str(key).removeprefix("module."): value
        for key, value in items
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise FormatError(f"{name} holds no weights by name. Save model.state_dict().")
    return tensors


def load_weights(model: Any, path: Path, name: str, *, resize: bool = False) -> None:
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
    weights = convert_state_dict(model, read_weights(path))
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
                _reach(place)
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


def _reach(place: str) -> None:
    """Ask once whether a host answers: the hub's own client would ask for most of a minute."""
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or os.environ.get("HF_HUB_OFFLINE"):
        return
    asked = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")  # noqa: S310  (http or https)
    try:
        urllib.request.urlopen(asked, timeout=REACH_SECONDS).close()  # noqa: S310  (http or https)
    except urllib.error.HTTPError:  # it answers, and that is all we ask
        return
