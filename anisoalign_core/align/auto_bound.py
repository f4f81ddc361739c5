"""The bound that BoundedTransport finds by itself: it watches source rows, and reads no pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float64, Integers, generator

AUTO_LIMIT = 1.5
"""Largest bound that ``bound="auto"`` considers."""
AUTO_TOLERANCE = 0.01
"""How far Ψ on held-out source rows may fall below its value at bound 0."""
AUTO_NEIGHBOURS = 20
"""k of the neighbours that ``watch="neighbours"`` counts."""
AUTO_STEP = 0.05
AUTO_FIT_ROWS = 4000
AUTO_HELD_ROWS = 1000


def auto_rows(n: int, random_state: int) -> tuple[Integers, Integers]:
    """Return the source rows on which ``bound="auto"`` is decided.

    Returns
    -------
    held : array of row numbers
        Left out of the statistics and watched: a fifth of the rows, at most 1000.
    others : array of row numbers
        Over which the calibration is taken meanwhile: all others, at most 4000.

    Raises
    ------
    ParameterError
        If there are fewer than 10 rows.
    """
    if n < 10:
        raise ParameterError(
            f'bound="auto" watches held-out source rows and needs at least 10 of them; there '
            f"are {n}. Give a number, for example bound=0.1."
        )
    held = min(max(n // 5, 3), AUTO_HELD_ROWS)
    wanted = min(n, held + AUTO_FIT_ROWS)
    drawn = generator(random_state).choice(n, wanted, replace=False)  # in random order
    return np.sort(drawn[:held]), np.sort(drawn[held:])


def largest_bound(
    watched: Callable[[float], float], kept: float | None = None
) -> tuple[float, Float64, Float64]:
    """Return the largest bound that keeps what is watched, and the curve it was chosen from.

    It may rise before it falls, so a grid finds the last crossing and halving refines it.

    Parameters
    ----------
    watched : callable of a bound
        Ψ or Ω of held-out source rows: higher is better.
    kept : float, optional
        The least that will do; by default 0.01 below the value at bound 0. Where no bound reaches
        it, the one that comes nearest is taken.
    """
    bounds = [round(step * AUTO_STEP, 10) for step in range(round(AUTO_LIMIT / AUTO_STEP) + 1)]
    curve = [watched(bound) for bound in bounds]
    kept = curve[0] - AUTO_TOLERANCE if kept is None else min(kept, max(curve))
    last = max(i for i, value in enumerate(curve) if value >= kept)
    chosen = bounds[last]
    if last + 1 < len(bounds):
        low, high = bounds[last], bounds[last + 1]
        for _ in range(4):
            middle = (low + high) / 2
            low, high = (middle, high) if watched(middle) >= kept else (low, middle)
        chosen = math.floor(low * 100) / 100
    return chosen, np.array(bounds), np.array(curve)
