"""The parameters of AnisoAlign, in the groups that its stages read; defaults are the paper's.

What the paper leaves open has this project's choice as default. In text (command line, recipes,
model files, boards) every field has a name of its own: see :mod:`.grouped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anisoalign_core.errors import ParameterError

Variant = Literal["paper", "corrected"]
Begin = Literal["published", "transport"]
FrameKind = Literal["joint", "target"]
Mixing = Literal["haar", "none"]
PriorKind = Literal["target", "uniform", "shuffled"]


class Group:
    """A group of parameters; shown by what differs from the defaults."""

    def __repr__(self) -> str:
        """Show what differs from the defaults."""
        own: Any = type(self)()
        changed = {k: v for k, v in vars(self).items() if v != getattr(own, k)}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise ParameterError(f"{name} is {getattr(self, name)!r}; {wanted}.")

    def _require_counts(self, *names: str) -> None:
        """Refuse what is no number of steps, rows or units."""
        for name in names:
            value = getattr(self, name)
            holds = isinstance(value, int) and value >= 2
            self._require(holds, name, "give a whole number of at least 2")


@dataclass(frozen=True, repr=False)
class Initial(Group):
    """The frame, and the start of every row in it.

    Attributes
    ----------
    start : {"published", "transport"}, optional
        (θ⁰, ρ⁰, v⁰) of [AA 4.4.1], or those of
        ``BoundedTransport(start_bound, recentre="rotate", rule="relax")``; by default the
        variant's.
    start_bound : float
        Bound of that transport; not used by the published start.
    frame : {"joint", "target"}
    mixing : {"haar", "none"}
        R: a seeded uniform rotation of U, or none.
    epsilon : float
        ε of radii and spreads.
    stretch_limit : float
        D_V is held within ``[1/limit, limit]``.
    quantiles : int
        Most levels kept of each radial distribution.
    """

    start: Begin | None = None
    start_bound: float = 0.7
    frame: FrameKind = "joint"
    mixing: Mixing = "haar"
    epsilon: float = 1e-8
    stretch_limit: float = 3.0
    quantiles: int = 1024

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        known = self.start in (None, "published", "transport")
        self._require(known, "start", 'choose "published" or "transport"')
        self._require(self.epsilon > 0, "epsilon", "give a number above 0")
        self._require(self.stretch_limit >= 1, "stretch_limit", "give at least 1")
        self._require_counts("quantiles")


@dataclass(frozen=True, repr=False)
class Bounds(Group):
    """How far the refinement may move a row from its start.

    Attributes
    ----------
    theta : float
        ``|θ̂ − θ⁰| ≤ α_θ``, radians.
    rho : float
        ``ρ̂ / ρ⁰ ∈ [e^−α_ρ, e^α_ρ]``.
    v : float
        Every entry of ``v̂ − v⁰`` before its projection on V is within ±α_v.
    """

    theta: float = 0.3
    rho: float = 0.3
    v: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what is not a bound."""
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ParameterError(f"bound_{name} is {value!r}; give a finite number ≥ 0.")


@dataclass(frozen=True, repr=False)
class Phases(Group):
    """Stage I: statistics of the target's phases, and the prior that learns from them.

    Attributes
    ----------
    prior : {"target", "uniform", "shuffled"}
        What the score network learns from; the others are falsifiers.
    partners : int
        p of the sparse graph.
    drift_step : float
        τ.
    noise_low, noise_high : float
        σ_t is log-uniform between them.
    images : int
        Periodic images of the wrapped Gaussian that are summed; odd.
    prior_steps : int
        Steps of Adam.
    check : float
        Share of the target rows that Stage I only watches: what the prior knows of rows it has not
        seen.
    """

    prior: PriorKind = "target"
    partners: int = 4
    drift_step: float = 0.1
    noise_low: float = 0.05
    noise_high: float = 0.5
    images: int = 3
    prior_steps: int = 1500
    check: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        self._require(0 < self.noise_low, "noise_low", "give a number above 0")
        self._require(self.noise_low <= self.noise_high, "noise_high", "give at least noise_low")
        odd = isinstance(self.images, int) and self.images > 0 and self.images % 2 == 1
        self._require(odd, "images", "give an odd whole number")
        self._require(self.drift_step > 0, "drift_step", "give a number above 0")
        self._require(0 <= self.check < 1, "check", "give a share of the rows below 1")
        self._require_counts("prior_steps")


