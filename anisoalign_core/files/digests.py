"""Digests of whole files, taken from the bytes as they pass by where that is possible.

XXH3 with 128 bits: ``xxh128sum FILE`` gives the same. It tells whether a file changed, at the speed
at which files are read; sha256 would take longer than ReAlign itself. It is no defence against
somebody who wants two files to look alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, cast

from xxhash import xxh3_128

READ_BYTES = 4 * 1024 * 1024


class PassingDigest:
    """Digest of a file that is read or written from its beginning to its end.

    Bytes that pass twice count once, so a header may be looked at first. Where bytes were skipped,
    or were written over, :meth:`of` reads the file once more.
    """

    def __init__(self) -> None:
        self._digest = xxh3_128()
        self._upto = 0
        self._valid = True

    def passing(self, stream: BinaryIO) -> BinaryIO:
        """Return a stream whose bytes are seen here."""
        return cast(BinaryIO, _Seen(stream, self))

    def of(self, path: Path) -> str:
        """Return the digest, in hexadecimal digits, of the file whose bytes passed."""
        if self._valid and self._upto == path.stat().st_size:
            return self._digest.hexdigest()
        return file_digest(path)

    def _saw(self, position: int, data: Any, *, written: bool) -> None:
        size = len(data)
        if position > self._upto or (written and position < self._upto):
            self._valid = False
        fresh = self._upto - position
        if self._valid and fresh < size:
            self._digest.update(data[fresh:])
            self._upto = position + size


def file_digest(path: Path) -> str:
    """Return the digest of a file, in hexadecimal digits."""
    found = xxh3_128()
    with path.open("rb") as stream:
        while part := stream.read(READ_BYTES):
            found.update(part)
    return found.hexdigest()


def list_digest(digests: dict[str, str]) -> str:
    """Return one digest of several files: that of the lines that ``xxh128sum`` writes of them."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return xxh3_128(lines.encode()).hexdigest()


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
