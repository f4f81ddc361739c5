"""What an array must be to hold embeddings, and the sentences that say when it is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.numerics import Integers

Strings = npt.NDArray[np.object_]


def as_real_matrix(array: npt.ArrayLike, name: str) -> npt.NDArray[np.floating[Any]]:
    """Return ``array`` as a 2-D float array, or say in a sentence why that is not possible."""
    rows = np.asarray(array)
    if rows.dtype == object or rows.dtype.kind in "SUVMmcb":
        raise FormatError(
            f"{name} holds {_kind_name(rows.dtype)}, not real numbers. Save the embeddings as a "
            "plain float array of shape (rows, dimensions)."
        )
    if rows.ndim != 2:
        hint = (
            "Reshape it to (rows, dimensions)."
            if rows.ndim == 1
            else "Pool or select until one vector per row is left."
        )
        raise ShapeError(f"{name} has {rows.ndim} axes (shape {rows.shape}), not 2. {hint}")
    if rows.shape[0] == 0:
        raise ShapeError(f"{name} has no rows (shape {rows.shape}). Check how it was written.")
    if rows.shape[1] < 2:
        raise ShapeError(
            f"{name} has {rows.shape[1]} column(s); a direction needs at least 2 dimensions."
        )
    if rows.dtype.kind in "iu":
        return rows.astype(np.float64)
    if rows.dtype.itemsize > 8:
        return rows.astype(np.float64)
    return rows


def as_strings(values: Iterable[object]) -> Strings:
    """Return an object array of ``str``."""
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = [item if isinstance(item, str) else str(item) for item in items]
    return out


def check_thumbnails(thumbnails: npt.NDArray[np.uint8] | None, n: int, name: str) -> None:
    """Refuse thumbnails that are not (n, h, w, 3) uint8."""
    if thumbnails is None:
        return
    if thumbnails.ndim != 4 or thumbnails.shape[3] != 3 or thumbnails.dtype != np.uint8:
        raise ShapeError(f"Thumbnails of {name} must be uint8 of shape (rows, height, width, 3).")
    if len(thumbnails) != n:
        raise ShapeError(f"{name} has {n} rows but {len(thumbnails)} thumbnails.")


def _kind_name(dtype: np.dtype[Any]) -> str:
    names = {"O": "Python objects", "S": "bytes", "U": "text", "c": "complex numbers"}
    return names.get(dtype.kind, {"b": "booleans", "V": "records"}.get(dtype.kind, "dates"))


def describe_invalid(
    rows: npt.NDArray[np.floating[Any]], norms: npt.NDArray[Any], bad: Integers, name: str
) -> str:
    """Say which rows are all zeros or not finite, and what to do."""
    zeros = bad[norms[bad] == 0.0]
    broken = bad[norms[bad] != 0.0]
    parts = []
    for what, which in (("all zeros", zeros), ("not finite (NaN or Inf)", broken)):
        if len(which):
            shown = ", ".join(str(row) for row in which[:5])
            more = f", … ({len(which)} such rows)" if len(which) > 5 else ""
            parts.append(
                f"row{'s' if len(which) > 1 else ''} {shown}{more} of {name} "
                f"{'are' if len(which) > 1 else 'is'} {what}"
            )
    return (
        f"{' and '.join(parts)} (counting from 0; {len(bad)} of {len(rows)} rows). "
        "Drop them with drop_invalid=True, or mend the file."
    ).replace("row", "Row", 1)
