"""sha256 of whole files, taken from the bytes as they pass by where that is possible."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO, cast


class PassingDigest:
    """sha256 of a file that is read or written from its beginning to its end.

    Bytes that pass twice count once, so a header may be looked at first. Where bytes were skipped,
    or were written over, :meth:`of` reads the file once more.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._upto = 0
        self._valid = True

    def passing(self, stream: BinaryIO) -> BinaryIO:
        """Return a stream whose bytes are seen here."""
        return cast(BinaryIO, _Seen(stream, self))

    def of(self, path: Path) -> str:
        """Return the digest, in hexadecimal digits, of the file whose bytes passed."""
        if self._valid and self._upto == path.stat().st_size:
            return self._sha.hexdigest()
        return file_digest(path)

    def _saw(self, position: int, data: Any, *, written: bool) -> None:
        size = len(data)
        if position > self._upto or (written and position < self._upto):
            self._valid = False
        fresh = self._upto - position
        if self._valid and fresh < size:
            self._sha.update(data[fresh:])
            self._upto = position + size


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Seen:
    """A binary stream that shows its bytes to a digest."""

    def __init__(self, stream: BinaryIO, digest: PassingDigest) -> None:
        self._stream = stream
        self._digest = digest
        self._position = stream.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._passed(memoryview(data), written=False)
        return data

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto(buffer))  # type: ignore[attr-defined]
        self._passed(memoryview(buffer).cast("B")[:count], written=False)
        return count

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        count = self._stream.write(view)
        self._passed(view, written=True)
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = self._stream.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _passed(self, view: memoryview, *, written: bool) -> None:
        self._digest._saw(self._position, view, written=written)
        self._position += len(view)
