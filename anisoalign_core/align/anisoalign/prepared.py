"""Rows under bounds: what a change of bounds needs, and what the bounds promise [AA A.7]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.align.affine import to_sphere
from anisoalign_core.align.anisoalign.frame import Frame
from anisoalign_core.align.anisoalign.initial import State
from anisoalign_core.align.anisoalign.options import Bounds
from anisoalign_core.align.anisoalign.refine import limited
from anisoalign_core.align.knobs import FixedRows
from anisoalign_core.geometry.polar import kappa
from anisoalign_core.numerics import Float32, Float64

ROUNDING = 1e-6
"""Sizes below are float32 rounding: nothing."""


@dataclass(frozen=True)
class Guarantee:
    """What the bounds promise, and what corrections of actual rows did.

    Attributes
    ----------
    kappa, beta_v : float
        κ(α_θ, α_ρ), and ``α_v √d``, the most that the tanh lets V move.
    epsilon : float
        ``κ max(1, ‖c⁰‖_max) + β_v``, at most β where there is a hard limit: no row moves farther
        before it returns to the sphere [AA A.7].
    cosine_limit : float
        ``4ε/(1 − ε)``, and at most 2, which any two cosines keep anyway: then nothing is promised.
        The lemma is for starts of norm 1. In general ``‖â − b̂‖ ≤ 2‖a − b‖/max(‖a‖, ‖b‖)``, so a
        start of norm ν gives ``4ε/ν``; that stands here where the shortest start is below 1 − ε.
    largest_step : float
        Largest ``‖δ‖`` of the rows.
    largest_cosine_change : float
        Largest ``|⟨ê_i, ê_j⟩ − ⟨ê⁰_i, ê⁰_j⟩|`` over pairs of the rows.
    shortest_start : float
        Smallest norm ``‖Q c⁰ + v⁰‖`` of the rows.
    largest_inside : float
        Largest ``‖c⁰‖``; the lemma takes it as at most 1.
    holds : bool
        Whether every row kept to ``κ ‖c⁰_i‖ + β_v`` (and β), to float32 rounding.
    """

    kappa: float
    beta_v: float
    epsilon: float
    cosine_limit: float
    largest_step: float
    largest_cosine_change: float
    shortest_start: float
    largest_inside: float
    holds: bool

    @property
    def is_vacuous(self) -> bool:
        """Whether the promise is no stronger than what any two unit vectors keep."""
        return self.cosine_limit >= 2.0

    def sentences(self, rows: int, limit: float | None) -> str:
        """Say what is promised of any row, under a hard limit β, and what happened to ``rows``."""
        held = "" if limit is None else f", and never more than the hard limit β = {limit:.3g}"
        over = "(1 − ε)" if self.shortest_start >= 1 - self.epsilon else "the shortest start"
        promised = (
            f"So the cosine of two rows changes by at most 4ε/{over} = **{self.cosine_limit:.3g}**."
        )
        if self.is_vacuous:
            promised = (
                "For the cosine of two rows that promises nothing: the change it allows is one "
                "that any two unit vectors keep."
            )
        kept_to = "Every row kept" if self.holds else ":red[**Not every row kept**]"
        step, change = (
            "0" if value < ROUNDING else f"{value:.3g}"
            for value in (self.largest_step, self.largest_cosine_change)
        )
        return (
            "Before the rows return to the sphere, no row moves farther from its start than "
            f"**ε = {self.epsilon:.3g}** (κ = {self.kappa:.3g} by turning and stretching blocks, "
            f"β_v = {self.beta_v:.3g} outside them{held}). {promised}  \n**What happened** on "
            f"{rows:,} shown rows: the largest step is **{step}**, the largest change of a cosine "
            f"between two of them **{change}**. {kept_to} to its own bound."
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """Some rows' start and raw corrections: what a change of bounds needs.

    Attributes
    ----------
    frame : Frame
    limit : float or None
        Hard limit β on each row's step.
    start : State
    raw : (n, 2m + d) float32 or None
    """

    frame: Frame
    limit: float | None
    start: State
    raw: Float32 | None

    @property
    def _basis(self) -> Float32:
        return self.frame.basis.astype(np.float32)

    def at(self, bounds: Bounds) -> State:
        """Phases, radii and V under bounds, before the hard limit."""
        return self.start if self.raw is None else self.start.moved(self.raw, self._basis, bounds)

    def moved(self, bounds: Bounds) -> Float32:
        """Rows under bounds and the hard limit, before the sphere, (n, d)."""
        before = self.start.rows(self._basis)
        if self.raw is None:
            return np.asarray(before)
        step = self.at(bounds).rows(self._basis) - before
        return np.asarray(before + limited(step, self.limit))

    def corrected(self, bounds: Bounds, recentring: Float64, first: int = 0) -> Float32:
        """Corrected unit rows under bounds, (n, d); errors count rows from ``first``."""
        moved = to_sphere(self.moved(bounds), first)
        return to_sphere(moved + recentring.astype(np.float32), first)

    def guarantee(self, bounds: Bounds) -> Guarantee:
        """See :meth:`AnisoAlign.guarantee`."""
        before, after = self.start.rows(self._basis), self.moved(bounds)
        steps = np.linalg.norm((after - before).astype(np.float64), axis=1)
        inside = self.start.norms_inside
        factor = kappa(bounds.theta, bounds.rho)
        beta_v = bounds.v * float(np.sqrt(before.shape[1]))
        limit = np.inf if self.limit is None else self.limit
        allowed = np.minimum(factor * inside + beta_v, limit)
        epsilon = min(factor * max(1.0, float(inside.max())) + beta_v, limit)
        first, second = to_sphere(np.asarray(before), 0), to_sphere(after, 0)
        change = np.abs(second @ second.T - first @ first.T)
        shortest = float(np.linalg.norm(before.astype(np.float64), axis=1).min())
        divisor = min(1 - epsilon, shortest)
        return Guarantee(
            kappa=factor,
            beta_v=beta_v,
            epsilon=float(epsilon),
            cosine_limit=min(4 * epsilon / divisor, 2.0) if divisor > 0 else 2.0,
            largest_step=float(steps.max()),
            largest_cosine_change=float(change.max()),
            shortest_start=shortest,
            largest_inside=float(inside.max()),
            holds=bool((steps <= allowed + 1e-5).all()),
        )


@dataclass(frozen=True, eq=False)
class BoundsSweep:
    """Shown rows under any bounds, calibrated over fitted rows.

    Attributes
    ----------
    bounds : Bounds
        In force where none are given.
    shown, fitted : Prepared
    target_mean : (d,) float64
    """

    bounds: Bounds
    shown: Prepared
    fitted: Prepared
    target_mean: Float64

    def at(
        self,
        bound_theta: float | None = None,
        bound_rho: float | None = None,
        bound_v: float | None = None,
    ) -> BoundsView:
        """Return the shown rows under bounds."""
        given = (bound_theta, bound_rho, bound_v)
        usual = vars(self.bounds).values()
        bounds = Bounds(*(u if g is None else g for g, u in zip(given, usual, strict=True)))
        moved = to_sphere(self.fitted.moved(bounds))
        recentring = np.asarray(self.target_mean - moved.mean(axis=0, dtype=np.float64))
        return BoundsView(self.shown.corrected(bounds, recentring), self.shown, bounds)


@dataclass(frozen=True, eq=False)
class BoundsView(FixedRows):
    """Rows under bounds."""

    prepared: Prepared
    bounds: Bounds

    @cached_property
    def guarantee(self) -> str:
        """See :class:`Guarantee`."""
        found = self.prepared.guarantee(self.bounds)
        return found.sentences(len(self.corrected), self.prepared.limit)
