"""Largest eigenvalues of many covariances at once, from products with vectors alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anisoalign_core.numerics import Float64, generator

TOLERANCE = 1e-6
"""How far a largest eigenvalue may be from the exact one, relative to it."""
FIRST_LOOK, BETWEEN_LOOKS = 8, 4
ROOM = 32
ROUNDING = 1e-13
"""What is left of a product below this share of the eigenvalue: the Krylov space is complete."""


def largest_eigenvalues(
    product: Callable[[Float64], Float64], dim: int, count: int, random_state: int = 0
) -> Float64:
    """Largest eigenvalue of each of several positive semidefinite matrices, by Lanczos' method.

    Each matrix has its own start, drawn with the seed, and its own Krylov basis, every vector made
    orthogonal to all before it. They step together, so that rows which all of them sum are read
    once a step. With θ₁ ≥ θ₂ the leading Ritz values and ρ the norm of the first one's residual,
    steps end where ``ρ² / max(θ₁ − θ₂, ρ) ≤ 1e-6 θ₁`` for all (Parlett, *The Symmetric Eigenvalue
    Problem*, §11.7 and §13.2); at the latest after d of them, where θ₁ is exact. But for rounding,
    θ₁ is never above the largest eigenvalue.

    Parameters
    ----------
    product : callable((d, m) float64) -> (d, m) float64
        Multiplies column j by matrix j.
    dim, count : int
        d and m.
    random_state : int

    Returns
    -------
    (m,) float64
    """
    vectors = generator(random_state).standard_normal((count, dim))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    bases = np.empty((count, min(dim, ROOM), dim))
    diagonal: list[Float64] = []
    beside: list[Float64] = []
    found = np.zeros(count)
    for step in range(1, dim + 1):
        if step > bases.shape[1]:
            more = np.empty((count, min(dim - step + 1, step), dim))
            bases = np.concatenate([bases, more], axis=1)
        bases[:, step - 1] = vectors
        held = bases[:, :step]
        ahead = product(np.ascontiguousarray(vectors.T)).T.copy()
        along = np.vecdot(ahead, vectors)
        ahead -= along[:, None] * vectors
        shares = held @ ahead[:, :, None]
        ahead -= (shares.transpose(0, 2, 1) @ held)[:, 0]
        sizes = np.linalg.norm(ahead, axis=1)
        diagonal.append(along)
        found = np.maximum(found, along)
        sizes[sizes <= ROUNDING * found] = 0.0
        looks = step >= FIRST_LOOK and (step - FIRST_LOOK) % BETWEEN_LOOKS == 0
        if looks or step == dim or not sizes.any():
            found, second, last = _leading(np.array(diagonal), np.array(beside))
            rest = sizes * last
            apart = np.maximum(found - second, rest)
            far = np.divide(rest**2, apart, out=np.zeros(count), where=apart > 0)
            if (far <= TOLERANCE * found).all():
                break
        beside.append(sizes)
        vectors = np.divide(
            ahead, sizes[:, None], out=np.zeros_like(ahead), where=sizes[:, None] > 0
        )
    return np.maximum(found, 0.0)


def _leading(diagonal: Float64, beside: Float64) -> tuple[Float64, Float64, Float64]:
    """Two largest eigenvalues of m tridiagonals, and the first one's last coordinate, (m,) each.

    Parameters
    ----------
    diagonal, beside : (k, m) and (k − 1, m) float64
    """
    k, m = diagonal.shape
    lines, at = np.zeros((m, k, k)), np.arange(k)
    lines[:, at, at] = diagonal.T
    if k > 1:
        lines[:, at[1:], at[:-1]] = beside.T
    values, vectors = np.linalg.eigh(lines)  # reads the lower triangle
    second = values[:, -2] if k > 1 else np.zeros(m)
    return values[:, -1], second, np.abs(vectors[:, -1, -1])
