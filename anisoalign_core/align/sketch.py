"""Whether rows are those of a fit, told from the 64 rows whose bytes come first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.numerics import Float32

Keys = npt.NDArray[np.uint64]
SIZE = 64


def _keys(rows: Float32) -> Keys:
    """One number a row, from its first and last two entries; equal rows have equal ones."""
    ends = [
        np.ascontiguousarray(part).view(np.uint64)[:, 0] for part in (rows[:, :2], rows[:, -2:])
    ]
    mixed = ends[0] * np.uint64(0x9E3779B97F4A7C15) ^ ends[1] * np.uint64(0xC2B2AE3D27D4EB4F)
    keys = np.sort(mixed ^ (mixed >> np.uint64(29)))  # np.unique hashes first, which takes longer
    return np.asarray(keys[np.append(True, keys[1:] != keys[:-1])])


def sketch(rows: Float32) -> Keys:
    """Return the smallest keys of some rows: a sample that any set of the same rows shares."""
    return _keys(rows)[:SIZE]


def check_sketch(known: npt.NDArray[Any]) -> None:
    """Refuse what a damaged file holds in place of a sketch."""
    if (
        known.dtype != np.uint64
        or known.ndim != 1
        or not 0 < len(known) <= SIZE
        or not (known[1:] > known[:-1]).all()
    ):
        raise ValueError("its sketch of fitted rows is none")


def seen(known: Keys, rows: Float32) -> bool:
    """Whether most of some rows are among those of a sketch."""
    keys = _keys(rows)
    below = keys[keys <= known[-1]]
    return bool(len(below) and np.isin(below, known).mean() > 0.5)
