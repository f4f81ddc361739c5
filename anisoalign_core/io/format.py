"""What a format declares of itself, and what one of its files offers once it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io.chunks import About, Chunk, ShardFacts, facts_of, table_shape
from anisoalign_core.io.columns import Meaning
from anisoalign_core.numerics import blocks


class Opened(Protocol):
    """A file whose header was read and compared with the limits, once."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays that can be embeddings."""

    def facts(self, key: str) -> ShardFacts:
        """Return rows, dimension and type of one array."""

    def said(self, key: str) -> About:
        """Return what the file itself says of all rows."""

    def chunks(
        self,
        key: str,
        *,
        rows: int,
        start: int = 0,
        stop: int | None = None,
        about: bool = False,
        native: bool = False,
    ) -> Iterator[Chunk]:
        """Read rows ``start`` to ``stop`` in order, at most ``rows`` at a time.

        Parameters
        ----------
        key : str
        rows : int
        start, stop : int
        about : bool
            Also give what the file itself says of each row.
        native : bool
            Give that in the file's own terms (:attr:`About.native`), where it has any.
        """


class Writer(Protocol):
    """Write the rows of all chunks, in order, to one seekable binary stream."""

    def __call__(
        self,
        stream: BinaryIO,
        chunks: Iterable[Chunk],
        modality: str,
        metadata: Mapping[str, str],
        rows: int | None = None,
    ) -> int:
        """Return the number of rows written; ``rows`` are expected, where that is known."""


@dataclass(frozen=True)
class Format:
    """One way to keep embeddings in a file or folder.

    Attributes
    ----------
    name : str
    suffixes : tuple of str
        Lower case, with the dot; of the files in it, where it is a folder.
    description : str
        One line for a person who chooses.
    open : callable (source, limits) -> Opened
    write : Writer or None
        None where the format is only read.
    beside : callable (about, path) -> dict of Path to bytes, or None
        Files that are written next to the file, for what it cannot hold itself.
    lines : bool
        Ids and captions lie in text files beside, one a line.
    streams : bool
        Read and written piece by piece, in any size; others are read and written whole.
    ranges : bool
        A range of rows costs no more than its own bytes.
    native : bool
        Written files keep all that the same format said of each row, in its own terms.
    every_id : bool
        Every row has an id: its number, where the input brings none.
    several : bool
        One file can hold the arrays of both sides.
    plane : bool
        Keeps where rows lie in the plane.
    uploads : bool
        Read from uploads.
    loads : bool
        Read by :func:`anisoalign_core.load`.
    folder : bool
        A set is a folder, never a single file.
    inside : callable (folder) -> files, or None
        The files of vectors in a folder of this format; none where it is no such folder.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    open: Callable[[Source, Limits], Opened]
    write: Writer | None = None
    beside: Callable[[About, Path], dict[Path, bytes]] | None = None
    lines: bool = False
    streams: bool = False
    ranges: bool = False
    native: bool = False
    every_id: bool = False
    several: bool = False
    plane: bool = False
    uploads: bool = True
    folder: bool = False
    loads: bool = True
    inside: Callable[[Path], Sequence[Path]] | None = None

    @property
    def suffix(self) -> str:
        """The suffix that files get."""
        return self.suffixes[0]


class WholeFile:
    """A file that can only be read whole, and whose last array is kept while it is open.

    Parameters
    ----------
    name : str
        For messages.
    keys : tuple of str
    read : callable (key) -> (Chunk, metadata)
    meanings : callable () -> dict of str to Meaning, optional
        What each column is, where the file has columns.
    head : callable (key) -> (shape, metadata), optional
        What is known of an array before it is read.
    """

    def __init__(
        self,
        name: str,
        keys: tuple[str, ...],
        read: Callable[[str], tuple[Chunk, Mapping[str, str]]],
        meanings: Callable[[], Mapping[str, Meaning]] = dict,
        head: Callable[[str], tuple[tuple[int, ...], Mapping[str, str]]] | None = None,
    ) -> None:
        self.name, self.keys, self._read = name, keys, lru_cache(maxsize=1)(read)
        self.meanings, self.head = meanings, head

    def said(self, key: str) -> About:
        """Return what the file says of all rows."""
        return self._read(key)[0].about

    def facts(self, key: str) -> ShardFacts:
        """Return what is known once the array is read."""
        chunk, metadata = self._read(key)
        array = chunk.array
        return facts_of(array.shape, array.dtype, self.name, metadata, chunk.stored, chunk.notes)

    def chunks(
        self,
        key: str,
        *,
        rows: int,
        start: int = 0,
        stop: int | None = None,
        about: bool = False,
        native: bool = False,
    ) -> Iterator[Chunk]:
        """Cut the array into chunks."""
        whole = self._read(key)[0]
        shape = table_shape(whole.array.shape)
        if shape is not None and whole.array.ndim > 2:
            whole = replace(whole, array=whole.array.reshape(shape))
        count = len(whole.array)
        stop = count if stop is None else min(stop, count)
        if about and (start, stop) == (0, count) and 0 < count <= rows:
            yield whole  # texts that do not fit its rows are named by those who take them
            return
        for part in blocks(max(stop - start, 0), rows):
            here = np.arange(start + part.start, start + part.stop)
            said = whole.about.take(here) if about else About()
            yield Chunk(whole.array[here[0] : here[-1] + 1], said)
