"""Numerical facts that hold everywhere: unit rows, eigenvector signs, PSD roots, blocks, seeds.

Each of these has one definition, here, so that two rooms of the library can never disagree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.threads import eigensystem

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Progress = Callable[[float, str], None]

BLOCK_ROWS = 4096
TILE_ENTRIES = 262_144
"""Entries of a tile: small enough to stay in cache, large enough that threads seldom meet."""
UNIT_TOLERANCE = 2.5e-7
"""A float32 row whose norm is within this of 1 is left as it is, so normalising is idempotent."""


def blocks(n: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Yield slices that cover ``range(n)`` in order, each at most ``size`` long."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def row_norms(rows: npt.NDArray[np.floating[Any]]) -> Float64:
    """Euclidean norms of the rows, accumulated in float64 and safe from over- and underflow.

    Parameters
    ----------
    rows : (n, d) array

    Returns
    -------
    (n,) float64
    """
    norms: Float64 = np.empty(len(rows), dtype=np.float64)
    room = room_for_tile(rows, np.float64)
    for part in tiles(rows):
        tile = room[: part.stop - part.start]
        with np.errstate(invalid="ignore"):  # a signalling NaN; it stays a NaN
            np.copyto(tile, rows[part])
        with np.errstate(all="ignore"):
            squares = np.vecdot(tile, tile)
        odd = np.flatnonzero(~((squares > 1e-290) & (squares < 1e290)))
        norms[part] = np.sqrt(squares)
        if len(odd):
            norms[part][odd] = _scaled_norms(tile[odd])
    return norms


def _scaled_norms(rows: Float64) -> Float64:
    """Norms of rows whose squares may leave the range of float64."""
    scale = np.abs(rows).max(axis=1, initial=0.0)
    norms: Float64 = scale.copy()  # zero, infinite or not a number: the norm is the same
    finite = np.isfinite(scale) & (scale > 0)
    scaled = rows[finite] / scale[finite, None]
    norms[finite] = scale[finite] * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    return norms


def median(values: Float64) -> float:
    """Return the median of n finite numbers; ``numpy.median`` loads masked arrays for NaN."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    return float(np.partition(values, (low, high))[low : high + 1].mean())


