"""AnisoAlign as an estimator: frame, start, Stage I, Stage II, calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from anisoalign_core.align.affine import AffineMap, to_sphere
from anisoalign_core.align.anisoalign.declared import CORRECTED_LIMIT, KNOBS, REFINEMENT, VARIANTS
from anisoalign_core.align.anisoalign.frame import Frame, build_frame
from anisoalign_core.align.anisoalign.grouped import GroupedAligner, grouped
from anisoalign_core.align.anisoalign.initial import Initialisation, State, state_of
from anisoalign_core.align.anisoalign.network import Network
from anisoalign_core.align.anisoalign.options import (
    USUAL,
    Begin,
    Bounds,
    Initial,
    Phases,
    Stage,
    Training,
    Variant,
    Weights,
)
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.align.anisoalign.prepared import BoundsSweep, Guarantee, Prepared
from anisoalign_core.align.anisoalign.prior import control_phases, train_prior
from anisoalign_core.align.anisoalign.refine import Problem, train_refinement
from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.align.estimating import Rows
from anisoalign_core.align.knobs import Values
from anisoalign_core.errors import NotFittedError, ParameterError
from anisoalign_core.extras import need
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Progress, blocks, one_torch_thread

CALIBRATION_ROWS = 10_000
"""Fitted rows over which a moved correction is calibrated while it is only looked at, at most."""
TELL_EVERY = 10


class AnisoAlign(GroupedAligner):
    """AnisoAlign [AA §4]: fixed frame, blockwise phases, a target prior, a bounded refinement.

    There is no public code of the paper; this is an independent implementation of its equations.
    What they leave open is a parameter here, with this project's choice as default.

    1. Frame: U spanned by the top ``rank`` eigenvectors of Σ_x + Σ_y, mixed by R; V = U^⊥.
    2. Stage I, target only: phase statistics, and a score network under wrapped Gaussian noise.
    3. Start: phases of the re-centred row, radii through quantile maps, V scaled coordinatewise.
    4. Stage II: a network moves phases, radii and V within bounds, under L_II and L_Φ.
    5. ``Norm(Q c(ρ̂, θ̂) + v̂)``, centroid calibration, Norm.

    Parameters
    ----------
    variant : {"paper", "corrected"}, default "paper"
        ``"paper"`` is the published recipe, weaknesses included. ``"corrected"`` is this
        project's. It starts from a rotated, relaxed transport (``start``); it is trained to look
        like the target (energy distance) while every row keeps its neighbours and moves little;
        no row moves farther than ``limit``. Its phases are centred and L_II cannot bend its radii,
        should L_II be given a weight; by default it has none, and Stage I is left out.
    rank : int, optional
        Even r. By default the smallest even rank with 90 % of tr(Σ_x + Σ_y), at most a tenth of
        the rows of the smaller side.
    initial : Initial
        Frame and start.
    bounds : Bounds
        α_θ in radians, α_ρ, α_v. :meth:`with_bounds` changes them without training again.
    phases : Phases
        Stage I: phase statistics and the prior.
    losses : Weights
        Of L_II, L_Φ and the losses of ``"corrected"``; None is the variant's.
    training : Training
        Stage II, its limits, and the network of both stages.
    random_state : int, default 0
    **flat
        Deprecated: fields of the groups under their names in text, such as ``bound_theta``.

    Attributes
    ----------
    frame_ : Frame
    initial_ : Initialisation
        Statistics of the published start.
    transport_ : AffineMap or None
        The transport, for ``start="transport"``.
    phases_ : PhaseStatistics
        Of the target.
    score_, refiner_ : Network or None
        Stage I and Stage II; None without refinement.
    recentring_ : (d,) float64
        ``μ_x − μ'`` of the calibration.
    losses_ : dict of str to list of float
        ``stage_1`` (over the uninformed baseline), ``stage_1_unseen`` (the same on the rows it
        watches, every 50 steps), and of Stage II ``total``, ``prior`` (over its baseline),
        ``phase`` and so on; one entry per step, filled while fitting.

    Notes
    -----
    No published loss depends on v̂, so Δv stays zero in ``"paper"``; L_II reaches Δρ only through
    the network's conditioning input. D_V is coordinatewise, so the method is not equivariant under
    rotations of the space.

    References
    ----------
    [AA] Yu et al., Anisotropic Modality Align, arXiv:2605.07825v1, §4.
    """

    name = "anisoalign"
    label = "AnisoAlign"
    summary = "Blockwise phases and radii, a learned prior of the target, a bounded refinement."
    reference = "[AA] §4, re-implemented from its equations"
    trains = True
    link = "aa_"
    knobs = KNOBS
    on_board = ({}, {"variant": "corrected"})
    parts: ClassVar[dict[str, type]] = {
        "frame_": Frame,
        "transport_": AffineMap,
        "initial_": Initialisation,
        "phases_": PhaseStatistics,
        "score_": Network,
        "refiner_": Network,
    }

    frame_: Frame
    transport_: AffineMap | None
    initial_: Initialisation
    phases_: PhaseStatistics
    score_: Network | None
    refiner_: Network | None
    recentring_: Float64
    losses_: dict[str, list[float]]

    def __init__(
        self,
        variant: Variant = "paper",
        rank: int | None = None,
        initial: Initial = USUAL["initial"],
        bounds: Bounds = USUAL["bounds"],
        phases: Phases = USUAL["phases"],
        losses: Weights = USUAL["losses"],
        training: Training = USUAL["training"],
        random_state: int = 0,
        **flat: Any,
    ) -> None:
        self.variant = variant
        self.rank = rank
        self.initial = initial
        self.bounds = bounds
        self.phases = phases
        self.losses = losses
        self.training = training
        self.random_state = random_state
        if flat:
            self.set_params(**flat)

    @property
    def weights(self) -> Weights:
        """Loss weights in force: those given, else the variant's."""
        return self.losses.over(VARIANTS[self.variant])

    @property
    def start_in_force(self) -> Begin:
        """``start``, or the variant's when none is given."""
        return self.initial.start or ("transport" if self.is_corrected else "published")

    @property
    def is_corrected(self) -> bool:
        """Whether this is the project's variant."""
        return self.variant == "corrected"

    @property
    def row_limit(self) -> float | None:
        """Hard limit β in force."""
        given = self.training.limit
        return CORRECTED_LIMIT if given is None and self.is_corrected else given

    @property
    def training_steps(self) -> tuple[int, ...]:
        """Steps of Stage I, none where L_II has no weight, and of Stage II."""
        weights = self.weights
        if not (self.training.refine and weights.active):
            return ()
        return (self.phases.prior_steps if weights.prior else 0, self._refinement[0])

    def training_seconds(self, dim: int) -> float:
        """See :meth:`Aligner.training_seconds`."""
        step = (0.008 + 4e-5 * dim) * (2.5 if self.is_corrected else 1.0)
        return step * sum(self.training_steps)

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        self.losses_ = {}
        given = self.initial
        y, x = canonical(y), canonical(x)
        source, target = Moments.of(y), Moments.of(x)
        self.frame_ = build_frame(
            source,
            target,
            kind=given.frame,
            rank=self.rank,
            mixing=given.mixing,
            random_state=self.random_state,
        )
        self.initial_ = Initialisation.of(self.frame_, y, x, source.mean, target.mean, given)
        self.transport_ = None
        if self.start_in_force == "transport":
            # calibrated once, at the end: a second calibration on the same rows costs coverage
            transport = BoundedTransport(given.start_bound, recentre="rotate", rule="relax")
            self.transport_ = replace(transport.fit(y, x).map_, recentring=None)
        radii, phases = (part.astype(np.float32) for part in self.frame_.polar(x, given.epsilon))
        phases = control_phases(phases, self.phases.prior, self.random_state)
        self.phases_ = PhaseStatistics.of(
            radii, phases, partners=self.phases.partners, centred=self.is_corrected
        )
        self.score_ = self.refiner_ = None
        if self.training_steps:
            without = "Training(refine=False) stops at the start, without it."
            need("Training AnisoAlign", "train", "torch", otherwise=without)
            with one_torch_thread():
                self._train(y, x, radii, phases, progress)
        self._calibrate(y)

    def _train(
        self, y: Float32, x: Float32, radii: Float32, phases: Float32, progress: Progress | None
    ) -> None:
        first, second = self.training_steps
        total = first + second

        def watch(before: int, steps: int, words: str) -> Any:
            def tell(step: int, losses: dict[str, float]) -> None:
                for name, value in losses.items():
                    self.losses_.setdefault(name, []).append(value)
                if progress is not None and (step % TELL_EVERY == 0 or step + 1 == steps):
                    shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
                    progress(
                        (before + step + 1) / total, f"{words}: step {step + 1} of {steps}, {shown}"
                    )

            return tell

        if first:
            told = watch(0, first, "Stage I, the target's phases")
            self.score_ = train_prior(radii, phases, self.phases_, self._stage(first), told)
        bounds = self.training.train_bounds
        problem = Problem(
            self._start(y),
            self.frame_.basis,
            x,
            self.score_,
            y,
            self.phases_,
            self.bounds if bounds is None else Bounds(*bounds),
            self.row_limit,
            self.weights,
            free_radii=not self.is_corrected,
        )
        told = watch(first, second, "Stage II, the refinement")
        self.refiner_ = train_refinement(problem, self._stage(second), told)

    @property
    def _refinement(self) -> tuple[int, float]:
        """Steps of Stage II and the learning rate in force."""
        steps, rate = REFINEMENT[self.variant]
        given, pace = self.training.refine_steps, self.training.learning_rate
        return steps if given is None else given, rate if pace is None else pace

    def _stage(self, steps: int) -> Stage:
        rate = self._refinement[1]
        return Stage(
            steps, rate, self.phases, self.training, self.random_state, decay=self.is_corrected
        )

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.variant not in VARIANTS:
            raise ParameterError(f'variant is {self.variant!r}; choose "paper" or "corrected".')

    def prepare(self, rows: Rows) -> Prepared:
        """Run everything that does not depend on the bounds, for moving them live."""
        return self._prepare(self._checked(rows))

    def _start(self, rows: Float32) -> State:
        """``(θ⁰, ρ⁰, v⁰)`` of source rows."""
        if self.transport_ is None:
            return self.initial_.state(self.frame_, rows)
        return state_of(self.frame_, self.transport_.apply(rows), float(self.initial_.epsilon))

    def _prepare(self, rows: Float32) -> Prepared:
        start = self._start(rows)
        raw = None if self.refiner_ is None else self.refiner_(start.features())
        return Prepared(self.frame_, self.row_limit, start, raw)

    def sweep(
        self, rows: Float32, fitted: Float32, weights: Float64 | None = None
    ) -> BoundsSweep | None:
        """See :meth:`Aligner.sweep`; None for the start alone, which has no bounds."""
        if self.refiner_ is None:
            return None
        return BoundsSweep(
            self.bounds,
            self._prepare(rows),
            self._prepare(fitted[:CALIBRATION_ROWS]),
            self.initial_.target_mean,
        )

    def moved(self, values: Values) -> dict[str, Any]:
        """See :meth:`Aligner.moved`: trained as before, at the bounds it was trained at."""
        then = self.training.train_bounds or tuple(vars(self.bounds).values())
        return {"train_bounds": then} | dict(values)

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Correct unit rows; see :meth:`Aligner.correct`."""
        out = np.empty(rows.shape, dtype=np.float32)
        for part in blocks(len(rows)):
            prepared = self._prepare(rows[part])
            out[part] = prepared.corrected(self.bounds, self.recentring_, part.start)
            if progress is not None:
                progress(part.stop / len(rows), f"{part.stop:,} of {len(rows):,} rows corrected")
        return out

    def with_bounds(
        self,
        theta: float | None = None,
        rho: float | None = None,
        v: float | None = None,
        *,
        source: Rows | None = None,
    ) -> Self:
        """Return a copy under other bounds, calibrated anew, without training again.

        Parameters
        ----------
        theta, rho, v : float, optional
            α_θ, α_ρ, α_v; those left out stay.
        source : EmbeddingSet or (n, d) array, optional
            The source rows that were fitted, over which the calibration is taken. A model that
            was fitted in this process remembers them; one loaded from a file does not.

        Raises
        ------
        NotFittedError
            If the fitted rows are neither remembered nor given.
        """
        fitted = self._fitted_rows if source is None else self._checked(source)
        asked = {"bound_theta": theta, "bound_rho": rho, "bound_v": v}
        moved = self.moved({k: v for k, v in asked.items() if v is not None})
        other = type(self)()
        other.__dict__.update(vars(self) | grouped(moved, vars(self)))
        other._calibrate(fitted)
        return other

    @property
    def _fitted_rows(self) -> Float32:
        rows: Float32 | None = vars(self).get("_calibration_rows")
        if rows is None:
            raise NotFittedError(
                "This model does not hold the source rows it was fitted on. Fit it first, or pass "
                "them as source=."
            )
        return rows

    def _calibrate(self, y: Float32) -> None:
        total = np.zeros(y.shape[1], dtype=np.float64)
        for part in blocks(len(y)):
            moved = to_sphere(self._prepare(y[part]).moved(self.bounds), part.start)
            total += moved.sum(axis=0, dtype=np.float64)
        self.recentring_ = self.initial_.target_mean - total / len(y)
        self._calibration_rows = y

    def guarantee(self, rows: Rows, bounds: Bounds | None = None) -> Guarantee:
        """Compare what the bounds promise with what happens to rows (all pairs of them)."""
        return self.prepare(rows).guarantee(bounds or self.bounds)


def canonical(rows: Float32) -> Float32:
    """Rows sorted by their leading coordinates: batches, and so the fit, ignore the given order."""
    return np.asarray(rows[np.lexsort(rows.T[:4][::-1])])
