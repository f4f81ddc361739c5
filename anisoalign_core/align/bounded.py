"""BoundedTransport: Gaussian optimal transport whose every stretch is bounded. The default.

One knob, the bound α, runs from ReAlign (α = 0) to Gaussian optimal transport (α → ∞). The
eigenvalues of the transport map are computed once; a change of bound re-clips them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.auto_bound import (
    AUTO_LIMIT,
    AUTO_NEIGHBOURS,
    auto_rows,
    largest_bound,
)
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.bound_sweep import BoundSweep
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.align.realign import isotropic_scale
from anisoalign_core.align.stretching import RULES, Rule, mean_rotation, plane_rotation, rotated
from anisoalign_core.errors import NotFittedError, ParameterError
from anisoalign_core.geometry.subspace import auto_rank, complete_basis
from anisoalign_core.matrices import SpanMatrix, eigh, extended, leading, stretched, trace
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers

Frame = Literal["full", "joint", "target"]
Recentre = Literal["shift", "rotate"]
Watch = Literal["psi", "neighbours"]


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
        α ≥ 0. 0 is exactly ReAlign. ``"auto"`` takes the largest α ≤ 1.5 that ``watch`` allows; it
        reads no pairs and no labels.
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
        How stretches are bounded: :func:`~anisoalign_core.align.stretching.clip_stretch`, or
        :func:`~anisoalign_core.align.stretching.relax_stretch`, which keeps the lower bound
        ``s e^−α`` only but buys more support for the neighbours it costs.
    random_state : int, default 0
        Chooses the rows that ``bound="auto"`` holds out.
    watch : {"psi", "neighbours"}, default "psi"
        What ``bound="auto"`` keeps on held-out source rows: Ψ within 0.01 of its value at α = 0, or
        as many nearest neighbours (Ω, k = 20, at most a tenth of the watched rows) as ReAlign keeps
        of the same rows.

    Attributes
    ----------
    bound_ : float
        The bound in force.
    scale_ : float
        s.
    basis_ : (d, d) float64
        Orthonormal eigenvectors of A, one per column; the first ``rank_`` span the frame. Fitted on
        fewer rows than dimensions: (d, k), and every direction outside has one stretch, the last.
    raw_stretch_ : (d,) float64
        Unbounded eigenvalues of A.
    stretch_ : (d,) float64
        Bounded eigenvalues, within ``s e^{±α}``.
    rank_ : int
    rotation_ : (d, d) float64 or SpanMatrix
        R, with ``recentre="rotate"`` only.
    shrinkage_source_, shrinkage_target_ : float
    auto_bounds_, auto_psi_ : (m,) float64
        The curve that ``"auto"`` chose from, of what was watched; empty for a given bound.

    Notes
    -----
    Affine, invertible, O(n d² + d³), or O(n² d + n³) where n < d; no torch.
    This method is this project's own.
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
            auto="The largest bound that keeps what is watched on held-out source rows: Ψ within "
            "0.01 of its value at 0, or as many neighbours as ReAlign. Reads no pairs and no "
            "labels.",
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
        Knob(
            "watch",
            "The automatic bound keeps",
            "Similarities: Ψ of held-out source rows within 0.01 of its value at bound 0. "
            "Neighbours: as many nearest neighbours as ReAlign keeps of the same rows.",
            choices={"psi": "similarities", "neighbours": "neighbours"},
            folded=True,
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
        watch: Watch = "psi",
    ) -> None:
        self.bound = bound
        self.frame = frame
        self.rank = rank
        self.recentre = recentre
        self.rule = rule
        self.random_state = random_state
        self.watch = watch

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
            thin = isinstance(source.scatter, SpanMatrix)
            rotation = plane_rotation if thin else mean_rotation
            self.rotation_ = rotation(source.mean, target.mean)
            source = rotated(source, self.rotation_)
        (sigma_y, self.shrinkage_source_), (sigma_x, self.shrinkage_target_) = (
            source.shrunk(),
            target.shrunk(),
        )
        if self.frame == "full":
            self.rank_ = source.dim
            stretches, basis = eigh(bures_map(sigma_y, sigma_x))
        else:
            frame = sigma_x + sigma_y if self.frame == "joint" else sigma_x
            self.rank_ = self.rank or auto_rank(sigma_x + sigma_y, source.n + target.n)
            u = leading(frame, self.rank_)
            inside, turn = eigh(bures_map(u.T @ sigma_y @ u, u.T @ sigma_x @ u))
            thin = isinstance(sigma_x, SpanMatrix) and isinstance(sigma_y, SpanMatrix)
            basis = u @ turn if thin else complete_basis(u @ turn)
            rest_x = trace(sigma_x) - trace(u.T @ sigma_x @ u)
            rest_y = trace(sigma_y) - trace(u.T @ sigma_y @ u)
            outside = math.sqrt(max(rest_x, 0.0) / rest_y) if rest_y > 1e-14 else self.scale_
            stretches = np.concatenate([inside, np.full(source.dim - self.rank_, outside)])
        if self.recentre == "rotate" and isinstance(self.rotation_, SpanMatrix):
            basis = extended(basis, self.rotation_.basis)  # what the rotation turns
        self.raw_stretch_, self.basis_ = np.maximum(stretches, 0.0), basis
        self._set_bound(given_mean, target.mean)

    def _set_bound(self, source_mean: Float64, target_mean: Float64) -> None:
        self.stretch_ = self.bounded(self.bound_)
        linear = stretched(self.basis_, self.stretch_, self.source_basis)
        self.map_ = AffineMap(source_mean, linear, target_mean)

    def bounded(self, bound: float) -> Float64:
        """Stretches under a bound, (d,)."""
        return RULES[self.rule](self.raw_stretch_, self.scale_, bound)

    @property
    def promise(self) -> str:
        """See :meth:`Aligner.promise`."""
        return self.promised(self.bound_) if hasattr(self, "raw_stretch_") else ""

    def promised(self, bound: float) -> str:
        """Say what a bound promises, and what the fitted stretches actually are."""
        stretch, s = self.bounded(bound), self.scale_
        low, high = s * np.exp(-bound), s * np.exp(bound)
        before = "Before the rows return to the sphere, every distance between two source rows"
        if self.rule == "relax":
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

    @property
    def source_basis(self) -> Float64:
        """``Rᵀ U``: the basis in which source rows are expanded; U itself without a rotation."""
        return self.turned(self.basis_)

    def turned(self, basis: Float64) -> Float64:
        """``Rᵀ U`` of any basis U; U itself without a rotation."""
        return basis if self.recentre == "shift" else np.asarray(self.rotation_.T @ basis)

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.recentre not in ("shift", "rotate"):
            raise ParameterError(f'recentre is {self.recentre!r}; choose "shift" or "rotate".')
        if self.rule not in RULES:
            raise ParameterError(f'rule is {self.rule!r}; choose "clip" or "relax".')
        if self.watch not in ("psi", "neighbours"):
            raise ParameterError(f'watch is {self.watch!r}; choose "psi" or "neighbours".')
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
        """Return the auto bound and the curve that it was chosen from."""
        from anisoalign_core.metrics.comparison import Comparison
        from anisoalign_core.metrics.semantics import omega, psi

        rest = source.without(Moments.of(held, thin=isinstance(source.scatter, SpanMatrix)))

        def swept(**parameters: Any) -> BoundSweep:
            fixed = type(self)(**(self.get_params() | {"bound": 0.0} | parameters))
            fixed.bound_ = 0.0
            fixed._fit_map(rest, target)
            return BoundSweep(fixed, held, others)

        own, k = swept(), min(AUTO_NEIGHBOURS, (len(held) - 1) // 2)
        if self.watch == "neighbours":
            k = min(k, max(2, len(held) // 10))  # else they are half of the rows, and all stay

        def compared(sweep: BoundSweep, bound: float) -> Comparison:
            return Comparison(held, sweep.at(bound).rows(), held, k=k)

        if self.watch == "psi":
            return largest_bound(lambda bound: psi(compared(own, bound)))
        realign = swept(recentre="shift", frame="full")
        kept = omega(compared(realign, 0.0))
        return largest_bound(lambda bound: omega(compared(own, bound)), kept)

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

    def sweep(self, rows: Float32, fitted: Float32, weights: Float64 | None = None) -> BoundSweep:
        """See :meth:`Aligner.sweep`: ``at(bound)``."""
        return BoundSweep(self, rows, fitted, weights)
