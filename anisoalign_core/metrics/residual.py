"""What is left between matched rows after a correction: paired, so never used to fit."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.spectrum import eigenvalues
from anisoalign_core.metrics.semantics import row_cosines
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.threads import largest_eigenvalue


def residual_spectrum(target: Float32, after: Float32) -> Float64:
    """Eigenvalues, descending, of the centred covariance Σ_r of ``x_i − z_i``.

    Parameters
    ----------
    target, after : (n, d) float32
        Matched unit rows.

    Returns
    -------
    (d,) float64
    """
    return eigenvalues(Moments.of(row_differences(target, after)).covariance)


def anisotropy(covariance: Float64) -> float:
    """Return ``λ_max / (tr Σ / d)`` of a (d, d) covariance: 1 if isotropic, 0 if it is zero."""
    d = len(covariance)
    trace = float(np.trace(covariance))
    if trace <= 1e-12:
        return 0.0
    return largest_eigenvalue(covariance) * d / trace


def residual_anisotropy(target: Float32, after: Float32) -> float:
    """Anisotropy of the matched residual, ``A_r = λ_max(Σ_r) / (tr Σ_r / d)`` [AA].

    Parameters
    ----------
    target, after : (n, d) float32
        Matched unit rows x_i and z_i.
    """
    return anisotropy(Moments.of(row_differences(target, after)).covariance)


def repaired_anisotropy(target: Float32, after: Float32) -> float:
    """A_r expected under random re-pairing: the anisotropy of ``Σ_x + Σ_z``. Needs no pairs."""
    return anisotropy(Moments.of(target).covariance + Moments.of(after).covariance)


def matched_cosine(target: Float32, after: Float32) -> float:
    """Mean cosine of matched rows, ``mean ⟨x_i, z_i⟩``.

    Parameters
    ----------
    target, after : (n, d) float32
        Matched unit rows.
    """
    return float(row_cosines(target, after).mean())


def row_differences(target: Float32, after: Float32) -> Float32:
    """``x_i − z_i``, (n, d) float32."""
    if target.shape != after.shape:
        raise ShapeError(
            f"{len(target)} target and {len(after)} source rows cannot be matched row by row."
        )
    return target - after
