"""Scores without what both rows owe to the mean of the gallery."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.cosines import mean_rows
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.rows import Strings
from anisoalign_core.scoring.base import Scorer

LEAST_MEAN = 1e-6
LEAST_LEFT = 1e-6
"""Squared length beside the mean's direction below which a float32 row lies on it."""


class ConformityRemoved(Scorer):
    """``s − (h·q)(h·z − mean h·z)`` with ``h = μ/‖μ‖`` and μ the mean of the reference gallery.

    The cosine of a row to its modality's mean, its *conformity* (Levi & Gilboa), is common to all
    queries that lean towards that mean, so that rows of high conformity are hubs. The score here is
    that of a row whose h·z is set to the mean: the rows themselves do not move. It is this
    project's own use of that notion, not a published method.

    The reference gallery is what stands for the gallery's target modality: target rows, or
    corrected rows, whose mean the correction puts in the same place. Bilinear, with one column
    more: ``[ρz; mean − ρ h·z]`` and ``[q; h·q]``, ρ = 1.

    Parameters
    ----------
    rescale : bool, default False
        Bring what is left of z to the length that a unit row has beside the mean,
        ``ρ(z) = √((1 − mean²)/(1 − (h·z)²))``: exactly the cosine with the row that has its h·z set
        to the mean and is put back on the sphere. Where rows lie close to their mean, this enlarges
        what is mostly noise, and may cost nearly all recall.
    """

    name = "conformity"
    label = "Conformity removed"
    summary = "Takes out what rows score for lying near to the mean of the gallery."
    reference = "conformity: Levi & Gilboa, arXiv:2411.14517; as a correction of scores: this \
project"
    per_item = False
    needs_gallery = True

    def __init__(self, rescale: bool = False) -> None:
        self.rescale = rescale

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        mean = mean_rows(gallery)
        length = float(np.linalg.norm(mean))
        if length < LEAST_MEAN:
            raise ParameterError(
                "The reference gallery has its mean at the origin, so no direction is common to "
                "its rows and there is no conformity to remove."
            )
        self.direction_ = mean / length
        self.mean_conformity_ = length  # the mean of h·z over rows with the mean ‖μ‖h

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        conformity = rows @ self.direction_
        if not self.rescale:
            return None, (self.mean_conformity_ - conformity)[:, None]
        left = np.maximum(1 - conformity**2, LEAST_LEFT)
        scale = np.sqrt((1 - self.mean_conformity_**2) / left)
        return scale, (self.mean_conformity_ - scale * conformity)[:, None]

    def _of_queries(self, rows: Float32) -> Float64:
        return np.asarray(rows @ self.direction_)[:, None]
