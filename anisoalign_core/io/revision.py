"""Chunks for text-only training, as ReVision and Bunny read them.

One flat folder; every ``.pkl`` in it is one chunk: a list of at most 200 000 dictionaries with
``id``, ``caption`` (texts) or ``image_path`` (images), and ``embed``: a vector of unit norm, of one
length in the whole folder. The training code finds rows by ``str(id)``.
"""

from __future__ import annotations

import copyreg
import pickle
import re
from collections.abc import Iterable, Mapping
from functools import partial
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
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.unpickling import KIND, Record, load_records
from anisoalign_core.rows import as_strings

KEY = "embed"
MAX_RECORDS = 200_000
"""Records in one chunk."""

PLAIN = (str, int, float, type(None), np.generic)
"""Types that ids and labels may have; bool is an int."""


def open_file(source: Source, limits: Limits) -> WholeFile:
    """Offer the vectors of the records; the file is unpickled when they are asked for.

    What is said of the rows are ids; captions if every record has one; labels from the other keys
    that every record has with a number or text; and the records without their vectors.

    Raises
    ------
    FormatError
        If a record lacks its vector or its id, or has a vector of another length or type than the
        first, naming the record.
    LimitError
    """
    return WholeFile(source.name, (KEY,), lambda key: (_read(source, limits, key), {}))


def _read(source: Source, limits: Limits, key: str) -> Chunk:
    name, records = source.name, load_records(source, limits)
    first = _vector(records[0], 0, key, name)
    check_declared(len(records), len(first), max(first.itemsize, 4), name, limits)
    array = np.empty((len(records), len(first)), dtype=first.dtype)
    for number, record in enumerate(records):
        vector = _vector(record, number, key, name)
        if (vector.shape, vector.dtype) != (first.shape, first.dtype):
            raise FormatError(
                f"Record {number} of {name} has a vector of {len(vector):,} {vector.dtype} "
                f"numbers, the first has {len(first):,} ({first.dtype}). All need one length and "
                "one type."
            )
        array[number] = vector
        _check_id(record.get("id"), number, limits, name)
        del record[key]
    return Chunk(array, _about(records, name))


def _vector(record: Record, number: int, key: str, name: str) -> npt.NDArray[Any]:
    """Return the vector of one record, if it is one."""
    vector, called = record.get(key), f'"{printable(key, 60)}"'
    if vector is None:
        raise FormatError(
            f"Record {number} of {name} has no {called}. Every record needs its vector under that "
            "key."
        )
    found = f"is a {type(vector).__name__}"
    if isinstance(vector, np.ndarray):
        found = f"has shape {vector.shape} and type {vector.dtype.name}"
        if vector.ndim == 1 and len(vector) and vector.dtype.kind in "fiu":
            return vector
    raise FormatError(
        f"{called} of record {number} of {name} {found}. Write every vector as a plain float32 "
        "numpy array of one axis."
    )


def _check_id(key: Any, number: int, limits: Limits, name: str) -> None:
    if key is None or not isinstance(key, PLAIN):
        raise FormatError(
            f'Record {number} of {name} has no "id" that is a text or a number. Give every record '
            "one."
        )
    if isinstance(key, str) and len(key) > limits.max_id_length:
        raise LimitError(
            f'Record {number} of {name} has an id of {len(key):,} characters ("'
            f'{printable(key, 40)}"); the limit is {limits.max_id_length:,}. Check what "id" holds.'
        )


def _about(records: list[Record], name: str) -> About:
    """Return what all records say besides their vectors, which were taken out."""
    import pandas as pd

    with_caption = all(isinstance(record.get("caption"), str) for record in records)
    left_out = {"id", "caption"} if with_caption else {"id"}
    labels = [
        label
        for label in records[0]
        if isinstance(label, str)
        and label not in left_out
        and all(label in record and isinstance(record[label], PLAIN) for record in records)
    ][:MAX_LABELS]
    with malformed(name, KIND, ValueError):  # numbers of too many digits, half a surrogate pair
        return About(
            ids=as_strings([record["id"] for record in records]),
            captions=as_strings([one["caption"] for one in records]) if with_caption else None,
            labels=pd.DataFrame({k: [r[k] for r in records] for k in labels}) if labels else None,
            native=records,
        )


def write(
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
    dim: int | None = None
    for chunk in chunks:
        first, count = len(records), len(records) + len(chunk.array)
        if count > MAX_RECORDS:
            raise ParameterError(
                f"A ReVision chunk holds at most {MAX_RECORDS:,} records, and there are at least "
                f"{count:,} rows for one. Spread them over several chunks."
            )
        dim = chunk.array.shape[1] if dim is None else dim
        if chunk.array.shape[1] != dim:
            raise ShapeError(
                f"Rows of {chunk.array.shape[1]} and {dim} numbers cannot share one chunk. The "
                "training code needs one length."
            )
        made = _records(chunk, modality, first)
        with np.errstate(over="ignore", invalid="ignore"):
            stored = chunk.array.astype(_STORED)
        _check_finite(stored, made, first)
        records += [record | {KEY: row} for record, row in zip(made, stored, strict=True)]
    if not records:
        raise ShapeError("There are no rows to write.")
    pickler = pickle.Pickler(stream, protocol=4)
    reduce = partial(_reduce_array, shapes={})
    pickler.dispatch_table = {**copyreg.dispatch_table, np.ndarray: reduce}
    pickler.dump(records)
    return len(records)


_STORED = np.dtype(">f4")


def _reduce_array(array: npt.NDArray[Any], shapes: dict[Any, Any]) -> tuple[Any, ...]:
    """Arrays of one shape share it, as the bytes of every version had it."""
    reduced: Any = array.__reduce__()
    version, shape, *rest = reduced[2]
    return np.ndarray, ((0,),), (version, shapes.setdefault(shape, shape), *rest)


def _records(chunk: Chunk, modality: str, first: int) -> list[Record]:
    """Return the records of a chunk without their new vectors, as they were or new."""
    if isinstance(chunk.about.native, list):
        return chunk.about.native
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
        paths = labels["image_path"] if named and labels is not None else about.ids
        return [r | {"image_path": path} for r, path in zip(made, paths.tolist(), strict=True)]
    if role == "source" or about.captions is not None:
        captions = [""] * len(made) if about.captions is None else about.captions.tolist()
        return [r | {"caption": caption} for r, caption in zip(made, captions, strict=True)]
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


def _kept(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "", text)


FORMAT = Format(
    "revision",
    (".pkl",),
    "folder of records for text-only training",
    open_file,
    write,
    streams=True,
    native=True,
    every_id=True,
    uploads=False,
    folder=True,
    loads=False,
)
