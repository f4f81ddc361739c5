"""What open_clip can build by its own factory: architectures, their weights by tag, their size."""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anisoalign_core.encode.backends import BACKENDS
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.source import first_line, printable

CONFIG_NAME = "open_clip_config.json"
"""What the configuration is called in a folder that open_clip wrote."""
TOWERS = ("embed_dim", "vision_cfg", "text_cfg")
MAX_LISTED = 12


@dataclass(frozen=True)
class Architecture:
    """A model that open_clip can build by name.

    Attributes
    ----------
    name : str
    dim : int
        Dimensions d of its embeddings.
    image_size : (int, int)
        Height and width of its images in pixels.
    context_length : int
        Tokens of a caption.
    tags : tuple of str
        Published weights.
    missing : tuple of str
        Packages that it needs and that are not installed.
    counted : bool
        Whether its size is known without a network: towers of the Hugging Face hub keep their
        shape there.
    understood : bool
        Whether its configuration is one of images and texts; if not, nothing else is known of it.
    """

    name: str
    dim: int = 0
    image_size: tuple[int, int] = (0, 0)
    context_length: int = 0
    tags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    counted: bool = False
    understood: bool = True

    @property
    def parameters(self) -> int | None:
        """Number of parameters; None where it cannot be told without a network or a package."""
        return parameter_count(self.name) if self.counted else None

    @property
    def note(self) -> str:
        """What stands in the way of using it; empty when nothing does."""
        if not self.understood:
            return "not a model of images and texts, as far as its configuration says"
        if self.missing:
            return f"needs pip install {' '.join(self.missing)}"
        return "" if self.counted else "the hub says how large its text tower is"


def available_models(pattern: str | None = None) -> tuple[Architecture, ...]:
    """Return open_clip's architectures, in its order; nothing is downloaded.

    Parameters
    ----------
    pattern : str, optional
        Part of a name, or a whole one with ``*`` and ``?``; letters may be of either case.

    Raises
    ------
    AnisoAlignError
        If open_clip is not installed.
    """
    if not pattern:
        return _all_models()
    wanted = pattern.lower() if any(sign in pattern for sign in "*?[") else f"*{pattern.lower()}*"
    return tuple(one for one in _all_models() if fnmatchcase(one.name.lower(), wanted))


@lru_cache(maxsize=1)
def _all_models() -> tuple[Architecture, ...]:
    return tuple(map(_described, need_open_clip().list_models()))


