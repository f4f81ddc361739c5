"""Consecutive rows of a shard, as they lie in the file, with what the file says about each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, InvalidRowsError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Texts
from anisoalign_core.numerics import Integers, blocks

if TYPE_CHECKING:
    import pandas as pd


MAX_LABELS = 64
"""Label columns kept from one file; further ones are left out."""


@dataclass(frozen=True, eq=False)
class About:
    """What a file says about some rows, besides their vectors.

    Attributes
    ----------
    ids, captions : (m,) array of str or None
    labels : pandas.DataFrame of m rows, or None
    projection : (m, 2) float32 or None
        Where the rows lie in the plane; only written.
    notes : tuple of str
        Sentences about how the file was understood, where it did not say so itself.
    native : object
        The same in the file's own terms, so that a file of the same format loses nothing:
        :class:`anisoalign_core.io.arrow.Columns`, or a list of dictionaries.
    """

    ids: Texts | None = None
    captions: Texts | None = None
    labels: pd.DataFrame | None = None
    native: Any = None
    projection: npt.NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()

    def plain(self, limits: Limits) -> About:
        """Return ids, captions and labels, also where only the file's own terms are here yet."""
        return self.native.plain(limits) if hasattr(self.native, "plain") else self

    def take(self, rows: Integers) -> About:
        """Return what is said about some of the rows."""
        native = self.native
        if native is not None:
            native = [native[i] for i in rows] if isinstance(native, list) else native.take(rows)
        return About(
            None if self.ids is None else self.ids[rows],
            None if self.captions is None else self.captions[rows],
            None if self.labels is None else self.labels.iloc[rows].reset_index(drop=True),
            native,
            notes=self.notes,
        )


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive rows.

    Attributes
    ----------
    array : (m, d) array of any real type
        As in the file: neither checked nor normalised.
    about : About
        Empty unless it was asked for.
    stored : str
        The type in the file, where NumPy has no such type.
    notes : tuple of str
        Sentences about how the array was understood.
    """

    array: npt.NDArray[Any]
    about: About = field(default_factory=About)
    stored: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardFacts:
    """What is known of a shard before its rows are wanted.

    Attributes
    ----------
    rows, dim : int
    dtype : numpy dtype
    metadata : mapping of str to str
        What the file says about itself.
    stored : str
        The type in the file, where NumPy has no such type.
    notes : tuple of str
        Sentences about how the array was understood.
    """

    rows: int
    dim: int
    dtype: np.dtype[Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    stored: str = ""
    notes: tuple[str, ...] = ()


def table_shape(shape: Sequence[int]) -> tuple[int, int] | None:
    """Return rows and columns of an array; further axes of length one do not count.

    ``(1, n, d)``, ``(n, 1, d)`` and ``(n, d, 1, 1)`` are n × d. None where it is no table.
    """
    if len(shape) == 2:
        return shape[0], shape[1]
    long = [side for side in shape if side != 1]
    if len(shape) > 2 and len(long) == 2:
        return long[0], long[1]
    return None


def facts_of(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    name: str,
    metadata: Mapping[str, str] | None = None,
    stored: str = "",
    notes: tuple[str, ...] = (),
) -> ShardFacts:
    """Return the facts of an array that is a table.

    Raises
    ------
    ShapeError
        If it has other than two axes longer than one.
    """
    table = table_shape(shape)
    if table is None:
        raise ShapeError(
            f"{name} has {len(shape)} axes (shape {tuple(shape)}), not 2. Save it as (rows, "
            "dimensions)."
        )
    if len(shape) > 2:
        words = (
            f"{name} has the shape {tuple(shape)}: it is read as {table[0]:,} rows of {table[1]:,} "
            "dimensions."
        )
        notes = (words, *notes)
    return ShardFacts(*table, dtype, metadata or {}, stored, notes)


@contextmanager
def explained(notes: Sequence[str]) -> Iterator[None]:
    """Add to a refusal of rows how their array was understood: where numbers are missing."""
    try:
        yield
    except InvalidRowsError as error:
        if not notes:
            raise
        raise InvalidRowsError(" ".join((str(error), *notes)), error.rows) from error


def gathered(chunks: Iterable[Chunk], rows: int, dim: int, dtype: np.dtype[Any]) -> Chunk:
    """Put the chunks of a set together.

    Raises
    ------
    ShapeError
        If they have other rows or columns than was declared.
    """
    array = np.empty((0, dim), dtype=dtype)
    said: list[About] = []
    done = 0
    for chunk in chunks:
        end = done + len(chunk.array)
        if end > rows or chunk.array.shape[1] != dim:
            raise ShapeError(f"A file holds rows beyond the {rows:,} × {dim:,} that it declares.")
        if done == 0:
            array = chunk.array if end == rows else np.empty((rows, dim), dtype=dtype)
        if array is not chunk.array:
            array[done:end] = chunk.array
        said.append(chunk.about)
        done = end
    if done != rows:
        raise ShapeError(
            f"{rows:,} rows are declared, but {done:,} were found. Write the file again."
        )
    return Chunk(array, said[0] if len(said) == 1 else joined(said))


def joined(said: Sequence[About]) -> About:
    """Put together what is said of consecutive rows: what every part says."""
    return About(
        joined_texts([about.ids for about in said]),
        joined_texts([about.captions for about in said]),
        joined_labels([about.labels for about in said]),
        notes=joined_notes(said),
    )


def joined_notes(said: Iterable[About]) -> tuple[str, ...]:
    """Return the notes of all parts, each once."""
    return tuple(dict.fromkeys(note for about in said for note in about.notes))


def joined_texts(parts: Sequence[Texts | None]) -> Texts | None:
    """Texts of consecutive rows together; None where a part brings none."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there and len(there) == len(parts) else None


