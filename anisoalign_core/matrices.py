"""Matrices that act on a few directions and scale all others alike: exact, and as small as those.

What n < d rows say of d dimensions lies in their span. On it everything is small and dense, on its
complement a multiple of the identity, and so are sums, powers and products of such matrices, on the
span of all of them together: nothing of size d×d is ever needed, and nothing is neglected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core import numerics, threads
from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Float64, fix_signs, read_only


@dataclass(frozen=True, eq=False)
class SpanMatrix:
    """A (d, d) matrix ``A = V K Vᵀ + c (I − V Vᵀ)``, usable where an array is.

    Attributes
    ----------
    basis : (d, k) float64
        V: orthonormal columns, k < d.
    inner : (k, k) float64
        K.
    level : float
        c.
    """

    basis: Float64
    inner: Float64
    level: float

    __array_ufunc__ = None  # so that ``array @ matrix`` is asked of the matrix

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together, as a damaged model file may hold."""
        k = self.basis.shape[-1] if self.basis.ndim == 2 else -1
        if self.inner.shape != (k, k) or np.shape(self.level) != () or k >= len(self.basis):
            raise ShapeError("The parts of a matrix on a span have shapes that do not fit.")

    @property
    def shape(self) -> tuple[int, int]:
        """``(d, d)``."""
        return len(self.basis), len(self.basis)

    @property
    def ndim(self) -> int:
        """2, as of any matrix."""
        return 2

    @property
    def T(self) -> SpanMatrix:
        """Transpose."""
        return SpanMatrix(self.basis, self.inner.T, self.level)

    @property
    def outside(self) -> int:
        """How many directions the level stands for, d − k."""
        return len(self.basis) - len(self.inner)

    @cached_property
    def _beyond(self) -> Float64:
        """``(K − c I) Vᵀ``: what V's coordinates become beyond ``c``, (k, d)."""
        return np.asarray((self.inner - self.level * np.eye(len(self.inner))) @ self.basis.T)

    @cached_property
    def row_factors(self) -> tuple[Float32, Float32]:
        """V and ``(K − c I)ᵀ Vᵀ``, (d, k) and (k, d): ``zᵀAᵀ = c zᵀ + (zᵀ V)((K − c I)ᵀ Vᵀ)``."""
        return self.basis.astype(np.float32), self.T._beyond.astype(np.float32)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Any:
        """Write out all d×d entries."""
        full = self.basis @ self._beyond
        full[np.diag_indices(len(full))] += self.level
        return full if dtype is None else full.astype(dtype)

    def __getitem__(self, at: Any) -> Any:
        """Entries, of the matrix written out."""
        return np.asarray(self)[at]

    def __matmul__(self, columns: Float64) -> Any:
        """Product with columns, (d,) or (d, m)."""
        return self.level * columns + self.basis @ (self._beyond @ columns)

    def __rmatmul__(self, rows: Float64) -> Any:
        """Product of rows, (d,) or (m, d), with this."""
        return self.level * rows + (rows @ self.basis) @ self._beyond

    def __add__(self, other: Matrix) -> Matrix:
        """Sum."""
        return through(np.add, self, other)

    __radd__ = __add__

    def __sub__(self, other: Matrix) -> Matrix:
        """Difference."""
        return through(np.subtract, self, other)

    def __rsub__(self, other: Matrix) -> Matrix:
        """Difference."""
        return through(np.subtract, other, self)

    def __mul__(self, factor: float) -> SpanMatrix:
        """Multiple."""
        return SpanMatrix(self.basis, self.inner * factor, self.level * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> SpanMatrix:
        """Multiple."""
        return SpanMatrix(self.basis, self.inner / divisor, self.level / divisor)

    def of_rows(self, rows: Float32) -> Float32:
        """Return ``A z`` for every row z, (n, d), in float32."""
        basis, beyond = self.row_factors
        moved = (rows @ basis) @ beyond
        moved += np.float32(self.level) * rows
        return np.asarray(moved)


Matrix = Float64 | SpanMatrix
"""A square matrix: an array, or less where less says it all."""


@dataclass(frozen=True, eq=False)
class Span:
    """Where matrices are worked out: the span of k < d columns, or all d dimensions.

    Attributes
    ----------
    basis : (d, k) float64 or None
        Orthonormal columns; None for all dimensions.
    """

    basis: Float64 | None

    @classmethod
    def of(cls, *columns: Float64) -> Span:
        """Span of the columns of all (d, k_i) arrays; of any that are no fewer than d: all."""
        if sum(one.shape[1] for one in columns) >= len(columns[0]):
            return cls(None)
        return cls(threads.orthonormal(np.concatenate(columns, axis=1)))

    @classmethod
    def shared(cls, *matrices: Matrix) -> Span:
        """Span on which all the matrices act."""
        if not all(isinstance(one, SpanMatrix) for one in matrices):
            return cls(None)
        bases = {id(one.basis): one.basis for one in matrices if isinstance(one, SpanMatrix)}
        single = next(iter(bases.values()))
        return cls(single) if len(bases) == 1 else cls.of(*bases.values())

    def coordinates(self, rows: Float64) -> Float64:
        """Coordinates of (n, d) rows, (n, k): the rows themselves where the span is everything."""
        return rows if self.basis is None else np.asarray(rows @ self.basis)

    def matrix(self, inner: Float64, level: float = 0.0) -> Matrix:
        """Return the matrix that is ``inner`` on the span and ``level`` times I outside."""
        return inner if self.basis is None else SpanMatrix(self.basis, inner, float(level))


def kept(matrix: Matrix) -> Matrix:
    """Return a matrix that cannot be written to."""
    return matrix if isinstance(matrix, SpanMatrix) else read_only(matrix)


def gram(rows: Float64) -> Matrix:
    """``Σ_i r_i r_iᵀ`` of (n, d) rows."""
    if len(rows) >= rows.shape[1]:
        return np.asarray(rows.T @ rows)
    basis, triangle = threads.thin_orthogonal_triangular(rows.T)
    return SpanMatrix(basis, triangle @ triangle.T, 0.0)


def is_thin(rows: int, dim: int) -> bool:
    """Whether a set of this size is known by its rows, on their span."""
    return rows < dim


def outer(vector: Float64, factor: float, like: Matrix) -> Matrix:
    """``factor · v vᵀ``, or its diagonal, as the sum it joins is held."""
    if isinstance(like, SpanMatrix):
        return gram(vector[None] * np.sqrt(factor))
    return (vector * vector if like.ndim == 1 else np.outer(vector, vector)) * factor


def through(function: Callable[..., Float64], *matrices: Matrix) -> Matrix:
    """``function(*matrices)``, worked out on the span of all.

    Parameters
    ----------
    function : callable
        Of square arrays, giving one, and turning with them: ``f(Q A Qᵀ, …) = Q f(A, …) Qᵀ``. Sums,
        products and powers do. One coordinate more than the span has is passed; it stands for all
        others.
    matrices : Matrix
        Of one size.
    """
    span = Span.shared(*matrices)
    if span.basis is None:
        return function(*(np.asarray(one) for one in matrices))
    acting = [one for one in matrices if isinstance(one, SpanMatrix)]  # all: arrays have no span
    found = function(*(_beside(one, span.basis) for one in acting))
    return SpanMatrix(span.basis, found[:-1, :-1], float(found[-1, -1]))


def _beside(matrix: SpanMatrix, basis: Float64) -> Float64:
    """Matrix in the coordinates of a span that holds its own, and one direction outside."""
    k = basis.shape[1]
    found = matrix.level * np.eye(k + 1)
    if basis is matrix.basis:
        found[:k, :k] = matrix.inner
    else:
        turn = basis.T @ matrix.basis
        found[:k, :k] += turn @ (matrix.inner - matrix.level * np.eye(turn.shape[1])) @ turn.T
    return np.asarray(found)


def shifted(matrix: Matrix, factor: float, shift: float) -> Matrix:
    """Return ``factor · A + shift · I``."""
    if isinstance(matrix, SpanMatrix):
        inner = shifted(matrix.inner, factor, shift)
        return SpanMatrix(matrix.basis, np.asarray(inner), factor * matrix.level + shift)
    found = factor * matrix
    found[np.diag_indices(len(found))] += shift
    return found


def eigh(matrix: Matrix) -> tuple[Float64, Float64]:
    """Eigenvalues, and sign-fixed eigenvectors of those that are not counted but known.

    Parameters
    ----------
    matrix : Matrix
        Symmetric.

    Returns
    -------
    values : (d,) float64
        The first k belong to the eigenvectors and descend; all others are the level, which is the
        smallest of a covariance.
    vectors : (d, k) float64
        One per column; k = d for an array.
    """
    if not isinstance(matrix, SpanMatrix):
        return numerics.eigh(matrix)
    values, turned = numerics.eigh(matrix.inner)
    outside = np.full(matrix.outside, matrix.level)
    return np.concatenate([values, outside]), fix_signs(matrix.basis @ turned)


def leading(matrix: Matrix, rank: int) -> Float64:
    """Leading eigenvectors of a covariance, (d, rank); any others where it has no more."""
    return widened(eigh(matrix)[1][:, :rank], rank)


def eigenvalues(matrix: Matrix) -> Float64:
    """All eigenvalues of a symmetric matrix, descending, (d,)."""
    if not isinstance(matrix, SpanMatrix):
        return threads.eigenvalues(matrix)
    outside = np.full(matrix.outside, matrix.level)
    return np.sort(np.concatenate([threads.eigenvalues(matrix.inner), outside]))[::-1]


def largest_eigenvalue(matrix: Matrix) -> float:
    """Largest eigenvalue of a symmetric matrix."""
    if not isinstance(matrix, SpanMatrix):
        return threads.largest_eigenvalue(matrix)
    return max(threads.largest_eigenvalue(matrix.inner), matrix.level)


def trace(matrix: Matrix) -> float:
    """Sum of the diagonal."""
    if not isinstance(matrix, SpanMatrix):
        return float(np.trace(matrix))
    return float(np.trace(matrix.inner)) + matrix.outside * matrix.level


def diagonal_of(matrix: Matrix) -> Float64:
    """Return the diagonal, (d,), of a matrix or of what is one already."""
    if not isinstance(matrix, SpanMatrix):
        return matrix if matrix.ndim == 1 else np.asarray(np.diag(matrix))
    return np.asarray(matrix.level + np.einsum("ik,ki->i", matrix.basis, matrix._beyond))


def entries(matrix: Matrix) -> Float64:
    """Return an array whose squares sum to those of the matrix: for Frobenius norms."""
    if not isinstance(matrix, SpanMatrix):
        return matrix
    return np.append(matrix.inner, matrix.level * np.sqrt(matrix.outside))


def extended(basis: Float64, *columns: Float64) -> Float64:
    """Orthonormal columns, followed by what other columns add to their span.

    Parameters
    ----------
    basis : (d, k) float64
    columns : (d, k_i) arrays

    Returns
    -------
    (d, k + Σ k_i) float64
        (d, d) where that would be more: a basis of everything.
    """
    d, k = basis.shape
    if k >= d:
        return basis
    total = k + sum(one.shape[1] for one in columns)
    if total >= d:
        rest = threads.orthogonal_triangular(basis)[0][:, k:]
    else:
        rest = threads.orthonormal(np.concatenate([basis, *columns], axis=1))[:, k:]
    return np.concatenate([basis, fix_signs(rest)], axis=1)


def widened(basis: Float64, rank: int) -> Float64:
    """Orthonormal columns, and as many beside them as make ``rank``, near the axes they miss."""
    d, k = basis.shape
    if k >= rank:
        return basis
    missed = np.argsort(np.sum(basis**2, axis=1), kind="stable")[: rank - k]
    axes = np.zeros((d, rank - k))
    axes[missed, np.arange(rank - k)] = 1.0
    return extended(basis, axes)


def stretched(left: Float64, values: Float64, right: Float64) -> Matrix:
    """``left diag(values) rightᵀ``; what lies outside of both is scaled by the last value.

    Parameters
    ----------
    left, right : (d, k) float64
        Orthonormal columns of one span.
    values : (d,) float64
    """
    d, k = left.shape
    if k == d:
        return np.asarray((left * values) @ right.T)
    return SpanMatrix(left, values[:k, None] * (right.T @ left), float(values[-1]))


def to_arrays(name: str, matrix: Matrix) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a file that say what a matrix is: itself, or its parts under ``name.part``."""
    if not isinstance(matrix, SpanMatrix):
        return {name: matrix}
    return {
        f"{name}.{part.name}": np.asarray(getattr(matrix, part.name)) for part in fields(matrix)
    }


def from_arrays(name: str, arrays: dict[str, npt.NDArray[Any]]) -> Matrix:
    """Take what :func:`to_arrays` made out of a file's arrays."""
    if name in arrays:
        return arrays.pop(name)
    basis, inner, level = (arrays.pop(f"{name}.{part.name}") for part in fields(SpanMatrix))
    if level.shape != ():
        raise ShapeError("The level of a matrix on a span is not one number.")
    return SpanMatrix(basis, inner, float(level))
