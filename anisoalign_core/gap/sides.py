"""What the moments of both sides say of a gap, without any row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.gap.facts import (
    Bias,
    Overlap,
    SideSpectrum,
    SpectraFacts,
    Verdict,
)
from anisoalign_core.gap.report import GapReport
from anisoalign_core.geometry.residual import projection_drift
from anisoalign_core.geometry.spectrum import (
    decay_exponent,
    effective_dimension,
    effective_rank,
    isoscore,
    spectral_correlation,
)
from anisoalign_core.geometry.subspace import energy_inside, few_coordinates, overlap, overlap_ranks
from anisoalign_core.matrices import eigh, entries
from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64

UNIT = 1e-3
"""How far the mean square length of unit rows may stray from 1."""
LEFT_OUT = (
    "From moments alone: left out are the interval of the centroid gap and the drift it meets, "
    "hubness, uniformity, the ceilings of subspace overlaps, separability, residual, structure "
    "and the verdict. Give rows to have them."
)


@dataclass(frozen=True, eq=False)
class Sides:
    """Moments of both sides, and the spectra and frames that they have.

    Attributes
    ----------
    source, target : Moments
    of_source, of_target : (values, vectors)
        Eigenvalues and eigenvectors of either covariance.
    frame : (d, d) float64
        Eigenvectors of Σ_x + Σ_y.
    """

    source: Moments
    target: Moments
    of_source: tuple[Float64, Float64]
    of_target: tuple[Float64, Float64]
    frame: Float64

    @classmethod
    def of(cls, source: Moments, target: Moments) -> Sides:
        """Decompose the covariances of both sides."""
        frame = eigh(source.covariance + target.covariance)[1]
        return cls(source, target, eigh(source.covariance), eigh(target.covariance), frame)

    @property
    def values(self) -> tuple[Float64, Float64]:
        """Spectra of source and target."""
        return np.maximum(self.of_source[0], 0), np.maximum(self.of_target[0], 0)

    def bias(self, rows: int) -> Bias:
        """Return the gap between the means of so many rows, without interval and drift."""
        source, target = self.source, self.target
        delta = target.mean - source.mean
        value = float(np.linalg.norm(delta))
        predicted = projection_drift(target.mean, source.covariance)
        reach = rows - 2  # no more directions vary
        ranks = [r for r in (32, 64, 128) if r < source.dim and r <= reach]
        ranks = ranks or [max(min(source.dim, reach) // 2, 1)]
        nonzero = value > 0
        return Bias(
            centroid_gap=Interval(value, math.nan, math.nan),
            floor=math.sqrt(source.trace / source.n + target.trace / target.n),
            top_coordinates=tuple(few_coordinates(delta)[:10].tolist()) if nonzero else (),
            inside={r: energy_inside(self.frame[:, :r], delta) for r in ranks} if nonzero else {},
            projection_drift=math.nan,
            projection_drift_predicted=float(np.linalg.norm(predicted - target.mean)),
        )

    def spectra(self) -> SpectraFacts:
        """Return both spectra and how they differ, without hubness and uniformity."""
        source, target = self.source, self.target
        absolute = float(np.linalg.norm(entries(target.covariance - source.covariance)))
        spread = float(np.linalg.norm(entries(target.covariance)))
        values_y, values_x = self.values
        decay = decay_exponent(values_x, min(source.n, target.n))
        return SpectraFacts(
            source=_side(source, values_y),
            target=_side(target, values_x),
            covariance_gap_relative=absolute / spread if spread > 0 else math.nan,
            covariance_gap_absolute=absolute,
            spectral_correlation=spectral_correlation(values_x, values_y),
            decay_range=(decay.first, decay.last),
        )

    def subspaces(self, fewest: int) -> dict[int, Overlap]:
        """Return overlaps of leading subspaces, without ceilings, of at least so many things."""
        d, u_y, u_x = self.source.dim, self.of_source[1], self.of_target[1]
        return {
            q: Overlap(overlap(u_x[:, :q], u_y[:, :q]), q / d, math.nan)
            for q in (overlap_ranks(d, fewest) if fewest >= 4 else ())
        }


def _side(moments: Moments, values: Float64) -> SideSpectrum:
    gamma, d = moments.shrunk()[1], moments.dim  # which moves eigenvalues towards their mean
    return SideSpectrum(
        trace=moments.trace,
        decay_exponent=decay_exponent(values, moments.n).exponent,
        effective_dimension=effective_dimension(values),
        effective_rank=effective_rank(values),
        isoscore=isoscore(values),
        isoscore_shrunk=isoscore(np.maximum((1 - gamma) * values + gamma * moments.trace / d, 0.0)),
        mean_norm=float(np.linalg.norm(moments.mean)),
        hubness=math.nan,
        uniformity=math.nan,
    )


def of_moments(
    sides: tuple[Moments, Moments], random_state: int, parts: Sequence[str] | None
) -> GapReport:
    """Return what moments of unit source and target rows say; its notes say what is left out."""
    needy = [part for part in parts or () if part != "subspaces"]
    if needy:
        raise ParameterError(f'The part "{needy[0]}" looks at rows, and moments hold none.')
    for side, moments in zip(("source", "target"), sides, strict=True):
        if moments.scatter.ndim == 1:
            raise ParameterError(
                f"The {side} moments hold a diagonal alone. Sum them with diagonal=False."
            )
        if moments.n < 2:
            raise ShapeError(f"A diagnosis needs at least two rows; {moments.n} made the {side}.")
        square = moments.trace + float(moments.mean @ moments.mean)
        if abs(square - 1.0) > UNIT:
            raise ParameterError(
                f"The {side} moments are not those of unit rows: the mean square length is "
                f"{square:.4g}. Normalise the rows before summing them."
            )
    if sides[0].dim != sides[1].dim:
        raise ShapeError(
            f"The moments have {sides[0].dim} and {sides[1].dim} dimensions; both must come from "
            "one shared space."
        )
    found = Sides.of(*sides)
    rows = [moments.n for moments in sides]
    return GapReport(
        n_source=rows[0],
        n_target=rows[1],
        dim=sides[0].dim,
        paired=False,
        random_state=random_state,
        source_digest="",
        target_digest="",
        bias=found.bias(sum(rows)),
        spectra=found.spectra(),
        subspaces=found.subspaces(min(rows)) if parts is None or "subspaces" in parts else {},
        separability=math.nan,
        residual=None,
        structure=None,
        verdict=Verdict("unknown", "Not judged: moments hold no rows to compare.", ()),
        notes=(LEFT_OUT,),
    )
