"""Safetensors: an 8-byte length, a JSON header, and the bytes of the tensors.

The layout is read here directly, one tensor at a time, so that its header is compared with the
limits before anything is allocated, and bfloat16, which NumPy lacks, can be widened.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import Limits, check_declared, size_text
from anisoalign_core.files.source import Source, looks_like, malformed, printable, wrong_kind
from anisoalign_core.io import named
from anisoalign_core.io.chunks import (
    About,
    Chunk,
    ShardFacts,
    facts_of,
    read_rows,
    write_behind_head,
)
from anisoalign_core.io.columns import Meaning
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.lines import sidecars

MAX_HEADER = 16_000_000
MAX_TENSORS = 10_000
ROOM = 40
"""Digits kept free in a head for the number of rows and of bytes."""

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
"""Tensor types that NumPy can hold; others (float8 and below) are refused when asked for."""


@dataclass(frozen=True)
class Tensor:
    """One entry of the header; ``start`` and ``stop`` count from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class SafetensorsFile:
    """One ``.safetensors``; what is said of its rows lies beside."""

    source: Source
    limits: Limits
    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the tensors that can be embeddings."""
        return named.keys_of(self.entries)

    @cached_property
    def entries(self) -> list[named.Entry]:
        """All tensors."""
        return [
            named.Entry(key, tensor.shape, "number", partial(self._whole, key))
            for key, tensor in self.tensors.items()
        ]

    def _whole(self, key: str) -> npt.NDArray[Any]:
        """Return all numbers of a tensor on one axis."""
        tensor = self.tensors[key]
        stored, count = np.dtype(DTYPES[tensor.dtype]), math.prod(tensor.shape)
        with self.source.open() as stream:
            stream.seek(tensor.start)
            parts = list(read_rows(stream, self.source.name, stored, 1, count, max(count, 1)))
        return _widened(parts[0], tensor).reshape(-1) if parts else np.empty(0, dtype=stored)

    def said(self, key: str) -> About:
        """Return what tensors of one axis say of the rows."""
        known = [entry for entry in self.entries if self.tensors[entry.name].dtype in DTYPES]
        return named.said(known, key, self.facts(key).rows, self.source)

    def meanings(self) -> dict[str, Meaning]:
        """Return what each tensor is, by its name."""
        return named.meanings(self.entries, self.source)

    def facts(self, key: str) -> ShardFacts:
        """Return rows, dimension, type and metadata from the header."""
        tensor, name = self.tensors[key], f"{self.source.name}:{printable(key, 60)}"
        if tensor.dtype not in DTYPES:
            raise FormatError(
                f"{name} holds {printable(tensor.dtype, 20)} numbers, which NumPy cannot. Save it "
                "as float32 or float16."
            )
        narrow = tensor.dtype == "BF16"
        dtype = np.dtype(np.float32 if narrow else DTYPES[tensor.dtype])
        stored = "bfloat16" if narrow else ""
        facts = facts_of(tensor.shape, dtype, name, self.metadata, stored)
        itemsize = 8 if dtype.kind in "iu" else max(dtype.itemsize, 4)
        check_declared(facts.rows, facts.dim, itemsize, name, self.limits)
        return facts

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
        facts, tensor = self.facts(key), self.tensors[key]
        count, stored = facts.rows, np.dtype(DTYPES[tensor.dtype])
        stop = count if stop is None else min(stop, count)
        with self.source.open() as stream:
            stream.seek(tensor.start + start * stored.itemsize * facts.dim)
            for part in read_rows(stream, self.source.name, stored, facts.dim, stop - start, rows):
                yield Chunk(_widened(part, tensor))


def write(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write one tensor, named after the modality, and the metadata in a fixed order."""

    def head(count: int, array: npt.NDArray[Any]) -> bytes:
        shape = (count, array.shape[1])
        text = _head_text(shape, _name_of(array), modality, metadata)
        room = len(text) + ROOM - len(str(count)) - len(str(_bytes_of(shape, _name_of(array))))
        text = text.ljust(room + -room % 8)
        return struct.pack("<Q", len(text)) + text

    return write_behind_head(stream, chunks, rows, head)


