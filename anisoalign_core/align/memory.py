"""Methods that answer with weighted means of target rows that they remember; none needs pairs.

The result lies among the target's own rows, and no more is left of a row than its weights tell:
these maps have no inverse, and draw neighbours together. A fitted model holds copies of target
rows, and so does its file.
"""

from __future__ import annotations

import numpy as np

from anisoalign_core.align.affine import to_sphere
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import MOST, Curve, Knob
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import (
    Float32,
    Float64,
    Integers,
    Progress,
    blocks,
    generator,
    read_only,
    row_norms,
)

BLOCK_CELLS = 2**21
"""Weights of one block of rows (16 MiB)."""
EQUAL = 1e-12
"""Cosines closer than this are one number, in float64."""
MEMORY_HELP = (
    "Target rows that are kept, at most; of more a seeded sample. The model holds copies of them."
)


class FromMemory(Aligner):
    """Base of methods that correct a row to ``Norm(Σ_j w_j x_j)`` over remembered target rows x_j.

    Cosines, weights and means are formed in float64, so that a row's result does not depend on its
    batch by more than the last rounding. Correcting n rows takes n·m·d work, m the rows kept.

    Attributes
    ----------
    memory_ : (m, d) float32
        Copies of target rows, as they were fitted.
    """

    memory_: Float32
    memory_rows: int
    random_state: int

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if not _is_whole(self.memory_rows):
            raise ParameterError(
                f"memory_rows is {self.memory_rows!r}; choose a whole number of at least 1."
            )

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        self.memory_ = read_only(x[drawn(len(x), self.memory_rows, self.random_state)])

    def _check_loaded(self) -> None:
        rows = self.memory_
        fits = rows.dtype == np.float32 and rows.ndim == 2 and len(rows) > 0
        if not fits or rows.shape[1] != self.n_features_in_:
            raise ShapeError(f"The memory of this {self.label} model does not fit its dimension.")
        if not np.allclose(row_norms(rows), 1.0, atol=1e-5):
            raise ShapeError(f"The memory of this {self.label} model does not hold unit rows.")

    def _query(self, rows: Float32) -> Float64:
        """Return what is compared with the memory, (n, d)."""
        return rows.astype(np.float64)

    def _weigh(self, products: Float64) -> Float64:
        """Turn inner products with the memory, (n, m), into weights that sum to one, in place."""
        raise NotImplementedError

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """See :meth:`Aligner.correct`; block by block."""
        memory = self.memory_.astype(np.float64)
        out = np.empty(rows.shape, dtype=np.float32)
        for part in blocks(len(rows), max(BLOCK_CELLS // len(memory), 1)):
            weights = self._weigh(self._query(rows[part]) @ memory.T)
            out[part] = to_sphere(weights @ memory, part.start)
            if progress is not None:
                progress(part.stop / len(rows), f"{part.stop:,} of {len(rows):,} rows corrected")
        return out


class MemoryProjection(FromMemory):
    """``z = Norm(softmax(τ y Xᵀ) X)`` over a memory X of target rows.

    The projection-based decoding of DeCap, from its formula, with the roles of the modalities as
    they are here. τ → ∞ gives the nearest row of the memory, τ = 0 the direction of its mean. A
    softmax of raw cosines: the gap itself is never estimated.

    Parameters
    ----------
    sharpness : float, default 100
        τ, at most 1e9; the inverse of a temperature.
    memory_rows : int, default 10000
        Target rows kept, at most; of more a seeded sample.
    random_state : int, default 0
    """

    name = "memory"
    label = "Memory projection"
    summary = "A soft mean of target rows, of which the model keeps copies."
    reference = "Li et al., DeCap, arXiv:2303.03032"
    knobs = (
        Knob(
            "sharpness",
            "Sharpness τ",
            "Large values give the nearest target row, 0 gives the mean of all.",
            high=1000.0,
            step=5.0,
            curve=Curve("sharpness τ", (20.0, 50.0, 100.0, 200.0, 500.0)),
        ),
        Knob("memory_rows", "Memory", MEMORY_HELP, 1, MOST, 1, folded=True, typed=True),
    )

    def __init__(
        self, sharpness: float = 100.0, memory_rows: int = 10_000, random_state: int = 0
    ) -> None:
        self.sharpness = sharpness
        self.memory_rows = memory_rows
        self.random_state = random_state

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        super().check_parameters(dim)
        if not 0.0 <= self.sharpness <= MOST:
            raise ParameterError(f"sharpness is {self.sharpness}; choose it between 0 and 1e9.")

    def _weigh(self, products: Float64) -> Float64:
        return softmax(products, self.sharpness)


class NeighbourMean(FromMemory):
    """``Norm`` of the mean of the k target rows nearest to the shifted row ``y − μ_y + μ_x``.

    Target rows have unit length, so the nearest are those of the largest inner product with the
    shifted row. Rows that are as far as the k-th share what is left of its place. Of fewer than k
    rows all are taken. The result jumps where another row becomes one of the k nearest.

    Parameters
    ----------
    neighbours : int, default 10
        k.
    memory_rows : int, default 10000
        Target rows kept, at most; of more a seeded sample. Means are of all rows.
    random_state : int, default 0

    Attributes
    ----------
    shift_ : (d,) float64
        Δ = μ_x − μ_y.
    """

    name = "neighbour-mean"
    label = "Mean of neighbours"
    summary = "The mean of the nearest target rows after a mean shift; the model keeps copies."
    reference = "classical: nearest-neighbour regression without pairs"
    knobs = (
        Knob("neighbours", "Neighbours k", "1 gives the nearest target row.", 1, 200, 1),
        Knob("memory_rows", "Memory", MEMORY_HELP, 1, MOST, 1, folded=True, typed=True),
    )

    shift_: Float64

    def __init__(
        self, neighbours: int = 10, memory_rows: int = 10_000, random_state: int = 0
    ) -> None:
        self.neighbours = neighbours
        self.memory_rows = memory_rows
        self.random_state = random_state

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        super().check_parameters(dim)
        if not _is_whole(self.neighbours):
            raise ParameterError(
                f"neighbours is {self.neighbours!r}; choose a whole number of at least 1."
            )

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        super()._fit(y, x, progress)
        self.shift_ = x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)

    def _check_loaded(self) -> None:
        super()._check_loaded()
        shift = np.asarray(self.shift_)
        if shift.shape != (self.n_features_in_,) or not np.isfinite(shift).all():
            raise ShapeError("The shift of this model does not fit its memory.")

    def _query(self, rows: Float32) -> Float64:
        return np.asarray(rows + self.shift_)

    def _weigh(self, products: Float64) -> Float64:
        m = products.shape[1]
        k = min(self.neighbours, m)
        last = np.partition(products, m - k, axis=1)[:, m - k, None]
        ahead, tied = products > last + EQUAL, np.abs(products - last) <= EQUAL
        places = k - ahead.sum(axis=1, keepdims=True)
        return np.asarray((ahead + tied * (places / tied.sum(axis=1, keepdims=True))) / k)


def drawn(n: int, limit: int, random_state: int) -> Integers:
    """Return all of n row numbers, or a seeded sample of ``limit`` of them, in order."""
    if n <= limit:
        return np.arange(n)
    return np.sort(generator(random_state).choice(n, limit, replace=False))


def softmax(values: Float64, sharpness: float) -> Float64:
    """``exp(τ v_j) / Σ_k exp(τ v_k)`` along rows, in place; the largest is taken out first."""
    values -= values.max(axis=1, keepdims=True)
    values *= sharpness
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def _is_whole(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return int(value) >= 1
