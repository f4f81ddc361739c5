"""Predict, then see: what a person commits to before a picture answers."""

from __future__ import annotations

import streamlit as st

from anisoalign_core.teach import Prediction
from app.classes import Question
from app.widgets.learn_predictions import Asked

GUESSES = "learn_guesses"
"""In the session: by question, the option predicted, or None where it was shown without one."""


def guesses() -> dict[Question, int | None]:
    """Return what this session predicted so far."""
    found: dict[Question, int | None] = st.session_state.setdefault(GUESSES, {})
    return found


def ask(question: Question, asked: Asked) -> tuple[bool, int | None]:
    """Ask; return whether what is may be shown, and the option predicted, if any."""
    known = guesses()
    box = st.container(border=True)
    with box:
        if question in known:
            compare(asked, known[question])
            st.button(
                "Predict again",
                key=f"learn_again_{question[0]}_{question[1]}",
                icon=":material/undo:",
                type="tertiary",
                on_click=known.__delitem__,
                args=(question,),
            )
            return True, known[question]
        st.markdown(f"**Predict first.** {asked.prediction.asks}")
        guess = choose(question, asked.prediction, None)
        row = st.container(horizontal=True, vertical_alignment="center")
        row.button(
            "See what is",
            key=f"learn_see_{question[0]}_{question[1]}",
            type="primary",
            icon=":material/visibility:",
            disabled=guess is None,
            on_click=_commit,
            args=(question,),
        )
        row.button(
            "Show it without a prediction",
            key=f"learn_skip_{question[0]}_{question[1]}",
            type="tertiary",
            on_click=known.__setitem__,
            args=(question, None),
        )
    return False, None


def key_of(question: Question) -> str:
    """Return the key of a question's widget: what it says is read when a button is pressed.

    A button that comes with a slider's last move was drawn before it.
    """
    return f"learn_guess_{question[0]}_{question[1]}"


def _commit(question: Question) -> None:
    guesses()[question] = st.session_state[key_of(question)]


def choose(question: Question, prediction: Prediction, given: int | None) -> int | None:
    """Ask for a place on a line, or one of a few options; None while nothing is chosen."""
    key = key_of(question)
    options = range(len(prediction.options))
    if prediction.places:
        chosen = st.select_slider(
            f"From {prediction.ends[0]} to {prediction.ends[1]}",
            options,
            value=len(options) // 2 if given is None else given,
            format_func=lambda number: prediction.options[number],
            key=key,
        )
        return int(chosen)
    picked = st.radio(
        "Your prediction",
        options,
        index=given,
        format_func=lambda number: prediction.options[number],
        key=key,
        horizontal=True,
        label_visibility="collapsed",
    )
    return None if picked is None else int(picked)


def compare(asked: Asked, guess: int | None, who: str = "You predicted") -> None:
    """Say what was predicted beside what is, in a sentence."""
    found = asked.found()
    words = (
        asked.prediction.holds(found)
        if guess is None
        else asked.prediction.compared(guess, found, who)
    )
    st.markdown(f"{asked.prediction.asks}\n\n{words} {asked.beside()}".strip())
