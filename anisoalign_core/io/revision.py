"""Chunks for text-only training, as ReVision and Bunny read them.

One flat folder; every ``.pkl`` in it is one chunk: a list of at most 200 000 dictionaries with
``id``, ``caption`` (texts) or ``image_path`` (images), and ``embed``: a vector of unit norm, of one
length in the whole folder. The training code finds rows by ``str(id)``.
"""

from __future__ import annotations

import copy
import copyreg
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    LimitError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.limits import Limits, check_declared
from anisoalign_core.io.opcodes import KIND
from anisoalign_core.io.source import MAX_LABELS, Source, malformed, printable
from anisoalign_core.io.unpickling import Array, Record, first_record, load_records
from anisoalign_core.validate import as_strings

MAX_RECORDS = 200_000
"""Records in one chunk."""
KEY = "embed"

PLAIN = (str, int, float, type(None), np.generic)
"""Types that ids and labels may have; bool is an int."""


def keys(source: Source, limits: Limits) -> tuple[str, ...]:
    """Return the one key under which records hold their vectors."""
    return (KEY,)


def shard_facts(source: Source, limits: Limits, key: str = KEY) -> ShardFacts:
    """Return length and type of the vectors from the first record; rows are not counted.

    Parameters
    ----------
    source : Source
    limits : Limits
    key : str, default "embed"

    Raises
    ------
    FormatError
        If the file holds anything but records of arrays, numbers and text; or the first record
        has no vector.
    LimitError
    """
    record = first_record(source, limits)
    vector = _vector(record, 0, key, source.name)
    check_declared(1, vector.shape[0], vector.dtype.itemsize, source.name, limits)
    return ShardFacts(None, vector.shape[0], vector.dtype.newbyteorder("="))


def read_chunks(
    source: Source,
    limits: Limits,
    key: str = KEY,
    *,
    rows: int,
    start: int = 0,
    stop: int | None = None,
    about: bool = False,
) -> Iterator[Chunk]:
    """Read records ``start`` to ``stop`` in order, at most ``rows`` at a time.

    The file is loaded whole, and let go of as the chunks are taken.

    Parameters
    ----------
    source : Source
    limits : Limits
    key : str, default "embed"
        What records call their vector.
    rows : int
    start, stop : int
    about : bool, default False
        Also give ids; captions if every record of the file has one; labels from the other keys
        that every record has with a number or text; and the records without their vectors.

    Yields
    ------
    Chunk
        Of the type in the file, in native byte order.

    Raises
    ------
    FormatError
        If a record lacks its vector or its id, or has a vector of another length or type than the
        first, naming the record.
    LimitError
    """
    name = source.name
    records: list[Any] = load_records(source, limits)
    first = _vector(records[0], 0, key, name)
    dim, itemsize = first.shape[0], max(first.dtype.itemsize, 4)
    check_declared(len(records), dim, itemsize, name, limits)
    has_captions, labels = _shared_keys(records, key) if about else (False, [])
    stop = len(records) if stop is None else min(stop, len(records))
    records[:start] = [None] * min(start, len(records))
    for begin in range(start, stop, rows):
        part: list[Record] = records[begin : min(begin + rows, stop)]
        records[begin : begin + len(part)] = [None] * len(part)
        array = _stack(part, begin, key, first, name)
        _check_ids(part, begin, limits, name)
        said = _about(part, key, has_captions, labels, name) if about else About()
        del part
        yield Chunk(array, said)


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
    records: list[Record] = []
    shape: tuple[int, ...] = ()
    for chunk in chunks:
        first, count = len(records), len(chunk.array)
        if first + count > MAX_RECORDS:
            raise ParameterError(
                f"A ReVision chunk holds at most {MAX_RECORDS:,} records, and there are at least "
                f"{first + count:,} rows for one. Spread them over several chunks."
            )
        shape = shape or chunk.array.shape[1:]  # one object, which the file then holds once
        if chunk.array.shape[1:] != shape:
            raise ShapeError(
                f"Rows of {chunk.array.shape[1:]} and {shape} numbers cannot share one chunk. The "
                "training code needs one length."
            )
        own = _records(chunk, modality, first)
        with np.errstate(over="ignore", invalid="ignore"):
            stored = np.ascontiguousarray(chunk.array, dtype=_STORED)
        _check_finite(stored, own, first)
        for record, row in zip(own, stored, strict=True):
            record[KEY] = _StoredVector(row.tobytes(), shape)
        records.extend(own)
    if not records:
        raise ShapeError("There are no rows to write.")
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.dispatch_table = {**copyreg.dispatch_table, np.ndarray: _reduce_array}
    pickler.dump(records)
    return len(records)


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


