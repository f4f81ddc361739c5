"""Blockwise polar coordinates: pairs of coordinates as radius and phase [AA eq. 2]."""

from __future__ import annotations

from typing import Any

import numpy as np

from anisoalign_core.errors import ShapeError

EPSILON = 1e-8
"""ε under the root of the radius."""


def wrap(angles: Any) -> Any:
    """Angles brought into [−π, π); numpy arrays and torch tensors alike."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


def to_polar(coordinates: Any, epsilon: float = EPSILON) -> tuple[Any, Any]:
    """Radii and phases of the two-dimensional blocks ``(c_1, c_2), (c_3, c_4), …``.

    ``ρ_k = √(a_k² + b_k² + ε)``, ``θ_k = atan2(b_k, a_k)`` [AA eq. 2].

    Parameters
    ----------
    coordinates : (n, 2m) array
    epsilon : float, default 1e-8
        ε keeps log ρ finite at the origin.

    Returns
    -------
    radii, phases : (n, m) arrays
        Phases in [−π, π).

    Raises
    ------
    ShapeError
        If the number of coordinates is odd.
    """
    if coordinates.shape[1] % 2:
        raise ShapeError(
            f"{coordinates.shape[1]} coordinates cannot be paired; choose an even rank."
        )
    a, b = coordinates[:, 0::2], coordinates[:, 1::2]
    return np.sqrt(a * a + b * b + epsilon), wrap(np.arctan2(b, a))


def from_polar(radii: Any, phases: Any, xp: Any = np) -> Any:
    """Coordinates ``(ρ_k cos θ_k, ρ_k sin θ_k)`` of each block, (n, 2m).

    The published inverse leaves ε in the radius: the round trip is off by at most ``ε / 2ρ_k``,
    and by √ε at the origin.

    Parameters
    ----------
    radii, phases : (n, m) arrays
    xp : module, default numpy
        ``numpy`` or ``torch``, whichever the arrays belong to.
    """
    blocks = xp.stack([radii * xp.cos(phases), radii * xp.sin(phases)], -1)
    return blocks.reshape(len(radii), -1)


def kappa(bound_theta: float, bound_rho: float) -> float:
    """``κ = √((e^α_ρ − 1)² + 4 e^α_ρ sin²(α_θ/2))`` [AA A.7.2].

    A block turned by at most α_θ and stretched by at most e^{±α_ρ} moves by at most κ times its
    radius.
    """
    turn = np.sin(min(bound_theta, np.pi) / 2) ** 2
    return float(np.sqrt(np.expm1(bound_rho) ** 2 + 4 * np.exp(bound_rho) * turn))