def joined_labels(parts: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Labels of consecutive rows together: the columns that every part has; None without any."""
    import pandas as pd

    frames = [part for part in parts if part is not None]
    if not frames or len(frames) < len(parts):
        return None
    shared = [c for c in frames[0].columns if all(c in frame.columns for frame in frames)]
    return pd.concat([frame[shared] for frame in frames], ignore_index=True) if shared else None


def read_rows(
    stream: BinaryIO, name: str, dtype: np.dtype[Any], dim: int, rows: int, step: int
) -> Iterator[npt.NDArray[Any]]:
    """Read rows that lie one after the other, from where the stream stands.

    Into memory of our own: mapped pages would count as this process's memory.

    Parameters
    ----------
    stream : binary stream
    name : str
        For messages.
    dtype : numpy dtype
    dim, rows : int
    step : int
        Rows of one array.

    Yields
    ------
    (m, d) array, m ≤ step
    """
    for part in blocks(rows, step):
        out = np.empty((part.stop - part.start, dim), dtype=dtype)
        rest = out.reshape(-1).view(np.uint8).data
        while len(rest):
            count = stream.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise FormatError(f"{name} ends before its last row. Copy or write it again.")
            rest = rest[count:]
        yield out


def write_behind_head(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    rows: int | None,
    head: Callable[[int, npt.NDArray[Any]], bytes],
) -> int:
    """Write a head that says how many rows follow, and the rows' bytes.

    Parameters
    ----------
    stream : seekable binary stream
    chunks : iterable of Chunk
    rows : int or None
        How many are expected; where other ones come, the head is written over at the end.
    head : callable (rows, array) -> bytes
        Of one length for any number of rows; ``array`` has the type and the columns.

    Raises
    ------
    ShapeError
        If there are no rows.
    """
    begin, count, last = stream.tell(), 0, None
    for chunk in chunks:
        if last is None:
            stream.write(head(rows or 0, chunk.array))
        last = np.ascontiguousarray(chunk.array)
        stream.write(last.reshape(-1).view(np.uint8).data)
        count += len(last)
    if last is None:
        raise ShapeError("There are no rows to write.")
    if count != rows:
        stream.seek(begin)
        stream.write(head(count, last))
        stream.seek(0, io.SEEK_END)
    return count