def _name_of(vectors: npt.NDArray[Any]) -> str:
    return "F16" if vectors.dtype == np.float16 else "F32"


def _bytes_of(shape: tuple[int, ...], name: str) -> int:
    return math.prod(shape) * np.dtype(DTYPES[name]).itemsize


def _head_text(
    shape: tuple[int, ...], name: str, modality: str, metadata: Mapping[str, str]
) -> bytes:
    entry = {"dtype": name, "shape": list(shape), "data_offsets": [0, _bytes_of(shape, name)]}
    header = {"__metadata__": dict(sorted(metadata.items())), modality: entry}
    return json.dumps(header, separators=(",", ":")).encode("ascii")


def open_file(source: Source, limits: Limits) -> SafetensorsFile | WholeFile:
    """Read and check the header.

    Raises
    ------
    FormatError, LimitError
    """
    name, size = source.name, source.size
    with source.open() as stream:
        head = stream.read(16)
        if len(head) < 10 or head[8:9] != b"{":
            raise wrong_kind(name, "a .safetensors file", head)
        length = struct.unpack("<Q", head[:8])[0]
        if looks_like(head) != "a .safetensors file":
            raise wrong_kind(name, "a .safetensors file", head)
        if length > size - 8:
            raise FormatError(
                f"{name} is cut off: its header alone declares {length:,} bytes, but "
                f"{size - 8:,} were found. Copy or write it again."
            )
        if length > MAX_HEADER:
            raise LimitError(
                f"{name} declares a header of {size_text(length)}; the limit is "
                f"{size_text(MAX_HEADER)}. Keep long metadata in a file beside it."
            )
        stream.seek(8)
        text = stream.read(length)
    errors = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
    with malformed(name, "a .safetensors file", *errors):
        header = json.loads(text)
        described = header.pop("__metadata__", None) or {}
        metadata = {str(key): str(value) for key, value in described.items()}
        tensors = {key: _tensor(key, entry, 8 + length) for key, entry in header.items()}
    if len(tensors) > MAX_TENSORS:
        raise LimitError(f"{name} declares {len(tensors):,} tensors; the limit is {MAX_TENSORS:,}.")
    end = max((tensor.stop for tensor in tensors.values()), default=8 + length)
    if end != size:
        what = "is cut off" if size < end else "has bytes after its last tensor"
        raise FormatError(
            f"{name} {what}: its header declares {end:,} bytes in all, but {size:,} were found. "
            "Copy or write it again."
        )
    found = SafetensorsFile(source, limits, tensors, metadata)
    if not named.holds_ids(found.entries):
        return found
    return WholeFile(
        name,
        found.keys,
        lambda key: (named.stacked(found.entries, name, limits), metadata),
        head=lambda key: (named.shape_of(found.entries, key), metadata),
    )


def _tensor(key: str, entry: dict[str, Any], base: int) -> Tensor:
    """Check one entry as strictly as the format demands."""
    dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
        raise ValueError(f'tensor "{printable(key, 60)}" has a shape or offset that is no size')
    if not isinstance(dtype, str) or stop < start:
        raise ValueError(f'tensor "{printable(key, 60)}" is described wrongly')
    if dtype in DTYPES and math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize != stop - start:
        raise ValueError(
            f'tensor "{printable(key, 60)}" declares {shape} {dtype} but {stop - start:,} bytes'
        )
    return Tensor(dtype, shape, base + start, base + stop)


def _widened(array: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """Return bfloat16, which is the upper half of a float32, as one."""
    if tensor.dtype != "BF16":
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


FORMAT = Format(
    "safetensors",
    (".safetensors",),
    "array and text metadata",
    open_file,
    write,
    sidecars,
    lines=True,
    streams=True,
    ranges=True,
    several=True,
)
