"""Captions by the names of images, and beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.source import first_line, printable
from anisoalign_core.io.captions import Captions, name_keys, one_line, read_captions
from anisoalign_core.io.lines import decode_utf8, parse_lines

__all__ = ["Captions", "captions_in", "counted", "match", "one_line", "read_captions"]


def match(
    captions: Captions, images: Sequence[PurePosixPath]
) -> tuple[list[list[str]], list[str], list[str]]:
    """Give each image its captions: by name, or one each, in order, where the file has no names.

    A name is that of an image if it is the whole path, the path without suffix, the file name, or
    the file name without suffix, in this order. Returned are the texts of each image, names that no
    image has, and sentences about what was left out.

    Raises
    ------
    ShapeError
        If there are no names and another number of captions than of images.
    FormatError
        If no name is that of an image.
    """
    if captions.names is None:
        if len(captions.texts) != len(images):
            raise ShapeError(
                f"{captions.name} has {len(captions.texts):,} captions in order, and there are "
                f"{len(images):,} images. Give one for each, or a table with a column of file "
                "names."
            )
        return [[text] if text else [] for text in captions.texts], [], []
    rows_of: dict[tuple[int, str], list[int]] = {}
    for row, path in enumerate(images):
        for key in name_keys(str(path)):
            rows_of.setdefault(key, []).append(row)
    found: dict[int, list[str]] = {}
    lost: list[str] = []
    unclear = 0
    for name, text in zip(captions.names, captions.texts, strict=True):
        rows = next((rows_of[key] for key in name_keys(name) if key in rows_of), [])
        if not rows:
            lost.append(name)
        elif len(rows) > 1:
            unclear += 1
        elif text:
            found.setdefault(rows[0], []).append(text)
    if not found:
        raise FormatError(
            f"No name in {captions.name} is that of one image: it has names like "
            f'"{printable(captions.names[0], 60)}", images like "{printable(str(images[0]), 60)}". '
            "Use the names of the files."
        )
    notes = [
        f"{counted(unclear, 'caption')} of {captions.name} left out: several images have that "
        "name. Write the folder too."
    ]
    return [found.get(row, []) for row in range(len(images))], lost, notes if unclear else []


def captions_in(data: bytes, name: str) -> list[str]:
    """Return the captions in a file beside an image.

    ``.txt`` holds one a line; ``.json`` holds one under ``caption``, as img2dataset writes it, or a
    list of them.

    Raises
    ------
    FormatError
        If it is not UTF-8, or not such JSON.
    """
    if name.lower().endswith(".json"):
        text = decode_utf8(data, name)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{name} is not JSON: {first_line(error)}. Write it again."
            ) from error
        told = body.get("caption") if isinstance(body, dict) else None
        texts = [text for text in (told if isinstance(told, list) else [told]) if text is not None]
        if not all(isinstance(text, str) for text in texts):
            raise FormatError(f"The caption of {name} is no text. Write it again.")
    else:
        texts = parse_lines(data, name)
    return [text for text in map(one_line, texts) if text]


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 caption``, ``2 captions``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