def tiles(rows: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield slices of rows that stay in a core's cache while several operations pass over them."""
    return blocks(len(rows), _tile_rows(rows))


def room_for_tile(rows: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return memory for one tile, to be used for all: new memory costs more than the work in it."""
    return np.empty((min(_tile_rows(rows), len(rows)), rows.shape[1]), dtype=dtype)


def _tile_rows(rows: npt.NDArray[Any]) -> int:
    return max(TILE_ENTRIES // max(int(rows.shape[1]), 1), 1)


def unit_rows(
    rows: npt.NDArray[np.floating[Any]],
    norms: Float64 | None = None,
    *,
    in_place: bool = False,
) -> Float32:
    """Project rows to the unit sphere: ``x / ‖x‖``.

    Rows that are unit already (to float32 rounding) are returned bit for bit, so the operation
    is idempotent. Zero rows are the caller's business: see :meth:`EmbeddingSet.from_array`.

    Parameters
    ----------
    rows : (n, d) array of floats
    norms : (n,) float64, optional
        The row norms, when the caller has them.
    in_place : bool
        Write over ``rows`` where their memory is what is returned, and may be written: new memory
        costs more than the work in it.

    Returns
    -------
    (n, d) float32, C-contiguous
    """
    norms = row_norms(rows) if norms is None else norms
    is_float32 = rows.dtype.newbyteorder("=") == np.float32
    flags = rows.flags
    mine = in_place and rows.dtype == np.float32 and flags.c_contiguous and flags.writeable
    out = rows if mine else np.empty(rows.shape, dtype=np.float32)
    room = room_for_tile(rows, np.float64)
    for part in tiles(rows):
        odd = np.abs(norms[part] - 1.0) > UNIT_TOLERANCE
        if is_float32 and not odd.all():
            if not mine:
                out[part] = rows[part]
            kept = out[part]
            kept[odd] = _divided(rows[part][odd], norms[part][odd], room)
        else:
            out[part] = _divided(rows[part], norms[part], room)
    return out


def _divided(
    rows: npt.NDArray[np.floating[Any]], norms: Float64, room: npt.NDArray[Any]
) -> Float64:
    """``x / ‖x‖`` in float64, in a part of the room."""
    tile: Float64 = room[: len(rows)]
    np.copyto(tile, rows)
    tiny = norms < 1e-290  # 1 / tiny would overflow: lift the row first
    if tiny.any():
        tile[tiny] *= 2.0**600
        norms = np.where(tiny, norms * 2.0**600, norms)
    return np.divide(tile, norms[:, None], out=tile)


def fix_signs(vectors: Float64) -> Float64:
    """Flip columns so that the entry of largest magnitude is positive (first one on ties).

    Eigenvectors and singular vectors are defined up to sign; this makes them deterministic.

    Parameters
    ----------
    vectors : (d, k) float64
        One vector per column.
    """
    if vectors.size == 0:
        return vectors
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * np.where(signs == 0, 1.0, signs)


def eigh(matrix: Float64) -> tuple[Float64, Float64]:
    """Eigenvalues (descending) and sign-fixed eigenvectors (columns) of a symmetric matrix."""
    values, vectors = eigensystem((matrix + matrix.T) / 2)
    return values, fix_signs(vectors)


def psd_power(matrix: Float64, power: float, *, floor: float = 0.0) -> Float64:
    """``matrix ** power`` of a symmetric PSD matrix through its eigenvalues.

    Parameters
    ----------
    matrix : (d, d) float64
    power : float
        ``0.5`` for the root, ``-0.5`` for the inverse root.
    floor : float, default 0
        Eigenvalues at or below ``floor · λ_max`` count as zero; their negative powers are zero
        too (the Moore–Penrose convention).
    """
    values, vectors = eigh(matrix)
    keep = values > max(floor * max(values[0], 0.0), 0.0)
    powered = np.zeros_like(values)
    powered[keep] = values[keep] ** power
    return (vectors * powered) @ vectors.T


def triangular_product(rows: Float32, triangle: Float32) -> Float32:
    """``rows Rᵀ`` for an upper triangular R, at little more than half of a full product's cost.

    By blocks of columns with NumPy's own product: SciPy's ``trmm`` is no slower, but keeps other
    threads waiting.

    Parameters
    ----------
    rows : (n, d) float32
    triangle : (d, d) float32

    Returns
    -------
    (n, d) float32
    """
    d = len(triangle)
    out = np.empty_like(rows)
    for part in blocks(d, max(64, d // 8)):
        np.matmul(rows[:, part.start :], triangle[part, part.start :].T, out=out[:, part])
    return out


def generator(random_state: int | np.random.Generator | None) -> np.random.Generator:
    """Return the one kind of random state used here; ``None`` means seed 0, never the clock."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(0 if random_state is None else random_state)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of ``array`` that cannot be written through."""
    view = array.view()
    view.setflags(write=False)
    return view


class _OneTorchThread:
    """Torch's number of threads is each thread's own; new threads begin with the one set last.

    Whoever leaves gets back what the first who came had. While others are inside, threads that
    begin shall still find 1.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = self._before = 0

    def __enter__(self) -> None:
        import torch

        with self._lock:
            if self._inside == 0:
                self._before = torch.get_num_threads()
            torch.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        import torch

        with self._lock:
            self._inside -= 1
            torch.set_num_threads(self._before)
            if self._inside:
                setter = threading.Thread(target=torch.set_num_threads, args=(1,))
                setter.start()
                setter.join()


_ONE_TORCH_THREAD = _OneTorchThread()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread of the CPU: sums do not depend on how many cores are there.

    Blocks of several threads may overlap.
    """
    with _ONE_TORCH_THREAD:
        yield
