"""BoundedTransport: Gaussian optimal transport whose every stretch is bounded. The default.

One knob, the bound α, runs from ReAlign (α = 0) to Gaussian optimal transport (α → ∞). The
eigenvalues of the transport map are computed once; a change of bound re-clips them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.auto_bound import AUTO_LIMIT, auto_rows, largest_bound
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.align.knobs import Curve, Knob, Stretches
from anisoalign_core.align.realign import isotropic_scale
from anisoalign_core.align.stretching import RULES, Rule, mean_rotation, rotated
from anisoalign_core.errors import NotFittedError, ParameterError
from anisoalign_core.geometry.subspace import auto_rank, complete_basis
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.semantics import psi
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, eigh

Frame = Literal["full", "joint", "target"]
Recentre = Literal["shift", "rotate"]


class BoundedTransport(Aligner):
    """Bounded Gaussian optimal transport from the source to the target.

    1. Σ̂_x, Σ̂_y are Ledoit–Wolf covariances, ``s = √(tr Σ̂_x / tr Σ̂_y)``.
    2. A is the Bures map from Σ̂_y to Σ̂_x: symmetric and PSD, so it stretches but never rotates.
    3. Its eigenvalues are bounded: ``w ← s · exp(clip(log(w/s), −α, α))``.
    4. ``z = μ_x + A (y − μ_y)``, to the sphere, centroid calibration, to the sphere.

    Before the projection every pairwise distance changes by a factor within ``s · [e^−α, e^α]``.

    Parameters
    ----------
    bound : float or "auto", default "auto"
        α ≥ 0. 0 is exactly ReAlign. ``"auto"`` takes the largest α ≤ 1.5 whose Ψ on held-out
        source rows stays within 0.01 of Ψ at α = 0; it reads no pairs and no labels.
    frame : {"full", "joint", "target"}, default "full"
        ``"full"`` bounds all d directions. ``"joint"`` and ``"target"`` restrict A to the top
        ``rank`` eigenvectors of Σ_x + Σ_y or of Σ_x and scale the rest by one bounded factor.
    rank : int, optional
        Even rank of the frame. By default the smallest that holds 90 % of tr(Σ_x + Σ_y), at most
        a tenth of the fitted rows. Ignored when ``frame="full"``.
    recentre : {"shift", "rotate"}, default "shift"
        ``"rotate"`` first turns the source so that its mean points along the target's
        (:func:`mean_rotation`), which changes no cosine between two rows; then as above. A shift
        turns differences in length along μ_y into differences in direction, and neighbours are
        lost before anything is matched. With it α = 0 is no longer ReAlign.
    rule : {"clip", "relax"}, default "clip"
        How stretches are bounded: :func:`clip_stretch`, or :func:`relax_stretch`, which keeps the
        lower bound ``s e^−α`` only but buys more support for the neighbours it costs.
    random_state : int, default 0
        Chooses the rows that ``bound="auto"`` holds out.

    Attributes
    ----------
    bound_ : float
        The bound in force.
    scale_ : float
        s.
    basis_ : (d, d) float64
        Orthonormal eigenvectors of A, one per column; the first ``rank_`` span the frame.
    raw_stretch_ : (d,) float64
        Unbounded eigenvalues of A.
    stretch_ : (d,) float64
        Bounded eigenvalues, within ``s e^{±α}``.
    rank_ : int
    rotation_ : (d, d) float64
        R, with ``recentre="rotate"`` only.
    shrinkage_source_, shrinkage_target_ : float
    auto_bounds_, auto_psi_ : (m,) float64
        The curve that ``"auto"`` chose from; empty for a given bound.

    Notes
    -----
    Affine, invertible, O(n d² + d³), no torch. This method is this project's own.
    """

    name = "bounded"
    label = "BoundedTransport"
    summary = "Gaussian optimal transport with every stretch within e^±α of one overall scale."
    reference = "this project; Gaussian map: Peyré & Cuturi 2019; α = 0: ReAlign [RA]"
    moments = "full"
    recentres = True
    link = ""
    knobs = (
        Knob(
            "bound",
            "Bound α",
            "How far each direction's stretch may leave the overall scale: a factor e^±α. 0 is "
            "ReAlign; large values approach Gaussian optimal transport.",
            high=AUTO_LIMIT,
            begin=0.2,
            words="bound α = {:.2f}",
            auto="The largest bound that keeps Ψ on held-out source rows within 0.01 of its value "
            "at 0. Reads no pairs and no labels.",
            live=True,
            option=True,
            curve=Curve("bound α", (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)),
        ),
        Knob(
            "recentre",
            "Bring the means together by a",
            "A shift is what ReAlign does. A rotation turns one mean onto the other and keeps "
            "every cosine between two rows, so fewer neighbours are lost.",
            choices={"shift": "shift", "rotate": "rotation"},
        ),
        Knob(
            "rule",
            "Bound stretches by",
            "Clip: no stretch leaves a factor e^±α of the overall scale. Relax: every stretch "
            "goes the same part, 1 − e^−α, of its way; only the lower bound s·e^−α is kept.",
            choices={"clip": "clip", "relax": "relax"},
        ),
        Knob(
            "frame",
            "Frame",
            "Full: every direction has its own bounded stretch. Joint or target: only the leading "
            "directions of both sets, or of the target, do; the rest share one.",
            choices={"full": "full", "joint": "joint", "target": "target"},
            option=True,
        ),
        Knob(
            "rank",
            "Rank of the frame",
            "How many leading directions the frame holds.",
            low=2,
            high=None,
            step=1,
            option=True,
            when=lambda chosen: chosen["frame"] != "full",
        ),
    )

    def __init__(
        self,
        bound: float | Literal["auto"] = "auto",
        frame: Frame = "full",
        rank: int | None = None,
        random_state: int = 0,
        recentre: Recentre = "shift",
        rule: Rule = "clip",
    ) -> None:
        self.bound = bound
        self.frame = frame
        self.rank = rank
        self.recentre = recentre
        self.rule = rule
        self.random_state = random_state

    def wanted_rows(self, n: int) -> tuple[Integers, ...]:
        """Rows on which ``bound="auto"`` is decided: see :func:`auto_rows`."""
        return auto_rows(n, self.random_state) if self.bound == "auto" else ()

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        if self.bound == "auto":
            held, others = rows
            self.bound_, self.auto_bounds_, self.auto_psi_ = self._choose_bound(
                held, others, source, target
            )
        else:
            self.bound_ = float(self.bound)
            self.auto_bounds_ = self.auto_psi_ = np.empty(0)
        self._fit_map(source, target)

    def _fit_map(self, source: Moments, target: Moments) -> None:
        self.scale_ = isotropic_scale(source, target)
        given_mean = source.mean
        if self.recentre == "rotate":
            self.rotation_ = mean_rotation(source.mean, target.mean)
            source = rotated(source, self.rotation_)
        (sigma_y, self.shrinkage_source_), (sigma_x, self.shrinkage_target_) = (
            source.shrunk(),
            target.shrunk(),
        )
        if self.frame == "full":
            self.rank_ = source.dim
            self.raw_stretch_, self.basis_ = eigh(bures_map(sigma_y, sigma_x))
        else:
            frame = sigma_x + sigma_y if self.frame == "joint" else sigma_x
            self.rank_ = self.rank or auto_rank(sigma_x + sigma_y, source.n + target.n)
            u = eigh(frame)[1][:, : self.rank_]
            inside, rotation = eigh(bures_map(u.T @ sigma_y @ u, u.T @ sigma_x @ u))
            self.basis_ = complete_basis(u @ rotation)
            rest_x = np.trace(sigma_x) - np.trace(u.T @ sigma_x @ u)
            rest_y = np.trace(sigma_y) - np.trace(u.T @ sigma_y @ u)
            outside = math.sqrt(rest_x / rest_y) if rest_y > 1e-14 else self.scale_
            self.raw_stretch_ = np.concatenate([inside, np.full(source.dim - self.rank_, outside)])
        self.raw_stretch_ = np.maximum(self.raw_stretch_, 0.0)
        self._set_bound(given_mean, target.mean)

    def _set_bound(self, source_mean: Float64, target_mean: Float64) -> None:
        self.stretch_ = self.bounded(self.bound_)
        linear = (self.basis_ * self.stretch_) @ self.source_basis.T
        self.map_ = AffineMap(source_mean, linear, target_mean)

    def bounded(self, bound: float) -> Float64:
        """Stretches under a bound, (d,)."""
        return RULES[self.rule](self.raw_stretch_, self.scale_, bound)

    @property
    def source_basis(self) -> Float64:
        """``Rᵀ U``: the basis in which source rows are expanded; U itself without a rotation."""
        if self.recentre == "shift":
            return self.basis_
        return np.asarray(self.rotation_.T @ self.basis_)

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.recentre not in ("shift", "rotate"):
            raise ParameterError(f'recentre is {self.recentre!r}; choose "shift" or "rotate".')
        if self.rule not in RULES:
            raise ParameterError(f'rule is {self.rule!r}; choose "clip" or "relax".')
        if self.bound != "auto" and (
            not isinstance(self.bound, int | float) or not self.bound >= 0
        ):
            raise ParameterError(f'bound is {self.bound!r}; give a number ≥ 0, or "auto".')
        if self.frame not in ("full", "joint", "target"):
            raise ParameterError(f'frame is {self.frame!r}; choose "full", "joint" or "target".')
        if self.rank is not None and not 1 <= self.rank <= dim:
            raise ParameterError(f"rank is {self.rank}; choose it between 1 and {dim}.")

    def _choose_bound(
        self, held: Float32, others: Float32, source: Moments, target: Moments
    ) -> tuple[float, Float64, Float64]:
        """Return the auto bound and the (bounds, Ψ) curve that it was chosen from."""
        fixed = type(self)(**(self.get_params() | {"bound": 0.0}))
        fixed.bound_ = 0.0
        fixed._fit_map(source.without(Moments.of(held)), target)
        swept = BoundSweep(fixed, held, others)
        return largest_bound(lambda bound: psi(Comparison(held, swept.at(bound).rows(), held)))

    def with_bound(self, bound: float, source: Float32) -> Self:
        """Return a copy with another bound, without fitting again.

        Parameters
        ----------
        bound : float
        source : (n, d) float32
            The unit rows that were fitted, over which the calibration is taken again.
        """
        if not hasattr(self, "raw_stretch_"):
            raise NotFittedError("BoundedTransport is not fitted yet. Call fit first.")
        other = type(self)(**(self.get_params() | {"bound": bound}))
        other.check_parameters(self.n_features_in_)
        other.__dict__.update(vars(self) | {"bound": bound, "bound_": float(bound)})
        other._set_bound(self.map_.source_mean, self.map_.target_mean)
        other.map_ = other.map_.calibrated(source)
        return other

    def sweep(self, rows: Float32, fitted: Float32) -> BoundSweep:
        """See :meth:`Aligner.sweep`: ``at(bound)``."""
        return BoundSweep(self, rows, fitted)


@dataclass(eq=False)
class BoundSweep:
    """What a change of bound needs about some rows: matrix–vector products, no new n×d×d one.

    With ``C = (y − μ_y) Rᵀ U`` in the eigenbasis U of A (R = I unless ``recentre="rotate"``) and w
    the bounded stretches, the corrected rows before projection are ``e = C diag(w) Uᵀ + μ_x``, so
    ``‖e‖² = C² w² + 2 C (w ∘ Uᵀμ_x) + ‖μ_x‖²`` and ``e p = C (w ∘ Uᵀp) + μ_xᵀp`` for any
    direction p.

    Parameters
    ----------
    method : BoundedTransport
        Fitted; its own bound does not matter.
    rows : (n, d) float32
        Unit source rows to correct.
    calibration_rows : (m, d) float32, optional
        Rows over which the centroid calibration is taken; by default ``rows`` themselves.
    """

    method: BoundedTransport
    rows: Float32
    calibration_rows: Float32 | None = None
    coordinates: Float32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Expand both sets of rows in the eigenbasis, once."""
        self._basis = self.method.basis_.astype(np.float32)
        self._mean = self.method.map_.target_mean
        self._mean_in_basis = self.method.basis_.T @ self._mean
        self.coordinates = self._expand(self.rows)
        self._squares = self.coordinates**2
        others = self.calibration_rows
        calibration = self.coordinates if others is None else self._expand(others)
        self._calibration = (calibration, calibration**2)

    def _expand(self, rows: Float32) -> Float32:
        centred = rows - self.method.map_.source_mean.astype(np.float32)
        return np.asarray(centred @ self.method.source_basis.astype(np.float32))

    def _norms(self, coordinates: Float32, squares: Float32, stretch: Float64) -> Float32:
        w = stretch.astype(np.float32)
        cross = (stretch * self._mean_in_basis).astype(np.float32)
        squared = (
            squares @ (w * w) + 2 * (coordinates @ cross) + np.float32(self._mean @ self._mean)
        )
        return np.asarray(np.sqrt(np.maximum(squared, np.float32(1e-24))))

    def at(self, bound: float | None = None) -> BoundView:
        """Everything about the rows under another bound."""
        bound = self.method.bound_ if bound is None else bound
        stretch = self.method.bounded(bound)
        coordinates, squares = self._calibration
        inverse = 1.0 / self._norms(coordinates, squares, stretch)
        n = len(coordinates)
        centre = self.method.basis_ @ (stretch * (inverse @ coordinates) / n)
        centre = centre + self._mean * (float(inverse.sum(dtype=np.float64)) / n)
        recentring = self._mean - centre
        norms = self._norms(self.coordinates, self._squares, stretch)
        return BoundView(self, bound, stretch, norms, recentring)


