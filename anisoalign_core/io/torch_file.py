"""PyTorch's ``.pt`` and ``.pth``: tensors only, read with ``weights_only=True``."""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, Texts, malformed, pickle_error, printable
from anisoalign_core.io import named
from anisoalign_core.io.chunks import Chunk, table_shape
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.lines import CAPTIONS_ENDING, IDS_ENDING, read_sidecar
from anisoalign_core.io.npz import checked_archive

if TYPE_CHECKING:
    import torch

KIND = "a PyTorch file"
DAMAGE = (LookupError, EOFError, AssertionError, OverflowError, MemoryError, struct.error)
"""What PyTorch's reader raises on damaged files, besides the usual."""
ONLY = "tensor"
"""The key of a file that is one bare tensor."""


def open_file(source: Source, limits: Limits) -> WholeFile:
    """Load tensors: one, several by name, one for each id, or lists and records of them.

    Ids and captions come from the file, or from files beside it.

    Raises
    ------
    FormatError, LimitError
    """
    name = source.name
    loaded = _by_name(_load(source, limits), name)
    tables, entries = _entries(loaded, name, limits)
    if not tables:
        raise FormatError(
            f"{name} holds a {type(loaded).__name__} without tensors by name. Save one tensor or a "
            'dictionary of tensors: torch.save({"image": tensor}, "embeddings.pt").'
        )
    single = named.holds_ids(entries)

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        if single:
            chunk = named.stacked(entries, name, limits)
        else:
            array, stored, ids = tables[key]()
            shape = table_shape(array.shape)
            rows = shape[0] if shape else 0
            about = named.said(entries, key, rows, source)
            chunk = Chunk(array, about if ids is None else replace(about, ids=ids), stored)
        beside = [read_sidecar(source, end, limits) for end in (IDS_ENDING, CAPTIONS_ENDING)]
        about = chunk.about
        about = replace(
            about,
            ids=beside[0] if about.ids is None else about.ids,
            captions=beside[1] if about.captions is None else about.captions,
        )
        return replace(chunk, about=about), {}

    keys = named.keys_of(entries)
    return WholeFile(
        name,
        keys,
        read,
        lambda: named.meanings(entries, source),
        lambda key: (named.shape_of(entries, key), {}),
    )


def _load(source: Source, limits: Limits) -> Any:
    """Load the file with PyTorch's restricted reader, after its archive passed the limits."""
    name = source.name
    with source.open() as stream:
        if stream.read(2) == b"\x80\x02":
            raise pickle_error(name, "a pickle or PyTorch's format from before version 1.6")
    with checked_archive(source, limits, KIND) as archive:
        if not any(member.endswith("/data.pkl") for member in archive.namelist()):
            raise FormatError(
                f"{name} is a zip archive but not a PyTorch file. A NumPy archive needs the "
                "suffix .npz."
            )
    errors = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, OSError)
    with (
        source.open() as stream,
        malformed(name, KIND, *errors, *DAMAGE),
    ):
        try:
            return load_plain(stream)
        except ImportError as error:
            raise FormatError(
                f"{name} is a PyTorch file, and PyTorch is not installed. Install it, or save the "
                'tensor with np.save("embeddings.npy", tensor.numpy()).'
            ) from error
        except pickle.UnpicklingError as error:
            raise FormatError(
                f"{name} holds Python objects besides tensors, which are never loaded because "
                "they can run code. Only plain tensors and dictionaries of tensors are read: "
                'torch.save({"image": tensor}, "embeddings.pt").'
            ) from error


def load_plain(source: Any) -> Any:
    """Read tensors, and NumPy's scalars, which are numbers, with PyTorch's restricted reader."""
    import _codecs

    import torch

    scalar: Any = np.float64(0.0).__reduce__()[0]
    kinds = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    plain = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, _codecs.encode, *kinds]
    with torch.serialization.safe_globals(plain):
        return torch.load(source, map_location="cpu", weights_only=True)


def _by_name(loaded: Any, name: str) -> Any:
    """Return what is in the file by name: records as columns, anything alone as the one tensor."""
    import torch

    if isinstance(loaded, list | tuple) and loaded:
        if all(isinstance(each, dict) for each in loaded):
            shared = [key for key in loaded[0] if all(key in each for each in loaded)]
            return {key: [each[key] for each in loaded] for key in shared}
        if all(isinstance(each, torch.Tensor) for each in loaded):
            return {ONLY: list(loaded)}
    return {ONLY: loaded} if isinstance(loaded, torch.Tensor) else loaded


