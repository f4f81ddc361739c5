"""Maps between Gaussians: CORAL's whitening–colouring and the optimal transport map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.errors import ParameterError
from anisoalign_core.matrices import Matrix, shifted, through
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, eigh, psd_power

INVERSE_FLOOR = 1e-12
"""Relative eigenvalue below which a covariance is inverted as if it were zero (Moore–Penrose)."""


def bures_map(source: Matrix, target: Matrix) -> Matrix:
    """Linear part of the Gaussian optimal transport map from N(0, Σ_y) to N(0, Σ_x).

    ``A = Σ_y^{-1/2} (Σ_y^{1/2} Σ_x Σ_y^{1/2})^{1/2} Σ_y^{-1/2}``, symmetric and PSD, and
    ``A Σ_y A = Σ_x`` where Σ_y is invertible (Olkin & Pukelsheim 1982; Peyré & Cuturi 2019,
    remark 2.31).

    Parameters
    ----------
    source, target : Matrix
        Σ_y and Σ_x, (d, d). Where both are multiples of the identity outside a span, a and b times,
        so is A, ``√(b/a)`` times.
    """
    return through(_bures_map, source, target)


def _bures_map(source: Float64, target: Float64) -> Float64:
    values, vectors = eigh(source)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    alive = values > INVERSE_FLOOR * max(values[0], 0.0)
    inverse = (vectors[:, alive] / np.sqrt(values[alive])) @ vectors[:, alive].T
    middle = psd_power(root @ target @ root, 0.5)
    result = inverse @ middle @ inverse
    return np.asarray((result + result.T) / 2)


class Coral(Aligner):
    """``z = Norm(Σ_x^{1/2} Σ_y^{-1/2} (y − μ_y) + μ_x)`` with Ledoit–Wolf covariances.

    Matches both covariances, but unlike :class:`Bures` its matrix is not symmetric: it also
    rotates.
    """

    name = "coral"
    label = "CORAL"
    summary = "Whitens the source and colours it like the target."
    reference = "Sun, Feng & Saenko, Return of Frustratingly Easy Domain Adaptation, 2016"
    moments = "full"

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        (sigma_y, self.shrinkage_source_), (sigma_x, self.shrinkage_target_) = (
            source.shrunk(),
            target.shrunk(),
        )
        linear = through(_recolour, sigma_y, sigma_x)
        self.map_ = AffineMap(source.mean, linear, target.mean)


def _recolour(source: Float64, target: Float64) -> Float64:
    whiten = psd_power(source, -0.5, floor=INVERSE_FLOOR)
    return np.asarray(psd_power(target, 0.5) @ whiten)


class Bures(Aligner):
    """``z = Norm(((1 − t) I + t A)(y − μ_y) + μ_x)``, A the Gaussian optimal transport map.

    Parameters
    ----------
    relaxation : float, default 1
        t in [0, 1]: 0 is a mean shift, 1 the full map.
    """

    name = "bures"
    label = "Gaussian optimal transport"
    summary = "The least-movement map between the two covariances, unbounded."
    reference = "Peyré & Cuturi, Computational Optimal Transport, 2019, remark 2.31"
    moments = "full"
    knobs = (
        Knob(
            "relaxation",
            "Relaxation t",
            "0 is a mean shift, 1 the full transport map.",
            curve=Curve("share of the map", (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)),
        ),
    )

    def __init__(self, relaxation: float = 1.0) -> None:
        self.relaxation = relaxation

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if not 0.0 <= self.relaxation <= 1.0:
            raise ParameterError(f"relaxation is {self.relaxation}; choose it between 0 and 1.")

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        (sigma_y, self.shrinkage_source_), (sigma_x, self.shrinkage_target_) = (
            source.shrunk(),
            target.shrunk(),
        )
        t = self.relaxation
        linear = shifted(bures_map(sigma_y, sigma_x), t, 1 - t)
        self.map_ = AffineMap(source.mean, linear, target.mean)
