"""Values by entry and measure, one for each split, as arrays and as lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anisoalign_core.numerics import Float64

Values = dict[str, dict[str, Float64]]
"""Entry → measure → (S,) values."""


def lists(found: Values) -> dict[str, dict[str, list[float]]]:
    """Turn arrays into lists, two levels down."""
    return {e: {m: v.tolist() for m, v in scores.items()} for e, scores in found.items()}


def arrays(found: Mapping[str, Mapping[str, Sequence[float]]]) -> Values:
    """Turn lists of numbers into arrays, two levels down."""
    return {e: {m: np.array(v) for m, v in scores.items()} for e, scores in found.items()}