def _described(name: str) -> Architecture:
    """Describe an architecture; one that is not understood is listed as such, and harms no other.

    open_clip's registry is open: later versions and other programs add kinds of their own.
    """
    open_clip = need_open_clip()
    config = open_clip.get_model_config(name)
    tags = tuple(open_clip.list_pretrained_tags_by_model(name))
    try:
        size = config["vision_cfg"].get("image_size", 224)
        absent = missing_packages(config)
        return Architecture(
            name=name,
            dim=int(config["embed_dim"]),
            image_size=(size, size) if isinstance(size, int) else (int(size[0]), int(size[1])),
            context_length=int(config["text_cfg"].get("context_length", 77)),
            tags=tags,
            missing=absent,
            counted=not has_hub_tower(config) and "timm" not in absent,
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return Architecture(name, tags=tags, understood=False)


@lru_cache(maxsize=256)
def parameter_count(name: str) -> int:
    """Return the number of parameters of an architecture, from its shape alone.

    The model is built on torch's meta device, where tensors have a shape and no memory.

    Raises
    ------
    ParameterError
        If there is no such architecture.
    AnisoAlignError
        If its shape lies on the Hugging Face hub, or a package is missing.
    """
    config = architecture_config(name)
    if has_hub_tower(config):
        raise AnisoAlignError(f"How large {name} is, the Hugging Face hub alone can tell.")
    return count_parameters(build(config, name, "meta"))


def count_parameters(model: Any) -> int:
    """Return the number of parameters of a model."""
    return sum(weights.numel() for weights in model.parameters())


def architecture_config(name: str) -> dict[str, Any]:
    """Return open_clip's configuration of an architecture, or name the nearest ones."""
    open_clip = need_open_clip()
    names: list[str] = open_clip.list_models()
    if name not in names:
        lowered = {each.lower(): each for each in names}
        near = [lowered[each] for each in get_close_matches(name.lower(), lowered, 4, 0.5)]
        like = f"The nearest names are {', '.join(near)}. " if near else ""
        raise ParameterError(
            f'open_clip knows no architecture "{printable(name, 60)}". {like}'
            "available_models() and anisoalign encode --list-models show all of them."
        )
    found: dict[str, Any] = open_clip.get_model_config(name)
    absent = [key for key in TOWERS if not found.get(key)]
    if absent:
        raise ParameterError(
            f"open_clip's configuration of {name} has no {' and no '.join(absent)}, so it is "
            "not a model of images and texts. Choose another architecture."
        )
    return found


def tag_settings(name: str, tag: str) -> dict[str, Any]:
    """Return where weights of a tag lie and how images are prepared, or name the known tags."""
    open_clip = need_open_clip()
    found: dict[str, Any] = open_clip.get_pretrained_cfg(name, tag)
    if found:
        return found
    tags = open_clip.list_pretrained_tags_by_model(name)
    if not tags:
        raise ParameterError(
            f"There are no published weights of {name}, so none with the tag "
            f'"{printable(tag, 60)}". Give a file with checkpoint= (--checkpoint), or '
            "choose another architecture."
        )
    raise ParameterError(
        f'{name} has no weights with the tag "{printable(tag, 60)}"; it has: {listed(tags)}.'
    )


def listed(names: Sequence[str]) -> str:
    """Return names as a phrase, and how many there are where not all are shown."""
    shown = ", ".join(names[:MAX_LISTED])
    return shown + (f", … ({len(names)} in all)" if len(names) > MAX_LISTED else "")


def missing_packages(config: dict[str, Any], *, tokenizer: bool = True) -> tuple[str, ...]:
    """Return what a configuration needs and is not installed; the shape alone needs less."""
    text = config["text_cfg"]
    needs = {
        "timm": config["vision_cfg"].get("timm_model_name"),
        "transformers": has_hub_tower(config) or (tokenizer and text.get("hf_tokenizer_name")),
    }
    return tuple(
        package
        for package, needed in needs.items()
        if needed and importlib.util.find_spec(package) is None
    )


def need_packages(config: dict[str, Any], name: str, *, tokenizer: bool = True) -> None:
    """Say which packages a configuration needs, if some are not installed."""
    absent = missing_packages(config, tokenizer=tokenizer)
    if absent:
        raise AnisoAlignError(
            f"{name} needs {' and '.join(absent)}, which "
            f"{'are' if len(absent) > 1 else 'is'} not installed. "
            f"Run pip install {' '.join(absent)}, or choose another architecture."
        )


def has_hub_tower(config: dict[str, Any]) -> bool:
    """Whether the text tower is one of the Hugging Face hub, which alone knows its shape."""
    return bool(config["text_cfg"].get("hf_model_name"))


def build(config: dict[str, Any], name: str, device: str = "cpu") -> Any:
    """Build a model by open_clip's own factory, with whatever weights torch starts with.

    On the device ``"meta"`` it has shapes alone, and takes no memory.

    Raises
    ------
    AnisoAlignError
        If a package is missing, or the hub is needed and cannot be reached.
    FormatError
        If the configuration is not one that open_clip understands.
    """
    import torch

    open_clip = need_open_clip()
    need_packages(config, name, tokenizer=False)
    try:
        with TemporaryDirectory() as folder, torch.device(device), quiet_logs():
            (Path(folder) / CONFIG_NAME).write_text(
                json.dumps({"model_cfg": config}), encoding="utf-8"
            )
            return open_clip.create_model(
                f"local-dir:{folder}", load_weights=False, pretrained_text=False, device=device
            )
    except Exception as error:  # open_clip and torch check little, and raise whatever comes of it
        if isinstance(error, OSError) and has_hub_tower(config):
            raise AnisoAlignError(
                f"The text tower of {name} is described on the Hugging Face hub, which could not "
                f"be reached ({first_line(error)}). Check the connection, or choose another "
                "architecture."
            ) from error
        raise FormatError(
            f"open_clip cannot build {name}: {first_line(error)}. Check its model_cfg, or update "
            "open_clip_torch."
        ) from error


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep what libraries log about their own steps off the screen: our sentences say it once.

    The switch is the process's: the last of several threads who leaves sets it back.
    """
    with _SWITCH:
        _BEFORE.append(_BEFORE[0] if _BEFORE else logging.root.manager.disable)
        logging.disable(max(logging.WARNING, _BEFORE[0]))
    try:
        yield
    finally:
        with _SWITCH:
            before = _BEFORE.pop()
            if not _BEFORE:
                logging.disable(before)


_SWITCH = threading.Lock()
_BEFORE: list[int] = []


def need_open_clip() -> Any:
    """Return open_clip, or say how to install it."""
    BACKENDS["open_clip"].need()
    import open_clip

    return open_clip
