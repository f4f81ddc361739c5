"""A trained correction on screen: what it was made with, how long it takes, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import streamlit as st

from anisoalign_core.align import ALIGNERS, AnisoAlign
from anisoalign_core.compare.study import Trial
from app.session import require_pair
from app.widgets.correct import Choice, usual_values
from app.widgets.parameters import in_words

START_WORDS = {
    "published": "each block keeps its phases, radii are matched to the target's",
    "transport": "a relaxed BoundedTransport, rotated onto the target's mean",
}


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted method that trains, with what it was made with.

    Attributes
    ----------
    trial : Trial
    choice : Choice
        As chosen on screen, without values of live knobs.
    split : (int, float)
        Seed and held-out share of the split it was fitted on.
    trained_at : dict or None
        Values of live knobs while it was trained; None where nothing was trained.
    seconds : float
        What training took.
    """

    trial: Trial
    choice: Choice
    split: tuple[int, float]
    trained_at: dict[str, float] | None = None
    seconds: float = 0.0

    @property
    def method(self) -> AnisoAlign:
        """The fitted method: the one that trains."""
        return cast(AnisoAlign, self.trial.method)

    @property
    def shown_as(self) -> Choice:
        """The choice with the values it was trained at: what results of it are kept under."""
        return self.choice.but(self.trained_at or {})

    def exported(self, values: Mapping[str, Any]) -> Choice:
        """Return the choice that builds this correction again, under values of its live knobs."""
        return (
            self.choice if self.trained_at is None else self.choice.but(self.method.moved(values))
        )


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
    return sum(choice.build().training_steps) > 0


def trained_for(choice: Choice) -> Learned | None:
    """Return the training behind a choice that Export holds, if it is kept."""
    same = (one for one in kept_trainings() if one.exported(choice.values).key == choice.key)
    return next(same, None)


def estimate(choice: Choice) -> str:
    """Return about how long training takes, at the pace of this session's last."""
    pace = st.session_state.get("training_pace", 1.0)
    seconds = pace * choice.build().training_seconds(require_pair().dim)
    if seconds < 90:
        return f"{max(seconds, 1):.0f}\u00a0s"
    return f"{seconds / 60:.0f}\u00a0minutes"


def values_in_force(choice: Choice) -> dict[str, float]:
    """Return what the sliders of live knobs say; where they begin when they were never shown."""
    usual = usual_values(ALIGNERS[choice.method])
    return {name: float(st.session_state.get(name, value)) for name, value in usual.items()}


def retrain(place: Any, learned: Learned, values: dict[str, float]) -> None:
    """Offer to train at the values of the sliders."""
    if learned.trained_at is None:
        return
    at = in_words(learned.choice.method, learned.trained_at)
    if place.button(
        "Retrain with these bounds",
        key="retrain",
        disabled=values == learned.trained_at,
        help="Train anew at the bounds of the sliders. Moving them only rescales what was learned "
        f"at {at}.",
    ):
        st.session_state["training"] = learned.choice, values
        st.rerun()
