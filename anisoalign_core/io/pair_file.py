"""A pair as one file that gives it back exactly: rows, texts, labels, thumbnails and provenance.

The formats of :mod:`anisoalign_core.io.registry` hold one set for other programs to read; this one
is read by this library alone, so that work on a pair can be taken up where it was left. It is an
``.npz`` of plain arrays: texts lie in it as UTF-8 with the places where each ends, and nothing in
it is executed or mapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet, Provenance
from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    JoinError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.files.atomic import PlainStream, atomic_path
from anisoalign_core.files.limits import Limits, check_bytes, check_declared
from anisoalign_core.files.source import Source, malformed
from anisoalign_core.io.npz import ZIP_ERRORS, checked_archive, read_members, write_members
from anisoalign_core.numerics import read_only
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plain import from_plain
from anisoalign_core.rows import Strings, admit, check_thumbnails
from anisoalign_core.things import Things

if TYPE_CHECKING:
    import pandas as pd

FORMAT: Literal["anisoalign pair"] = "anisoalign pair"
FORMAT_VERSION = 1
KIND = "a saved pair"
LARGEST_ENTRY = 8
"""What a byte of an array may count as where its header is compared with the limits."""
UNLIMITED = 2**62
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Column:
    """A column of labels: numbers as they are, or texts of which some may be missing."""

    name: str
    texts: bool


@dataclass(frozen=True)
class _Side:
    modality: str
    provenance: Provenance
    digest: str
    numbered: bool
    """Whether ids are the numbers of the rows, and are not written."""
    columns: tuple[_Column, ...] | None


@dataclass(frozen=True)
class _Header:
    format: Literal["anisoalign pair"]
    format_version: int
    source: _Side
    target: _Side
    paired: bool
    joined_by_id: bool
    things: int | None


def write_pair(pair: EmbeddingPair, path: str | Path) -> Path:
    """Write a pair, whole or not at all; :func:`read_pair` gives the same pair, bit for bit.

    Raises
    ------
    FormatError, PlaceError
        If the folder does not exist, may not be written to, or the disk is full.
    """
    arrays: Arrays = {}
    source = _lay_out(pair.source, "source", arrays)
    target = _lay_out(pair.target, "target", arrays)
    _put_texts(arrays, "unmatched_source", pair.unmatched_source)
    _put_texts(arrays, "unmatched_target", pair.unmatched_target)
    if pair.groups is not None:
        arrays["things.source"] = np.asarray(pair.groups.source, dtype=np.int64)
        arrays["things.target"] = np.asarray(pair.groups.target, dtype=np.int64)
    count = None if pair.groups is None else pair.groups.count
    header = _Header(FORMAT, FORMAT_VERSION, source, target, pair.paired, pair.joined_by_id, count)
    text = json.dumps(asdict(header), allow_nan=False).encode("utf-8")
    out = Path(path)
    with atomic_path(out) as temporary, temporary.open("wb") as stream:
        head = {"header": np.frombuffer(text, dtype=np.uint8)}
        write_members(cast(BinaryIO, PlainStream(stream)), head | arrays)
    return out


def read_pair(source: Source, limits: Limits | None = None) -> EmbeddingPair:
    """Read what :func:`write_pair` wrote.

    Parameters
    ----------
    source : Source
    limits : Limits, optional
        ``max_bytes`` is that of the whole file.

    Raises
    ------
    FormatError
        If the file is no such pair, is damaged, or holds another pair than it says.
    LimitError
        If it declares more than the limits allow.
    """
    limits, name = limits or Limits.from_env(), source.name
    with checked_archive(source, limits, KIND) as archive:
        total = sum(member.file_size for member in archive.infolist())
    check_bytes(total, f"{name} declares", name, limits)
    loose = replace(
        limits,
        max_rows=UNLIMITED,
        max_dim=UNLIMITED,  # bytes count, and those of all together were counted
        max_bytes=LARGEST_ENTRY * limits.max_bytes,
    )
    with malformed(name, KIND, TypeError, KeyError, RecursionError, *ZIP_ERRORS):
        arrays = read_members(source, loose, "header")
        body = json.loads(arrays.pop("header").tobytes(), parse_constant=_refused)
        if not isinstance(body, dict) or body.get("format_version") != FORMAT_VERSION:
            raise FormatError(
                f"{name} was written by another version of this library. Load the files it was "
                "made of again."
            )
        header = from_plain(_Header, body)
        try:
            return _pair(header, arrays, name, limits)
        except (ShapeError, JoinError, InvalidRowsError, ParameterError) as error:
            raise FormatError(f"{name} is no sound pair. {error}") from error


def _pair(header: _Header, arrays: Arrays, name: str, limits: Limits) -> EmbeddingPair:
    things = None
    if header.things is not None:
        of = [arrays["things.source"], arrays["things.target"]]
        if any(one.ndim != 1 or one.dtype != np.int64 for one in of):
            raise TypeError("things are no row numbers")
        if any(not len(one) or one.min() < 0 or one.max() >= header.things for one in of):
            raise ValueError("things are out of their range")
        things = Things(of[0].astype(np.intp), of[1].astype(np.intp), header.things)
    return EmbeddingPair(
        _side(header.source, "source", arrays, name, limits),
        _side(header.target, "target", arrays, name, limits),
        header.paired,
        tuple(_texts(arrays, "unmatched_source").tolist()),
        tuple(_texts(arrays, "unmatched_target").tolist()),
        header.joined_by_id,
        things,
    )


def _lay_out(side: EmbeddingSet, role: str, arrays: Arrays) -> _Side:
    """Put a set's arrays beside the others, and return what is said of them."""
    arrays[f"{role}.vectors"] = np.ascontiguousarray(side.vectors, dtype=np.float32)
    numbered = side.ids.tolist() == [str(row) for row in range(len(side))]
    if not numbered:
        _put_texts(arrays, f"{role}.ids", side.ids)
    if side.captions is not None:
        _put_texts(arrays, f"{role}.captions", side.captions)
    if side.thumbnails is not None:
        arrays[f"{role}.thumbnails"] = np.ascontiguousarray(side.thumbnails)
    columns = None
    if side.labels is not None:
        columns = tuple(
            _lay_column(side.labels.iloc[:, at], f"{role}.labels.{at}", arrays)
            for at in range(side.labels.shape[1])
        )
    known = side.provenance
    known = replace(
        known,
        name=_text(known.name),
        files=tuple(map(_text, known.files)),
        model=None if known.model is None else _text(known.model),
        dropped_rows=tuple(map(int, known.dropped_rows)),
        notes=tuple(map(_text, known.notes)),
    )
    return _Side(_text(side.modality), known, side.digest, numbered, columns)


