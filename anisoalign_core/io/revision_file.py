"""Writing chunks for text-only training; :mod:`anisoalign_core.io.revision` says what they are."""

from __future__ import annotations

import copyreg
import io
import pickle
import re
from collections.abc import Iterable, Mapping
from itertools import chain, islice, repeat
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, InvalidRowsError, ParameterError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import printable
from anisoalign_core.io.alike import AlikeRows
from anisoalign_core.io.chunks import Chunk
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.layout import layout_of
from anisoalign_core.io.revision import KEY
from anisoalign_core.io.tokens import PROTOCOL, check_texts, unframed
from anisoalign_core.io.unpickling import Record, memo_of

MAX_RECORDS = 200_000
"""Records in one chunk."""


def write_shard(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write one chunk file: a pickled list of records, protocol 4.

    Records that were read from such a file keep all their keys, in order, and get the new vector.
    Others become ``id``, ``caption`` and ``embed`` for texts, ``id``, ``image_path`` and ``embed``
    for images (the path is the label of that name, or the id), and ``id``, ``caption`` if there
    are captions, and ``embed`` for any other modality.

    Vectors are one-dimensional float32 arrays that own their memory once they are loaded. numpy
    lets a loaded array point into the bytes it came from, unless it has to swap them; so they are
    stored big-endian, which comes out native. Arrays name ``numpy.ndarray`` and ``numpy.dtype``
    only, which every version of numpy has.

    Parameters
    ----------
    stream : binary stream
    chunks : iterable of Chunk
        Rows of unit norm, with ids.
    modality : str
    metadata : mapping of str to str
        Not written: the format has no room. It belongs beside the folder.
    rows : int, optional
        How many are expected; not needed here.

    Returns
    -------
    int
        Records written.

    Raises
    ------
    InvalidRowsError
        If a row holds numbers that are not finite, naming its id.
    ParameterError
        If there are more than :data:`MAX_RECORDS` rows, or rows without ids.
    ShapeError
        If there are no rows, or chunks differ in their number of columns.
    """
    count, shape = 0, ()
    file: _Pickled | _Composed | None = None
    for chunk in chunks:
        first, count = count, count + len(chunk.array)
        if count > MAX_RECORDS:
            raise ParameterError(
                f"A ReVision chunk holds at most {MAX_RECORDS:,} records, and there are at least "
                f"{count:,} rows for one. Spread them over several chunks."
            )
        shape = shape or chunk.array.shape[1:]  # one object, which the file then holds once
        if chunk.array.shape[1:] != shape:
            raise ShapeError(
                f"Rows of {chunk.array.shape[1:]} and {shape} numbers cannot share one chunk. The "
                "training code needs one length."
            )
        native = chunk.about.native
        alike = native if isinstance(native, AlikeRows) else None
        with np.errstate(over="ignore", invalid="ignore"):
            rows_here = np.asarray(chunk.array, dtype=np.float32)
        _check_finite(rows_here, chunk, modality, first)
        stored = np.ascontiguousarray(rows_here, dtype=_STORED)
        if not len(stored):
            continue
        if file is None and alike is not None:
            file = _Composed(stream, alike, stored, shape)
        elif isinstance(file, _Composed) and alike is not None and alike.kind == file.kind:
            file.add_alike(alike, stored)
        else:
            file = file or _Pickled(stream, shape)
            file.add(_records(chunk, modality, first), stored)
    if file is None:
        raise ShapeError("There are no rows to write.")
    file.finish()
    return count


def chunk_name(modality: str, number: int, method: str) -> str:
    """Return the file name of a chunk: ``text_embeds_{number}_{method}.pkl``.

    Parameters
    ----------
    modality : str
        ``text`` and ``image``, by any name for them; other modalities stand for themselves.
    number : int
        Counts the chunks of a folder.
    method : str
        How the rows were aligned. Only letters of ASCII, digits, ``_`` and ``-`` are kept.
    """
    known = {"source": "text", "target": "image", None: _kept(modality) or "other"}
    return f"{known[role_of(modality)]}_embeds_{number}_{_kept(method) or 'aligned'}.pkl"


class _Pickled:
    """A list of records that is pickled when all of them are there."""

    def __init__(self, stream: BinaryIO, shape: tuple[int, ...]) -> None:
        self._stream, self._shape = stream, shape
        self._records: list[Record] = []

    def add(self, records: list[Record], stored: npt.NDArray[Any]) -> None:
        """Add records, whose vectors are the rows of an array."""
        self._records += _with_vectors(records, stored, self._shape)

    def finish(self) -> None:
        """Write."""
        _pickler(self._stream).dump(self._records)


class _Composed:
    """A list of records that is written as they come.

    The first is pickled, with a dummy after it; the opcodes of the dummy say what stands between
    the values of all others that are like it. Records that are not are pickled one by one, without
    a memo, so that they fit in anywhere.
    """

    def __init__(
        self, stream: BinaryIO, rows: AlikeRows, stored: npt.NDArray[Any], shape: tuple[int, ...]
    ) -> None:
        self._stream, self._shape, self.kind = stream, shape, rows.kind
        first = rows.take(np.zeros(1, dtype=np.intp)).records()
        # no text of the dummy may be one that stands in the file already
        dummy = {key: f"text of {key}" * 2 if text else 0.5 for key, text in rows.texts.items()}
        two = _with_vectors([*first, dummy], stored[[0, 0]], shape)
        _pickler(whole := io.BytesIO()).dump([*two, {}])
        whole.seek(0)
        data = b"".join(unframed(whole))
        layout = layout_of(data, memo_of(PROTOCOL + data, "the output"), KEY)
        assert layout is not None  # noqa: S101  (our own pickler wrote it)
        self._layout = layout
        self._waiting = bytearray(FRAME) + data[: layout.begin]
        self._count = 1
        stream.write(PROTOCOL)
        self.add_alike(rows, stored, begin=1)

    def add_alike(self, rows: AlikeRows, stored: npt.NDArray[Any], begin: int = 0) -> None:
        """Add rows like those before, with the rows of an array for vectors."""
        for key, is_text in rows.texts.items():
            if is_text:  # else the file could be written and not be loaded
                check_texts(rows.columns[key], rows.name)
        size = stored.itemsize * self._shape[0]
        vectors = stored.view(np.dtype((np.void, size))).ravel().tolist()
        values = [vectors if key == KEY else rows.columns[key] for key in self._layout.slots]
        parts: list[Iterable[Any]] = []
        for piece, column in zip(self._layout.pieces, values, strict=False):
            parts += [repeat(piece), column[begin:]]
        records = zip(*parts, repeat(self._layout.pieces[-1]), strict=False)
        left = len(vectors) - begin
        while left:
            count = min(left, self._room())
            self._waiting += b"".join(chain.from_iterable(islice(records, count)))
            self._count, left = self._count + count, left - count

    def add(self, records: list[Record], stored: npt.NDArray[Any]) -> None:
        """Add records of any kind, with the rows of an array for vectors."""
        for record in _with_vectors(records, stored, self._shape):
            self._room()
            pickler = _pickler(single := io.BytesIO())
            pickler.fast = True
            try:
                pickler.dump(record)
            except (ValueError, RecursionError) as error:
                raise FormatError(
                    f'The record with the id "{printable(str(record.get("id")), 60)}" holds '
                    "itself, so it cannot share a chunk with records of another kind. Leave the "
                    "shards as they are."
                ) from error
            single.seek(0)
            self._waiting += b"".join(unframed(single))[:-1]
            self._count += 1

    def finish(self) -> None:
        """Write what is left, and the end."""
        self._waiting += b"e."
        self._flush()

    def _room(self) -> int:
        """Return how many records fit into this part of the list; begin another if none does."""
        if self._count == BATCH:
            self._flush()
            self._waiting += b"e("
            self._count = 0
        return BATCH - self._count

    def _flush(self) -> None:
        """Write what is waiting as one frame."""
        self._waiting[1:FRAMED] = (len(self._waiting) - FRAMED).to_bytes(8, "little")
        self._stream.write(self._waiting)
        self._waiting = bytearray(FRAME)


FRAME = b"\x95" + bytes(8)
FRAMED = len(FRAME)
BATCH = 25
"""Records that are appended to the list at a time, in one frame of about 100 kB."""


def _with_vectors(
    records: list[Record], stored: npt.NDArray[Any], shape: tuple[int, ...]
) -> list[Record]:
    for record, row in zip(records, stored, strict=True):
        record[KEY] = _StoredVector(row.tobytes(), shape)
    return records


def _pickler(stream: BinaryIO | io.BytesIO) -> pickle.Pickler:
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.dispatch_table = {**copyreg.dispatch_table, np.ndarray: _reduce_array}
    return pickler


_STORED = np.dtype(">f4")


class _StoredVector:
    """The bytes of a vector, pickled as the array that it becomes: ten times lighter than one."""

    __slots__ = ("data", "shape")

    def __init__(self, data: bytes, shape: tuple[int, ...]) -> None:
        self.data = data
        self.shape = shape

    def __reduce__(self) -> tuple[Any, ...]:
        return np.ndarray, _EMPTY, (1, self.shape, _STORED, False, self.data)


_EMPTY = ((0,),)


def _reduce_array(array: npt.NDArray[Any]) -> tuple[Any, ...]:
    reduced: Any = array.__reduce__()
    return np.ndarray, _EMPTY, reduced[2]


def _records(chunk: Chunk, modality: str, first: int) -> list[Record]:
    """Return the records of a chunk, as they were or new, without their vectors."""
    native, count = chunk.about.native, len(chunk.array)
    if isinstance(native, AlikeRows):
        native = native.records()
    if isinstance(native, list):
        if len(native) != count:
            raise ShapeError(f"{count:,} rows came with {len(native):,} records. Give one each.")
        return [dict(record) for record in native]
    about = chunk.about.plain(Limits.from_env())
    if about.ids is None:
        raise ParameterError(
            f"The rows from {first:,} on have no ids, by which the training code finds them. Read "
            "them with their ids, or put these in a file beside."
        )
    made: list[Record] = [{"id": key} for key in about.ids.tolist()]
    role, labels = role_of(modality), about.labels
    if role == "target":
        named = labels is not None and "image_path" in labels.columns
        given = labels["image_path"] if named and labels is not None else about.ids
        paths = given.tolist()
        for record, path in zip(made, paths, strict=True):
            record["image_path"] = path
    elif role == "source" or about.captions is not None:
        captions = [""] * count if about.captions is None else about.captions.tolist()
        for record, caption in zip(made, captions, strict=True):
            record["caption"] = caption
    return made


def _check_finite(stored: npt.NDArray[Any], chunk: Chunk, modality: str, first: int) -> None:
    bad = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if len(bad):
        key = printable(str(_records(chunk, modality, first)[bad[0]].get("id")), 60)
        more = f" ({len(bad):,} such rows nearby)" if len(bad) > 1 else ""
        raise InvalidRowsError(
            f'Row {first + bad[0]:,} with the id "{key}" holds numbers that are not finite in '
            f"float32{more}, so nothing was written. Drop such rows with drop_invalid=True, or "
            "mend the input.",
            (bad + first).tolist(),
        )


def _kept(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "", text)
