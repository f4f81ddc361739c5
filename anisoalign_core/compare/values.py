"""Values by entry and measure, one for each split, as arrays and as lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from anisoalign_core.numerics import Float64

Values = dict[str, dict[str, Float64]]
"""Entry → measure → (S,) values."""


def lists(found: Values) -> dict[str, dict[str, list[float]]]:
    """Turn arrays into lists, two levels down."""
    return {e: {m: v.tolist() for m, v in scores.items()} for e, scores in found.items()}


def arrays(found: Mapping[str, Mapping[str, Sequence[float]]]) -> Values:
    """Turn lists of numbers into arrays, two levels down.

    Raises
    ------
    ValueError, TypeError
        If they are not lists of numbers, all of one length.
    """
    made = {
        e: {m: np.asarray(v, np.float64) for m, v in scores.items()} for e, scores in found.items()
    }
    if len({v.shape for scores in made.values() for v in scores.values()}) > 1:
        raise ValueError("values of measures are not one number for each split")
    return made


def longer(
    before: Values, now: Mapping[str, Mapping[str, float]], failed: Collection[str] = ()
) -> Values:
    """Return values with those of one more split; what failed, or lacks a split, is left out."""
    found: Values = {}
    for name, scores in now.items():
        if name not in failed:
            known = before.get(name, dict.fromkeys(scores, np.empty(0)))
            found[name] = {
                m: np.append(known[m], value) for m, value in scores.items() if m in known
            }
    return found
