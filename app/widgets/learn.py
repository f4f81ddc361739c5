"""The Learn page's story: eight steps, and which of them is shown.

The step is kept in the link (``?step=3``), so that a teacher can send one, and in the session, so
that it is found again after a look at another page. Each step asks for a prediction first; within
a class its predictions are votes, and whoever leads it chooses the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.classes import Lead, Now, Question
from app.server import server
from app.session import page_path
from app.widgets import (
    learn_answers,
    learn_balls,
    learn_corrections,
    learn_look,
    learn_pictures,
    learn_predict,
    learn_predictions,
    learn_room,
)
from app.widgets.common import guard
from app.widgets.learn_caption import own_caption

LINK = "step"
KEPT = "learn_step"
ROW = "learn_row"


@dataclass(frozen=True)
class Step:
    """One step: its name in the row, title, one sentence, a picture that moves, a question.

    The picture is given the option predicted. That of the last step comes before the prediction,
    which is its question.
    """

    short: str
    title: str
    sentence: str
    picture: Callable[[int | None], None] | None = None
    question: str = ""
    answer: Callable[[], str] | None = None


STEPS = (
    Step(
        "One space",
        "One space for pictures and captions",
        "An encoder turns every picture and every caption into an arrow of length 1; contrastive "
        "training turns the arrows of partners, a picture and its own caption, towards each other "
        "and those of strangers away.",
        learn_pictures.space,
        "Often another picture comes first, and even the best cosine is far from 1. Is the "
        "encoder broken?",
        learn_answers.space,
    ),
    Step(
        "Cone",
        "The cone",
        "The arrows of one kind do not point everywhere: they crowd into a cone, and the narrower "
        "it is, the longer is the mean of its arrows.",
        learn_balls.cone,
        "Does training make the cone, or is it there before? (Look in the sample, at step 0.)",
        learn_answers.cone,
    ),
    Step(
        "Gap",
        "The gap, and what temperature does to it",
        "Pictures and captions keep to two cones of their own; the distance between their mean "
        "arrows is the modality gap, and how much of it training leaves depends on its "
        "temperature.",
        learn_balls.gap,
        "“A lower temperature leaves a wider gap.” Is that so here, and is a small gap good?",
        learn_answers.temperature,
    ),
    Step(
        "Mean shift",
        "Why a mean shift is not enough",
        "Adding one arrow to every caption brings the means together, but all have to return to "
        "length 1, which bends the cloud, and its shape is still not that of the pictures.",
        learn_balls.shift,
        "After the mean shift the gap is nearly gone. Can captions now stand in for pictures?",
        learn_answers.mean_shift,
    ),
    Step(
        "Residual",
        "The few directions of the residual",
        "Take the gap away and partners still differ, each pair in its own way: this residual is "
        "largest along a few directions, at whose ends one sees what they are about.",
        learn_pictures.residual,
        "The first ten directions hold most of the residual. Is that a discovery?",
        learn_answers.residual,
    ),
    Step(
        "Bound",
        "A bounded correction",
        "Stretch the captions' cloud, axis by axis, towards the shape of the pictures' cloud, but "
        "let no axis leave the overall scale by more than a factor e^α.",
        learn_balls.bounded,
        "What does the correction do at α = 0, and what at α = ∞?",
        learn_answers.bounded,
    ),
    Step(
        "Trade-off",
        "Meaning against fit",
        "A larger bound lets captions cover the pictures better and keeps fewer of each caption's "
        "neighbours: fit is paid for in meaning.",
        learn_corrections.fit_against_meaning,
        "Which bound is the right one?",
        learn_answers.which_bound,
    ),
    Step(
        "Claims",
        "What may and may not be claimed",
        "A number says something only beside what it would be without meaning, on other rows, or "
        "for another encoder.",
    ),
)


def choose_step(leads: bool) -> int:
    """Return the number of the step shown, from 1: of the link, else of the session, else 1."""
    given = st.query_params.get(LINK, "")
    is_number = given.isdecimal() and len(given) < 4
    known = int(given) if is_number else st.session_state.get(KEPT, 1)
    number = min(max(known, 1), len(STEPS))
    _go(number)
    st.session_state[ROW] = number
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        st.segmented_control(
            "Step",
            range(1, len(STEPS) + 1),
            format_func=lambda k: f"{k} {STEPS[k - 1].short}",
            required=True,
            key=ROW,
            on_change=lambda: _go(st.session_state[ROW]),
            label_visibility="collapsed",
        )
        st.button(
            "Back",
            icon=":material/arrow_back:",
            key="learn_back",
            disabled=number == 1,
            on_click=_go,
            args=(number - 1,),
        )
        st.button(
            "Next",
            icon=":material/arrow_forward:",
            icon_position="right",
            type="primary",
            key="learn_next",
            disabled=number == len(STEPS),
            on_click=_go,
            args=(number + 1,),
        )
    if server().classes.offered:
        row = st.container(horizontal=True, vertical_alignment="center")
    learn_look.large_type(row)
    if not leads:
        learn_room.offer(row)
    return number


def _go(number: int) -> None:
    st.session_state[KEPT] = number
    if st.query_params.get(LINK) != str(number):  # each change is an entry of the browser's history
        st.query_params[LINK] = str(number)


def story() -> None:
    """Show the step that a person, or whoever leads their class, is at."""
    held = learn_room.seat()
    if isinstance(held, learn_room.Member):
        now = learn_room.where(held)
        if now is not None:
            st.session_state[KEPT] = now.at[0]  # where the story goes on for who leaves
            if LINK in st.query_params:
                del st.query_params[LINK]
            show_step(now.at[0], held, now)
            return
        held = None
    learn_room.grow()
    show_step(choose_step(isinstance(held, Lead)), held, None)


def show_step(number: int, held: learn_room.Seat, now: Now | None) -> None:
    """Show one step: heading, sentence, prediction, picture, question with a hidden answer."""
    step = STEPS[number - 1]
    last = number == len(STEPS)
    top = st.container()  # of whoever leads: it needs to know the question, which comes below
    st.subheader(f"{number} of {len(STEPS)}: {step.title}", anchor=False)
    st.markdown(step.sentence)
    part = learn_pictures.claim(None if now is None else now.at[1]) if last else 0
    shown, guess = _predicted((number, part), held, now, top)

    @st.fragment
    def moving() -> None:
        with guard():
            if step.picture is not None and shown:
                step.picture(guess)
            elif number == 2:
                learn_balls.cone_on_ball()
            else:
                learn_predictions.before(number)

    moving()
    if step.answer is not None and shown:
        with st.expander(f"**Question.** {step.question}", icon=":material/help:"):
            st.markdown(step.answer())
    if last:
        own_caption()
    if now is None:
        _take_home(last)


def _predicted(
    question: Question, held: learn_room.Seat, now: Now | None, top: DeltaGenerator
) -> tuple[bool, int | None]:
    """Ask for a prediction; return whether what is may be shown, and the option predicted."""
    asked = learn_predictions.asked(question)
    if isinstance(held, Lead):
        with top:
            goes_on = learn_room.panel(held, question)
        if goes_on:
            return learn_room.reveal(held, asked)
    if isinstance(held, learn_room.Member) and now is not None:
        return learn_room.vote(held, now, asked)
    return learn_predict.ask(question, asked)


def _take_home(last: bool) -> None:
    st.download_button(
        "Take this class home (HTML)",
        _class_page,
        "modality-gap-class.html",
        "text/html",
        key="learn_class",
        on_click="ignore",
        icon=":material/download:",
        help="The whole story with questions and answers as one file, at most 8 MB. It opens from "
        "disk with no network, and its pictures move as they do here.",
    )
    if last:
        st.markdown("That was the story. Now with your own embeddings:")
        row = st.container(horizontal=True)
        row.page_link(page_path("data"), label="Load them", icon=":material/upload_file:")
        row.page_link(page_path("spectra"), label="Measure the gap", icon=":material/show_chart:")
        row.page_link(page_path("correct"), label="Correct it", icon=":material/tune:")


def _class_page() -> str:
    from app.widgets.learn_class import class_page  # which reads the steps above

    return class_page()
