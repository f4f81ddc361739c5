"""Chunks for text-only training, as ReVision and Bunny read them, and the check before training.

One flat folder; every ``.pkl`` in it is one chunk: a list of at most 200 000 dictionaries with
``id``, ``caption`` (texts) or ``image_path`` (images), and ``embed``: a vector of unit norm, of one
length in the whole folder. The training code finds rows by ``str(id)``, and notices an id that is
missing only when its turn comes.
"""

from __future__ import annotations

import copy
import copyreg
import io
import json
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import LOOSE_UNIT_TOLERANCE
from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    LimitError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.limits import MIB, Limits, check_bytes, check_declared
from anisoalign_core.io.places import as_path, source_at
from anisoalign_core.io.source import MAX_LABELS, Source, Texts, malformed, printable
from anisoalign_core.io.unpickling import KIND, Array, Record, first_record, load_records
from anisoalign_core.numerics import row_norms
from anisoalign_core.validate import as_strings

MAX_RECORDS = 200_000
"""Records in one chunk."""
KEY = "embed"
LOADER_DIM = 1280
"""Hidden size that the public training code has written into it."""
LONGEST_ITEM = 64 * MIB
"""Letters of one object in a training file."""

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


def _real(record: Record, memo: dict[int, Any]) -> Record:
    """Make the arrays of a record real ones."""
    if any(type(value) in (Array, list, tuple, dict) for value in record.values()):
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


def training_ids(path: str | Path, *, limits: Limits | None = None) -> list[str]:
    """Return the ids that a training file asks for, in its order.

    Parameters
    ----------
    path : str or Path
        JSON as LLaVA and Bunny have it: a list of objects with ``id``, or one object per line.
        Read object by object, so that only the ids take memory.
    limits : Limits, optional
        Files above ``max_bytes`` are refused. By default those of the environment.

    Returns
    -------
    list of str
        As the training code compares them: ``str(id)``.

    Raises
    ------
    FormatError
        If the file cannot be read, is not JSON of that form, or an object has no id.
    LimitError
    """
    source = source_at(as_path(path))
    name = source.name
    check_bytes(source.size, f"{name} takes", name, limits or Limits.from_env())
    found: list[str] = []
    for number, item in enumerate(_json_items(source)):
        if not isinstance(item, dict):
            raise FormatError(
                f"Item {number} of {name} is not an object with an id. Give a list of objects, as "
                "the training code reads it."
            )
        key = item.get("id")
        if not isinstance(key, str | int | float):
            raise FormatError(
                f'Item {number} of {name} has no "id" that is a text or a number. Give a list of '
                "objects with ids, as the training code reads it."
            )
        found.append(str(key))
    return found


