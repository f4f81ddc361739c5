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
    captions_in,
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

    Items that share an id show one thing: an image's further captions are items without image.

    Attributes
    ----------
    id : str
        Where the image lies in its folder or archive, without suffix.
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
    def captions_each(self) -> tuple[int, int]:
        """Fewest and most captions of an image, or of a name, that has any; (0, 0) without."""
        counts = Counter(one.id for one in self.items if one.caption).values()
        return min(counts, default=0), max(counts, default=0)

    @property
    def in_words(self) -> str:
        """Say what was found: "1,000 images, 5,000 captions, 5 each"."""
        images = {one.id for one in self.items if one.open is not None}
        told = [one.id for one in self.items if one.caption]
        said = [counted(len(images), "image")] if images else []
        said += [counted(len(told), "caption")] if told else []
        low, high = self.captions_each
        if high > 1:
            said.append(f"{low} each" if low == high else f"{low} to {high} each")
        return ", ".join(said)

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
        A table or JSON of names and captions, any number for an image, as
        :func:`~anisoalign_core.io.captions.read_captions` reads it; or a file of one caption per
        line, or the captions themselves, in the images' order. Without it, the lines of
        ``<stem>.txt`` beside an image, or the ``caption`` in ``<stem>.json``, as img2dataset writes
        them.
    limits : ImageLimits, optional

    Returns
    -------
    Inputs
        Images in natural order (2 before 10), each followed by its further captions; or the
        captions alone where no images are given.

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
        captions_of, notes = _sidecar_texts(found)
        lost: list[str] = []
    else:
        captions_of, lost, notes = match(table, paths)
    items = tuple(
        item
        for key, texts, one in zip(ids, captions_of, found, strict=True)
        for item in (
            Item(key, texts[0] if texts else None, partial(_opened, one.read, limits)),
            *(Item(key, further) for further in texts[1:]),
        )
    )
    bare = tuple(key for key, texts in zip(ids, captions_of, strict=True) if not texts)
    missing = bare if len(bare) < len(ids) or table else ()
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
        (one_line(name) or str(row), text)
        for row, (name, text) in enumerate(zip(names, table.texts, strict=True))
        if text
    ]
    if not rows:
        raise FormatError(f"{table.name} holds no captions.")
    items = tuple(Item(key, text) for key, text in rows)
    empty = len(table.texts) - len(rows)
    notes = (f"{counted(empty, 'line')} of {table.name} left out: empty.",) if empty else ()
    return Inputs(items, (table.name,), notes=notes)


def _sidecar_texts(found: Sequence[Found]) -> tuple[list[list[str]], list[str]]:
    """Read the captions beside the images; files that cannot be read are named in a note."""
    captions_of: list[list[str]] = []
    wrong: list[str] = []
    for one in found:
        texts: list[str] = []
        for ending in SIDECARS:
            try:
                data = None if texts else one.beside(ending)
                if data is not None:
                    texts = captions_in(data, one.path.with_suffix(ending).name)
            except AnisoAlignError as error:
                wrong.append(str(error))
        captions_of.append(texts)
    notes = wrong[:3]
    if len(wrong) > 3:
        notes.append(f"{len(wrong) - 3:,} more files beside images cannot be read.")
    return captions_of, notes


def _unique(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    """Return ids of one line without repeats: with their suffix where that tells them apart."""
    clean = [one_line(name) or "unnamed" for name in names]
    counts = Counter(clean)
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
