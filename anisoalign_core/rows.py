"""The one gate: what rows must be to be embeddings, and the words that say when they are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.arrays import as_array
from anisoalign_core.errors import FormatError, InvalidRowsError, ShapeError
from anisoalign_core.numerics import (
    UNIT_TOLERANCE,
    Float32,
    Float64,
    Integers,
    read_only,
    row_norms,
    unit_rows,
)

Strings = npt.NDArray[np.object_]
RealMatrix = npt.NDArray[np.floating[Any]]

LOOSE_UNIT_TOLERANCE = 2e-3
"""Norms within this of 1 count as "already normalised" in reports: float16 files land here."""


def valid_norms(norms: Float64) -> npt.NDArray[np.bool_]:
    """Which rows have a direction: those whose norm is finite and above zero."""
    return np.isfinite(norms) & (norms > 0.0)


@dataclass(frozen=True)
class NormRange:
    """What was measured of rows on the way in.

    Attributes
    ----------
    rows, dropped : int
    smallest, largest : float
        Norms of the kept rows before normalising.
    """

    rows: int = 0
    dropped: int = 0
    smallest: float = float("inf")
    largest: float = 0.0

    def __add__(self, other: NormRange) -> NormRange:
        """Of both sets of rows together."""
        return NormRange(
            self.rows + other.rows,
            self.dropped + other.dropped,
            min(self.smallest, other.smallest),
            max(self.largest, other.largest),
        )

    def within(self, tolerance: float) -> bool:
        """Whether every kept norm is 1 to within a tolerance."""
        return 1.0 - tolerance <= self.smallest and self.largest <= 1.0 + tolerance

    @property
    def is_unit(self) -> bool:
        """Whether every kept row is unit to float32 rounding."""
        return self.within(UNIT_TOLERANCE)

    @property
    def was_normalised(self) -> bool:
        """Whether every kept row was unit to within 2e-3."""
        return self.within(LOOSE_UNIT_TOLERANCE)


@dataclass(frozen=True, eq=False)
class Admitted:
    """Rows that have a direction each.

    Attributes
    ----------
    rows : (m, d) array of floats
        As they came, without those that were dropped.
    norms : (m,) float64
    kept : (m,) int or None
        Which input rows they are; None for all.
    dropped : array of int
        Input rows that were left out.
    """

    rows: RealMatrix
    norms: Float64
    kept: Integers | None
    dropped: Integers

    @property
    def measured(self) -> NormRange:
        """How long the rows are."""
        low, high = self.norms.min(initial=np.inf), self.norms.max(initial=0.0)
        return NormRange(len(self.rows), len(self.dropped), float(low), float(high))

    def unit(self, *, in_place: bool = False) -> Float32:
        """Place the rows on the unit sphere; rows that are unit stay bit for bit."""
        return unit_rows(self.rows, self.norms, in_place=in_place)

    def borrowed(self) -> Float32:
        """:meth:`unit`, or the rows themselves where all are unit: for reading alone."""
        known = self.rows.dtype == np.float32 and self.rows.flags.c_contiguous
        rows = self.rows if known and self.measured.is_unit else self.unit()
        return np.asarray(read_only(rows))


def admit(
    array: npt.ArrayLike, name: str = "array", *, drop_invalid: bool = False, first: int = 0
) -> Admitted:
    """Let an array in whose rows are embeddings, or say which rows are not.

    Parameters
    ----------
    array : (n, d) array of real numbers
        Any float or integer type, byte order and memory order; of NumPy, PyTorch, pandas, Arrow,
        datasets, JAX or lists, as the table of :mod:`anisoalign_core.arrays` says. Floats are
        taken as they are, whole numbers as float64.
    name : str
        What messages call it.
    drop_invalid : bool
        Leave out rows that are all zeros or not finite instead of refusing the array.
    first : int
        Number of the first row in its file: errors count from there.

    Raises
    ------
    FormatError
        If the entries are not real numbers.
    ShapeError
        If the array is not 2-D, has no rows or fewer than two columns.
    InvalidRowsError
        If rows are all zeros or not finite and are not to be dropped. ``error.rows`` holds all.
    """
    rows = as_real_matrix(array, name)
    norms = row_norms(rows)
    valid = valid_norms(norms)
    bad = np.flatnonzero(~valid)
    if not len(bad):
        return Admitted(rows, norms, None, bad)
    if not drop_invalid:
        words = describe_invalid(rows, norms, bad, name)
        if first:
            words += f" Rows here count from row {first:,} of the file."
        raise InvalidRowsError(words, (bad + first).tolist())
    kept = np.flatnonzero(valid)
    return Admitted(rows[kept], norms[kept], kept, bad)


def as_real_matrix(array: npt.ArrayLike, name: str) -> RealMatrix:
    """Return ``array`` as a 2-D float array, or say in a sentence why that is not possible."""
    rows = as_array(array, name)
    if rows.dtype == object or rows.dtype.kind in "SUVMmcb":
        begin = "Complex data not supported: " if rows.dtype.kind == "c" else ""
        raise FormatError(
            f"{begin}{name} holds {_kind_name(rows.dtype)}, not real numbers. Save the embeddings "
            "as a plain float array of shape (rows, dimensions)."
        )
    if rows.ndim != 2:
        hint = (
            "Reshape your data to (rows, dimensions)."
            if rows.ndim == 1
            else "Pool or select until one vector per row is left."
        )
        raise ShapeError(f"{name} has {rows.ndim} axes (shape {rows.shape}), not 2. {hint}")
    if rows.shape[0] == 0:
        raise ShapeError(f"{name} has no rows (shape {rows.shape}). Check how it was written.")
    if rows.shape[1] < 2:
        raise ShapeError(
            f"{name} has {rows.shape[1]} feature(s) (shape={rows.shape}) while a minimum of 2 is "
            "required: a direction needs 2 dimensions."
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


def describe_invalid(rows: RealMatrix, norms: Float64, bad: Integers, name: str) -> str:
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