@dataclass(frozen=True)
class Preflight:
    """What a folder of chunks would meet in training, counted before it.

    Attributes
    ----------
    rows, dim : int
    norm_min, norm_max : float
        Of the rows whose numbers are finite; 0 where there are none.
    nonfinite, zero_rows : int
        Rows with numbers that are not finite, and rows of zeros.
    duplicate_ids : int
        Ids that more than one row has.
    wanted : int or None
        Different ids that the training file asks for; None without one.
    missing, extra : int
        Ids that it asks for and no row has, and ids of rows that it does not ask for.
    nonfinite_examples, zero_examples, duplicate_examples, missing_examples, extra_examples : tuple
        The first five ids of each.
    """

    rows: int
    dim: int
    norm_min: float
    norm_max: float
    nonfinite: int = 0
    zero_rows: int = 0
    duplicate_ids: int = 0
    wanted: int | None = None
    missing: int = 0
    extra: int = 0
    nonfinite_examples: tuple[str, ...] = ()
    zero_examples: tuple[str, ...] = ()
    duplicate_examples: tuple[str, ...] = ()
    missing_examples: tuple[str, ...] = ()
    extra_examples: tuple[str, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Why the rows must not be used for training, in a sentence; None if they may."""
        reasons = [
            f"{count:,} {one if count == 1 else many} ({_shown(examples, count)})"
            for count, one, many, examples in (
                (
                    self.nonfinite,
                    "row holds numbers that are not finite",
                    "rows hold numbers that are not finite",
                    self.nonfinite_examples,
                ),
                (self.zero_rows, "row is all zeros", "rows are all zeros", self.zero_examples),
                (
                    self.duplicate_ids,
                    "id belongs to several rows",
                    "ids belong to several rows each",
                    self.duplicate_examples,
                ),
                (
                    self.missing,
                    "id of the training file has no row",
                    "ids of the training file have no row",
                    self.missing_examples,
                ),
            )
            if count
        ]
        if not self.rows:
            reasons.insert(0, "there are no rows")
        if not reasons:
            return None
        return (
            f"Not fit for training: {'; '.join(reasons)}. Mend the input or the training file, "
            "then write the chunks again."
        )

    @property
    def sentences(self) -> list[str]:
        """What a person should know before training, one sentence each."""
        said = [f"{self.rows:,} rows of {self.dim:,} numbers."]
        off = max(abs(self.norm_min - 1.0), abs(self.norm_max - 1.0))
        if off <= LOOSE_UNIT_TOLERANCE:
            said.append(f"Norms are 1 to within {off:.1g}.")
        elif self.rows > self.nonfinite:
            said.append(
                f"Warning: norms lie between {self.norm_min:.3g} and {self.norm_max:.3g}, and the "
                "training code expects 1. Normalise the rows first."
            )
        if self.dim != LOADER_DIM:
            said.append(
                f"Warning: the public loader has {LOADER_DIM} as its hidden size written into it, "
                f"and these rows have {self.dim:,} numbers. Change that number in the loader."
            )
        if self.wanted is not None and not self.missing:
            said.append(f"All {self.wanted:,} ids of the training file have a row.")
        if self.extra:
            said.append(
                f"{self.extra:,} {'row is' if self.extra == 1 else 'ids of rows are'} not in the "
                f"training file ({_shown(self.extra_examples, self.extra)}), which does no harm."
            )
        return [*said, self.refusal] if self.refusal else said

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, with the refusal and the sentences."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**plain, "refusal": self.refusal, "sentences": self.sentences}


class PreflightCounter:
    """Counts what :class:`Preflight` reports, chunk by chunk.

    Ids are kept as one text and compared by their 64-bit hashes: 12 bytes and the letters for each,
    with about one chance in a million of a wrong count among five million ids.
    """

    EXAMPLES = 5

    def __init__(self) -> None:
        self._rows = 0
        self._range = (np.inf, -np.inf)
        self._hashes: list[npt.NDArray[np.int64]] = []
        self._lengths: list[npt.NDArray[np.int32]] = []
        self._texts: list[str] = []
        self._odd: dict[str, list[str]] = {"nonfinite": [], "zero": []}
        self._counts = {"nonfinite": 0, "zero": 0}

    def add(self, array: npt.NDArray[np.floating[Any]], ids: Sequence[object] | Texts) -> None:
        """Count some rows.

        Parameters
        ----------
        array : (m, d) array of floats
        ids : sequence of length m

        Raises
        ------
        ShapeError
            If there is not one id for each row.
        """
        names = [str(one) for one in ids]
        if len(names) != len(array):
            raise ShapeError(f"{len(array):,} rows came with {len(names):,} ids. Give one each.")
        norms = row_norms(array)
        finite = np.isfinite(norms)
        for what, which in (("nonfinite", ~finite), ("zero", norms == 0.0)):
            found = np.flatnonzero(which)
            self._counts[what] += len(found)
            room = self.EXAMPLES - len(self._odd[what])
            self._odd[what] += [names[row] for row in found[:room]]
        low, high = self._range
        kept = norms[finite]
        self._range = min(low, kept.min(initial=np.inf)), max(high, kept.max(initial=-np.inf))
        self._rows += len(names)
        self._hashes.append(_hashes(names))
        self._lengths.append(np.fromiter(map(len, names), dtype=np.int32, count=len(names)))
        self._texts.append("".join(names))

    def finish(self, wanted: Sequence[str] | None, dim: int) -> Preflight:
        """Return what was counted.

        Parameters
        ----------
        wanted : sequence of str or None
            Ids of the training file: :func:`training_ids`.
        dim : int
        """
        hashes = np.concatenate([np.empty(0, dtype=np.int64), *self._hashes])
        own, places, counts = np.unique(hashes, return_index=True, return_counts=True)
        repeated = np.sort(places[counts > 1])
        found: dict[str, Any] = {}
        if wanted is not None:
            asked, asked_at = np.unique(_hashes(wanted), return_index=True)
            missing = np.sort(asked_at[np.isin(asked, own, invert=True, assume_unique=True)])
            extra = np.sort(places[np.isin(own, asked, invert=True, assume_unique=True)])
            found = {
                "wanted": len(asked),
                "missing": len(missing),
                "extra": len(extra),
                "missing_examples": tuple(str(wanted[i]) for i in missing[: self.EXAMPLES]),
                "extra_examples": self._named(extra),
            }
        low, high = self._range
        return Preflight(
            rows=self._rows,
            dim=dim,
            norm_min=float(low) if np.isfinite(low) else 0.0,
            norm_max=float(high) if np.isfinite(high) else 0.0,
            nonfinite=self._counts["nonfinite"],
            zero_rows=self._counts["zero"],
            duplicate_ids=len(repeated),
            nonfinite_examples=tuple(self._odd["nonfinite"]),
            zero_examples=tuple(self._odd["zero"]),
            duplicate_examples=self._named(repeated),
            **found,
        )

    def _named(self, rows: npt.NDArray[np.intp]) -> tuple[str, ...]:
        """Return the ids of the first few of some rows."""
        starts = np.cumsum([0, *map(len, self._lengths)])
        names = []
        for row in rows[: self.EXAMPLES]:
            part = int(np.searchsorted(starts, row, side="right")) - 1
            lengths = self._lengths[part]
            begin = int(lengths[: row - starts[part]].sum(dtype=np.int64))
            names.append(self._texts[part][begin : begin + int(lengths[row - starts[part]])])
        return tuple(names)


def _hashes(names: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(hash, names), dtype=np.int64, count=len(names))


def _shown(examples: Sequence[str], count: int) -> str:
    more = ", …" if count > len(examples) else ""
    return ", ".join(f'"{printable(one, 60)}"' for one in examples) + more


def _json_items(source: Source) -> Iterator[Any]:
    """Yield the items of a JSON list, or JSON objects that follow each other, one at a time."""
    name, decode = source.name, json.JSONDecoder().raw_decode
    text, at, number = "", 0, 0
    ended = closed = comma = False
    listed: bool | None = None
    with source.open() as raw, malformed(name, "JSON in UTF-8", UnicodeDecodeError):
        stream = io.TextIOWrapper(cast(Any, raw), encoding="utf-8-sig")
        while True:
            space = _SPACE.match(text, at)
            at = space.end() if space else at
            if at == len(text) and not ended:
                text, at = stream.read(MIB), 0
                ended = not text
                continue
            mark = text[at : at + 1]
            if not mark:
                if listed is None or (listed and not closed):
                    raise FormatError(
                        f"{name} ends before its list of objects does. Copy or write it again."
                    )
                return
            if listed is None and mark in "[{":
                listed, comma = mark == "[", True
                at += listed
            elif listed is None or closed:
                raise FormatError(
                    f"{name} is not a list of JSON objects, nor one object per line. Give the file "
                    "that the training code reads."
                )
            elif listed and mark == "]" and (number == 0 or not comma):
                closed, at = True, at + 1
            elif listed and not comma:
                if mark != ",":
                    raise _bad_item(number, name, "there is no comma before it")
                comma, at = True, at + 1
            else:
                try:
                    item, at = decode(text, at)
                except (ValueError, RecursionError) as error:
                    if ended or len(text) - at > LONGEST_ITEM:
                        raise _bad_item(number, name, getattr(error, "msg", str(error))) from error
                    more = stream.read(max(MIB, len(text) - at))  # the rest may be to come
                    text, at, ended = text[at:] + more, 0, not more
                    continue
                yield item
                number, comma = number + 1, False


def _bad_item(number: int, name: str, reason: str) -> FormatError:
    return FormatError(
        f"Item {number} of {name} cannot be read as JSON: {printable(reason)}. Mend the file, or "
        "write it again."
    )


_SPACE = re.compile(r"[ \t\r\n]*")
