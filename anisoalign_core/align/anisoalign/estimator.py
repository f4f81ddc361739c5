"""AnisoAlign as an estimator: frame, start, Stage I, Stage II, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self

import numpy as np

from anisoalign_core.align.affine import AffineMap, to_sphere
from anisoalign_core.align.anisoalign.frame import Frame, FrameKind, Mixing, build_frame
from anisoalign_core.align.anisoalign.initial import Bounds, Initialisation, State, state_of
from anisoalign_core.align.anisoalign.network import Network
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.align.anisoalign.prepared import Guarantee, Prepared
from anisoalign_core.align.anisoalign.prior import (
    PriorKind,
    Settings,
    control_phases,
    train_prior,
)
from anisoalign_core.align.anisoalign.refine import Problem, Weights, train_refinement
from anisoalign_core.align.base import Aligner, Rows
from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.errors import AnisoAlignError, NotFittedError, ParameterError
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Progress, blocks, one_torch_thread

Variant = Literal["paper", "corrected"]
Start = Literal["published", "transport"]
VARIANTS: dict[str, Weights] = {
    "paper": Weights(prior=1.0, phase=1.0),
    "corrected": Weights(energy=1.0, neighbours=10.0, magnitude=10.0),
}
"""Loss weights of each variant, where none are given."""
CORRECTED_LIMIT = 0.15
"""Hard limit β of the corrected variant, where none is given."""
REFINEMENT = {"paper": (1500, 1e-3), "corrected": (150, 3e-3)}
"""Steps and learning rate of Stage II, where none are given."""
TELL_EVERY = 10


class AnisoAlign(Aligner):
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
    refine : bool, default True
        False stops after the start: the published initialisation alone. Needs no torch.
    start : {"published", "transport"}, optional
        (θ⁰, ρ⁰, v⁰) of [AA 4.4.1], or those of
        ``BoundedTransport(start_bound, recentre="rotate", rule="relax")``; by default the
        variant's.
    start_bound : float, default 0.7
        Bound of that transport; not used by the published start.
    rank : int, optional
        Even r. By default the smallest even rank with 90 % of tr(Σ_x + Σ_y), at most a tenth of
        the rows of the smaller side.
    frame : {"joint", "target"}, default "joint"
    mixing : {"haar", "none"}, default "haar"
        R: a seeded uniform rotation of U, or none.
    bound_theta, bound_rho, bound_v : float, default 0.3, 0.3, 0.02
        α_θ in radians, α_ρ, α_v. :meth:`with_bounds` changes them without training again.
    train_bounds : three floats, optional
        α_θ, α_ρ, α_v while Stage II trains; by default those above. :meth:`with_bounds` fills it,
        so that the parameters of a moved model still say how it was trained.
    limit : float, optional
        Hard limit β on ``‖δ‖`` of each row; by default none for ``"paper"``, .15 for
        ``"corrected"``.
    prior : {"target", "uniform", "shuffled"}, default "target"
        What the score network learns from; the others are falsifiers.
    partners : int, default 4
        p of the sparse graph.
    drift_step : float, default 0.1
        τ.
    noise_low, noise_high : float, default 0.05, 0.5
        σ_t is log-uniform between them.
    images : int, default 3
        Periodic images of the wrapped Gaussian that are summed; odd.
    prior_weight, phase_weight, gram_weight, distribution_weight, energy_weight, \
    neighbours_weight, moments_weight, magnitude_weight : float, optional
        Weights of L_II, L_Φ and of the losses of ``"corrected"``
        (:class:`~anisoalign_core.align.anisoalign.refine.Weights`); by default the variant's.
    prior_steps : int, default 1500
        Steps of Adam in Stage I.
    refine_steps, learning_rate : int and float, optional
        Of Stage II, and the rate of both stages; by default 1500 and 1e-3, or 150 and 3e-3 with
        half a cosine of decay for ``"corrected"``.
    check : float, default 0.1
        Share of the target rows that Stage I only watches: what the prior knows of rows it has not
        seen.
    batch, hidden : int, default 512, 256
    epsilon : float, default 1e-8
        ε of radii and spreads.
    stretch_limit : float, default 3
        D_V is held within ``[1/3, 3]``.
    quantiles : int, default 1024
        Most levels kept of each radial distribution.
    random_state : int, default 0
    device : str, default "cpu"
        Where both stages train; corrections are applied in numpy.

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
    has_bounds = True
    trains = True
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
        refine: bool = True,
        start: Start | None = None,
        start_bound: float = 0.7,
        rank: int | None = None,
        frame: FrameKind = "joint",
        mixing: Mixing = "haar",
        bound_theta: float = 0.3,
        bound_rho: float = 0.3,
        bound_v: float = 0.02,
        train_bounds: Sequence[float] | None = None,
        limit: float | None = None,
        prior: PriorKind = "target",
        partners: int = 4,
        drift_step: float = 0.1,
        noise_low: float = 0.05,
        noise_high: float = 0.5,
        images: int = 3,
        prior_weight: float | None = None,
        phase_weight: float | None = None,
        gram_weight: float | None = None,
        distribution_weight: float | None = None,
        energy_weight: float | None = None,
        neighbours_weight: float | None = None,
        moments_weight: float | None = None,
        magnitude_weight: float | None = None,
        prior_steps: int = 1500,
        refine_steps: int | None = None,
        check: float = 0.1,
        batch: int = 512,
        hidden: int = 256,
        learning_rate: float | None = None,
        epsilon: float = 1e-8,
        stretch_limit: float = 3.0,
        quantiles: int = 1024,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.variant = variant
        self.refine = refine
        self.start = start
        self.start_bound = start_bound
        self.rank = rank
        self.frame = frame
        self.mixing = mixing
        self.bound_theta = bound_theta
        self.bound_rho = bound_rho
        self.bound_v = bound_v
        self.train_bounds = train_bounds
        self.limit = limit
        self.prior = prior
        self.partners = partners
        self.drift_step = drift_step
        self.noise_low = noise_low
        self.noise_high = noise_high
        self.images = images
        self.prior_weight = prior_weight
        self.phase_weight = phase_weight
        self.gram_weight = gram_weight
        self.distribution_weight = distribution_weight
        self.energy_weight = energy_weight
        self.neighbours_weight = neighbours_weight
        self.moments_weight = moments_weight
        self.magnitude_weight = magnitude_weight
        self.prior_steps = prior_steps
        self.refine_steps = refine_steps
        self.check = check
        self.batch = batch
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.epsilon = epsilon
        self.stretch_limit = stretch_limit
        self.quantiles = quantiles
        self.random_state = random_state
        self.device = device

    @property
    def bounds(self) -> Bounds:
        """The three bounds in force."""
        return Bounds(self.bound_theta, self.bound_rho, self.bound_v)

    @property
    def weights(self) -> Weights:
        """Loss weights in force: those given, else the variant's."""
        given = {name: getattr(self, f"{name}_weight") for name in vars(Weights())}
        return replace(
            VARIANTS[self.variant], **{k: float(v) for k, v in given.items() if v is not None}
        )

    @property
    def start_in_force(self) -> Start:
        """``start``, or the variant's when none is given."""
        return self.start or ("transport" if self.variant == "corrected" else "published")

    @property
    def row_limit(self) -> float | None:
        """Hard limit β in force."""
        if self.limit is None and self.variant == "corrected":
            return CORRECTED_LIMIT
        return self.limit

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        self.losses_ = {}
        y, x = canonical(y), canonical(x)
        source, target = Moments.of(y), Moments.of(x)
        self.frame_ = build_frame(
            source,
            target,
            kind=self.frame,
            rank=self.rank,
            mixing=self.mixing,
            random_state=self.random_state,
        )
        self.initial_ = Initialisation.of(
            self.frame_,
            y,
            x,
            source.mean,
            target.mean,
            epsilon=self.epsilon,
            quantiles=self.quantiles,
            stretch_limit=self.stretch_limit,
        )
        self.transport_ = None
        if self.start_in_force == "transport":
            # calibrated once, at the end: a second calibration on the same rows costs coverage
            transport = BoundedTransport(self.start_bound, recentre="rotate", rule="relax")
            self.transport_ = replace(transport.fit(y, x).map_, recentring=None)
        radii, phases = (part.astype(np.float32) for part in self.frame_.polar(x, self.epsilon))
        phases = control_phases(phases, self.prior, self.random_state)
        centred = self.variant == "corrected"
        self.phases_ = PhaseStatistics.of(radii, phases, partners=self.partners, centred=centred)
        self.score_ = self.refiner_ = None
        if self.refine and self.weights.active:
            if find_spec("torch") is None:
                raise AnisoAlignError(
                    "Training AnisoAlign needs torch, which is not installed. Install it with "
                    "pip install torch, or stop at the start with refine=False."
                )
            with one_torch_thread():
                self._train(y, x, radii, phases, progress)
        self._calibrate(y)

    def _train(
        self, y: Float32, x: Float32, radii: Float32, phases: Float32, progress: Progress | None
    ) -> None:
        weights = self.weights
        first = self.prior_steps if weights.prior else 0
        second = self._refinement[0]
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

        if weights.prior:
            told = watch(0, first, "Stage I, the target's phases")
            self.score_ = train_prior(radii, phases, self.phases_, self._settings(first), told)
        problem = Problem(
            self._start(y),
            self.frame_.basis,
            x,
            self.score_,
            y,
            self.phases_,
            self.bounds if self.train_bounds is None else Bounds(*self.train_bounds),
            self.row_limit,
            weights,
            free_radii=self.variant == "paper",
        )
        told = watch(first, second, "Stage II, the refinement")
        self.refiner_ = train_refinement(problem, self._settings(second), told)

    @property
    def _refinement(self) -> tuple[int, float]:
        """Steps of Stage II and the learning rate in force."""
        steps, rate = REFINEMENT[self.variant]
        steps = steps if self.refine_steps is None else self.refine_steps
        return steps, rate if self.learning_rate is None else self.learning_rate

    def _settings(self, steps: int) -> Settings:
        return Settings(
            steps,
            self.check,
            self.batch,
            self._refinement[1],
            self.hidden,
            self.drift_step,
            self.noise_low,
            self.noise_high,
            self.images,
            self.random_state,
            self.device,
            decay=self.variant == "corrected",
        )

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.variant not in VARIANTS:
            raise ParameterError(f'variant is {self.variant!r}; choose "paper" or "corrected".')
        _ = self.bounds
        if self.train_bounds is not None:
            if len(self.train_bounds) != 3:
                raise ParameterError("train_bounds needs three numbers: α_θ, α_ρ, α_v.")
            Bounds(*self.train_bounds)
        if self.row_limit is not None and not self.row_limit >= 0:
            raise ParameterError(f"limit is {self.limit!r}; give a number ≥ 0, or None.")
        if not 0 < self.noise_low <= self.noise_high:
            raise ParameterError(
                f"noise_low is {self.noise_low} and noise_high {self.noise_high}; both must be "
                "positive, and low at most high."
            )
        steps, rate = self._refinement
        if not isinstance(self.images, int) or self.images < 1 or self.images % 2 == 0:
            raise ParameterError(f"images is {self.images!r}; give an odd whole number.")
        for name in ("prior_steps", "refine_steps", "batch", "hidden", "quantiles"):
            value = steps if name == "refine_steps" else getattr(self, name)
            if not isinstance(value, int) or value < 2:
                raise ParameterError(f"{name} is {value!r}; give a whole number of at least 2.")
        for name in ("learning_rate", "epsilon", "drift_step"):
            value = rate if name == "learning_rate" else getattr(self, name)
            if not value > 0:
                raise ParameterError(f"{name} is {value!r}; give a number above 0.")
        if self.start not in (None, "published", "transport"):
            raise ParameterError(f'start is {self.start!r}; choose "published" or "transport".')
        if not 0 <= self.check < 1:
            raise ParameterError(f"check is {self.check!r}; give a share of the rows below 1.")
        if not self.stretch_limit >= 1:
            raise ParameterError(f"stretch_limit is {self.stretch_limit!r}; give at least 1.")

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

    def recentring(self, fitted: Prepared, bounds: Bounds) -> Float64:
        """``μ_x − μ'`` with μ' the mean of fitted rows on the sphere under bounds, (d,)."""
        moved = to_sphere(fitted.moved(bounds))
        return np.asarray(self.initial_.target_mean - moved.mean(axis=0, dtype=np.float64))

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
        now = self.bounds
        given = {"bound_theta": theta, "bound_rho": rho, "bound_v": v}
        changed: dict[str, Any] = {name: b for name, b in given.items() if b is not None}
        if self.train_bounds is None:
            changed["train_bounds"] = (now.theta, now.rho, now.v)
        other = type(self)()
        other.__dict__.update(vars(self) | changed)
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
