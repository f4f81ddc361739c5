"""NumPy's ``.npy``: one array, never unpickled."""

from __future__ import annotations

import io
import math
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, malformed, pickle_error, readable, wrong_kind
from anisoalign_core.io.chunks import (
    About,
    Chunk,
    ShardFacts,
    facts_of,
    read_rows,
    table_shape,
    write_behind_head,
)
from anisoalign_core.io.format import Format
from anisoalign_core.io.lines import sidecars
from anisoalign_core.numerics import blocks

HEAD_BYTES = 16_384
"""Enough for any header that NumPy itself agrees to parse (10 000 characters)."""

KEYS = ("array",)


@dataclass(frozen=True)
class Header:
    """What the first bytes of a ``.npy`` declare.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    fortran_order : bool
    offset : int
        Where the numbers begin.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def check(self, name: str, limits: Limits) -> None:
        """Compare with the limits; integers count as the float64 they become."""
        rows = self.shape[0] if self.shape else 1
        itemsize = self.dtype.itemsize
        itemsize = 8 if self.dtype.kind in "iu" else max(itemsize, 4)
        check_declared(rows, math.prod(self.shape[1:]), itemsize, name, limits)


def parse_header(head: bytes, name: str, *, objects: bool = False) -> Header:
    """Read the header of a ``.npy`` from its first bytes.

    Parameters
    ----------
    head : bytes
        The first 16 KiB, or all.
    name : str
    objects : bool
        Return the header of Python objects too, for the caller to leave them alone.

    Raises
    ------
    FormatError
        If this is not a ``.npy`` header, or it declares Python objects or records.
    """
    if not head.startswith(b"\x93NUMPY"):
        raise wrong_kind(name, "a .npy file", head)
    stream = io.BytesIO(head)
    errors = (ValueError, TypeError, KeyError, IndexError, SyntaxError, tokenize.TokenError)
    with malformed(name, "a .npy file", *errors, RecursionError, MemoryError, OverflowError):
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            shape, fortran_order, dtype = npy_format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran_order, dtype = npy_format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"format version {version[0]}.{version[1]} holds no plain array")
        shape = tuple(int(side) for side in shape)
        if any(side < 0 for side in shape):
            raise ValueError(f"the shape {shape} is negative")
    if dtype.hasobject:
        if objects:
            return Header(shape, dtype, bool(fortran_order), stream.tell())
        raise pickle_error(name)
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None:
        raise FormatError(
            f"{name} holds two-byte values of a type that NumPy does not name, as bfloat16 is "
            'saved. Save it as float32: np.save(path, array.astype("float32")).'
        )
    if dtype.itemsize == 0 or dtype.kind == "V":
        raise FormatError(
            f"{name} holds records or nothing ({str(dtype)[:60]}), not real numbers. Save the "
            "embeddings as a plain float array of shape (rows, dimensions)."
        )
    return Header(shape, dtype, bool(fortran_order), stream.tell())


def read_header(source: Source, limits: Limits) -> Header:
    """Read and check the header, and compare its promise with the file's size.

    Raises
    ------
    FormatError
        Also if bytes are missing or left over.
    LimitError
    """
    with source.open() as stream:
        header = parse_header(stream.read(HEAD_BYTES), source.name)
    header.check(source.name, limits)
    check_size(header, source.size, source.name)
    return header


def read_array(source: Source, limits: Limits) -> npt.NDArray[Any]:
    """Return the array of uploaded bytes, or of a file, in memory: no file is mapped here.

    A mapped file that becomes shorter would end the process.
    """
    header = read_header(source, limits)
    order: Literal["F", "C"] = "F" if header.fortran_order else "C"
    count = math.prod(header.shape)
    if count == 0:
        return np.empty(header.shape, dtype=header.dtype)
    flat: npt.NDArray[Any]
    if source.data is not None:
        flat = np.frombuffer(source.data, dtype=header.dtype, offset=header.offset)
    else:
        with source.open() as stream:
            stream.seek(header.offset)
            (flat,) = read_rows(stream, source.name, header.dtype, count, 1, 1)
    return flat.reshape(header.shape, order=order)


def _mapped(source: Source, header: Header, limits: Limits) -> npt.NDArray[Any]:
    """Return an array whose rows do not lie together: mapped where it is a file of this machine."""
    if source.path is None or not is_local(source.path):
        return read_array(source, limits)
    with readable(source.name):
        mapped: npt.NDArray[Any] = np.memmap(
            source.path,
            dtype=header.dtype,
            mode="r",
            offset=header.offset,
            shape=header.shape,
            order="F",
        )
    return mapped


@dataclass(frozen=True)
class NpyFile:
    """One ``.npy``; what is said of its rows lies beside."""

    source: Source
    limits: Limits
    header: Header
    keys: ClassVar[tuple[str, ...]] = KEYS

    def facts(self, key: str) -> ShardFacts:
        """Return rows, dimension and type from the header."""
        return facts_of(self.header.shape, self.header.dtype, self.source.name)

    def said(self, key: str) -> About:
        """Return what the file says of the rows: nothing."""
        return About()

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
        """Read rows ``start`` to ``stop``, at most ``rows`` at a time."""
        source, header = self.source, self.header
        count, dim = table_shape(header.shape) or (0, 0)
        stop = count if stop is None else min(stop, count)
        if header.fortran_order:
            array = _mapped(source, header, self.limits).reshape((count, dim), order="F")[
                start:stop
            ]
            yield from (Chunk(np.array(array[part])) for part in blocks(len(array), rows))
            return
        with source.open() as stream:
            stream.seek(header.offset + start * header.dtype.itemsize * dim)
            yield from map(
                Chunk, read_rows(stream, source.name, header.dtype, dim, stop - start, rows)
            )


def open_file(source: Source, limits: Limits) -> NpyFile:
    """Read and check the header.

    Raises
    ------
    FormatError, LimitError
    """
    return NpyFile(source, limits, read_header(source, limits))


def write(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write the vectors alone; the bytes are those of :func:`numpy.save`."""

    def head(count: int, array: npt.NDArray[Any]) -> bytes:
        # NumPy leaves room in the header for any number of rows, so it can be written over
        described = {
            "shape": (count, array.shape[1]),
            "fortran_order": False,
            "descr": npy_format.dtype_to_descr(array.dtype),
        }
        text = io.BytesIO()
        npy_format.write_array_header_1_0(text, described)
        return text.getvalue()

    return write_behind_head(stream, chunks, rows, head)


def check_size(header: Header, found: int, name: str) -> None:
    """Refuse a file with fewer or more bytes than its header declares."""
    if found == header.size:
        return
    shape = " × ".join(str(side) for side in header.shape)
    what = "is cut off" if found < header.size else "has bytes after its array"
    raise FormatError(
        f"{name} {what}: its header declares {shape} {header.dtype.name} numbers, {header.size:,} "
        f"bytes in all, but {found:,} bytes were found. Copy or write it again."
    )


FORMAT = Format(
    "npy",
    (".npy",),
    "plain array; the default",
    open_file,
    write,
    sidecars,
    lines=True,
    streams=True,
    ranges=True,
)
