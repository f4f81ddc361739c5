"""Weights of a model: from a local file, or from where they were published."""

from __future__ import annotations

import os
import pickle
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anisoalign_core.encode.building import first_line, need_open_clip, quiet_logs
from anisoalign_core.encode.registry import tag_settings
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import malformed, printable, readable
from anisoalign_core.io.torch_file import DAMAGE

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
REACH_SECONDS = 10.0
WITHOUT_USE = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")
"""Entries that no embedding depends on: their absence, or presence, says nothing."""
POSITIONS = ("visual.positional_embedding", "visual.trunk.pos_embed", "positional_embedding")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors by name; nothing in the file is executed.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or ``.pt``, ``.pth``, ``.bin`` of plain tensors: those are read with
        PyTorch's ``weights_only=True``. The weights may lie under ``state_dict``, and their names
        may begin with ``module.``.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another kind, or holds objects besides tensors.
    """
    import torch

    name = path.name
    if path.suffix.lower() not in SUFFIXES:
        raise FormatError(
            f"{name} is not a checkpoint by its suffix; known are {', '.join(SUFFIXES)}. Save the "
            "weights with safetensors.torch.save_file(model.state_dict(), path)."
        )
    with readable(name), path.open("rb") as stream:
        head = stream.read(2)
    if not head:
        raise FormatError(f"{name} is empty (0 bytes). Copy it again.")
    loaded: Any
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        with readable(name), malformed(name, "a .safetensors file", SafetensorError, ValueError):
            loaded = load_file(path)
    else:
        errors = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError)
        with readable(name), malformed(name, "a PyTorch file", *errors, *DAMAGE):
            try:
                loaded = torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError as error:
                raise FormatError(
                    f"{name} holds Python objects besides tensors, which are never loaded because "
                    "they can run code. Save the weights alone: safetensors.torch.save_file("
                    "model.state_dict(), path)."
                ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    tensors = (
        {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
        if isinstance(loaded, dict)
        else {}
    )
    if not tensors:
        raise FormatError(f"{name} holds no weights by name. Save model.state_dict().")
    return {str(key).removeprefix("module."): value for key, value in tensors.items()}


def load_weights(model: Any, path: Path, name: str, *, resize: bool = False) -> None:
    """Put a checkpoint's weights into a model; all must be there and fit.

    Parameters
    ----------
    model : open_clip model
    path : Path
    name : str
        What messages call the model.
    resize : bool, default False
        Interpolate positional embeddings of another number of patches, as some published weights
        need; otherwise they are a mismatch like any other.

    Raises
    ------
    FormatError
        If weights are missing, left over, or of another shape: which, and how many.
    """
    weights = _in_open_clip_names(model, read_weights(path))
    own: dict[str, torch.Tensor] = model.state_dict()
    for key in WITHOUT_USE:
        if key in own:
            weights[key] = own[key]
    if resize:
        from open_clip.model import resize_pos_embed, resize_text_pos_embed

        resize_pos_embed(weights, model)
        resize_text_pos_embed(weights, model)
    missing = [key for key in own if key not in weights]
    left = [key for key in weights if key not in own and not _without_use(key)]
    other = [
        (key, tuple(weights[key].shape), tuple(value.shape))
        for key, value in own.items()
        if key in weights and weights[key].shape != value.shape
    ]
    if missing or left or other:
        raise FormatError(_mismatch(path.name, name, missing, left, other))
    model.load_state_dict({key: weights[key] for key in own})


def _in_open_clip_names(model: Any, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the entries of checkpoints from other libraries, and of open_clip's older layout."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    renamed: dict[str, torch.Tensor] = convert_state_dict(model, weights)
    if "positional_embedding" in renamed and not hasattr(model, "positional_embedding"):
        renamed = convert_to_custom_text_state_dict(renamed)
    return dict(renamed)


def _without_use(key: str) -> bool:
    return key in WITHOUT_USE or key.endswith(("position_ids", "attn_mask"))


def _mismatch(
    file: str,
    name: str,
    missing: list[str],
    left: list[str],
    other: list[tuple[str, tuple[int, ...], tuple[int, ...]]],
) -> str:
    said = []
    if other:
        key, has, takes = other[0]
        said.append(
            f"{printable(key, 80)} has the shape {_shape(has)} where the model has {_shape(takes)}"
            + (f" ({len(other)} such tensors)" if len(other) > 1 else "")
        )
    for what, keys in (("missing", missing), ("left over", left)):
        if keys:
            shown = ", ".join(printable(key, 80) for key in keys[:2])
            more = ", …" if len(keys) > 2 else ""
            said.append(f"{len(keys)} {what} ({shown}{more})")
    positions = [key for key, _, _ in other if key in POSITIONS or key.endswith("pos_embed")]
    why = (
        "They were trained on images or captions of another size."
        if positions and len(positions) == len(other) and not missing and not left
        else "They are of another architecture."
    )
    return (
        f"The weights of {file} do not fit {name}: {'; '.join(said)}. {why} Choose the "
        "architecture or the configuration that they were trained with."
    )


def _shape(sides: tuple[int, ...]) -> str:
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
    place = _place(settings)
    try:
        with quiet_logs():
            if not _is_cached(settings):
                _reach(place)
            found = Path(open_clip.download_pretrained(settings))
        if not found.is_file():
            raise FileNotFoundError("no file came of it")
    except Exception as error:  # whatever the hub, urllib or the disk raise
        raise AnisoAlignError(
            f'The weights "{tag}" of {architecture} could not be downloaded from {place} '
            f"({_reason(error)}). Check the connection, or give a local file with checkpoint= "
            "(--checkpoint FILE)."
        ) from error
    return found


def _place(settings: dict[str, Any]) -> str:
    if not settings.get("hf_hub"):
        return str(settings.get("url", "the place that open_clip names"))
    from huggingface_hub import constants

    return f"{constants.ENDPOINT.rstrip('/')}/{settings['hf_hub'].rstrip('/')}"


def _is_cached(settings: dict[str, Any]) -> bool:
    """Whether the hub's cache holds weights of that repository already."""
    if not settings.get("hf_hub"):
        return False
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, file = settings["hf_hub"].rpartition("/")
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


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return first_line(inner if isinstance(inner, BaseException) else error)
