"""Arrays from anywhere: what NumPy, PyTorch, pandas, Arrow, datasets, JAX and lists hold, as NumPy.

A library is asked only of objects that are its own, so none is imported for another's sake.

===================================  ========================================================
given                                what happens
===================================  ========================================================
NumPy array, of any memory order     nothing: the same memory
masked array                         copied; masked entries count as missing (NaN)
torch tensor on the CPU              the same memory, apart from its graph, which stays as it is
torch tensor on a device             copied to the CPU
bfloat16, float8 (torch, JAX)        copied to float32, which holds each of their values exactly
pandas DataFrame of numbers          the same memory if it is of one type in one piece, else copied
pandas Series of lists, of arrays    copied
Arrow fixed-size lists               the same memory if there is one piece without nulls
Arrow lists; several pieces          the same memory of one piece without nulls; else copied
a column of ``datasets``             as the Arrow lists that it is; copied if rows were selected
JAX array                            the same memory on the CPU, else copied
``__array__``, ``__dlpack__``        what they give
lists and tuples of numbers          copied
lists of arrays, tensors             copied, each as above
===================================  ========================================================

Missing rows of Arrow and pandas become NaN, so that they are refused, or dropped, by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ShapeError

Array = npt.NDArray[Any]
SPARSE = "{name} is a sparse matrix; give it whole, with {how}."


def as_array(given: Any, name: str = "array") -> Array:
    """Return what anybody's array holds as one of NumPy, without a copy where that can be.

    Parameters
    ----------
    given : array-like
        See the table of this module. It is left as it is: no gradient, no device, no type of it
        changes.
    name : str
        What messages call it.

    Returns
    -------
    ndarray
        Of any shape and type: whether these are rows is for :func:`anisoalign_core.rows.admit`.

    Raises
    ------
    FormatError
        If it is a sparse matrix, holds text or lists where numbers should be, or cannot be read
        here.
    ShapeError
        If its rows have several lengths: which row is the first that differs.
    """
    if type(given) is np.ndarray:
        return _known_type(given)
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "iuf":
        whole: Any = np.ma.array(given, dtype=None if given.dtype.kind == "f" else np.float64)
        return np.asarray(whole.filled(np.nan))
    if hasattr(given, "toarray"):
        raise FormatError(SPARSE.format(name=name, how=".toarray()"))
    packages = (base.__module__.partition(".")[0] for base in type(given).__mro__)
    read = next((_READERS[package] for package in packages if package in _READERS), _other)
    return _known_type(read(given, name))


def _known_type(array: Array) -> Array:
    """Return small floats that NumPy has no type of its own for as float32."""
    kind = array.dtype
    small = kind.kind == "V" and kind.names is None and kind.name.startswith(("bfloat", "float"))
    return array.astype(np.float32) if small else array


def _of_torch(given: Any, name: str) -> Array:
    import torch

    if not isinstance(given, torch.Tensor):
        return _other(given, name)
    if given.layout is not torch.strided:
        raise FormatError(SPARSE.format(name=name, how=".to_dense()"))
    rows = given.detach().resolve_conj().resolve_neg()
    if rows.is_floating_point() and rows.dtype not in (
        torch.float16,
        torch.float32,
        torch.float64,
    ):
        rows = rows.to(torch.float32)
    try:
        return np.asarray(rows.cpu().numpy())
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise _unread(given, name, error) from error


def _of_pandas(given: Any, name: str) -> Array:
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        for column, kind in given.dtypes.items():
            if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
                if given.shape[1] == 1:
                    return _of_pandas(given.iloc[:, 0], name)
                raise FormatError(
                    f'Column "{str(column)[:60]}" of {name} holds {kind} values, not numbers. Give '
                    "the columns of the vectors alone."
                )
        odd = any(isinstance(kind, pd.api.extensions.ExtensionDtype) for kind in given.dtypes)
        return given.to_numpy(dtype=np.float64, na_value=np.nan) if odd else given.to_numpy()
    if isinstance(given, pd.Series) and not pd.api.types.is_numeric_dtype(given.dtype):
        return _of_rows(given.tolist(), name)
    return np.asarray(given)


def _of_arrow(given: Any, name: str) -> Array:
    import pyarrow as pa

    if isinstance(given, pa.Table | pa.RecordBatch):
        raise FormatError(
            f'{name} is a table of {given.num_columns} columns; give one of them: table["NAME"].'
        )
    if isinstance(given, pa.ChunkedArray):
        given = given.chunk(0) if given.num_chunks == 1 else given.combine_chunks()
    if isinstance(given, pa.ExtensionArray):
        given = given.storage
    if not isinstance(given, pa.Array):
        return _other(given, name)
    kind = given.type
    if not _lists_numbers(kind):
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return np.asarray(given.to_numpy(zero_copy_only=False))
        raise FormatError(f"{name} holds {kind} values, not lists of numbers.")
    return listed_rows(given, name)


def _lists_numbers(kind: Any) -> bool:
    import pyarrow.types as types

    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def listed_rows(
    column: Any, name: str, *, key: str | None = None, first: int = 0, dim: int | None = None
) -> Array:
    """Return the rows of an Arrow column of lists of numbers, which must be of one length.

    Rows that are missing or empty become NaN (zeros where the numbers are whole ones), so that
    they are refused, or dropped, as such rows of any other file.

    Parameters
    ----------
    column : pyarrow.Array of lists
    name : str
        Of the file or array, for messages.
    key : str, optional
        Of the column.
    first : int
        Number of the first row in its file.
    dim : int, optional
        The length that rows must have; without it that of the first row that has any.

    Raises
    ------
    FormatError
        If a row has another length: which.
    """
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    there = lengths > 0
    wanted = dim or next(iter(lengths[there]), 0)
    odd = np.flatnonzero(there & (lengths != wanted))
    if len(odd):
        where = "" if key is None else f' in "{key}"'
        raise FormatError(
            f"Row {first + odd[0]} of {name} has {lengths[odd[0]]} numbers{where}, those before it "
            f"have {wanted}. Every row needs a vector of one length."
        )
    if column.null_count:
        column = column.filter(column.is_valid())  # those of fixed size keep numbers below a null
    values: Array = column.flatten().to_numpy(zero_copy_only=False)
    values = values.reshape(int(there.sum()), int(wanted))
    if there.all():
        return values
    out = np.zeros((len(there), int(wanted)), dtype=values.dtype)
    out[there] = values
    if values.dtype.kind == "f":
        out[~there] = np.nan
    return out


def _of_datasets(given: Any, name: str) -> Array:
    source, key = getattr(given, "source", None), getattr(given, "column_name", None)
    if source is None or not hasattr(source, "with_format"):
        return _other(given, name)
    if not hasattr(source, "__len__"):
        raise FormatError(
            f"{name} is a column of a dataset that streams; give it whole: list(column)."
        )
    return as_array(source.with_format("arrow")[:][key], name)


def _other(given: Any, name: str) -> Array:
    """Return what has NumPy's protocol, or DLPack's, or is a sequence."""
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return _of_rows(given, name)
    try:
        if not hasattr(given, "__array__") and hasattr(given, "__dlpack__"):
            return np.from_dlpack(given)
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise _unread(given, name, error) from error


def _unread(given: Any, name: str, error: Exception) -> FormatError:
    kind = f"{type(given).__module__}.{type(given).__qualname__}"
    return FormatError(
        f"{name} is a {kind} that cannot be read here ({str(error).partition(chr(10))[0]}). Give "
        "it as a NumPy array."
    )


def _of_rows(given: Sequence[Any], name: str) -> Array:
    """Return a sequence of rows, each a list or an array of its own, as one array."""
    rows: Sequence[Any] = given
    if any(hasattr(row, "__len__") and not isinstance(row, list | tuple | str) for row in rows):
        rows = [as_array(row, f"Row {at} of {name}") for at, row in enumerate(rows)]
    size = next((len(row) for row in rows if hasattr(row, "__len__")), None)
    if size is not None:
        rows = [[np.nan] * size if _is_missing(row) else row for row in rows]
    _one_length(rows, name)
    try:
        return np.asarray(rows)
    except (ValueError, TypeError, OverflowError) as error:  # deeper lists of several lengths
        raise ShapeError(
            f"{name} holds no rows ({str(error).partition('.')[0]}). Give one list of numbers "
            "for each row, all of one length."
        ) from error


def _is_missing(row: Any) -> bool:
    return row is None or (isinstance(row, float) and row != row) or type(row).__name__ == "NAType"


def _one_length(rows: Sequence[Any], name: str) -> None:
    sizes = [
        len(row) if hasattr(row, "__len__") and not isinstance(row, str) else -1 for row in rows
    ]
    odd = next((at for at, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is None:
        return
    said = [f"{size} numbers" if size >= 0 else "one entry" for size in (sizes[odd], sizes[0])]
    raise ShapeError(
        f"Row {odd} of {name} has {said[0]}, and row 0 has {said[1]} (counting from 0). Give every "
        "row a vector of one length."
    )


_READERS = {
    "torch": _of_torch,
    "pandas": _of_pandas,
    "pyarrow": _of_arrow,
    "datasets": _of_datasets,
}
"""By the package of an object's type, or of one it is made from; others go by what they can do."""
