"""Count, mean and scatter in float64: one pass over the data, after which work is d×d, or n×n."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anisoalign_core.arrays import as_array
from anisoalign_core.card import Card, Shown, three
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.matrices import (
    Matrix,
    diagonal_of,
    entries,
    from_arrays,
    gram,
    is_thin,
    kept,
    outer,
    shifted,
    to_arrays,
    trace,
)
from anisoalign_core.numerics import Float32, Float64, blocks, read_only, room_for_tile, tiles

PRECISE_WORK = 4_000_000_000
"""Sets with n·d² up to this are summed in float64 throughout: it takes half a second at most."""
GROUP_BLOCKS = 256
"""Blocks whose means are kept until they are merged together."""


@dataclass(frozen=True, eq=False, repr=False)
class Moments(Shown):
    """First and second moments of a set of rows.

    Attributes
    ----------
    n : int
        Number of rows summed.
    mean : (d,) float64
    scatter : (d, d) or (d,) float64, or SpanMatrix
        Centred scatter ``Σ_i (x_i − μ)(x_i − μ)ᵀ``, or its diagonal alone, for what needs no more:
        that costs n·d instead of n·d². Of fewer rows than dimensions it is known on their span:
        that costs n²·d, and ``np.asarray`` writes it out.

    Notes
    -----
    Products run in float32 (in float64 for small sets) over blocks of rows centred at their own
    mean; sums over blocks run in float64. Within and between blocks the scatter splits exactly,
    ``S = Σ_b S_b + Σ_b n_b (μ_b − μ)(μ_b − μ)ᵀ``, and two sums are merged by the pairwise update
    of Chan, Golub & LeVeque (1983). Centring before the product keeps digits when rows sit in a
    narrow cone.
    """

    n: int
    mean: Float64
    scatter: Matrix

    @classmethod
    def of(
        cls, rows: npt.NDArray[np.floating], *, diagonal: bool = False, thin: bool | None = None
    ) -> Moments:
        """Moments of the rows of an (n, d) array; see :meth:`from_chunks`, ``thin`` by their shape.

        Raises
        ------
        ShapeError
            If the array is not 2-D or has no rows.
        """
        rows = as_array(rows, "rows")
        if rows.ndim != 2:
            raise ShapeError(f"rows has {rows.ndim} axes, not 2.")
        precise = is_precise(len(rows), rows.shape[-1])
        thin = is_thin(len(rows), rows.shape[-1]) if thin is None else thin
        return cls.from_chunks([rows], precise=precise, diagonal=diagonal, thin=thin)

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[npt.ArrayLike],
        *,
        precise: bool = False,
        diagonal: bool = False,
        thin: bool = False,
    ) -> Moments:
        """Moments of the rows of all chunks, read once, in order.

        Parameters
        ----------
        chunks : iterable of (n_i, d) arrays
            Of any library; see :mod:`anisoalign_core.arrays`.
        precise : bool, default False
            Run the products in float64 too: about half the speed, and eigenvalues are right
            down to 1e-16 of the largest instead of 1e-8.
        diagonal : bool, default False
            Sum the diagonal of the scatter only.
        thin : bool, default False
            All chunks together have fewer rows than dimensions: the rows themselves are kept, in
            float64, instead of products.

        Raises
        ------
        ShapeError
            If a chunk is not 2-D, dimensions differ, or there are no rows at all.
        """
        total = MomentSum()
        for chunk in (as_array(each, "A chunk of rows") for each in chunks):
            if chunk.ndim != 2:
                raise ShapeError(f"A chunk of rows has {chunk.ndim} axes, not 2.")
            for part in blocks(len(chunk)):
                block = chunk[part]
                total.add(BlockSum.of(block, precise=precise, diagonal=diagonal, thin=thin))
        return total.moments()

    @classmethod
    def weighted(
        cls, chunks: Iterable[tuple[npt.NDArray[np.floating], Float64]], *, diagonal: bool = False
    ) -> Moments:
        """Moments of weighted rows, in float64; ``n`` is the sum of the weights.

        Parameters
        ----------
        chunks : iterable of ((n_i, d) rows, (n_i,) positive weights)
            Weights sum to a whole number: that of the things which the rows show.
        """
        mass, mean, scatter = 0.0, np.zeros(1), None
        for rows, weights in chunks:
            for part in blocks(len(rows)):
                share = float(weights[part].sum())
                own = weights[part] @ rows[part] / share
                centred = (rows[part] - own) * np.sqrt(weights[part])[:, None]
                product = np.einsum("ij,ij->j", centred, centred) if diagonal else gram(centred)
                if scatter is None:  # the first block is the start
                    mean, scatter = own, product
                else:
                    step, within = own - mean, scatter + product
                    mean = mean + step * (share / (mass + share))
                    scatter = within + outer(step, mass * share / (mass + share), within)
                mass += share
        if scatter is None:
            raise ShapeError("There are no rows to sum.")
        return cls(round(mass), read_only(mean), kept(scatter))

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of rows together."""
        self._check_like(other)
        n = self.n + other.n
        step = other.mean - self.mean
        mean = self.mean + step * (other.n / n)
        within = self.scatter + other.scatter
        scatter = within + outer(step, self.n * other.n / n, within)
        return Moments(n, read_only(mean), kept(scatter))

    def __radd__(self, other: object) -> Moments:
        """Let ``sum`` start at 0."""
        return self if other == 0 else NotImplemented

    def without(self, other: Moments) -> Moments:
        """Moments of the rows that are left when those of ``other`` are taken away.

        The inverse of the sum: ``a + b`` without ``b`` is ``a``, to rounding.

        Raises
        ------
        ShapeError
            If no row would be left.
        """
        self._check_like(other)
        n = self.n - other.n
        if n < 1:
            raise ShapeError(f"{other.n} rows cannot be taken from {self.n}: none would be left.")
        mean = self.mean + (self.mean - other.mean) * (other.n / n)
        within = self.scatter - other.scatter
        scatter = within - outer(other.mean - mean, n * other.n / self.n, within)
        return Moments(n, read_only(mean), kept(scatter))

    def _check_like(self, other: Moments) -> None:
        if self.scatter.shape != other.scatter.shape:
            raise ShapeError(
                f"Moments of {self.dim} and {other.dim} dimensions cannot be added."
                if self.dim != other.dim
                else "Moments with the whole scatter and with its diagonal cannot be added."
            )

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        held = ", diagonal of the scatter only" if self.is_diagonal else ""
        return f"{self.n:,} rows of {self.dim} dimensions{held}"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        length = float(np.linalg.norm(self.mean))
        rows = [("length of the mean ‖μ‖", three(length)), ("variance tr Σ", three(self.trace))]
        return Card(f"Moments of {self.in_short()}", rows)

    @property
    def is_diagonal(self) -> bool:
        """Whether only the diagonal of the scatter was summed."""
        return self.scatter.ndim == 1

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return len(self.mean)

    @cached_property
    def covariance(self) -> Matrix:
        """``scatter / n``, the maximum-likelihood covariance Σ, (d, d) float64 or SpanMatrix.

        Raises
        ------
        ParameterError
            If only the diagonal was summed.
        """
        if self.is_diagonal:
            raise ParameterError(
                "Only the diagonal of this scatter was summed, so there is no covariance. Sum "
                "again with diagonal=False."
            )
        return kept(self.scatter / self.n)

    @property
    def variances(self) -> Float64:
        """Diagonal of Σ, (d,) float64."""
        return diagonal_of(self.scatter) / self.n

    @property
    def trace(self) -> float:
        """``tr Σ``."""
        return float(self.variances.sum())

    def to_npz(self, path: str | Path) -> None:
        """Write to an uncompressed ``.npz`` with keys ``n``, ``mean``, ``scatter``."""
        from anisoalign_core.files.atomic import atomic_path

        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            scatter = to_arrays("scatter", self.scatter)
            np.savez(stream, n=np.int64(self.n), mean=self.mean, **scatter)  # type: ignore[arg-type]

    @classmethod
    def from_npz(cls, path: str | Path) -> Moments:
        """Read what :meth:`to_npz` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            scatter = from_arrays("scatter", dict(stored))
            return cls(int(stored["n"]), read_only(stored["mean"]), kept(scatter))

    def shrunk(self) -> tuple[Matrix, float]:
        """Ledoit–Wolf shrunk covariance of *unit* rows, from the moments alone.

        ``Σ̂ = (1 − γ) Σ + γ (tr Σ / d) I`` with the shrinkage γ of Ledoit & Wolf (2004),
        ``γ = min(1, b²/δ²)``, ``δ² = ‖Σ − (tr Σ/d) I‖²_F / d`` and
        ``b² = (Σ_i ‖x_i − μ‖⁴ / n − ‖Σ‖²_F) / (n d)``. For unit rows
        ``Σ_i ‖x_i − μ‖⁴ = n (1+m)² − 4 n (1+m) m + 4 μᵀ G μ`` with ``m = ‖μ‖²`` and
        ``G = scatter + n μμᵀ``, so no second pass over the data is needed.

        Returns
        -------
        covariance : (d, d) float64 or SpanMatrix
            Has the same trace as ``covariance``.
        shrinkage : float
            γ in [0, 1].
        """
        d = self.dim
        sigma = self.covariance
        m = float(self.mean @ self.mean)
        quadratic = float(self.mean @ self.scatter @ self.mean) + self.n * m * m
        fourth = self.n * (1 + m) ** 2 - 4 * self.n * (1 + m) * m + 4 * quadratic
        target = trace(sigma) / d
        squared = float(np.sum(entries(sigma) * entries(sigma)))
        delta = squared - d * target**2
        beta = (fourth / self.n - squared) / self.n
        gamma = 1.0 if delta <= 0 else float(np.clip(beta / delta, 0.0, 1.0))
        return shifted(sigma, 1 - gamma, gamma * target), gamma


def is_precise(rows: int, dim: int) -> bool:
    """Whether a set of this size is summed in float64 throughout."""
    return rows * dim**2 <= PRECISE_WORK


@dataclass(frozen=True, eq=False)
class BlockSum:
    """Sums over one block of rows: all that needs the rows themselves.

    Attributes
    ----------
    n : int
    centre : (d,) float64
        A point near the mean, as it was subtracted from the rows.
    rest : (d,) float64
        Mean of the centred rows: what the mean is beyond ``centre``.
    product : (d, d), (d,) or (n, d) float32 or float64
        ``Σ_i (x_i − c)(x_i − c)ᵀ``, its diagonal, or what it is the product of: the rows
        ``x_i − c``, then with c the mean.
    """

    n: int
    centre: Float64
    rest: Float64
    product: Float32 | Float64

    @classmethod
    def of(
        cls,
        rows: npt.NDArray[np.floating],
        *,
        precise: bool = False,
        diagonal: bool = False,
        thin: bool = False,
    ) -> BlockSum:
        """Sum an (n, d) block; see :meth:`Moments.from_chunks`."""
        n = len(rows)
        if thin and not diagonal:
            mean = rows.mean(axis=0, dtype=np.float64)
            return cls(n, mean, np.zeros_like(mean), rows - mean)
        dtype = np.dtype(np.float64 if precise else np.float32)
        rows = np.asarray(rows, dtype=dtype)
        ones = np.ones(n, dtype=dtype)
        centre = (ones @ rows) / dtype.type(n)
        if not diagonal:
            centred = rows - centre
            rest = (ones @ centred).astype(np.float64)
            return cls(n, centre.astype(np.float64), rest / n, centred.T @ centred)
        rest, squares = np.zeros((2, rows.shape[1]))
        room = room_for_tile(rows, dtype)
        for part in tiles(rows):
            centred = np.subtract(rows[part], centre, out=room[: part.stop - part.start])
            rest += ones[part] @ centred
            squares += ones[part] @ np.square(centred, out=centred)
        return cls(n, centre.astype(np.float64), rest / n, squares)


class MomentSum:
    """Adds up blocks in the order in which they come, in float64."""

    def __init__(self) -> None:
        self._merged: Moments | None = None
        self._product: Float64 | None = None
        self._thin: list[Float64] = []
        self._counts: list[int] = []
        self._centres: list[Float64] = []
        self._rests: list[Float64] = []

    def add(self, block: BlockSum) -> None:
        """Add one block, of the dimension of those before."""
        dim = len(self._centres[0]) if self._centres else self._merged and self._merged.dim
        if dim is not None and dim != len(block.centre):
            raise ShapeError(
                f"Rows of {dim} and of {len(block.centre)} dimensions cannot be summed together."
            )
        if block.product.ndim == 2 and len(block.product) < len(block.centre):
            self._thin.append(np.asarray(block.product, dtype=np.float64))
        elif self._product is None:
            self._product = block.product.astype(np.float64)
        else:
            self._product += block.product
        self._counts.append(block.n)
        self._centres.append(block.centre)
        self._rests.append(block.rest)
        if len(self._counts) == GROUP_BLOCKS:
            self._merge()

    def moments(self) -> Moments:
        """Moments of all rows that were added.

        Raises
        ------
        ShapeError
            If there were none.
        """
        self._merge()
        if self._merged is None:
            raise ShapeError("There are no rows to sum.")
        return self._merged

    def _merge(self) -> None:
        """Turn the blocks at hand into moments: within plus between blocks."""
        if not self._counts:
            return
        counts, rests = np.array(self._counts, dtype=np.float64), np.array(self._rests)
        means = np.array(self._centres) + rests
        mean = counts @ means / counts.sum()
        between, weights = means - mean, counts[:, None]
        if self._product is None:
            several = [np.sqrt(weights) * between] if len(counts) > 1 else []
            scatter = gram(np.concatenate(self._thin + several))
        elif self._product.ndim == 1:
            scatter = self._product + (counts @ between**2 - counts @ rests**2)
        else:
            scatter = self._product
            scatter += between.T @ (weights * between) - rests.T @ (weights * rests)
        group = Moments(sum(self._counts), read_only(mean), kept(scatter))
        self._merged = group if self._merged is None else self._merged + group
        self._product, self._thin = None, []
        self._counts, self._centres, self._rests = [], [], []
