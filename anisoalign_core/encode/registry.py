"""What open_clip can build: architectures, their weights by tag, and their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from anisoalign_core.encode.building import (
    count_parameters,
    has_hub_tower,
    missing_packages,
    need_open_clip,
)
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.files.source import printable

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
    dim: int
    image_size: tuple[int, int]
    context_length: int
    tags: tuple[str, ...]
    missing: tuple[str, ...]
    counted: bool
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
    open_clip = need_open_clip()
    return tuple(
        _described(name, open_clip.get_model_config(name), open_clip)
        for name in open_clip.list_models()
    )


def _described(name: str, config: dict[str, Any], open_clip: Any) -> Architecture:
    """Describe a configuration; one that is not understood is listed as such, and harms no other.

    open_clip's registry is open: later versions and other programs add kinds of their own.
    """
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
        return Architecture(name, 0, (0, 0), 0, tags, (), counted=False, understood=False)


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
    return count_parameters(config, name)


def architecture_config(name: str) -> dict[str, Any]:
    """Return the configuration of an architecture of open_clip.

    Raises
    ------
    ParameterError
        If there is none of that name, with the nearest names; or it is of another kind.
    """
    open_clip = need_open_clip()
    names = open_clip.list_models()
    if name in names:
        found: dict[str, Any] = open_clip.get_model_config(name)
        absent = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if not found.get(key)]
        if absent:
            raise ParameterError(
                f"open_clip's configuration of {name} has no {' and no '.join(absent)}, so it is "
                "not a model of images and texts. Choose another architecture."
            )
        return found
    near = nearest(name, names)
    like = f"The nearest names are {', '.join(near)}. " if near else ""
    raise ParameterError(
        f'open_clip knows no architecture "{printable(name, 60)}". {like}'
        "available_models() and anisoalign encode --list-models show all of them."
    )


def tag_settings(name: str, tag: str) -> dict[str, Any]:
    """Return what open_clip knows of published weights: where they lie, how images are prepared.

    Raises
    ------
    ParameterError
        If the architecture has no weights of that tag, with those that it has.
    """
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


def nearest(name: str, names: Sequence[str], count: int = 4) -> list[str]:
    """Return the names most like ``name``, whatever their case."""
    lowered = {each.lower(): each for each in names}
    return [lowered[each] for each in get_close_matches(name.lower(), lowered, count, 0.5)]


def listed(names: Sequence[str], most: int = MAX_LISTED) -> str:
    """Return names as a phrase, and how many there are where not all are shown."""
    shown = ", ".join(names[:most])
    return shown + (f", … ({len(names)} in all)" if len(names) > most else "")
