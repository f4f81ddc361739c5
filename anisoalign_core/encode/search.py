"""Images in files, folders and archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from anisoalign_core.encode.archive import Archive
from anisoalign_core.encode.images import SUFFIXES, ImageLimits, too_large
from anisoalign_core.errors import FormatError
from anisoalign_core.files.places import natural
from anisoalign_core.files.source import Source, printable, readable

MAX_SIDECAR = 1_000_000
"""Bytes of a file beside an image that can be a caption."""


@dataclass(frozen=True)
class Found:
    """An image, where it lies, and how to get at it and at the files beside it."""

    path: PurePosixPath
    read: Callable[[], bytes]
    beside: Callable[[str], bytes | None]


def find_images(sources: Sequence[Source], limits: ImageLimits) -> list[Found]:
    """Find the images in files, folders and archives, in natural order.

    Raises
    ------
    FormatError
        If a place is of another kind, or there is no image.
    LimitError
    """
    several = len(sources) > 1
    found: list[Found] = []
    for source in sources:
        where = PurePosixPath(PurePosixPath(source.name).stem) if several else PurePosixPath()
        if source.path is not None and source.path.is_dir():
            found += _in_folder(
                source.path, PurePosixPath(source.name) if several else where, limits
            )
        elif source.name.lower().endswith(".zip"):
            found += _in_archive(source, where, limits)
        elif PurePosixPath(source.name).suffix.lower() in SUFFIXES:
            found.append(_one_file(source, limits))
        else:
            raise FormatError(
                f"{source.name} is no image, folder or .zip archive. Images end in "
                f"{', '.join(SUFFIXES)}."
            )
    if not found:
        names = ", ".join(source.name for source in sources[:3])
        raise FormatError(f"There are no images in {names}. They end in {', '.join(SUFFIXES)}.")
    return sorted(found, key=lambda one: tuple(natural(Path(part)) for part in one.path.parts))


def _one_file(source: Source, limits: ImageLimits) -> Found:
    def beside(ending: str) -> bytes | None:
        near = source.beside(ending)
        return None if near is None else _bytes_of(near, ImageLimits(max_file_bytes=MAX_SIDECAR))

    return Found(PurePosixPath(source.name), partial(_bytes_of, source, limits), beside)


def _bytes_of(source: Source, limits: ImageLimits) -> bytes:
    refused = too_large(source.size, limits)
    if refused is not None:
        raise refused
    with source.open() as stream:
        return stream.read()


def _in_folder(folder: Path, where: PurePosixPath, limits: ImageLimits) -> Iterator[Found]:
    with readable(folder.name):
        for place, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not _is_hidden(name)]
            inside = where / PurePosixPath(Path(place).relative_to(folder).as_posix())
            for name in files:
                if not _is_hidden(name) and PurePosixPath(name).suffix.lower() in SUFFIXES:
                    one = _one_file(Source(name, Path(place) / name), limits)
                    yield Found(inside / name, one.read, one.beside)


def _in_archive(source: Source, where: PurePosixPath, limits: ImageLimits) -> Iterator[Found]:
    archive = Archive(source, limits)
    files = {"/".join(parts): info for parts, info in archive.files()}

    def beside(stem: str, ending: str) -> bytes | None:
        info = files.get(stem + ending)
        if info is None or info.file_size > MAX_SIDECAR:
            return None
        return archive.read(info)

    for parts, info in archive.files():
        path = PurePosixPath(*parts)
        if path.suffix.lower() in SUFFIXES:
            yield Found(
                where / path,
                partial(archive.read, info),
                partial(beside, str(path.with_suffix(""))),
            )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def on_disk(place: str | Path) -> Source:
    """Return a file or folder as a source, if it is there.

    Raises
    ------
    FormatError
    """
    path = Path(place)
    if not path.exists():
        raise FormatError(f"There is no file or folder {printable(str(place))}. Check the path.")
    return Source(printable(path.name or path.resolve().name), path)