def _vector(record: Record, number: int, key: str, name: str) -> Array:
    """Return the vector of one record, if it is one."""
    vector = record.get(key)
    if vector is None:
        raise FormatError(
            f'Record {number} of {name} has no "{printable(key, 60)}". Every record needs its '
            "vector under that key."
        )
    if not isinstance(vector, Array):
        raise FormatError(
            f'"{printable(key, 60)}" of record {number} of {name} is a {type(vector).__name__}, '
            "not a numpy array. Write every vector as a plain float32 array."
        )
    if len(vector.shape) != 1 or vector.shape[0] == 0 or vector.dtype.kind not in "fiu":
        raise FormatError(
            f'"{printable(key, 60)}" of record {number} of {name} has shape {vector.shape} and '
            f"type {vector.dtype.name}. Write every vector as a plain float32 array of one axis."
        )
    return vector


def _stack(part: list[Record], begin: int, key: str, first: Array, name: str) -> npt.NDArray[Any]:
    """Join the vectors of some records, which must be like the first of the file."""
    vectors = [record.get(key) for record in part]
    shape, dtype = first.shape, first.dtype
    if not all(type(v) is Array and v.shape == shape and v.dtype == dtype for v in vectors):
        for number, record in enumerate(part, begin):
            vector = _vector(record, number, key, name)
            if vector.shape != shape or vector.dtype != dtype:
                raise FormatError(
                    f"Record {number} of {name} has a vector of {vector.shape[0]:,} "
                    f"{vector.dtype.name} numbers ({vector.dtype.str}), the first has "
                    f"{shape[0]:,} ({dtype.str}). All need one length and one type."
                )
    joined = bytearray().join([vector.data for vector in vectors])  # type: ignore[union-attr]
    array = np.frombuffer(joined, dtype=dtype).reshape(len(part), shape[0])
    return array.astype(dtype.newbyteorder("="), copy=False)


def _check_ids(part: list[Record], begin: int, limits: Limits, name: str) -> None:
    for number, record in enumerate(part, begin):
        key = record.get("id")
        if key is None or not isinstance(key, PLAIN):
            raise FormatError(
                f'Record {number} of {name} has no "id" that is a text or a number. Give every '
                "record one."
            )
        if isinstance(key, str) and len(key) > limits.max_id_length:
            raise LimitError(
                f"Record {number} of {name} has an id of {len(key):,} characters "
                f'("{printable(key, 40)}"); the limit is {limits.max_id_length:,}. Check what "id" '
                "holds."
            )


def _shared_keys(records: list[Record], key: str) -> tuple[bool, list[str]]:
    """Return whether every record has a caption, and the keys that make labels."""
    has_captions = all(isinstance(record.get("caption"), str) for record in records)
    left_out = {key, "id"} | ({"caption"} if has_captions else set())
    labels = [
        label
        for label in records[0]
        if isinstance(label, str)
        and label not in left_out
        and all(label in record and isinstance(record[label], PLAIN) for record in records)
    ]
    return has_captions, labels[:MAX_LABELS]


def _about(part: list[Record], key: str, has_captions: bool, labels: list[str], name: str) -> About:
    import pandas as pd

    columns = {label: [record[label] for record in part] for label in labels}
    with malformed(name, KIND, RecursionError, ValueError, MemoryError):
        ids = as_strings([record["id"] for record in part])
        memo: dict[int, Any] = {}  # what records share stays shared
        native = [_real({k: v for k, v in r.items() if k != key}, memo) for r in part]
    return About(
        ids=ids,
        captions=as_strings([record["caption"] for record in part]) if has_captions else None,
        labels=pd.DataFrame(columns) if labels else None,
        native=native,
    )


_NESTED = frozenset({Array, list, tuple, dict})


def _real(record: Record, memo: dict[int, Any]) -> Record:
    """Make the arrays of a record real ones."""
    if not _NESTED.isdisjoint(map(type, record.values())):
        return copy.deepcopy(record, memo)
    return record


def _records(chunk: Chunk, modality: str, first: int) -> list[Record]:
    """Return the records of a chunk, as they were or new, without their vectors."""
    native, count = chunk.about.native, len(chunk.array)
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


def _check_finite(stored: npt.NDArray[Any], records: list[Record], first: int) -> None:
    bad = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if len(bad):
        key = printable(str(records[bad[0]].get("id")), 60)
        more = f" ({len(bad):,} such rows nearby)" if len(bad) > 1 else ""
        raise InvalidRowsError(
            f'Row {first + bad[0]:,} with the id "{key}" holds numbers that are not finite in '
            f"float32{more}, so nothing was written. Drop such rows with drop_invalid=True, or "
            "mend the input.",
            (bad + first).tolist(),
        )


def _kept(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "", text)
