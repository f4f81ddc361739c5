"""Closing the gap where no row varies: what neighbours are found by stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.errors import ParameterError
from anisoalign_core.matrices import Matrix, eigh
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64


class OrthogonalClosing(Aligner):
    """``z = Norm(y + (I − UUᵀ)(μ_x − μ_y))``, U the leading directions of variance.

    U holds the fewest leading eigenvectors that carry ``share`` of tr(Σ_x + Σ_y), or of tr Σ_x.
    Before projection to the sphere coordinates inside U, and with them inner products there, are
    those of y. At share 0 this is the mean shift; at 1 only what lies outside of all rows moves.

    The published method takes the subspace of the modality that is searched; how much of its
    variance, and which eigenvectors where both are corrected for, is our choice.

    Parameters
    ----------
    share : float, default 0.9
        Share of the variance that stays where it is, between 0 and 1.
    subspace : {"both", "target"}
        Whose variance.

    Attributes
    ----------
    rank_ : int
        Columns of U.
    closed_ : float
        ``‖(I − UUᵀ)Δ‖² / ‖Δ‖²``, the share of the squared gap that is closed; 0 where none is.
    """

    name = "orthogonal"
    label = "Orthogonal closing"
    summary = "Closes the part of the gap across which rows do not vary, and leaves the rest."
    reference = "Chowers et al., Is the Modality Gap a Bug or a Feature?, arXiv:2603.29080"
    moments = "full"
    knobs = (
        Knob(
            "share",
            "Share of variance kept in place",
            "0 is a mean shift, 1 moves only what lies outside of all rows.",
            curve=Curve("share of variance", (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)),
        ),
        Knob(
            "subspace",
            "Subspace",
            "Whose leading directions the shift leaves out.",
            choices={"both": "both sides", "target": "target"},
        ),
    )

    rank_: int
    closed_: float

    def __init__(self, share: float = 0.9, subspace: Literal["both", "target"] = "both") -> None:
        self.share = share
        self.subspace = subspace

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if not 0.0 <= self.share <= 1.0:
            raise ParameterError(f"share is {self.share}; choose it between 0 and 1.")
        if self.subspace not in ("both", "target"):
            raise ParameterError(f'subspace is {self.subspace!r}; choose "both" or "target".')

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        spread = target.covariance
        if self.subspace == "both":
            spread = spread + source.covariance
        kept = carrying(spread, self.share)
        gap = target.mean - source.mean
        step = gap - kept @ (kept.T @ gap)
        self.rank_ = kept.shape[1]
        whole = float(gap @ gap)
        self.closed_ = float(step @ step) / whole if whole > 0 else 0.0
        self.map_ = AffineMap(source.mean, np.array(1.0), source.mean + step)


def carrying(covariance: Matrix, share: float) -> Float64:
    """Fewest leading eigenvectors that carry a share of the variance, (d, r)."""
    values, vectors = eigh(covariance)
    energy = np.cumsum(np.maximum(values[: vectors.shape[1]], 0.0))
    if share == 0.0 or not energy[-1] > 0.0:
        return vectors[:, :0]
    rank = int(np.searchsorted(energy / energy[-1], share)) + 1
    return vectors[:, :rank]
