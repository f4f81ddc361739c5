"""Images in files, folders and archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from anisoalign_core.encode.archive import Archive, is_hidden
from anisoalign_core.encode.images import SUFFIXES, ImageLimits, check_file_size, is_image
from anisoalign_core.errors import FormatError
from anisoalign_core.files.places import natural
from anisoalign_core.files.source import Source, printable, readable

SIDECAR_LIMITS = ImageLimits(max_file_bytes=1_000_000)
"""Of a file beside an image that can be a caption."""


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
        name = PurePosixPath(source.name)
        if source.path is not None and source.path.is_dir():
            found += _in_folder(source.path, name if several else PurePosixPath(), limits)
        elif name.suffix.lower() == ".zip":
            where = PurePosixPath(name.stem) if several else PurePosixPath()
            found += _in_archive(source, where, limits)
        elif is_image(name):
            found.append(_one_file(source, name, limits))
        else:
            raise FormatError(
                f"{name} is no image, folder or .zip archive. Images end in {', '.join(SUFFIXES)}."
            )
    if not found:
        names = ", ".join(source.name for source in sources[:3])
        raise FormatError(f"There are no images in {names}. They end in {', '.join(SUFFIXES)}.")
    return sorted(found, key=lambda one: tuple(natural(Path(part)) for part in one.path.parts))


def _one_file(source: Source, path: PurePosixPath, limits: ImageLimits) -> Found:
    def beside(ending: str) -> bytes | None:
        near = source.beside(ending)
        return None if near is None else _bytes_of(near, SIDECAR_LIMITS)

    return Found(path, partial(_bytes_of, source, limits), beside)


def _bytes_of(source: Source, limits: ImageLimits) -> bytes:
    check_file_size(source.size, limits)
    with source.open() as stream:
        return stream.read()


def _in_folder(folder: Path, where: PurePosixPath, limits: ImageLimits) -> Iterator[Found]:
    with readable(folder.name):
        for place, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not is_hidden(name)]
            inside = where / PurePosixPath(Path(place).relative_to(folder).as_posix())
            for name in files:
                if not is_hidden(name) and is_image(PurePosixPath(name)):
                    yield _one_file(Source(name, Path(place) / name), inside / name, limits)


def _in_archive(source: Source, where: PurePosixPath, limits: ImageLimits) -> Iterator[Found]:
    archive = Archive(source, limits)
    files = dict(archive.files())

    def beside(path: PurePosixPath, ending: str) -> bytes | None:
        info = files.get(path.with_suffix(ending))
        if info is None or info.file_size > SIDECAR_LIMITS.max_file_bytes:
            return None
        return archive.read(info)

    for path, info in archive.files():
        if is_image(path):
            yield Found(where / path, partial(archive.read, info), partial(beside, path))


def on_disk(place: str | Path) -> Source:
    """Return a file or folder as a source, if it is there."""
    path = Path(place)
    if not path.exists():
        raise FormatError(f"There is no file or folder {printable(str(place))}. Check the path.")
    return Source(printable(path.name or path.resolve().name), path)
