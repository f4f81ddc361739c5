"""Captions by the names of images, and beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.source import printable
from anisoalign_core.io.captions import Captions, name_keys, one_line, read_captions
from anisoalign_core.io.lines import decode_utf8, parse_lines

__all__ = ["Captions", "caption_in", "counted", "match", "one_line", "read_captions"]


def match(
    captions: Captions, images: Sequence[PurePosixPath]
) -> tuple[list[str | None], list[str], list[str]]:
    """Give each image its caption: by name, or in order where the file has no names.

    A name is that of an image if it is the whole path, the path without suffix, the file name, or
    the file name without suffix, in this order. Returned are a text or None for each image, names
    that no image has, and sentences about what was left out.

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
        return [text or None for text in captions.texts], [], []
    rows_of: dict[tuple[int, str], list[int]] = {}
    for row, path in enumerate(images):
        for key in name_keys(str(path)):
            rows_of.setdefault(key, []).append(row)
    found: dict[int, str] = {}
    lost: list[str] = []
    further = unclear = 0
    for name, text in zip(captions.names, captions.texts, strict=True):
        rows = next((rows_of[key] for key in name_keys(name) if key in rows_of), [])
        if not rows:
            lost.append(name)
        elif len(rows) > 1:
            unclear += 1
        elif rows[0] in found:
            further += 1
        elif text:
            found[rows[0]] = text
    if not found:
        raise FormatError(
            f"No name in {captions.name} is that of one image: it has names like "
            f'"{printable(captions.names[0], 60)}", images like "{printable(str(images[0]), 60)}". '
            "Use the names of the files."
        )
    notes = [
        f"{counted(count, 'caption')} of {captions.name} left out: {why}."
        for count, why in (
            (further, "the image has one before"),
            (unclear, "several images have that name. Write the folder too"),
        )
        if count
    ]
    return [found.get(row) for row in range(len(images))], lost, notes


def caption_in(data: bytes, name: str) -> tuple[str, int]:
    """Return the caption in a file beside an image, and how many further lines it has.

    ``.txt`` holds the caption; ``.json`` holds it under ``caption``, as img2dataset writes it.

    Raises
    ------
    FormatError
        If it is not UTF-8, or not such JSON.
    """
    if name.lower().endswith(".json"):
        try:
            body = json.loads(decode_utf8(data, name))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{name} is not JSON: {error}. Write it again.") from error
        text = body.get("caption") if isinstance(body, dict) else None
        return (one_line(text) if isinstance(text, str) else "", 0)
    lines = [line for line in map(one_line, parse_lines(data, name)) if line]
    return (lines[0] if lines else "", max(len(lines) - 1, 0))


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 caption``, ``2 captions``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
