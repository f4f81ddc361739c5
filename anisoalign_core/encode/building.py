"""Models of open_clip from their configurations, in memory or as shapes alone."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import printable


def missing_packages(config: dict[str, Any], *, tokenizer: bool = True) -> tuple[str, ...]:
    """Return the packages that a configuration needs and that are not installed.

    Parameters
    ----------
    config : dict
    tokenizer : bool, default True
        Whether captions will be read: the shape of a model alone needs less.
    """
    text, vision = config["text_cfg"], config["vision_cfg"]
    needs = {
        "timm": bool(vision.get("timm_model_name")),
        "transformers": has_hub_tower(config)
        or (tokenizer and bool(text.get("hf_tokenizer_name"))),
    }
    return tuple(
        package
        for package, needed in needs.items()
        if needed and importlib.util.find_spec(package) is None
    )


def has_hub_tower(config: dict[str, Any]) -> bool:
    """Whether the text tower is one of the Hugging Face hub, which alone knows its shape."""
    return bool(config["text_cfg"].get("hf_model_name"))


def need_packages(config: dict[str, Any], name: str, *, tokenizer: bool = True) -> None:
    """Say which packages a configuration needs, if some are not installed.

    Raises
    ------
    AnisoAlignError
    """
    absent = missing_packages(config, tokenizer=tokenizer)
    if absent:
        raise AnisoAlignError(
            f"{name} needs {' and '.join(absent)}, which "
            f"{'are' if len(absent) > 1 else 'is'} not installed. "
            f"Run pip install {' '.join(absent)}, or choose another architecture."
        )


def build(config: dict[str, Any], name: str, device: str = "cpu") -> Any:
    """Build a model by open_clip's own factory, with whatever weights torch starts with.

    Parameters
    ----------
    config : dict
        ``embed_dim``, ``vision_cfg``, ``text_cfg`` and the rest of an open_clip configuration.
    name : str
        For messages.
    device : str
        ``"meta"`` gives a model of shapes alone, which takes no memory.

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
            place = Path(folder) / "open_clip_config.json"
            place.write_text(json.dumps({"model_cfg": config}), encoding="utf-8")
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
    """Keep what libraries log about their own steps off the screen: our sentences say it once."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def need_open_clip() -> Any:
    """Return open_clip, or say how to install it."""
    try:
        import open_clip
    except ImportError as error:
        raise AnisoAlignError(
            "Encoding needs open_clip, which is not installed. Run pip install open_clip_torch."
        ) from error
    return open_clip


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, fit for the middle of a sentence."""
    lines = str(error).strip().splitlines()
    return printable(lines[0]).rstrip(".:") if lines else type(error).__name__


def count_parameters(config: dict[str, Any], name: str) -> int:
    """Return the number of parameters of a configuration, built on the meta device.

    Raises
    ------
    FormatError, AnisoAlignError
        As :func:`build`.
    """
    return sum(weights.numel() for weights in build(config, name, "meta").parameters())