def _lay_column(column: pd.Series[Any], key: str, arrays: Arrays) -> _Column:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
        arrays[key] = column.to_numpy()
        return _Column(_text(str(column.name)), texts=False)
    missing = column.isna().to_numpy(dtype=bool)
    _put_texts(arrays, key, ["" if m else str(v) for v, m in zip(column, missing, strict=True)])
    arrays[f"{key}.missing"] = missing
    return _Column(_text(str(column.name)), texts=True)


def _side(said: _Side, role: str, arrays: Arrays, name: str, limits: Limits) -> EmbeddingSet:
    vectors = arrays[f"{role}.vectors"]
    if vectors.dtype != np.float32 or vectors.ndim != 2:
        raise TypeError("its vectors are no table of float32")
    check_declared(len(vectors), vectors.shape[1], 4, name, limits)
    checked = admit(vectors, name)
    n = len(vectors)
    ids = _numbers(n) if said.numbered else _texts(arrays, f"{role}.ids", n)
    captions = _texts(arrays, f"{role}.captions", n) if f"{role}.captions.ends" in arrays else None
    thumbnails = arrays.get(f"{role}.thumbnails")
    check_thumbnails(thumbnails, n, name)
    found = EmbeddingSet(
        vectors=checked.borrowed(),
        ids=read_only(ids),
        modality=said.modality,
        captions=None if captions is None else read_only(captions),
        labels=None if said.columns is None else _labels(said.columns, role, arrays, n),
        thumbnails=None if thumbnails is None else read_only(thumbnails),
        provenance=said.provenance,
    )
    if found.digest != said.digest:
        raise FormatError(
            f"{name} is damaged: its {said.modality} rows are not those that were saved. Load "
            "their files again."
        )
    return found


def _labels(columns: tuple[_Column, ...], role: str, arrays: Arrays, n: int) -> pd.DataFrame:
    import pandas as pd

    found = []
    for at, column in enumerate(columns):
        key = f"{role}.labels.{at}"
        if column.texts:
            values, missing = _texts(arrays, key, n), arrays[f"{key}.missing"]
            if missing.dtype != np.bool_ or missing.shape != (n,):
                raise TypeError("labels do not say which are missing")
            values[missing] = None
        else:
            values = arrays[key]
            if values.shape != (n,) or values.dtype.kind not in "fiub":
                raise TypeError("labels are not one number a row")
        found.append(pd.Series(values, name=column.name))
    return pd.concat(found, axis=1) if found else pd.DataFrame(index=range(n))


def _put_texts(arrays: Arrays, key: str, texts: Iterable[str]) -> None:
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)[1:]
    arrays[f"{key}.ends"] = ends
    arrays[f"{key}.utf8"] = np.frombuffer(b"".join(parts), dtype=np.uint8)


def _texts(arrays: Arrays, key: str, count: int | None = None) -> Strings:
    ends, data = arrays[f"{key}.ends"], arrays[f"{key}.utf8"]
    if ends.dtype != np.int64 or ends.ndim != 1 or data.dtype != np.uint8 or data.ndim != 1:
        raise TypeError("its texts are not laid out as texts are")
    if count is not None and len(ends) != count:
        raise ValueError("it has another number of texts than of rows")
    starts = np.concatenate([[0], ends])
    if (np.diff(starts) < 0).any() or starts[-1] != len(data):
        raise ValueError("its texts do not end where they say")
    whole, found = data.tobytes(), np.empty(len(ends), dtype=object)
    found[:] = [
        whole[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip(starts[:-1].tolist(), ends.tolist(), strict=True)
    ]
    return found


def _numbers(n: int) -> Strings:
    found = np.empty(n, dtype=object)
    found[:] = [str(row) for row in range(n)]
    return found


def _text(text: str) -> str:
    """Return text that every file can hold: names of files may hold halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")
