"""The deterministic start: phases kept, radii and complement matched to the target [AA 4.4.1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align.anisoalign.frame import Frame, outside
from anisoalign_core.align.anisoalign.options import Bounds, Initial
from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.polar import from_polar, wrap
from anisoalign_core.numerics import Float32, Float64


@dataclass(frozen=True, eq=False)
class State:
    """Rows in the frame: phases and radii in U, a vector in V. Arrays of numpy or of torch.

    Attributes
    ----------
    phases, radii : (n, m)
    outside : (n, d)
        v, in V.
    """

    phases: Any
    radii: Any
    outside: Any

    def rows(self, basis: Any, xp: Any = np) -> Any:
        """``Q c(ρ, θ) + v``, not yet on the sphere, (n, d)."""
        return from_polar(self.radii, self.phases, xp) @ basis.T + self.outside

    def features(self) -> Float32:
        """Return what the refinement sees: ``[sin θ, cos θ, log ρ, v]``, (n, 3m + d) [AA eq. 7]."""
        parts = [np.sin(self.phases), np.cos(self.phases), np.log(self.radii), self.outside]
        return np.concatenate(parts, axis=1)

    def moved(self, raw: Any, basis: Any, bounds: Bounds, xp: Any = np) -> State:
        """Apply raw corrections (n, 2m + d) within the bounds.

        ``θ̂ = wrap(θ⁰ + α_θ tanh Δθ)``, ``ρ̂ = ρ⁰ e^{α_ρ tanh Δρ}``,
        ``v̂ = v⁰ + P_V(α_v tanh(P_V Δv))``. The entrywise tanh leaves V, so its result is projected
        on V once more: that only shortens it, and every bound still holds.
        """
        m = self.phases.shape[1]
        phases = wrap(self.phases + bounds.theta * xp.tanh(raw[:, :m]))
        radii = self.radii * xp.exp(bounds.rho * xp.tanh(raw[:, m : 2 * m]))
        if bounds.v == 0.0:
            return State(phases, radii, self.outside)
        step = bounds.v * xp.tanh(outside(raw[:, 2 * m :], basis))
        return State(phases, radii, self.outside + outside(step, basis))

    @property
    def norms_inside(self) -> Float64:
        """``‖c‖`` of each row, (n,); numpy only."""
        return np.asarray(np.sqrt(np.square(self.radii.astype(np.float64)).sum(axis=1)))

    def take(self, rows: Any) -> State:
        """Return some rows."""
        return State(self.phases[rows], self.radii[rows], self.outside[rows])


def state_of(frame: Frame, rows: Float32, epsilon: float) -> State:
    """Rows as they are, in the frame: ``rows`` of the state gives them back up to ε."""
    radii, phases = frame.polar(rows, epsilon)
    return State(phases.astype(np.float32), radii.astype(np.float32), frame.outside(rows))


@dataclass(frozen=True, eq=False)
class Initialisation:
    """Fitted statistics of the start.

    ``ȳ = y − μ_y + μ_x``. In U the phases of ȳ are kept and each block's radius goes through
    ``ρ⁰_k = (F_k^x)⁻¹(F_k^y(ρ_k))``. In V ``v⁰ = μ_{x,V} + P_V D_V (y_V − μ_{y,V})``.

    Attributes
    ----------
    source_mean, target_mean : (d,) float64
    source_radii, target_radii : (K, m) float64
        Radii at the mid-point levels ``(i + ½)/K``: F_k^y (of re-centred source rows) and F_k^x.
    stretch : (d,) float64
        Diagonal of D_V.
    epsilon : () float64
        ε under the root of the radius.
    """

    source_mean: Float64
    target_mean: Float64
    source_radii: Float64
    target_radii: Float64
    stretch: Float64
    epsilon: Float64

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together, as a damaged file may hold."""
        d = self.source_mean.shape
        fits = len(d) == 1 and self.target_mean.shape == d and self.stretch.shape == d
        if not fits or self.source_radii.ndim != 2 or self.target_radii.ndim != 2:
            raise ShapeError("The start of an AnisoAlign model has parts that do not fit together.")
        if self.source_radii.shape[1] != self.target_radii.shape[1]:
            raise ShapeError("The start of an AnisoAlign model has radii of different blocks.")

    @classmethod
    def of(
        cls,
        frame: Frame,
        y: Float32,
        x: Float32,
        source_mean: Float64,
        target_mean: Float64,
        given: Initial,
    ) -> Initialisation:
        """Estimate the start from unpaired rows.

        Parameters
        ----------
        y, x : (n, d) float32
            Source and target rows.
        source_mean, target_mean : (d,) float64
            Their means.
        given : Initial
            ε, how many quantiles are kept (fewer rows keep all of theirs), and the limit of D_V.
        """
        epsilon, limit = given.epsilon, given.stretch_limit
        shift = (target_mean - source_mean).astype(np.float32)
        spread_x, spread_y = (frame.outside(rows).std(axis=0, dtype=np.float64) for rows in (x, y))
        return cls(
            source_mean,
            target_mean,
            _levels(frame.polar(y + shift, epsilon)[0], given.quantiles),
            _levels(frame.polar(x, epsilon)[0], given.quantiles),
            np.clip(spread_x / (spread_y + epsilon), 1 / limit, limit),
            np.asarray(epsilon, dtype=np.float64),
        )

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return len(self.source_mean)

    def state(self, frame: Frame, rows: Float32) -> State:
        """``(θ⁰, ρ⁰, v⁰)`` of source rows, (n, d) → State."""
        shift = (self.target_mean - self.source_mean).astype(np.float32)
        radii, phases = frame.polar(rows + shift, float(self.epsilon))
        matched = np.empty_like(radii)
        levels_y, levels_x = (
            (np.arange(len(knots)) + 0.5) / len(knots)
            for knots in (self.source_radii, self.target_radii)
        )
        for k in range(radii.shape[1]):
            level = np.interp(radii[:, k], self.source_radii[:, k], levels_y)
            matched[:, k] = np.interp(level, levels_x, self.target_radii[:, k])
        centred = rows - self.source_mean.astype(np.float32)
        stretched = frame.outside(frame.outside(centred) * self.stretch.astype(np.float32))
        centre = frame.outside(self.target_mean[None].astype(np.float32))
        single = phases.astype(np.float32), matched.astype(np.float32)
        return State(*single, np.asarray(stretched + centre))


def _levels(radii: Float64, most: int) -> Float64:
    """Radii at mid-point levels, (K, m): every row's when there are few, else interpolated."""
    ordered = np.sort(radii, axis=0)
    n = len(ordered)
    if n <= most:
        return ordered
    at = ((np.arange(most) + 0.5) / most) * n - 0.5
    low = np.clip(np.floor(at).astype(np.intp), 0, n - 2)
    part = np.clip(at - low, 0.0, 1.0)[:, None]
    return np.asarray(ordered[low] * (1 - part) + ordered[low + 1] * part)