@dataclass(frozen=True, repr=False)
class Weights(Group):
    """Weight of each loss of Stage II: 0 leaves it out, None is the variant's.

    Attributes
    ----------
    prior : float
        L_II [AA eq. 8].
    phase : float
        L_Φ [AA eq. 9].
    gram : float
        ``E (⟨e_i, e_j⟩ − ⟨e⁰_i, e⁰_j⟩)² / Var ⟨e⁰_i, e⁰_j⟩`` over pairs of rows of a batch.
    distribution : float
        Sliced 2-Wasserstein distance, squared, between corrected and target rows on the sphere,
        over ``tr Σ_x / d``.
    energy : float
        Energy distance between corrected and target rows, over its value at the start.
    neighbours : float
        ``E_i KL(p_i ‖ q_i)`` with p_i, q_i the softmax of the cosines of row i to the other rows of
        the batch, before any correction and after, each over the temperature at which its 20
        nearest differ by 2.
    moments : float
        Squared differences of mean and standard deviation of each coordinate of V, over the
        target's variance in V.
    magnitude : float
        ``E ‖δ‖²``.
    """

    prior: float | None = None
    phase: float | None = None
    gram: float | None = None
    distribution: float | None = None
    energy: float | None = None
    neighbours: float | None = None
    moments: float | None = None
    magnitude: float | None = None

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the losses that are not left out."""
        return tuple(name for name, weight in vars(self).items() if weight)

    def over(self, usual: Weights) -> Weights:
        """Return these weights, those of ``usual`` where there is none, else 0."""
        return Weights(
            **{
                k: float((getattr(usual, k) if v is None else v) or 0)
                for k, v in vars(self).items()
            }
        )


@dataclass(frozen=True, repr=False)
class Training(Group):
    """How the refinement is trained, and within which limits.

    Attributes
    ----------
    refine : bool
        False stops after the start: the published initialisation alone. Needs no torch.
    refine_steps, learning_rate : int and float, optional
        Steps of Stage II, and the rate of both stages; by default 1500 and 1e-3, or 150 and 3e-3
        with half a cosine of decay for ``"corrected"``.
    train_bounds : three floats, optional
        α_θ, α_ρ, α_v while Stage II trains; by default those in force.
        :meth:`AnisoAlign.with_bounds` fills it, so that the parameters of a moved model still say
        how it was trained.
    limit : float, optional
        Hard limit β on ``‖δ‖`` of each row; by default none for ``"paper"``, .15 for
        ``"corrected"``.
    batch, hidden : int
    device : str
        Where both stages train; corrections are applied in numpy.
    """

    refine: bool = True
    refine_steps: int | None = None
    learning_rate: float | None = None
    train_bounds: Sequence[float] | None = None
    limit: float | None = None
    batch: int = 512
    hidden: int = 256
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.train_bounds is not None:
            three = len(self.train_bounds) == 3
            self._require(three, "train_bounds", "give three numbers: α_θ, α_ρ, α_v")
            Bounds(*self.train_bounds)
        rate, limit = self.learning_rate, self.limit
        self._require(rate is None or rate > 0, "learning_rate", "give a number above 0")
        self._require(limit is None or limit >= 0, "limit", "give a number ≥ 0, or None")
        self._require_counts("batch", "hidden", *["refine_steps"] * (self.refine_steps is not None))


GROUPS: dict[str, type[Any]] = {
    "initial": Initial,
    "bounds": Bounds,
    "phases": Phases,
    "losses": Weights,
    "training": Training,
}
USUAL: dict[str, Any] = {name: group() for name, group in GROUPS.items()}


@dataclass(frozen=True)
class Stage:
    """How one stage is trained; ``decay``: the rate follows half a cosine."""

    steps: int
    learning_rate: float
    phases: Phases
    training: Training
    random_state: int = 0
    decay: bool = False
