"""What readers take and give: an input by name, and a table whose rows nobody checked yet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.digests import PassingDigest

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Choice:
    """What a person says of a file's columns, where names and content do not tell.

    Attributes
    ----------
    id_column : str or None
        Holds the ids.
    drop_columns : tuple of str
        Are left out.
    """

    id_column: str | None = None
    drop_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A file or folder on disk, or uploaded bytes, and what to call it.

    Attributes
    ----------
    name : str
        For messages only; it is never used as a path.
    path : Path or None
    data : bytes or None
        Exactly one of the two is given.
    digest : PassingDigest or None
        Sees the bytes of the file as they are read.
    choice : Choice
        What the person who gives it says of its columns.
    """

    name: str
    path: Path | None = None
    data: bytes | None = field(default=None, repr=False)
    digest: PassingDigest | None = field(default=None, repr=False)
    choice: Choice = Choice()

    @property
    def called(self) -> str:
        """The file's own name, whose suffix tells what is in it."""
        return self.name if self.path is None else self.path.name

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Yield a seekable binary stream at the beginning of the input."""
        if self.path is None:
            yield io.BytesIO(self.data or b"")
            return
        with readable(self.name), self.path.open("rb") as stream:
            yield stream if self.digest is None else self.digest.passing(stream)

    @property
    def size(self) -> int:
        """Bytes in the input."""
        if self.path is None:
            return len(self.data or b"")
        with readable(self.name):
            return self.path.stat().st_size

    def beside(self, ending: str) -> Source | None:
        """Return the file ``<stem><ending>`` in the same folder, if there is one."""
        if self.path is None:
            return None
        path = self.path.with_suffix(ending)
        return Source(path.name, path) if path.is_file() else None


@contextmanager
def malformed(name: str, kind: str, *errors: type[BaseException]) -> Iterator[None]:
    """Turn the errors that a library raises on malformed bytes into a :class:`FormatError`."""
    try:
        yield
    except AnisoAlignError:
        raise
    except errors as error:
        raise FormatError(
            f"{name} cannot be read as {kind}: {first_line(error)}. The file is damaged or of "
            "another kind; write it again."
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, fit for the middle of a sentence."""
    lines = str(error).strip().splitlines()
    return printable(lines[0]).rstrip(".:") if lines else type(error).__name__


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn the operating system's refusals to read into a :class:`FormatError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"{name} cannot be read: {reason}. Check the path.") from error


def printable(text: str, length: int = 160) -> str:
    """Return text from outside fit for one line of a message."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in text[: length + 1])
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def looks_like(head: bytes) -> str | None:
    """Say what a file is by its first bytes, if they are known ones."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "a Python pickle"
    if len(head) > 9 and head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 10**8:
        return "a .safetensors file"
    return None


def wrong_kind(name: str, kind: str, head: bytes) -> FormatError:
    """Return the error for an input whose first bytes are not those of its suffix."""
    if not head:
        return FormatError(f"{name} is empty (0 bytes). Write it again.")
    found = looks_like(head)
    if found == "a Python pickle":
        return pickle_error(name)
    if found:
        return FormatError(
            f"{name} is not {kind}: it begins like {found}. Give it the right suffix, or save a "
            "plain float array."
        )
    return FormatError(
        f"{name} is not {kind}: it begins with the bytes {head[:6].hex(' ')}. Check the file, or "
        "save a plain float array."
    )


def pickle_error(name: str, what: str = "Python objects (a pickle)") -> FormatError:
    """Return the error for objects that would have to be unpickled."""
    stem = printable(Path(name.split(":")[0]).stem, 60) or "embeddings"
    return FormatError(
        f"{name} holds {what}, which are never loaded because they can run code. Save a plain "
        f'float array: np.save("{stem}.npy", array.astype("float32")).'
    )


_MAGIC = (
    (b"\x93NUMPY", "a .npy file"),
    (b"PK\x03\x04", "a zip archive (.npz or .pt)"),
    (b"PAR1", "a .parquet file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"ARROW1", "an Arrow file"),
)
