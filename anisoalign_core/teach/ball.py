"""Three toys on the unit sphere of three dimensions: cones, a mean shift, a bounded correction.

Each is a deterministic function of a few parameters. Angles are in degrees, as a class thinks of
them. The source's mean points along the first axis of the plane in which the means lie, the
target's ``angle`` degrees further; "along the gap" is the direction in that plane, "across" the
one that leaves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.baselines import Identity, MeanShift
from anisoalign_core.align.bound_sweep import BoundSweep
from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.align.realign import ReAlign
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import mean_rows, row_cosines
from anisoalign_core.metrics.distributions import frechet
from anisoalign_core.metrics.mixing import delta_mu, mixing
from anisoalign_core.metrics.residual import repaired_cosine
from anisoalign_core.metrics.semantics import omega, psi
from anisoalign_core.numerics import Float32, Float64, generator, unit_rows
from anisoalign_core.teach.story import mean_cosine, mean_length

ROWS = 240
NEIGHBOURS = 12
TURN = math.pi * (3.0 - math.sqrt(5.0))
"""The golden angle: a spiral with this step fills a disc evenly."""
SHIFT_ANGLE = 75.0
SHIFT_SPREAD = 0.25
BOUND_ANGLE = 50.0
BOUND_SPREAD = 0.22

SHIFTS = ("identity", "mean-shift", "realign", "rotate")
"""What :func:`ball_shift` can do: nothing, the library's mean shift and ReAlign, a rotation."""


@dataclass(frozen=True, eq=False)
class Moved:
    """Two clouds on the ball, and the source's rows after a correction.

    Attributes
    ----------
    source, target, after : (n, 3) float32
        Unit rows; row i of ``after`` is the corrected row i of ``source``. The two clouds are
        drawn independently: no row has a partner.
    """

    source: Float32
    target: Float32
    after: Float32

    @cached_property
    def comparison(self) -> Comparison:
        """What the numbers below are read from."""
        return Comparison(self.source, self.after, self.target, k=NEIGHBOURS)

    @cached_property
    def gap(self) -> float:
        """``‖μ_z − μ_x‖`` after the correction."""
        return delta_mu(self.comparison)

    @cached_property
    def psi(self) -> float:
        """Similarities kept, Ψ."""
        return psi(self.comparison)

    @cached_property
    def omega(self) -> float:
        """Neighbours kept, Ω."""
        return omega(self.comparison)

    @cached_property
    def coverage(self) -> float:
        """How mixed the target's neighbourhoods are, M^X."""
        return mixing(self.comparison).coverage

    @cached_property
    def frechet(self) -> float:
        """Distance of the two Gaussians with the clouds' means and covariances."""
        return frechet(self.comparison)


@dataclass(frozen=True, eq=False)
class Cones:
    """Two cones of the same opening; row i of one is the partner of row i of the other.

    Attributes
    ----------
    source, target : (n, 3) float32
        Unit rows; partners hold the same place in their cones.
    """

    source: Float32
    target: Float32

    @cached_property
    def source_mean(self) -> Float64:
        """μ_y, (3,)."""
        return mean_rows(self.source)

    @cached_property
    def target_mean(self) -> Float64:
        """μ_x, (3,)."""
        return mean_rows(self.target)

    @cached_property
    def gap(self) -> float:
        """``G_μ = ‖μ_x − μ_y‖``."""
        return delta_mu(Comparison.between(self.target, self.source))

    @cached_property
    def length(self) -> float:
        """``‖μ‖`` of either cone: 1 if it is a single ray."""
        return mean_length(self.target)

    @cached_property
    def inside(self) -> float:
        """Mean cosine of two different rows of one cone."""
        return mean_cosine(self.target)

    @cached_property
    def partners(self) -> float:
        """Mean cosine of partners."""
        return float(row_cosines(self.target, self.source).mean())

    @cached_property
    def shuffled(self) -> float:
        """Mean cosine of rows that are no partners."""
        return repaired_cosine(Comparison.between(self.target, self.source, paired=True))


def two_cones(opening: float = 30.0, angle: float = 70.0, *, rows: int = ROWS) -> Cones:
    """Two evenly filled cones whose axes are ``angle`` apart.

    Parameters
    ----------
    opening : float
        Largest angle between a row and its cone's axis, degrees, in (0, 180].
    angle : float
        Between the axes, degrees.
    rows : int
        In each cone.

    Notes
    -----
    The means are ``m`` long with ``m = 2 (a sin a + cos a − 1)/a²`` for an opening of a radians,
    so that ``G_μ = 2 m sin(angle/2)``: the gap grows with the angle, and wide cones have a small
    one at any angle.
    """
    if not 0.0 < opening <= 180.0:
        raise ParameterError(f"opening is {opening}; choose an angle above 0 and at most 180.")
    number = np.arange(rows)
    radius = math.radians(opening) * np.sqrt((number + 0.5) / rows)
    places = radius[:, None] * np.column_stack([np.cos(TURN * number), np.sin(TURN * number)])
    return Cones(_around(0.0, places), _around(angle, places))


