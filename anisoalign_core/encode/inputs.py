"""Find images and captions: in files, folders and archives, and who belongs to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anisoalign_core.encode.captions import (
    Captions,
    caption_in,
    counted,
    match,
    one_line,
    read_captions,
)
from anisoalign_core.encode.images import ImageLimits, decode_image
from anisoalign_core.encode.search import Found, find_images, on_disk
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.source import Source, printable

if TYPE_CHECKING:
    from PIL.Image import Image

Place = str | Path | Source
SIDECARS = (".txt", ".json")


@dataclass(frozen=True)
class Item:
    """An image, a caption, or both.

    Attributes
    ----------
    id : str
        Where the image lies in its folder or archive, without suffix; no two items share one.
    caption : str or None
    open : callable () -> PIL image, or None
        Reads the image, as red, green and blue; its errors say why it is broken.
    """

    id: str
    caption: str | None = None
    open: Callable[[], Image] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Inputs:
    """What was found, in order.

    Attributes
    ----------
    items : tuple of Item
    files : tuple of str
        Names of the places, for the provenance.
    images_without_caption : tuple of str
        Ids, where other images have captions.
    captions_without_image : tuple of str
        Names in the captions' file.
    notes : tuple of str
        Sentences about what was left out.
    """

    items: tuple[Item, ...]
    files: tuple[str, ...]
    images_without_caption: tuple[str, ...] = ()
    captions_without_image: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences about everything that does not fit together."""
        said = []
        for names, what, lacks in (
            (self.images_without_caption, "image", "caption"),
            (self.captions_without_image, "caption", "image"),
        ):
            if names:
                shown = ", ".join(printable(name, 60) for name in names[:3])
                verb = "has" if len(names) == 1 else "have"
                more = ", …" if len(names) > 3 else ""
                said.append(f"{counted(len(names), what)} {verb} no {lacks}: {shown}{more}.")
        return (*said, *self.notes)


def find_items(
    images: Place | Sequence[Place] | None = None,
    captions: Place | Sequence[str] | None = None,
    *,
    limits: ImageLimits | None = None,
) -> Inputs:
    """Find images and captions, and say which belong together.

    Parameters
    ----------
    images : place, or sequence of places, optional
        Image files, ``.zip`` archives, and folders with all folders in them, as paths or as
        :class:`~anisoalign_core.files.source.Source` (uploads). Hidden files and what is no image
        by its suffix are left out. Nothing is unpacked; images are read when they are opened.
    captions : place, or sequence of str, optional
        A table (``.csv``, ``.tsv``), a file of one caption per line, or the captions themselves, in
        the images' order. Without it, ``<stem>.txt`` beside an image, or the ``caption`` in
        ``<stem>.json``, as img2dataset writes them.
    limits : ImageLimits, optional

    Returns
    -------
    Inputs
        Images in natural order (2 before 10), or the captions alone where no images are given.

    Raises
    ------
    FormatError
        If a place is missing or holds no images, or the captions cannot be read.
    ShapeError
        If captions without names are of another number than the images.
    LimitError
        If an archive declares too much.
    ParameterError
        If neither is given.
    """
    limits = limits or ImageLimits()
    places = [images] if isinstance(images, str | Path | Source) else list(images or ())
    sources = [place if isinstance(place, Source) else on_disk(place) for place in places]
    table = _table(captions)
    if not sources:
        if table is None:
            raise ParameterError("There is nothing to encode. Give images, captions, or both.")
        return _captions_alone(table)
    found = find_images(sources, limits)
    paths = [one.path for one in found]
    ids = _unique([str(path.with_suffix("")) for path in paths], [str(path) for path in paths])
    files = [source.name for source in sources[:16]] + ([table.name] if table else [])
    if table is None:
        texts, notes = _sidecar_texts(found)
        lost: list[str] = []
    else:
        texts, lost, notes = match(table, paths)
    items = tuple(
        Item(key, text, partial(_opened, one.read, limits))
        for key, text, one in zip(ids, texts, found, strict=True)
    )
    bare = tuple(one.id for one in items if one.caption is None)
    missing = bare if len(bare) < len(items) or table else ()
    return Inputs(items, tuple(files), missing, tuple(lost), tuple(notes))


def _opened(read: Callable[[], bytes], limits: ImageLimits) -> Image:
    return decode_image(read(), limits)


def _table(captions: Place | Sequence[str] | None) -> Captions | None:
    if captions is None:
        return None
    if isinstance(captions, str | Path):
        captions = on_disk(captions)
    if isinstance(captions, Source):
        return read_captions(captions)
    return Captions("the captions", None, tuple(map(one_line, captions)))


def _captions_alone(table: Captions) -> Inputs:
    names = table.names or [""] * len(table.texts)
    rows = [
        (name or str(row), text)
        for row, (name, text) in enumerate(zip(names, table.texts, strict=True))
        if text
    ]
    if not rows:
        raise FormatError(f"{table.name} holds no captions.")
    ids = _unique([name for name, _ in rows])
    items = tuple(Item(key, text) for key, (_, text) in zip(ids, rows, strict=True))
    empty = len(table.texts) - len(rows)
    notes = (f"{counted(empty, 'line')} of {table.name} left out: empty.",) if empty else ()
    return Inputs(items, (table.name,), notes=notes)


def _sidecar_texts(found: Sequence[Found]) -> tuple[list[str | None], list[str]]:
    """Read the captions beside the images; files that cannot be read are named in a note."""
    texts: list[str | None] = []
    wrong: list[str] = []
    longer = 0
    for one in found:
        text = ""
        for ending in SIDECARS:
            try:
                data = None if text else one.beside(ending)
                if data is not None:
                    text, more = caption_in(data, one.path.with_suffix(ending).name)
                    longer += more > 0
            except AnisoAlignError as error:
                wrong.append(str(error))
        texts.append(text or None)
    notes = wrong[:3]
    if len(wrong) > 3:
        notes.append(f"{len(wrong) - 3:,} more files beside images cannot be read.")
    if longer:
        notes.append(
            f"{counted(longer, '.txt file')} with several lines: the first is the caption."
        )
    return texts, notes


def _unique(names: Sequence[str], longer: Sequence[str] | None = None) -> list[str]:
    """Return ids of one line without repeats: with their suffix where that tells them apart."""
    clean = [one_line(name) or "unnamed" for name in names]
    counts = Counter(clean)
    if longer is not None:
        pairs = zip(clean, longer, strict=True)
        clean = [key if counts[key] == 1 else one_line(full) for key, full in pairs]
    taken = set(clean)
    seen: Counter[str] = Counter()
    for row, key in enumerate(clean):
        seen[key] += 1
        if seen[key] == 1:
            continue
        while (fresh := f"{key} ({seen[key]})") in taken:
            seen[key] += 1
        clean[row] = fresh
        taken.add(fresh)
    return clean
