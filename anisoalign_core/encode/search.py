"""Images in files, folders and zip archives; archives are looked into, never unpacked to disk."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from anisoalign_core.encode.images import SUFFIXES, ImageLimits, check_file_size, is_image
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.places import natural
from anisoalign_core.files.source import (
    Source,
    first_line,
    malformed,
    printable,
    readable,
    wrong_kind,
)
from anisoalign_core.files.zips import declared_directory
from anisoalign_core.io.npz import ZIP_ERRORS

KIND = "a zip archive"
SEVERAL = "Give several archives, or a folder."
ENTRY_BYTES = 1024
"""Of a member's entry in the directory at the end: names are far shorter."""
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


class Archive:
    """A zip of images that stays open while its members are read.

    Raises
    ------
    FormatError
        If it is no archive, or damaged.
    LimitError
        If there are too many members, or they declare to hold too much.
    """

    def __init__(self, source: Source, limits: ImageLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        with ExitStack() as stack:
            stream = stack.enter_context(source.open())
            head = stream.read(16)
            if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                raise wrong_kind(source.name, KIND, head)
            with malformed(source.name, KIND, *ZIP_ERRORS):
                _, size = declared_directory(stream, source)
                if size > limits.max_members * ENTRY_BYTES:
                    raise LimitError(
                        f"The directory of {source.name} has {size_text(size)}, which is more than "
                        f"{limits.max_members:,} files need. {SEVERAL}"
                    )
                stream.seek(0)
                self._zip = stack.enter_context(zipfile.ZipFile(stream))
                _check_declared(self._zip.infolist(), source, limits)
            self._open = stack.pop_all()

    def files(self) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
        """Yield the path of every file in it, and its entry.

        Folders are left out, and so are hidden files and what macOS adds. A path that leads out of
        the archive loses what leads out: it is only a name here.
        """
        for info in self._zip.infolist():
            if not info.filename or info.is_dir():
                continue
            parts = PurePosixPath(info.filename.replace("\\", "/")).parts
            kept = [part for part in parts if part.strip("/") not in ("", ".", "..")]
            if kept and not any(map(is_hidden, kept)):
                yield PurePosixPath(*kept), info

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """Return the bytes of one member: no more than it declares, and no more than the limit."""
        if info.flag_bits & 0x1:
            raise FormatError("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"it is compressed in an unusual way (method {info.compress_type})")
        check_file_size(info.file_size, self._limits)
        try:
            with self._lock:
                return self._zip.read(info)  # as much as is declared; the checksum tells the rest
        except ZIP_ERRORS as error:
            raise FormatError(f"the archive is damaged there ({first_line(error)})") from error


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one that macOS adds."""
    return name.startswith(".") or name == "__MACOSX"


def _check_declared(members: list[zipfile.ZipInfo], source: Source, limits: ImageLimits) -> None:
    total = sum(info.file_size for info in members)
    ratio = total / max(source.size, 1)
    if len(members) > limits.max_members:
        raise LimitError(
            f"{source.name} holds {len(members):,} files; the limit is {limits.max_members:,}. "
            + SEVERAL
        )
    if total > limits.max_archive_bytes:
        raise LimitError(
            f"{source.name} declares {size_text(total)} in all; the limit is "
            f"{size_text(limits.max_archive_bytes)}. {SEVERAL}"
        )
    if total > 16 * MIB and ratio > limits.max_ratio:
        raise LimitError(
            f"{source.name} declares {size_text(total)} from {size_text(source.size)} "
            f"({ratio:,.0f} to 1); the limit is {limits.max_ratio} to 1, far above what pictures "
            "compress to. Pack them again, or give a folder."
        )
