"""Where a row of one's own lands among the target's rows, before and after a correction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.metrics.cosines import mean_rows
from anisoalign_core.metrics.neighbours import top_k
from anisoalign_core.numerics import Float32, Integers


@dataclass(frozen=True, eq=False)
class Landing:
    """One row, the same row corrected, and the target's rows around both.

    Attributes
    ----------
    before, after : (d,) float32
        Unit rows.
    target : (n, d) float32
        Unit rows.
    count : int
        How many nearest rows are looked at.
    """

    before: Float32
    after: Float32
    target: Float32
    count: int = 6

    @cached_property
    def _nearest(self) -> tuple[Integers, Float32]:
        return top_k(np.stack([self.before, self.after]), self.target, self.count)

    @property
    def rows(self) -> tuple[Integers, Integers]:
        """The nearest target rows before and after, nearest first: (count,) each."""
        return self._nearest[0][0], self._nearest[0][1]

    @property
    def cosines(self) -> tuple[Float32, Float32]:
        """Their cosines before and after: (count,) each."""
        return self._nearest[1][0], self._nearest[1][1]

    @property
    def kept(self) -> int:
        """How many of the nearest rows before are among the nearest after."""
        return len(np.intersect1d(*self.rows))

    @cached_property
    def to_mean(self) -> tuple[float, float]:
        """``‖z − μ_x‖`` of the row before and after: how far it is from the target's mean."""
        away = np.stack([self.before, self.after]) - mean_rows(self.target)
        first, second = np.sqrt(np.square(away).sum(axis=1))
        return float(first), float(second)


def usual_nearest(rows: Float32, target: Float32) -> float:
    """Return the median cosine of rows with the target row nearest to each: what is usual.

    Parameters
    ----------
    rows : (m, d) float32
        Unit rows.
    target : (n, d) float32
        Unit rows.
    """
    return float(np.median(top_k(rows, target, 1)[1]))
