"""Weights of rows in a fit, as people give them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Float64

Weights = npt.ArrayLike | tuple[npt.ArrayLike | None, npt.ArrayLike | None]
SideWeights = tuple[Float64 | None, Float64 | None]
"""Weights of source and of target rows; None where all count the same."""


def checked(
    given: Weights | None, rows: tuple[int, int], label: str, *, by_pair: bool
) -> SideWeights | None:
    """Check weights: one array for pairs, otherwise one (or None) for each side.

    Raises
    ------
    ParameterError
        If they are of the other kind, or a weight is not positive and finite.
    ShapeError
        If there is not one weight per row.
    """
    if given is None:
        return None
    sides = given if isinstance(given, tuple) else (given, given)
    if len(sides) != 2 or isinstance(given, tuple) == by_pair:
        wanted = "one array, a weight per pair" if by_pair else "a tuple of two arrays, one a side"
        raise ParameterError(f"sample_weight of {label} is {wanted}.")
    found: list[Float64 | None] = []
    for side, n, name in zip(sides, rows, ("source", "target"), strict=True):
        weights = None if side is None else np.asarray(side, dtype=np.float64)
        if weights is not None and weights.shape != (n,):
            raise ShapeError(f"There are {n} {name} rows and weights of shape {weights.shape}.")
        if weights is not None and not (np.isfinite(weights) & (weights > 0)).all():
            raise ParameterError("Weights are positive, finite numbers; leave out other rows.")
        found.append(weights)
    return found[0], found[1]