@dataclass(frozen=True, eq=False)
class BoundView:
    """Rows of a :class:`BoundSweep` under one bound.

    Attributes
    ----------
    bound : float
    stretch : (d,) float64
    norms : (n,) float32
        ``‖e‖`` before projection.
    recentring : (d,) float64
        ``μ_x − μ'``.
    """

    sweep: BoundSweep
    bound: float
    stretch: Float64
    norms: Float32
    recentring: Float64

    @property
    def stretches(self) -> Stretches:
        """What each direction asks for, and what the bound lets through."""
        known = self.sweep.method
        return Stretches(known.raw_stretch_, self.stretch, known.scale_, self.bound, known.rank_)

    @property
    def guarantee(self) -> str:
        """What the bound promises, and what the fitted stretches actually are."""
        stretch, bound, s = self.stretch, self.bound, self.sweep.method.scale_
        low, high = s * np.exp(-bound), s * np.exp(bound)
        before = "Before the rows return to the sphere, every distance between two source rows"
        if self.sweep.method.rule == "relax":
            return (
                f"{before} keeps at least **{low:.3g}** of itself and grows to at most "
                f"**{stretch.max():.3g}** times itself, the largest fitted stretch (s = {s:.3g}, "
                f"α = {bound:.2f})."
            )
        at_bound = float(np.mean(np.abs(np.log(stretch / s)) >= bound - 1e-9)) if bound > 0 else 1.0
        return (
            f"{before} changes by a factor between **{low:.3g}** and **{high:.3g}** (s = {s:.3g}, "
            f"α = {bound:.2f}). The fitted stretches run from {stretch.min():.3g} to "
            f"{stretch.max():.3g}; the bound holds back {at_bound:.0%} of the {len(stretch)} "
            "directions."
        )

    def _first(self, directions: Float64, rows: slice | Integers) -> Float32:
        """Projections of ``Norm(e)``."""
        turned = self.sweep.method.basis_.T @ directions
        weighted = (self.stretch[:, None] * turned).astype(np.float32)
        offset = (self.sweep._mean @ directions).astype(np.float32)
        projected = self.sweep.coordinates[rows] @ weighted + offset
        return np.asarray(projected / self.norms[rows, None])

    def project(self, directions: Float64, rows: slice | Integers = slice(None)) -> Float32:
        """Coordinates ``z p`` of corrected rows on the columns p of ``directions`` (d, k)."""
        extended = np.column_stack([directions, self.recentring])
        first = self._first(extended, rows)
        along = first[:, -1]
        size = np.float32(self.recentring @ self.recentring)
        norms = np.sqrt(np.maximum(1.0 + 2.0 * along + size, np.float32(1e-24)))
        shift = (self.recentring @ directions).astype(np.float32)
        return np.asarray((first[:, :-1] + shift) / norms[:, None])

    def rows(self, rows: slice | Integers = slice(None)) -> Float32:
        """Corrected unit rows (k, d): one product for the rows asked for."""
        w = self.stretch.astype(np.float32)
        mapped = (self.sweep.coordinates[rows] * w) @ self.sweep._basis.T
        mapped += self.sweep._mean.astype(np.float32)
        mapped /= self.norms[rows, None]
        mapped += self.recentring.astype(np.float32)
        mapped /= np.sqrt(np.einsum("ij,ij->i", mapped, mapped))[:, None]
        return np.asarray(mapped)
