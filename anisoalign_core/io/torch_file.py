"""PyTorch's ``.pt`` and ``.pth``: tensors only, read with ``weights_only=True``."""

from __future__ import annotations

import math
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, Texts, malformed, pickle_error, printable
from anisoalign_core.io.chunks import About, Chunk
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
    """Load the tensors; ids and captions come from lists in the file or from files beside.

    Raises
    ------
    FormatError, LimitError
    """
    loaded = _load(source, limits)
    tensors = _tensors(loaded, source.name)
    tables = [key for key, tensor in tensors.items() if tensor.ndim == 2]

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        name = source.name if key == ONLY else f"{source.name}:{printable(key, 60)}"
        ids, captions = _texts(loaded, key, "ids"), _texts(loaded, key, "captions")
        if ids is None:
            ids = read_sidecar(source, IDS_ENDING, limits)
        if captions is None:
            captions = read_sidecar(source, CAPTIONS_ENDING, limits)
        return Chunk(_as_array(tensors[key], name, limits), About(ids, captions)), {}

    return WholeFile(source.name, tuple(tables or tensors), read)


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
    try:
        import torch
    except ImportError as error:
        raise FormatError(
            f"{name} is a PyTorch file, and PyTorch is not installed. Install it, or save the "
            'tensor with np.save("embeddings.npy", tensor.numpy()).'
        ) from error
    errors = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, OSError)
    with (
        source.open() as stream,
        malformed(name, KIND, *errors, *DAMAGE),
    ):
        try:
            return torch.load(stream, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise FormatError(
                f"{name} holds Python objects besides tensors, which are never loaded because "
                "they can run code. Only plain tensors and dictionaries of tensors are read: "
                'torch.save({"image": tensor}, "embeddings.pt").'
            ) from error


def _tensors(loaded: Any, name: str) -> dict[str, torch.Tensor]:
    import torch

    if isinstance(loaded, torch.Tensor):
        return {ONLY: loaded}
    if isinstance(loaded, dict):
        found = {
            key: value
            for key, value in loaded.items()
            if isinstance(key, str) and isinstance(value, torch.Tensor)
        }
        if found:
            return found
    raise FormatError(
        f"{name} holds a {type(loaded).__name__} without tensors by name. Save one tensor or a "
        'dictionary of tensors: torch.save({"image": tensor}, "embeddings.pt").'
    )


def _texts(loaded: Any, key: str, what: str) -> Texts | None:
    if not isinstance(loaded, dict):
        return None
    values = loaded.get(f"{key}_{what}", loaded.get(what))
    if not isinstance(values, list | tuple):
        return None
    out = np.empty(len(values), dtype=object)
    out[:] = [str(value) for value in values]
    return out


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
