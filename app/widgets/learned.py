"""A trained AnisoAlign on screen: what it was made with, its bounds, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from anisoalign_core.align import ALIGNERS, AnisoAlign
from anisoalign_core.align.anisoalign import Bounds, Guarantee
from anisoalign_core.study import Trial, View
from app.session import require_pair
from app.widgets.common import three
from app.widgets.correct import Choice
from app.widgets.parameters import PRIORS

DEFAULT = AnisoAlign().bounds
USUAL = AnisoAlign().get_params()
SLOWER = {"paper": 1.0, "corrected": 2.5}
"""Time of a training step, relative to the published losses."""
START_WORDS = {
    "published": "each block keeps its phases, radii are matched to the target's",
    "transport": "a relaxed BoundedTransport, rotated onto the target's mean",
}
SLIDER_WIDTH = 240
ROUNDING = 1e-6
SLIDERS = {  # part of Bounds: label, largest value, step, format, words
    "theta": (
        "Turn α_θ (radians)",
        1.5,
        0.01,
        "%.2f",
        "How far the phase of a block may turn from its start. 0 keeps every phase.",
    ),
    "rho": (
        "Radius α_ρ",
        1.5,
        0.01,
        "%.2f",
        "A block's radius may change by a factor e^±α_ρ. 0 keeps every radius.",
    ),
    "v": (
        "Outside the blocks α_v",
        0.1,
        0.001,
        "%.3f",
        "How far each coordinate outside the frame may move. 0 keeps them. No published loss "
        "reaches them: in the paper variant this slider moves nothing.",
    ),
}


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted AnisoAlign, with what it was made with.

    Attributes
    ----------
    trial : Trial
    choice : Choice
        As chosen on screen, without bounds.
    split : (int, float)
        Seed and held-out share of the split it was fitted on.
    trained_at : Bounds or None
        Bounds while it was trained; None for the start alone, which has none.
    seconds : float
        What training took.
    """

    trial: Trial
    choice: Choice
    split: tuple[int, float]
    trained_at: Bounds | None = None
    seconds: float = 0.0
    _last: dict[object, Any] = field(default_factory=dict)

    @property
    def method(self) -> AnisoAlign:
        """The fitted method."""
        assert isinstance(self.trial.method, AnisoAlign)
        return self.trial.method

    def view(self, bounds: Bounds) -> View:
        """Show the correction under bounds; the last one asked for is kept."""
        if self._last.get("bounds") != bounds:
            self._last.clear()
            self._last.update(bounds=bounds, view=self.trial.view(bounds))
        view: View = self._last["view"]
        return view

    def guarantee(self, bounds: Bounds) -> Guarantee:
        """Compare what bounds promise with what happens to the shown rows."""
        self.view(bounds)
        if "guarantee" not in self._last:
            assert self.trial.prepared is not None  # it is an AnisoAlign
            self._last["guarantee"] = self.trial.prepared[0].guarantee(bounds)
        found: Guarantee = self._last["guarantee"]
        return found

    @property
    def shown_as(self) -> Choice:
        """The choice with the bounds it was trained at: what results of it are kept under."""
        if self.trained_at is None:
            return self.choice
        return Choice(self.choice.method, self.choice.parameters | as_parameters(self.trained_at))

    def exported(self, bounds: Bounds) -> Choice:
        """Return the choice that builds this correction again, under the bounds in force."""
        if self.trained_at is None:
            return self.choice
        then = self.trained_at
        given = as_parameters(bounds) | {"train_bounds": (then.theta, then.rho, then.v)}
        return Choice(self.choice.method, self.choice.parameters | given)


def as_parameters(bounds: Bounds) -> dict[str, float]:
    """Return bounds as AnisoAlign's parameters."""
    return {"bound_theta": bounds.theta, "bound_rho": bounds.rho, "bound_v": bounds.v}


def bounds_of(parameters: Mapping[str, Any]) -> Bounds:
    """Return the bounds in force that parameters of AnisoAlign hold."""
    return Bounds(parameters["bound_theta"], parameters["bound_rho"], parameters["bound_v"])


