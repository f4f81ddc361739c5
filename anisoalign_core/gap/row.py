"""One row of a training run: what the sums since the last row say of the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from anisoalign_core.gap.distribution import distribution_gap, distribution_gap_floor
from anisoalign_core.gap.sums import Summed
from anisoalign_core.geometry.residual import NOTHING, Residual, residual_share
from anisoalign_core.geometry.spectrum import effective_dimension
from anisoalign_core.geometry.subspace import overlap, overlap_ranks
from anisoalign_core.matrices import eigh
from anisoalign_core.metrics.cosines import squared_distances
from anisoalign_core.metrics.mixing import gap_floor
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64

Spectrum = tuple[Float64, Float64]
FLAT = 1e-12
"""Directions with less than this part of the largest variance are rounding, and have no order."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a training run; NaN where a number is not defined.

    Attributes
    ----------
    step : int
    n : int
        Pairs since the last row, of all ranks: behind the centroid gap and its floor, the matched
        cosine, the residual's trace and share, alignment and norms.
    dropped : int
        Pairs since the last row of which a side was zero or not finite; they count nowhere else.
    window : int
        Steps before this row whose batches made the covariances.
    rows : int
        Pairs in the window: behind anisotropies, effective dimensions, overlaps and the
        distribution gap.
    centroid_gap, centroid_gap_floor : float
        ``‖μ_x − μ_y‖``, and ``√(tr Σ_x/n + tr Σ_y/n)``, what two samples of one distribution show.
    distribution_gap, distribution_gap_floor : float
        Bures distance of Σ_x and Σ_y; what two samples of one distribution show, to first order.
    residual_trace, residual_share : float
        ``tr Σ_r``, and ``tr Σ_r / (‖Δ‖² + tr Σ_r)``; ``‖Δ‖² + tr Σ_r`` is exactly ``alignment``.
    residual_anisotropy, residual_anisotropy_repaired : float
        ``A_r = λ_max(Σ_r) / (tr Σ_r / d)``, and that of ``Σ_x + Σ_y``: with partners at random.
    effective_dimension_target, effective_dimension_source, effective_dimension_residual : float
        ``(Σλ)² / Σλ²``.
    overlap_between : float
        ``O_q`` of the leading q directions of both sides.
    overlap_target_start, overlap_source_start, overlap_residual_start : float
        ``O_q`` with the same side's (or the residual's) at the first row.
    overlap_target_previous, overlap_source_previous, overlap_residual_previous : float
        ``O_q`` with those at the row before.
    overlap_rank : int
        q.
    overlap_random : float
        ``q / d``: O_q of random directions.
    matched_cosine : float
        Mean cosine of partners.
    alignment : float
        Mean ``‖x − y‖²`` of partners (Wang & Isola 2020).
    uniformity_target, uniformity_source : float
        ``log mean_{i≠j} exp(−2 ‖x_i − x_j‖²)`` in the last batch's gallery (Wang & Isola 2020).
    recall_at_1_target_to_source, recall_at_1_source_to_target : float
        R@1 in the gallery.
    recall_chance : float
        1 / gallery; over ranks their mean.
    gallery : int
        Pairs of the last batch that were compared with each other, on each rank.
    norm_target, norm_source : float
        Mean norm of the rows as they came.
    logit_scale, temperature : float
        As it was given, and 1 over it.
    """

    step: int
    n: int
    dropped: int
    window: int
    rows: int
    centroid_gap: float
    centroid_gap_floor: float
    distribution_gap: float
    distribution_gap_floor: float
    residual_trace: float
    residual_share: float
    residual_anisotropy: float
    residual_anisotropy_repaired: float
    effective_dimension_target: float
    effective_dimension_source: float
    effective_dimension_residual: float
    overlap_between: float
    overlap_target_start: float
    overlap_source_start: float
    overlap_residual_start: float
    overlap_target_previous: float
    overlap_source_previous: float
    overlap_residual_previous: float
    overlap_rank: int
    overlap_random: float
    matched_cosine: float
    alignment: float
    uniformity_target: float
    uniformity_source: float
    recall_at_1_target_to_source: float
    recall_at_1_source_to_target: float
    recall_chance: float
    gallery: int
    norm_target: float
    norm_source: float
    logit_scale: float
    temperature: float

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name, in the order of the columns."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = tuple(each.name for each in fields(Row))


@dataclass(frozen=True)
class Gallery:
    """What the last batch says of itself; see :class:`Row`."""

    size: int
    uniformity_target: float = math.nan
    uniformity_source: float = math.nan
    target_to_source: float = math.nan
    source_to_target: float = math.nan
    chance: float = math.nan


@dataclass(frozen=True, eq=False)
class Frames:
    """Leading q eigenvectors, (d, q) each, of Σ_x, Σ_y and Σ_r; None where they have no order."""

    target: Float64 | None
    source: Float64 | None
    residual: Float64 | None


def rank_of(dim: int, rows: int) -> int:
    """Return the q of a run: a tenth of the dimensions, as far as the first window reaches.

    The first of :func:`~anisoalign_core.geometry.subspace.overlap_ranks`.
    """
    return overlap_ranks(dim, rows)[0]


class Follow:
    """Turns sums into rows, and remembers the directions of the first row and of the last.

    A row without directions (a constant batch, too few rows) leaves those it is compared with as
    they were.
    """

    def __init__(self) -> None:
        self.rank: int | None = None
        self._start, self._previous = Frames(None, None, None), Frames(None, None, None)

    def row(
        self, step: int, window: int, summed: Summed, gallery: Gallery, logit_scale: float
    ) -> Row:
        """Return the row of what was summed."""
        d = summed.means.shape[1]
        x, y, r = summed.target, summed.source, summed.residual
        rows = 0 if r is None else r.n
        if self.rank is None and rows:
            self.rank = rank_of(d, rows)
        q = self.rank or 0
        spectra, apart = _measured(x, y, r)
        now = Frames(*(_frame(each, q, rows) for each in spectra))
        dims = [math.nan if each is None else effective_dimension(each[0]) for each in spectra]
        delta = summed.means[0] - summed.means[1]
        bias = float(delta @ delta)
        alignment = float(squared_distances(np.array(summed.cosine)))
        trace = max(alignment - bias, 0.0) if summed.n else math.nan
        start, previous = (
            [_overlap(u, v) for u, v in zip(_parts(now), _parts(before), strict=True)]
            for before in (self._start, self._previous)
        )
        self._remember(now)
        known = math.isfinite(logit_scale) and logit_scale > 0
        return Row(
            step=step,
            n=summed.n,
            dropped=summed.dropped,
            window=window,
            rows=rows,
            centroid_gap=math.sqrt(bias),
            centroid_gap_floor=gap_floor((summed.means[0], summed.means[1]), (summed.n,) * 2)
            if summed.n
            else math.nan,
            distribution_gap=apart[0],
            distribution_gap_floor=apart[1],
            residual_trace=trace,
            residual_share=residual_share(bias, trace),
            residual_anisotropy=apart[2],
            residual_anisotropy_repaired=apart[3],
            effective_dimension_target=dims[0],
            effective_dimension_source=dims[1],
            effective_dimension_residual=dims[2],
            overlap_between=_overlap(now.target, now.source),
            overlap_target_start=start[0],
            overlap_source_start=start[1],
            overlap_residual_start=start[2],
            overlap_target_previous=previous[0],
            overlap_source_previous=previous[1],
            overlap_residual_previous=previous[2],
            overlap_rank=q,
            overlap_random=q / d if q else math.nan,
            matched_cosine=summed.cosine,
            alignment=alignment,
            uniformity_target=gallery.uniformity_target,
            uniformity_source=gallery.uniformity_source,
            recall_at_1_target_to_source=gallery.target_to_source,
            recall_at_1_source_to_target=gallery.source_to_target,
            recall_chance=gallery.chance,
            gallery=gallery.size,
            norm_target=float(summed.norms[0]),
            norm_source=float(summed.norms[1]),
            logit_scale=logit_scale,
            temperature=1 / logit_scale if known else math.nan,
        )

    def _remember(self, now: Frames) -> None:
        """Keep the directions of the first row that has them, and of the last."""
        for name in ("target", "source", "residual"):
            frame = getattr(now, name)
            if frame is None:
                continue
            if getattr(self._start, name) is None:
                self._start = replace(self._start, **{name: frame})
            self._previous = replace(self._previous, **{name: frame})


def _parts(frames: Frames) -> tuple[Float64 | None, ...]:
    return frames.target, frames.source, frames.residual


def _overlap(u: Float64 | None, v: Float64 | None) -> float:
    return math.nan if u is None or v is None else overlap(u, v)


def _frame(spectrum: Spectrum | None, q: int, rows: int) -> Float64 | None:
    """Leading q directions, where the rows reach that far and each has variance."""
    if spectrum is None or not q:
        return None
    values, vectors = spectrum
    if overlap_ranks(len(vectors), rows)[0] < q or values.sum() <= NOTHING:
        return None
    return vectors[:, :q].copy() if values[q - 1] > FLAT * values[0] else None


def _measured(
    x: Moments | None, y: Moments | None, r: Moments | None
) -> tuple[Sequence[Spectrum | None], tuple[float, float, float, float]]:
    """Return all spectra; then distribution gap and residual anisotropy, each with its null."""
    if x is None or y is None or r is None:
        return (None,) * 3, (math.nan,) * 4
    residual = Residual(y, x, r)
    pooled = residual.repaired_values / 2
    numbers = (
        distribution_gap(np.asarray(y.covariance), np.asarray(x.covariance)),
        distribution_gap_floor(pooled, y.n, x.n),
        residual.anisotropy,
        residual.anisotropy_repaired,
    )
    sides = [eigh(side.covariance) for side in (x, y)]
    spectra = [(np.maximum(values, 0.0), vectors) for values, vectors in sides]
    return (*spectra, (residual.values, residual.directions)), numbers
