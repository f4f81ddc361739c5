"""Captions from tables, from lines, and by the names of images."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from anisoalign_core.encode.images import is_image
from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io.lines import decode_utf8, parse_lines

NAME_COLUMNS = (
    "image filename file_name file path filepath file_path image_path image_name img name id key"
).split()
CAPTION_COLUMNS = "caption captions text title comment description".split()
TABLES = (".csv", ".tsv")
MAX_CELL = 1_000_000


@dataclass(frozen=True)
class Captions:
    """What a file of captions says, in its order.

    Attributes
    ----------
    name : str
    names : tuple of str, or None
        Which image each belongs to; None where only the order tells.
    texts : tuple of str
        Empty where there is none.
    """

    name: str
    names: tuple[str, ...] | None
    texts: tuple[str, ...]


def read_captions(source: Source) -> Captions:
    """Read a ``.csv`` or ``.tsv`` table, or any other file as one caption per line.

    A table needs a column called caption, captions, text, title, comment or description; a column
    called image, filename, path, file, id, … says whose. Without a header there may be one column
    of captions, or two: image files and captions.

    Raises
    ------
    FormatError
        If it is not UTF-8, a line has too few or too many cells, or no column is called so.
    LimitError
        If it is above the limit for text files.
    """
    check_text_size(source.size, source.name, Limits.from_env())
    with source.open() as stream:
        data = stream.read()
    suffix = PurePosixPath(source.name).suffix.lower()
    if suffix not in TABLES:
        return Captions(source.name, None, tuple(map(one_line, parse_lines(data, source.name))))
    rows = _cells(decode_utf8(data, source.name), source.name, tabs=suffix == ".tsv")
    if not rows:
        raise FormatError(f"{source.name} is empty. Write it again.")
    return _from_table(rows, source.name)


def _cells(text: str, name: str, *, tabs: bool) -> list[tuple[int, list[str]]]:
    first = text.partition("\n")[0]
    comma = ";" if first.count(";") and not first.count(",") else ","
    before = csv.field_size_limit(MAX_CELL)
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter="\t" if tabs else comma,
            quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            strict=True,
        )
        with malformed(name, "delimited text", csv.Error):
            return [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    finally:
        csv.field_size_limit(before)


def _from_table(rows: list[tuple[int, list[str]]], name: str) -> Captions:
    titles = [cell.strip().lower() for cell in rows[0][1]]
    caption = next((titles.index(one) for one in CAPTION_COLUMNS if one in titles), None)
    if caption is not None and len(titles) == len(set(titles)):
        named = next((titles.index(one) for one in NAME_COLUMNS if one in titles), None)
        rows, width = rows[1:], len(titles)
    elif len(titles) == 1:
        named, caption, width = None, 0, 1
    elif len(titles) == 2 and is_image(PurePosixPath(titles[0])):
        named, caption, width = 0, 1, 2
    else:
        shown = ", ".join(f'"{printable(title, 30)}"' for title in titles[:8])
        raise FormatError(
            f"{name} has no column that is called caption (or text, or title), once: its first "
            f"line is {shown}. Name the columns, for example image,caption."
        )
    for line, cells in rows:
        if len(cells) != width:
            raise FormatError(
                f"Line {line} of {name} has {len(cells)} cells, the first line has {width}. Put "
                "captions that hold a separator in quotes (csv), or without one (tsv)."
            )
    if not rows:
        raise FormatError(f"{name} has a header and no captions. Write it again.")
    names = None if named is None else tuple(cells[named].strip() for _, cells in rows)
    return Captions(name, names, tuple(one_line(cells[caption]) for _, cells in rows))


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
        for key in _keys(path, path.with_suffix("")):
            rows_of.setdefault(key, []).append(row)
    found: dict[int, str] = {}
    lost: list[str] = []
    further = unclear = 0
    for name, text in zip(captions.names, captions.texts, strict=True):
        path = PurePosixPath(name.replace("\\", "/"))
        keys = _keys(path, path.with_suffix("") if is_image(path) else path)
        rows = next((rows_of[key] for key in keys if key in rows_of), [])
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


def _keys(path: PurePosixPath, bare: PurePosixPath) -> Iterator[tuple[int, str]]:
    """Yield what an image can be called, the surest first."""
    return enumerate((str(path), str(bare), path.name, bare.name))


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


def one_line(text: str) -> str:
    """Return text with every run of white space as one space."""
    return " ".join(text.split())


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 caption``, ``2 captions``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