def _entries(
    loaded: Any, name: str, limits: Limits
) -> tuple[dict[str, Callable[[], tuple[Any, str, Texts | None]]], list[named.Entry]]:
    """Return what can be embeddings, and everything that has one entry a row or more axes."""
    import torch

    tables: dict[str, Callable[[], tuple[Any, str, Texts | None]]] = {}
    entries: list[named.Entry] = []
    for given, value in loaded.items() if isinstance(loaded, dict) else ():
        key = str(given)
        called = name if key == ONLY else f"{name}:{printable(key, 60)}"
        shape = _shape(value)
        if shape is not None:
            if not isinstance(value, torch.Tensor) or isinstance(given, str | int):
                tables[key] = partial(_table, value, called, limits)
                entries.append(
                    named.Entry(key, shape, "number", partial(_numbers, value, called, limits))
                )
        elif isinstance(value, list | tuple) and value:
            entries += _said(key, list(value))
    return tables, entries


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape that a tensor, or vectors and batches of them, have as one array."""
    import torch

    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list | tuple) or not parts:
        return None
    if not all(isinstance(part, torch.Tensor) and part.ndim in (0, 1, 2) for part in parts):
        return None
    if all(part.ndim == 0 for part in parts):
        return (len(parts),)
    if isinstance(value, dict) and any(part.ndim == 2 and len(part) != 1 for part in parts):
        return None
    rows = sum(1 if part.ndim < 2 else len(part) for part in parts)
    return rows, parts[0].shape[-1] if parts[0].ndim else 1


def _table(value: Any, name: str, limits: Limits) -> tuple[Any, str, Texts | None]:
    """Return an array, the type it was stored in where NumPy lacks it, and ids of a dictionary."""
    ids = None
    if isinstance(value, dict):
        ids = np.empty(len(value), dtype=object)
        ids[:] = [str(key) for key in value]
    first = value
    while isinstance(first, dict | list | tuple):
        first = next(iter(first.values() if isinstance(first, dict) else first))
    stored = str(first.dtype).removeprefix("torch.")
    array = _numbers(value, name, limits)
    return array, stored if stored != array.dtype.name else "", ids


def _numbers(value: Any, name: str, limits: Limits) -> npt.NDArray[Any]:
    """Return a tensor, or several as the rows of one array.

    Raises
    ------
    FormatError
        If they differ in length, naming the first that does.
    LimitError
    """
    import torch

    if isinstance(value, torch.Tensor):
        return _as_array(value, name, limits)
    parts = list(value.values()) if isinstance(value, dict) else list(value)
    lengths = [part.shape[-1] if part.ndim else 1 for part in parts]
    odd = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
    if odd is not None:
        raise FormatError(
            f"Tensor {odd} of {name} has vectors of {lengths[odd]} numbers, those before it have "
            f"{lengths[0]}. Every row needs a vector of one length."
        )
    rows = sum(1 if part.ndim < 2 else len(part) for part in parts)
    check_declared(rows, lengths[0], 8, name, limits)
    arrays = [_as_array(part, name, limits) for part in parts]
    if all(part.ndim == 0 for part in parts):
        return np.array(arrays)
    return np.concatenate([array.reshape(-1, lengths[0]) for array in arrays])


def _said(key: str, values: list[Any]) -> list[named.Entry]:
    """Return lists as what they say of the rows; records of one value a name as several columns."""
    if all(isinstance(value, dict) for value in values):
        shared = [str(name) for name in values[0] if all(name in value for value in values)]
        columns = {name: [value.get(name) for value in values] for name in shared}
        return [each for name, column in columns.items() for each in _said(name, column)]
    shape = (len(values),)
    plain = str | int | float
    if all(isinstance(value, plain) for value in values):
        numbers = all(isinstance(value, int | float) for value in values)
        return [named.Entry(key, shape, "number" if numbers else "text", lambda: values)]
    if all(isinstance(v, list | tuple) and all(isinstance(t, str) for t in v) for v in values):
        return [named.Entry(key, shape, "texts", lambda: values)]
    return []


def _as_array(tensor: torch.Tensor, name: str, limits: Limits) -> npt.NDArray[Any]:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise FormatError(
            f"{name} is a sparse, quantised or empty-device tensor. Save a plain one: "
            "tensor.to_dense().float()."
        )
    shape = tuple(tensor.shape)
    itemsize = max(tensor.element_size(), 4) if tensor.is_floating_point() else 8
    check_declared(shape[0] if shape else 1, math.prod(shape[1:]), itemsize, name, limits)
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_floating_point() and tensor.dtype not in (
        torch.float16,
        torch.float32,
        torch.float64,
    ):
        tensor = tensor.to(torch.float32)
    return np.asarray(tensor.numpy())


FORMAT = Format("torch", (".pt", ".pth"), "PyTorch tensors, read only", open_file, several=True)