def ball_shift(method: str = "mean-shift", *, elongation: float = 4.0, turn: float = 90.0) -> Moved:
    """Correct an elongated cloud on the ball by moving its mean, in one of three ways.

    A shift moves every row by the same arrow and then returns it to the sphere. Where the cloud
    extends along the gap, that turns differences of direction into differences of length, which
    the return wipes out. A rotation keeps the cloud's shape, which fits the target's (as long,
    and along the gap) only if the two shapes agree.

    Parameters
    ----------
    method : {"identity", "mean-shift", "realign", "rotate"}
        ``"rotate"`` is BoundedTransport with ``recentre="rotate"`` and bound 0: a rotation of the
        means onto each other, then one overall scale.
    elongation : float
        How many times longer than wide both clouds are, ≥ 1. Their area stays the same.
    turn : float
        Between the source's long axis and the direction across the gap, degrees: 0 is across,
        90 along the gap.

    Raises
    ------
    ParameterError
        If there is no such method, or the elongation is below 1.
    """
    if elongation < 1.0:
        raise ParameterError(f"elongation is {elongation}; 1 is a round cloud, more a longer one.")
    long, wide = SHIFT_SPREAD * math.sqrt(elongation), SHIFT_SPREAD / math.sqrt(elongation)
    source = _cloud(0.0, long, wide, turn, seed=1)
    target = _cloud(SHIFT_ANGLE, long, wide, 90.0, seed=2)
    return Moved(source, target, _shifting(method).fit(source, target).transform(source))


def _shifting(method: str) -> Aligner:
    if method == "identity":
        return Identity()
    if method == "mean-shift":
        return MeanShift()
    if method == "realign":
        return ReAlign()
    if method == "rotate":
        return BoundedTransport(bound=0.0, recentre="rotate")
    raise ParameterError(f"There is no shift {method!r}; choose one of {', '.join(SHIFTS)}.")


@dataclass(frozen=True, eq=False)
class BallBound:
    """A BoundedTransport fitted in three dimensions, to be looked at under any bound.

    Attributes
    ----------
    source, target : (n, 3) float32
        Unit rows of two clouds of different shape.
    method : BoundedTransport
    """

    source: Float32
    target: Float32
    method: BoundedTransport

    @cached_property
    def _sweep(self) -> BoundSweep:
        return BoundSweep(self.method, self.source)

    def view(self, bound: float) -> Moved:
        """Correct the source under a bound: 0 is ReAlign, infinity Gaussian optimal transport."""
        return Moved(self.source, self.target, self._sweep.at(bound).rows())

    def stretch(self, bound: float) -> Float64:
        """How much each axis is stretched under a bound, (3,)."""
        return self.method.bounded(bound)


def ball_bound(*, elongation: float = 3.0, rows: int = ROWS) -> BallBound:
    """Fit the bounded correction between two clouds of crossed shapes on the ball.

    The source is long across the gap and narrow along it, the target the other way round, so
    that the transport has to shorten one axis and to lengthen the other.

    Parameters
    ----------
    elongation : float
        How many times longer than wide both clouds are, ≥ 1.
    rows : int
        In each cloud.
    """
    long, wide = BOUND_SPREAD * math.sqrt(elongation), BOUND_SPREAD / math.sqrt(elongation)
    source = _cloud(0.0, long, wide, 0.0, seed=3, rows=rows)
    target = _cloud(BOUND_ANGLE, long, wide, 90.0, seed=4, rows=rows)
    return BallBound(source, target, BoundedTransport(bound=0.0).fit(source, target))


def _cloud(
    angle: float, long: float, wide: float, turn: float, *, seed: int, rows: int = ROWS
) -> Float32:
    """Draw a normal cloud in the tangent plane, its deviations in radians, cut at 2.5 of them."""
    drawn = np.clip(generator(seed).standard_normal((rows, 2)), -2.5, 2.5) * (long, wide)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    # places are (along the gap, across): at turn 0 the long axis lies across
    return _around(angle, drawn @ np.array([[sin, cos], [cos, -sin]]))


def _around(angle: float, places: Float64) -> Float32:
    """Wrap places of the tangent plane (radians: along the gap, across) around the sphere."""
    away = np.linalg.norm(places, axis=1)
    share = np.sinc(away / math.pi)  # sin(r)/r, 1 at r = 0
    local = np.column_stack([np.cos(away), share * places[:, 0], share * places[:, 1]])
    phi = math.radians(angle)
    centre = np.array([math.cos(phi), math.sin(phi), 0.0])
    along = np.array([-math.sin(phi), math.cos(phi), 0.0])
    return unit_rows(local @ np.stack([centre, along, np.array([0.0, 0.0, 1.0])]))
