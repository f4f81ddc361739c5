"""Captions and pictures for a set that was loaded without: matched by id, or by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.encode.images import thumbnail, thumbnail_side
from anisoalign_core.encode.inputs import Inputs, Item
from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError, ShapeError
from anisoalign_core.files.source import printable
from anisoalign_core.io.captions import Captions, captions_for, name_keys
from anisoalign_core.numerics import Integers, Progress, read_only
from anisoalign_core.rows import as_strings

BLANK = 127
"""Grey of a row that has no picture."""


def furnish(
    data: EmbeddingSet,
    captions: Captions | None = None,
    pictures: Inputs | None = None,
    *,
    by: Literal["id", "row"] = "id",
    progress: Progress | None = None,
) -> tuple[EmbeddingSet, tuple[str, ...]]:
    """Return a set with captions, thumbnails, or both; vectors, ids and digest stay.

    Parameters
    ----------
    data : EmbeddingSet
    captions : Captions, optional
        Without them those beside the pictures, where there are some.
    pictures : Inputs, optional
        From :func:`~anisoalign_core.encode.inputs.find_items`.
    by : {"id", "row"}, default "id"
        By name: what is called after a row's id, with or without folders and suffix, belongs to
        it. Or in order: one for each row of the input, pictures in the natural order of names.
    progress : callable, optional

    Returns
    -------
    EmbeddingSet
    notes : tuple of str
        Sentences about what has no row, and rows that have nothing.

    Raises
    ------
    FormatError
        If no name is the id of a row, or no picture can be read.
    ShapeError
        If only the order tells, and there is another number than of rows.
    LimitError
        If there are too many rows for thumbnails.
    """
    notes: list[str] = []
    images = [item for item in pictures.items if item.open is not None] if pictures else []
    if captions is None and pictures is not None:
        captions = _beside(pictures, images, by)
    if captions is not None:
        if by == "row" or captions.names is None:
            captions = replace(captions, names=None, texts=_in_order(captions, data))
        texts, said = captions_for(captions, list(data.ids), data.name)
        data = replace(data, captions=read_only(as_strings(texts)))
        notes += said
    if images:
        of = _rows_of(data, len(images), "pictures") if by == "row" else _by_name(images, data)
        tiles, said = _thumbnails(images, of, data, progress or (lambda fraction, words: None))
        data = replace(data, thumbnails=read_only(tiles))
        notes += said
    return data, tuple(notes)


def _beside(pictures: Inputs, images: list[Item], by: str) -> Captions | None:
    """Return the captions beside pictures, under their names, or one for each in order."""
    told = [(item.id, item.caption) for item in pictures.items if item.caption]
    if not told:
        return None
    name = ", ".join(pictures.files[:2])
    if by == "row":
        return Captions(name, None, tuple(item.caption or "" for item in images))
    return Captions(name, tuple(one for one, _ in told), tuple(text for _, text in told))


def _in_order(captions: Captions, data: EmbeddingSet) -> tuple[str, ...]:
    rows = _rows_of(data, len(captions.texts), f"captions in {captions.name}")
    return tuple(captions.texts[row] for row in rows)


def _rows_of(data: EmbeddingSet, count: int, what: str) -> Integers:
    """Row of the input of every row, where the order tells what belongs to it.

    Raises
    ------
    ShapeError
        If there is not one for each row of the input, nor for each row that was kept.
    """
    known = data.provenance
    if count == known.rows_read and known.ids_are_rows:
        return data.ids.astype(np.intp)
    if count == known.rows_read and count != len(data):
        return data.input_rows
    if count != len(data):
        raise ShapeError(
            f"There are {count:,} {what}, and {data.name} has {known.rows_read:,} rows. Give one "
            "for each row, in order, or names that are the rows' ids."
        )
    return np.arange(count)


def _thumbnails(
    images: list[Item], of: Integers, data: EmbeddingSet, tell: Progress
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Thumbnails of all rows, of which ``of`` is the picture's number; grey where it is −1."""
    side = thumbnail_side(len(data))
    if not side:
        raise LimitError(f"{data.name} has {len(data):,} rows, too many to keep a picture of each.")
    tiles = np.full((len(data), side, side, 3), BLANK, dtype=np.uint8)
    wanted = sorted(set(of[of >= 0].tolist()))
    broken = []
    for done, number in enumerate(wanted):
        tell(done / len(wanted), f"picture {done + 1:,} of {len(wanted):,}")
        opened = images[number].open
        try:
            assert opened is not None  # noqa: S101  (those without were left out)
            tiles[of == number] = thumbnail(opened(), side)
        except AnisoAlignError as error:
            broken.append(f"{images[number].id}: {error}")
    if len(broken) == len(wanted):
        raise FormatError(f"None of the pictures can be read; the first: {broken[0]}.")
    counts = (
        (len(broken), "pictures cannot be read" + (f"; the first: {broken[0]}" if broken else "")),
        (len(images) - len(wanted), f"pictures have no row in {data.name}"),
        (int((of < 0).sum()), f"rows of {data.name} have no picture and are shown grey"),
    )
    return tiles, tuple(f"{count:,} {words}." for count, words in counts if count)


def _by_name(images: list[Item], data: EmbeddingSet) -> Integers:
    """Return the number of each row's picture by its name, −1 where it has none."""
    known: dict[tuple[int, str], set[int]] = {}
    for number, item in enumerate(images):
        for key in name_keys(item.id):
            known.setdefault(key, set()).add(number)
    of = np.full(len(data), -1, dtype=np.intp)
    for row, one in enumerate(map(str, data.ids)):
        found = next((known[key] for key in name_keys(one) if len(known.get(key, ())) == 1), None)
        if found:
            (of[row],) = found
    if (of < 0).all():
        raise FormatError(
            f"No picture is called after the id of a row of {data.name}: pictures are called like "
            f'"{printable(images[0].id, 60)}", ids like "{printable(str(data.ids[0]), 60)}". Use '
            "the same names, or give one for each row, in order."
        )
    return of
