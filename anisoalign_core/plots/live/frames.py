"""Where a dial's positions are worked out, so that straight ways between them are the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from anisoalign_core.numerics import Float32, Float64

PANEL = 600
"""Pixels of the panel in which errors are stated."""
TOLERANCE = 0.9
MOST = 65
Paths = Callable[[Sequence[float]], Float32]


@dataclass(frozen=True, eq=False)
class Frames:
    """Positions of rows at some values of a dial.

    Attributes
    ----------
    values : tuple of float
        Ascending.
    positions : (m, n, 2) float32
    error : float
        Largest distance, in pixels of a 600-pixel panel, between a row and the straight way, at
        the midpoint of any two neighbouring values.
    """

    values: tuple[float, ...]
    positions: Float32
    error: float


def keyframes(
    paths: Paths,
    low: float,
    high: float,
    span: Float64,
    *,
    tolerance: float = TOLERANCE,
    most: int = MOST,
    first: int = 9,
) -> Frames:
    """Place keyframes where the rows' ways bend, until straight ways are right to a pixel.

    Every interval is halved while a row at its midpoint is off the straight way by more than
    ``tolerance``; all midpoints of a round are asked for at once.

    Parameters
    ----------
    paths : callable of values → (m, n, 2) float32
    low, high : float
        Of the dial.
    span : (2,) float64
        What the panel's width and height show.
    tolerance : float
        Pixels of a 600-pixel panel.
    most : int
        Keyframes at most; the error that is then left is returned as it is.
    """
    values = [float(v) for v in np.linspace(low, high, first)]
    known = dict(zip(values, paths(values), strict=True))
    errors: dict[tuple[float, float], float] = {}
    scale = (PANEL / span).astype(np.float32)
    waiting = list(pairwise(values))
    while waiting:
        middles = [(a + b) / 2 for a, b in waiting]
        bent = []
        for (a, b), middle, there in zip(waiting, middles, paths(middles), strict=True):
            off = (there - (known[a] + known[b]) / 2) * scale
            errors[a, b] = float(np.sqrt((off**2).sum(axis=1).max()))
            if errors[a, b] > tolerance:
                bent.append((errors[a, b], a, b, middle, there))
        waiting = []
        room = most - len(known)
        for _, a, b, middle, there in sorted(bent, key=lambda one: -one[0])[:room]:
            known[middle] = there
            del errors[a, b]
            waiting += [(a, middle), (middle, b)]
    at = tuple(sorted(known))
    return Frames(at, np.stack([known[value] for value in at]), max(errors.values()))
