"""ReAlign: one isotropic scale, a mean shift, and centroid calibration, from the formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.base import Aligner
from anisoalign_core.errors import ParameterError
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32


def isotropic_scale(source: Moments, target: Moments) -> float:
    """``s = √(tr Σ_x / tr Σ_y)`` [RA].

    Raises
    ------
    ParameterError
        If all rows of a side are equal, so that no scale exists.
    """
    for side, moments in (("source", source), ("target", target)):
        if not moments.trace > 1e-14:
            raise ParameterError(
                f"All {moments.n} {side} rows point the same way, so there is no spread to match. "
                "Check that the file holds different embeddings."
            )
    return math.sqrt(target.trace / source.trace)


class ReAlign(Aligner):
    """``Norm(Norm(μ_x + s (y − μ_y)) − μ' + μ_x)``, ``s = √(tr Σ_x / tr Σ_y)`` [RA].

    μ' is the mean of the inner ``Norm`` over the fitted source rows. An independent
    implementation from the published formulas.
    """

    name = "realign"
    label = "ReAlign"
    summary = "Mean shift, one overall scale, and a re-centring on the sphere."
    reference = "Yu et al., Modality Gap-Driven Subspace Alignment, arXiv:2602.07026v3"
    moments = "diagonal"
    recentres = True

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        self.scale_ = isotropic_scale(source, target)
        self.map_ = AffineMap(source.mean, np.array(self.scale_), target.mean)
