"""How BoundedTransport bounds stretches, and how a mean is turned onto another."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from anisoalign_core.matrices import Matrix, SpanMatrix, through
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64

Rule = Literal["clip", "relax"]


def clip_stretch(raw: Float64, scale: float, bound: float) -> Float64:
    """``s · exp(clip(log(w/s), −α, α))``: stretches held within a factor e^α of the scale s.

    Parameters
    ----------
    raw : array
        Unbounded stretches w ≥ 0.
    scale : float
        s > 0.
    bound : float
        α ≥ 0; 0 gives s everywhere, ``inf`` gives w back.
    """
    if math.isinf(bound):
        return raw.copy()
    tiny = scale * math.exp(-700.0)
    ratio = np.log(np.maximum(raw, tiny) / scale)
    return np.asarray(scale * np.exp(np.clip(ratio, -bound, bound)))


def relax_stretch(raw: Float64, scale: float, bound: float) -> Float64:
    """``(1 − t) s + t w`` with ``t = 1 − e^−α``: every stretch goes the same part of its way.

    Parameters
    ----------
    raw, scale, bound
        As in :func:`clip_stretch`. No stretch falls below ``s e^−α`` (or w, where w is larger than
        that); above, the limit is the largest w itself, not ``s e^α``.
    """
    part = -math.expm1(-bound)
    return np.asarray((1 - part) * scale + part * raw)


RULES = {"clip": clip_stretch, "relax": relax_stretch}


def mean_rotation(source_mean: Float64, target_mean: Float64) -> Float64:
    """Rotate the direction of μ_y onto that of μ_x within their plane, nothing else moving.

    ``R = I + sin φ (b aᵀ − a bᵀ) + (cos φ − 1)(a aᵀ + b bᵀ)`` with a along μ_y, b the unit part of
    μ_x across it and φ their angle. Every cosine between two rows stays what it was.

    Returns
    -------
    (d, d) float64
        Orthogonal; the identity when a mean is zero or the two point the same way.
    """
    turn = _turn(source_mean, target_mean)
    identity = np.eye(len(source_mean))
    if turn is None:
        return identity
    a, b, cos, sin = turn
    plane = np.outer(a, a) + np.outer(b, b)
    return np.asarray(identity + sin * (np.outer(b, a) - np.outer(a, b)) + (cos - 1) * plane)


def plane_rotation(source_mean: Float64, target_mean: Float64) -> SpanMatrix:
    """Return :func:`mean_rotation` on the plane of the means: nothing of size d×d."""
    turn = _turn(source_mean, target_mean)
    if turn is None:
        return SpanMatrix(np.eye(len(source_mean), 2), np.eye(2), 1.0)
    a, b, cos, sin = turn
    return SpanMatrix(np.column_stack([a, b]), np.array([[cos, -sin], [sin, cos]]), 1.0)


def _turn(
    source_mean: Float64, target_mean: Float64
) -> tuple[Float64, Float64, float, float] | None:
    """Orthonormal a and b, cosine and sine of the turn from a to b; None where there is none."""
    sizes = np.linalg.norm(source_mean), np.linalg.norm(target_mean)
    if min(sizes) < 1e-12:
        return None
    a, goal = source_mean / sizes[0], target_mean / sizes[1]
    cos = float(np.clip(a @ goal, -1.0, 1.0))
    across = goal - cos * a
    sin = float(np.linalg.norm(across))
    if sin < 1e-9:
        if cos > 0:
            return None
        axis = int(np.argmin(np.abs(a)))  # opposite means: any plane does
        across = -a[axis] * a
        across[axis] += 1.0
    return a, across / np.linalg.norm(across), cos, sin


def rotated(moments: Moments, rotation: Matrix) -> Moments:
    """Moments of the rows turned by an orthogonal matrix."""
    scatter = through(lambda spread, turn: turn @ spread @ turn.T, moments.scatter, rotation)
    return Moments(moments.n, rotation @ moments.mean, (scatter + scatter.T) / 2)
