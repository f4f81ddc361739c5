"""Zip archives of images: looked into, never unpacked to disk."""

from __future__ import annotations

import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import BinaryIO

from anisoalign_core.encode.images import ImageLimits, too_large
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.source import Source, first_line, malformed, wrong_kind
from anisoalign_core.io.npz import ZIP_ERRORS

KIND = "a zip archive"
END_BYTES = 65_536 + 22 + 20
ENTRY_BYTES = 1024
"""Of a member's entry in the directory at the end: names are far shorter."""


class Archive:
    """A zip of images that stays open while its members are read.

    Parameters
    ----------
    source : Source
        A file or uploaded bytes.
    limits : ImageLimits

    Raises
    ------
    FormatError
        If it is no archive, or damaged.
    LimitError
        If there are too many members, or they declare to hold too much.
    """

    def __init__(self, source: Source, limits: ImageLimits) -> None:
        self.name = source.name
        self._limits = limits
        self._lock = threading.Lock()
        with ExitStack() as stack:
            stream = stack.enter_context(source.open())
            head = stream.read(16)
            if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                raise wrong_kind(source.name, KIND, head)
            with malformed(source.name, KIND, *ZIP_ERRORS):
                _check_directory(stream, source, limits)
                stream.seek(0)
                self._zip = stack.enter_context(zipfile.ZipFile(stream))
                _check_declared(self._zip.infolist(), source, limits)
            self._open = stack.pop_all()

    def files(self) -> Iterator[tuple[tuple[str, ...], zipfile.ZipInfo]]:
        """Yield the path of every file in it, as parts, and its entry.

        Folders are left out, and so are hidden files and what macOS adds. A path that leads out of
        the archive loses what leads out: it is only a name here.
        """
        for info in self._zip.infolist():
            if not info.filename or info.is_dir():
                continue
            parts = PurePosixPath(info.filename.replace("\\", "/")).parts
            kept = tuple(part for part in parts if part.strip("/") not in ("", ".", ".."))
            if kept and not any(part.startswith(".") or part == "__MACOSX" for part in kept):
                yield kept, info

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """Return the bytes of one member: no more than it declares, and no more than the limit.

        Raises
        ------
        FormatError
            If it is encrypted, compressed in an unusual way, or not what it declares.
        LimitError
            If it is too large.
        """
        if info.flag_bits & 0x1:
            raise FormatError("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"it is compressed in an unusual way (method {info.compress_type})")
        refused = too_large(info.file_size, self._limits)
        if refused is not None:
            raise refused
        try:
            with self._lock:
                return self._zip.read(info)  # as much as is declared; the checksum tells the rest
        except ZIP_ERRORS as error:
            raise FormatError(f"the archive is damaged there ({first_line(error)})") from error

    def close(self) -> None:
        """Let the file go; members cannot be read any more."""
        self._open.close()


def _check_directory(stream: BinaryIO, source: Source, limits: ImageLimits) -> None:
    """Refuse a directory of millions of members before zipfile makes an object of each."""
    window = min(source.size, END_BYTES)
    stream.seek(source.size - window)
    tail = stream.read(window)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        raise FormatError(
            f"{source.name} is cut off: the directory at the end of the archive is missing. Copy "
            "it again."
        )
    sizes = [struct.unpack("<I", tail[end + 12 : end + 16])[0]]
    if tail[max(end - 20, 0) : end].startswith(b"PK\x06\x07"):  # a 64-bit record, somewhere
        pointed = struct.unpack("<Q", tail[end - 12 : end - 4])[0]
        sizes = [size for size in sizes if size != 0xFFFFFFFF]
        for place in (pointed, source.size - window + end - 20 - 56):
            if 0 <= place <= source.size - 56:
                stream.seek(place)
                record = stream.read(56)
                if record.startswith(b"PK\x06\x06"):
                    sizes.append(struct.unpack("<Q", record[40:48])[0])
    if max(sizes, default=0) > limits.max_members * ENTRY_BYTES:
        raise LimitError(
            f"The directory of {source.name} has {size_text(max(sizes))}, which is more than "
            f"{limits.max_members:,} files need. Give several archives, or a folder."
        )


def _check_declared(members: list[zipfile.ZipInfo], source: Source, limits: ImageLimits) -> None:
    if len(members) > limits.max_members:
        raise LimitError(
            f"{source.name} holds {len(members):,} files; the limit is {limits.max_members:,}. "
            "Give several archives, or a folder."
        )
    total = sum(info.file_size for info in members)
    if total > limits.max_archive_bytes:
        raise LimitError(
            f"{source.name} declares {size_text(total)} in all; the limit is "
            f"{size_text(limits.max_archive_bytes)}. Give several archives, or a folder."
        )
    ratio = total / max(source.size, 1)
    if total > 16 * MIB and ratio > limits.max_ratio:
        raise LimitError(
            f"{source.name} declares {size_text(total)} from {size_text(source.size)} "
            f"({ratio:,.0f} to 1); the limit is {limits.max_ratio} to 1, far above what pictures "
            "compress to. Pack them again, or give a folder."
        )
