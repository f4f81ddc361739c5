"""Training AnisoAlign on the Correct page: only on request, with live losses and a way out."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import cast

import streamlit as st

from anisoalign_core.align import AnisoAlign
from anisoalign_core.compare.falsify import at_omega
from anisoalign_core.compare.study import Study, View
from anisoalign_core.numerics import Float64
from anisoalign_core.plots import losses
from app.session import result
from app.widgets.common import lacks, three
from app.widgets.correct import Choice, trial_of
from app.widgets.learned import (
    START_WORDS,
    Learned,
    estimate,
    kept,
    needs_training,
    split_settings,
    values_in_force,
)
from app.widgets.parameters import in_words
from app.widgets.progress import progress_bar

KEPT = 2
"""Trainings that a session keeps: each holds the fitted rows and what the sliders need."""
REDRAW_SECONDS = 1.0
SUPPORT = "mixing_coverage"
TOLD_APART = 0.01
"""Differences of coverage below this are called the same."""


def learned_correction(study: Study, choice: Choice) -> Learned:
    """Return the correction to show; train it when asked to, and end the page when there is none.

    What was trained last stays in place while other parameters are tried, and when a training is
    stopped.
    """
    if not needs_training(choice):
        trial = trial_of(study, choice)
        learned = Learned(trial, choice, split_settings())
        start = START_WORDS[learned.method.start_in_force]
        st.caption(f"The start alone: {start}. Nothing is trained, so there are no bounds to move.")
        return learned
    if lacks("Training AnisoAlign", "train", "torch"):
        st.stop()
    shown = kept(choice)
    asked: tuple[Choice, dict[str, float]] | None = st.session_state.pop("training", None)
    _explain(choice, shown)
    fits = shown is not None and shown.choice.key == choice.key
    if st.button(
        "Train",
        type="secondary" if fits else "primary",
        disabled=fits,  # the same again would change nothing; other bounds have a button of theirs
        key="train",
        icon=":material/model_training:",
    ):
        asked = choice, values_in_force(choice)
    with st.container():  # always there, so that what lies below stays while a training is drawn
        if asked is not None:
            _keep(_train(study, *asked))
            st.rerun()
        if st.session_state.pop("training_stopped", False):
            st.info(
                "Training was stopped before its end; nothing was changed.",
                icon=":material/cancel:",
            )
    if shown is None:
        # nothing of this set to offer yet, so Export trains what is chosen here
        st.session_state["choice"] = choice.but(values_in_force(choice))
        st.stop()
    return shown


def _keep(learned: Learned) -> None:
    others = [one for one in st.session_state["trainings"] if one.choice.key != learned.choice.key]
    st.session_state["trainings"] = [*others, learned][-KEPT:]


def _explain(choice: Choice, shown: Learned | None) -> None:
    """Say what is shown, and what pressing Train would do."""
    if shown is not None and shown.choice.key == choice.key:
        frame = shown.method.frame_
        st.caption(
            f"Trained in {shown.seconds:.0f} s: {_said(choice)}; rank {frame.rank} "
            f"({frame.rank // 2} blocks) of {frame.dim} dimensions; at "
            f"{in_words(choice.method, shown.trained_at or {})}."
        )
        return
    method = cast(AnisoAlign, choice.build())
    first, second = method.training_steps
    about = estimate(choice)
    what = f"a small network: {second:,} steps learn"
    if first:
        what = f"two small networks: {first:,} steps learn the target's phases, {second:,} more"
    words = (
        f"Training fits {what} a bounded refinement of the start ("
        f"{START_WORDS[method.start_in_force]}). It takes **about "
        f"{about}**, can be cancelled, and begins when you press Train, at "
        f"{in_words(choice.method, values_in_force(choice))}. "
        "Afterwards the bounds move without training again."
    )
    if shown is not None:
        words = (
            f"Shown below is the correction trained before ({_said(shown.choice)}). "
            f"These parameters are not trained yet: {_said(choice)}. Training takes "
            f"about {about}, at the bounds of the sliders."
        )
    st.info(words, icon=":material/model_training:")


def lesson(study: Study, learned: Learned, view: View) -> str:
    """Say what was learned: of rows the prior never saw, and beside BoundedTransport.

    The closed form is read where it keeps as many neighbours as the view does: whatever trades
    neighbours for support can be had there without training.
    """
    unseen = learned.method.losses_.get("stage_1_unseen", [])
    said = []
    if unseen:
        knows = "it knows less than nothing of them"
        if unseen[-1] < 1:
            knows = f"it saves {three(1 - unseen[-1], percent=True)} of what knowing nothing costs"
        said.append(
            f"On target rows that the prior has not seen it pays {three(unseen[-1])}, where "
            f"knowing nothing pays 1: {knows}."
        )

    def curve() -> dict[str, Float64]:
        return trial_of(study, Choice("bounded")).curve()

    seed, holdout = split_settings()
    other, outside = at_omega(result(("bounded curve", seed, holdout), curve), view.scores["omega"])
    own, rival = view.scores[SUPPORT], other[SUPPORT]
    kept = f"{three(view.scores['omega'])} of the neighbours kept"
    if outside:
        said.append(
            f"No bound of BoundedTransport keeps as few or as many neighbours as this ({kept}); at "
            f"the nearest it covers {three(rival)} of the target, and this {three(own)}."
        )
    else:
        verdict = "about the same"
        if abs(own - rival) >= TOLD_APART:
            verdict = "more" if own > rival else "less"
        said.append(
            f"At {kept}, BoundedTransport covers {three(rival)} of the target without training, "
            f"and this {three(own)}: {verdict}, on one split."
        )
    return " ".join(said)


def _said(choice: Choice) -> str:
    return in_words(choice.method, choice.parameters)


def _train(study: Study, choice: Choice, values: dict[str, float]) -> Learned:
    """Train, with a bar, a way out and live curves."""
    method = cast(AnisoAlign, choice.but(values).build())
    steps = cast(tuple[int, int], method.training_steps)
    st.session_state["training_stopped"] = True  # until the end is reached
    with (
        ExitStack() as preparing,
        progress_bar("Training", on_cancel=lambda: None, long=True) as tell,
    ):
        begun = drawn = time.monotonic()
        preparing.enter_context(st.spinner("Preparing: the frame, the start, torch …"))
        place = st.empty()

        def told(fraction: float, words: str) -> None:
            nonlocal drawn
            preparing.close()
            tell(fraction, words)
            if time.monotonic() - drawn > REDRAW_SECONDS:
                drawn = time.monotonic()
                place.plotly_chart(
                    losses(method.losses_, steps), alt="Losses so far", key=f"live_{drawn}"
                )

        try:
            _ = study.reference  # first: too few rows to look at are no reason to train
            trial = study.fit(method, told)
            _ = trial.sweep
        except Exception:  # an error, not a stop: it says so itself
            del st.session_state["training_stopped"]
            raise
    del st.session_state["training_stopped"]
    seconds = time.monotonic() - begun
    st.session_state["training_pace"] = seconds / method.training_seconds(study.pair.dim)
    return Learned(trial, choice, split_settings(), values, seconds)
