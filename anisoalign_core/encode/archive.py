"""Zip archives of images: looked into, never unpacked to disk."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath

from anisoalign_core.encode.images import ImageLimits, check_file_size
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.source import Source, first_line, malformed, wrong_kind
from anisoalign_core.files.zips import declared_directory
from anisoalign_core.io.npz import ZIP_ERRORS

KIND = "a zip archive"
SEVERAL = "Give several archives, or a folder."
ENTRY_BYTES = 1024
"""Of a member's entry in the directory at the end: names are far shorter."""


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
