"""Chunks for text-only training, as ReVision and Bunny read them.

One flat folder; every ``.pkl`` in it is one chunk: a list of at most 200 000 dictionaries with
``id``, ``caption`` (texts) or ``image_path`` (images), and ``embed``: a vector of unit norm, of one
length in the whole folder. The training code finds rows by ``str(id)``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io.alike import holds, learn, read_alike
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.opcodes import KIND
from anisoalign_core.io.tables import MAX_LABELS
from anisoalign_core.io.tokens import Unlike
from anisoalign_core.io.unpickling import Array, Record, first_record, load_records
from anisoalign_core.rows import as_strings

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

    Records that are all alike are read a few MiB at a time (:mod:`anisoalign_core.io.alike`),
    others are unpickled together and let go of as the chunks are taken.

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
        that every record has with a number or text; and the records without their vectors
        (records that are alike: as they stand in the file, until they are asked for).

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
    layout = learn(source, limits, key)
    if layout is not None and (not about or holds(layout, source)):
        try:
            for chunk in read_alike(
                layout, source, limits, rows=rows, start=start, stop=stop, about=about
            ):
                start += len(chunk.array)
                yield chunk
        except Unlike:  # from there on
            pass
        else:
            return
    yield from _unpickled(source, limits, key, rows, start, stop, about)


def _unpickled(
    source: Source,
    limits: Limits,
    key: str,
    rows: int,
    start: int,
    stop: int | None,
    about: bool,
) -> Iterator[Chunk]:
    """Read records of any kind: the file is loaded whole, and let go of as chunks are taken."""
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