def stage_steps(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Return the steps of Stage I, none where the prior has no weight, and of Stage II."""
    method = AnisoAlign(**parameters)
    return method.prior_steps if method.weights.prior else 0, int(parameters["refine_steps"])


def in_words(parameters: Mapping[str, Any]) -> str:
    """Say a choice of parameters; usual ones of lesser weight are left out."""
    rank = parameters.get("rank")
    words = [
        f"{parameters.get('variant', 'paper')} variant",
        "automatic rank" if rank is None else f"rank {rank}",
    ]
    if not parameters.get("refine", True):
        words.append("start alone, no refinement")
    else:
        words.append(" + ".join(f"{n:,}" for n in stage_steps(parameters) if n) + " steps")
    if parameters.get("prior", "target") != "target":
        words.append(f"prior of {PRIORS[parameters['prior']]}")
    if parameters.get("frame", "joint") != "joint":
        words.append(f"frame of the {parameters['frame']}")
    for name, label in (("partners", "{} partners"), ("random_state", "seed {}")):
        if parameters.get(name, USUAL[name]) != USUAL[name]:
            words.append(label.format(parameters[name]))
    text = ", ".join(words)
    if "bound_theta" in parameters:
        text += f"; {bounds_in_words(bounds_of(parameters))}"
    if parameters.get("train_bounds") is not None:
        then = Bounds(*parameters["train_bounds"])
        if then != bounds_of(parameters):
            text += f", trained at {bounds_in_words(then)}"
    return text


def bounds_in_words(bounds: Bounds) -> str:
    """Say three bounds."""
    return f"α_θ = {bounds.theta:.2f}, α_ρ = {bounds.rho:.2f}, α_v = {bounds.v:.3f}"


def kept_trainings() -> list[Learned]:
    """Return the trainings of this set and split, the latest last; other sets' are let go."""
    digest = require_pair().digest
    trainings: list[Learned] = st.session_state.get("trainings", [])
    trainings = [one for one in trainings if one.trial.study.pair.digest == digest]
    st.session_state["trainings"] = trainings
    return [one for one in trainings if one.split == split_settings()]


def kept(choice: Choice) -> Learned | None:
    """Return the latest training with these parameters, or else the latest."""
    usable = kept_trainings()
    return ([None, *usable] + [one for one in usable if one.choice.key == choice.key])[-1]


def split_settings() -> tuple[int, float]:
    """Return seed and held-out share of the split in force."""
    return st.session_state["split_seed"], st.session_state["holdout"]


def needs_training(choice: Choice) -> bool:
    """Whether building this takes training, which nobody should have to wait for unasked."""
    return ALIGNERS[choice.method].trains and bool(choice.parameters.get("refine", True))


def trained_for(choice: Choice) -> tuple[Learned | None, Bounds]:
    """Return the training behind a choice that Export holds, if it is kept, and its bounds."""
    bounds = bounds_of(choice.parameters)
    for one in kept_trainings():
        if one.exported(bounds).key == choice.key:
            return one, bounds
    return None, bounds


def estimate(choice: Choice) -> str:
    """Return about how long training takes, from this session's last or from the set's size."""
    variant = choice.parameters["variant"]
    usual = SLOWER[variant] * (0.008 + 4e-5 * require_pair().dim)
    rate = st.session_state.get(f"seconds_per_step_{variant}", usual)
    seconds = sum(stage_steps(choice.parameters)) * rate
    if seconds < 90:
        return f"{max(seconds, 1):.0f}\u00a0s"
    return f"{seconds / 60:.0f}\u00a0minutes"


def bounds_in_force() -> Bounds:
    """Return what the sliders say; the usual bounds when they were never shown."""
    return Bounds(
        **{
            part: float(st.session_state.get(f"bound_{part}", getattr(DEFAULT, part)))
            for part in SLIDERS
        }
    )


def bounds_control(learned: Learned) -> Bounds:
    """Move the three bounds without training again; offers to train at them."""
    if learned.trained_at is None:
        st.session_state["choice"] = learned.choice
        return DEFAULT
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    for part, (label, most, step, style, words) in SLIDERS.items():
        row.slider(
            label,
            0.0,
            most,
            getattr(learned.trained_at, part),
            step=step,
            format=style,
            key=f"bound_{part}",
            persist_state="session",
            width=SLIDER_WIDTH,
            help=words,
        )
    bounds = bounds_in_force()
    if row.button(
        "Retrain with these bounds",
        key="retrain",
        disabled=bounds == learned.trained_at,
        help="Train anew at the bounds of the sliders. Moving them only rescales what was learned "
        f"at {bounds_in_words(learned.trained_at)}.",
    ):
        st.session_state["training"] = learned.choice, bounds
        st.rerun()
    st.session_state["choice"] = learned.exported(bounds)
    return bounds


def promise(learned: Learned, bounds: Bounds) -> None:
    """Say what the bounds promise of any row, and what happened to the shown ones."""
    if learned.trained_at is None:
        return
    found = learned.guarantee(bounds)
    limit = learned.method.row_limit
    held = "" if limit is None else f", and never more than the hard limit β = {limit:.3g}"
    if found.is_vacuous:
        promised = (
            "For the cosine of two rows that promises nothing: the change it allows is one that "
            "any two unit vectors keep."
        )
    else:
        over = "(1 − ε)" if found.shortest_start >= 1 - found.epsilon else "the shortest start"
        promised = (
            f"So the cosine of two rows changes by at most 4ε/{over} = "
            f"**{found.cosine_limit:.3g}**."
        )
    kept_to = "Every row kept" if found.holds else ":red[**Not every row kept**]"
    st.markdown(
        f"**Guarantee.** Before the rows return to the sphere, no row moves farther from its "
        f"start than **ε = {found.epsilon:.3g}** (κ = {found.kappa:.3g} by turning and "
        f"stretching blocks, β_v = {found.beta_v:.3g} outside them{held}). {promised}  \n"
        f"**What happened** on {len(learned.trial.study.source):,} shown rows: the largest step is "
        f"**{_size(found.largest_step)}**, the largest change of a cosine between two of them "
        f"**{_size(found.largest_cosine_change)}**. {kept_to} to its own bound."
    )


def _size(value: float) -> str:
    """Return a size to three digits; what is only float32 rounding is nothing."""
    return "0" if value < ROUNDING else three(value)
