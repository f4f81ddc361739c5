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
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.limits import Limits, check_declared, size_text
from anisoalign_core.files.source import Source, looks_like, malformed, printable, wrong_kind
from anisoalign_core.io.chunks import Chunk, ShardFacts, read_rows, write_behind_head
from anisoalign_core.io.lines import CAPTIONS_ENDING, IDS_ENDING, read_sidecar
from anisoalign_core.io.tables import Payload, RawTable

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


def keys(source: Source, limits: Limits) -> tuple[str, ...]:
    """Return the names of the tensors that can be embeddings."""
    tensors, _ = _header(source)
    tables = [key for key, tensor in tensors.items() if len(tensor.shape) == 2]
    return tuple(tables or tensors)


def read(source: Source, limits: Limits, key: str) -> RawTable:
    """Read one tensor; ids and captions come from files beside, the model from the metadata.

    Raises
    ------
    FormatError, LimitError
    """
    tensors, metadata = _header(source)
    return RawTable(
        _read_tensor(source, key, tensors[key], limits),
        ids=read_sidecar(source, IDS_ENDING, limits),
        captions=read_sidecar(source, CAPTIONS_ENDING, limits),
        model=metadata.get("model"),
    )


def write(stream: BinaryIO, payload: Payload) -> None:
    """Write one tensor named after the modality, and the metadata, in a fixed order."""
    vectors = payload.vectors
    name = _name_of(vectors)
    text = _head_text(vectors.shape, name, payload.modality, payload.metadata)
    text += b" " * (-len(text) % 8)
    stream.write(struct.pack("<Q", len(text)) + text)
    stream.write(vectors.astype(DTYPES[name], copy=False).reshape(-1).view(np.uint8).data)


def shard_facts(source: Source, limits: Limits, key: str) -> ShardFacts:
    """Return rows, dimension, type and metadata from the header.

    Raises
    ------
    FormatError, LimitError, ShapeError
    """
    tensors, metadata = _header(source)
    tensor = tensors[key]
    dtype = _checked_dtype(source.name, key, tensor, limits)
    if len(tensor.shape) != 2:
        raise ShapeError(f"{source.name}:{printable(key, 60)} has {len(tensor.shape)} axes, not 2.")
    return ShardFacts(*tensor.shape, dtype, metadata)


def read_chunks(
    source: Source,
    limits: Limits,
    key: str,
    *,
    rows: int,
    start: int = 0,
    stop: int | None = None,
    about: bool = False,
) -> Iterator[Chunk]:
    """Read rows ``start`` to ``stop``, at most ``rows`` at a time; what is said of them is beside.

    Raises
    ------
    FormatError, LimitError, ShapeError
    """
    facts = shard_facts(source, limits, key)
    tensor = _header(source)[0][key]
    stop = min(facts.rows or 0, (facts.rows or 0) if stop is None else stop)
    with source.open() as stream:
        stream.seek(tensor.start + start * facts.dtype.itemsize * facts.dim)
        for part in read_rows(stream, source.name, facts.dtype, facts.dim, stop - start, rows):
            yield Chunk(_widened(part, tensor))


def write_shard(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write one tensor, named after the modality, whose rows come in chunks."""

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


def _header(source: Source) -> tuple[dict[str, Tensor], dict[str, str]]:
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
    return tensors, metadata


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


def _checked_dtype(source_name: str, key: str, tensor: Tensor, limits: Limits) -> np.dtype[Any]:
    """Return the type of a tensor's numbers, compared with the limits."""
    name = f"{source_name}:{printable(key, 60)}"
    if tensor.dtype not in DTYPES:
        raise FormatError(
            f"{name} holds {printable(tensor.dtype, 20)} numbers, which NumPy cannot. Save it as "
            "float32 or float16."
        )
    dtype = np.dtype(DTYPES[tensor.dtype])
    rows = tensor.shape[0] if tensor.shape else 1
    itemsize = 8 if dtype.kind in "iu" and tensor.dtype != "BF16" else max(dtype.itemsize, 4)
    check_declared(rows, math.prod(tensor.shape[1:]), itemsize, name, limits)
    return dtype


def _read_tensor(source: Source, key: str, tensor: Tensor, limits: Limits) -> npt.NDArray[Any]:
    dtype = _checked_dtype(source.name, key, tensor, limits)
    with source.open() as stream:
        stream.seek(tensor.start)
        flat = np.frombuffer(stream.read(tensor.stop - tensor.start), dtype=dtype)
    return _widened(flat, tensor).reshape(tensor.shape)


def _widened(array: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """Return bfloat16, which is the upper half of a float32, as one."""
    if tensor.dtype != "BF16":
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)
