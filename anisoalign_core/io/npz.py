"""NumPy's ``.npz``: several arrays in a zip archive, checked before anything is inflated."""

from __future__ import annotations

import json
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from anisoalign_core.errors import FormatError, LimitError, ParameterError
from anisoalign_core.files.limits import MIB, Limits, check_bytes, check_declared, size_text
from anisoalign_core.files.source import (
    Source,
    Texts,
    malformed,
    pickle_error,
    printable,
    wrong_kind,
)
from anisoalign_core.files.zips import declared_directory
from anisoalign_core.io import named
from anisoalign_core.io.chunks import Chunk, joined, table_shape
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.npy import HEAD_BYTES, Header, check_size, parse_header

if TYPE_CHECKING:
    import pandas as pd

CHUNK = MIB
FEW_MEMBERS = 64
"""Archives of more members must be within the limit together, not only each by itself."""
METADATA = "metadata"
EPOCH = (1980, 1, 1, 0, 0, 0)

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)


@contextmanager
def checked_archive(source: Source, limits: Limits, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose directory is within the limits.

    Raises
    ------
    FormatError
        If it is no archive, encrypted, compressed in an unusual way, or names repeat.
    LimitError
        If there are too many members, or one declares too many bytes.
    """
    name = source.name
    with source.open() as stream:
        head = stream.read(16)
        if not head.startswith(b"PK\x03\x04"):
            raise wrong_kind(name, kind, head)
        with malformed(name, kind, *ZIP_ERRORS):
            members, size = declared_directory(stream, source)
            if members > limits.max_archive_members or size > limits.max_archive_members * 4096:
                raise _too_many(name, members, limits)
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                _check_members(archive.infolist(), name, limits)
                yield archive


def open_file(source: Source, limits: Limits) -> WholeFile:
    """Read the headers of all arrays; those of Python objects are left alone.

    What says something of the rows is told by :mod:`anisoalign_core.io.columns`; a file of one
    array for each id holds one row for each.

    Raises
    ------
    FormatError, LimitError
    """
    name, kind = source.name, "a .npz archive"
    with checked_archive(source, limits, kind) as archive:
        headers, objects = _headers(archive, name, limits)
    if objects and not headers:
        raise pickle_error(f"{name}:{printable(objects[0], 60)}.npy")

    held: list[zipfile.ZipFile] = []  # open while one array is read with all that belongs to it

    def member(key: str) -> npt.NDArray[Any]:
        if held:
            return _read_member(held[-1], key, headers[key], name)
        with checked_archive(source, limits, kind) as archive:
            return _read_member(archive, key, headers[key], name)

    def texts(key: str) -> Any:
        return _as_texts(member(key)).reshape(headers[key].shape)

    entries = [
        named.Entry(key, header.shape, "text", partial(texts, key))
        if header.dtype.kind in "SU"
        else named.Entry(key, header.shape, "number", partial(member, key))
        for key, header in headers.items()
        if key != METADATA
    ]

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        with checked_archive(source, limits, kind) as archive:
            held.append(archive)
            try:
                return _read(key)
            finally:
                held.pop()

    def _read(key: str) -> tuple[Chunk, dict[str, str]]:
        if named.holds_ids(entries):
            chunk = named.stacked(entries, name, limits)
        else:
            array = member(key)
            shape = table_shape(array.shape)
            rows = shape[0] if shape else len(array) if array.ndim else 0
            chunk = Chunk(array, named.said(entries, key, rows, source))
        notes = (*chunk.about.notes, *named.objects_note(objects, name))
        model = _read_model(member, headers)
        about = replace(chunk.about, notes=notes)
        return replace(chunk, about=about), {} if model is None else {"model": model}

    def head(key: str) -> tuple[tuple[int, ...], dict[str, str]]:
        model = _read_model(member, headers)
        return named.shape_of(entries, key), {} if model is None else {"model": model}

    meanings = partial(named.meanings, entries, source)
    return WholeFile(name, named.keys_of(entries), read, meanings, head)


def read_members(source: Source, limits: Limits, required: str) -> dict[str, npt.NDArray[Any]]:
    """Read every array of an archive, if one of them has the required name.

    Raises
    ------
    FormatError
        Also if there is no such array.
    LimitError
        If one array, or all together, declare more than the limits allow.
    """
    name = source.name
    with checked_archive(source, limits, "a .npz archive") as archive:
        headers, objects = _headers(archive, name, limits)
        if objects:
            raise pickle_error(f"{name}:{printable(objects[0], 60)}.npy")
        if required not in headers:
            raise FormatError(f'{name} has no array "{required}".')
        check_bytes(sum(each.size for each in headers.values()), f"{name} declares", name, limits)
        return {key: _read_member(archive, key, header, name) for key, header in headers.items()}


def write(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write an uncompressed archive whose bytes depend on nothing but what is given."""
    if not modality or _is_about_rows(modality) or modality == METADATA or "\0" in modality:
        raise ParameterError(
            f'"{modality}" cannot name an array in a .npz file. Rename the modality.'
        )
    whole = list(chunks)
    about = joined([chunk.about for chunk in whole])
    members = {modality: np.concatenate([chunk.array for chunk in whole])}
    for what, texts in (("ids", about.ids), ("captions", about.captions)):
        if texts is not None:
            members[f"{modality}_{what}"] = np.array(texts.tolist(), dtype=np.str_)
    if about.labels is not None:
        for column in about.labels.columns:
            members[f"{named.LABEL_PREFIX}{column}"] = _label_array(about.labels[column])
    if metadata:
        members[METADATA] = np.array(json.dumps(dict(metadata), sort_keys=True))
    write_members(stream, members)
    return len(members[modality])


def write_members(stream: BinaryIO, members: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as an uncompressed ``.npz`` without times of day."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for key, array in members.items():
            info = zipfile.ZipInfo(f"{key}.npy", date_time=EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes > 2**31 - 2**16) as member:
                npy_format.write_array(member, array, allow_pickle=False)


def _too_many(name: str, members: int, limits: Limits) -> LimitError:
    return LimitError(
        f"{name} declares {members:,} files in its archive; the limit is "
        f"{limits.max_archive_members}. Keep only the embeddings, ids and captions in it."
    )


def _check_members(members: list[zipfile.ZipInfo], name: str, limits: Limits) -> None:
    if len(members) > limits.max_archive_members:
        raise _too_many(name, len(members), limits)
    if len({info.filename for info in members}) < len(members):
        raise FormatError(f"{name} holds two members of one name. Write it again.")
    if len(members) > FEW_MEMBERS:
        total = sum(info.file_size for info in members)
        check_bytes(total, f"{name} declares", name, limits)
    for info in members:
        member = f"{name}:{printable(info.filename, 60)}"
        if info.flag_bits & 0x1:
            raise FormatError(f"{member} is encrypted. Save the archive without a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(
                f"{member} is compressed in an unusual way (method {info.compress_type}). Use "
                "np.savez or np.savez_compressed."
            )
        check_bytes(info.file_size, f"{member} declares", name, limits)
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > 16 * MIB and ratio > limits.max_ratio:
            raise LimitError(
                f"{member} declares {size_text(info.file_size)} from "
                f"{size_text(info.compress_size)} ({ratio:,.0f} to 1); the limit is "
                f"{limits.max_ratio} to 1, far above what embeddings compress to. Save it "
                "uncompressed with np.savez if it is what it says."
            )


def _headers(
    archive: zipfile.ZipFile, name: str, limits: Limits
) -> tuple[dict[str, Header], list[str]]:
    """Return the headers of all arrays, and the names of those that hold Python objects."""
    headers: dict[str, Header] = {}
    objects: list[str] = []
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        member = f"{name}:{printable(info.filename, 60)}"
        with archive.open(info) as stream:
            header = parse_header(stream.read(HEAD_BYTES), member, objects=True)
        if header.dtype.hasobject:
            objects.append(info.filename.removesuffix(".npy"))
            continue
        if header.dtype.kind in "SU":
            rows = header.shape[0] if header.shape else 1
            check_declared(rows, 1, header.dtype.itemsize, member, limits)
        header.check(member, limits)
        check_size(header, info.file_size, member)
        headers[info.filename.removesuffix(".npy")] = header
    return headers, objects


def _is_about_rows(key: str) -> bool:
    return key in ("ids", "captions") or key.endswith(("_ids", "_captions"))


def _read_member(archive: zipfile.ZipFile, key: str, header: Header, name: str) -> npt.NDArray[Any]:
    """Inflate one array into place, in chunks, up to the declared size and no further."""
    flat = np.empty(math.prod(header.shape), dtype=header.dtype)
    target = flat.view(np.uint8) if flat.size else np.empty(0, dtype=np.uint8)
    filled = 0
    with archive.open(f"{key}.npy") as stream:
        stream.read(header.offset)
        while filled < len(target):
            chunk = stream.read(min(CHUNK, len(target) - filled))
            if not chunk:
                raise FormatError(
                    f"{name}:{printable(key, 60)}.npy is cut off: {len(target):,} bytes are "
                    f"declared, but {filled:,} were found. Copy or write it again."
                )
            target[filled : filled + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
            filled += len(chunk)
        stream.read(1)  # at the very end zipfile compares the checksum
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def _read_model(
    member: Callable[[str], npt.NDArray[Any]], headers: Mapping[str, Header]
) -> str | None:
    header = headers.get(METADATA)
    if header is None or header.dtype.kind != "U" or header.shape != ():
        return None
    text = str(_as_texts(member(METADATA))[0])
    metadata = json.loads(text) if text.startswith("{") else {}
    model = metadata.get("model")
    return model if isinstance(model, str) else None


def _as_texts(array: npt.NDArray[Any]) -> Texts:
    if array.dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).reshape(-1).view(array.dtype.str[0] + "u4")
        if codes.max() > sys.maxunicode:  # NumPy would raise a SystemError
            raise ValueError("its text holds characters beyond Unicode")
    values = array.reshape(-1).tolist()
    out = np.empty(len(values), dtype=object)
    out[:] = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values]
    return out


def _label_array(column: pd.Series[Any]) -> npt.NDArray[Any]:
    """Return numbers as they are and anything else as text."""
    if column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return np.array(["" if value != value else str(value) for value in column], dtype=np.str_)


FORMAT = Format(
    "npz",
    (".npz",),
    "array, ids and captions",
    open_file,
    write,
    several=True,
)
