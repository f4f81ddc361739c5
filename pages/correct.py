"""Correct: tune a bounded correction and see what it brings and what it costs."""

import streamlit as st

from anisoalign_core.align import ALIGNERS
from app.server import place
from app.session import page_path, require_pair
from app.widgets.common import guard, page_header
from app.widgets.correct import all_metrics, choose_method, current_study, trial_of
from app.widgets.direction import direction_line
from app.widgets.falsifiers import falsifiers
from app.widgets.live import live_control, live_picture
from app.widgets.prior import prior_section
from app.widgets.training import learned_correction, lesson
from app.widgets.verdict import verdict_line
from app.writing import keep

page_header(
    "Correct",
    "Can the source stand in for the target, and what does the correction cost in meaning?",
)
pair = require_pair()
verdict_line()
direction_line()
study = current_study()
choice = choose_method(pair.paired)
learned = learned_correction(study, choice) if ALIGNERS[choice.method].trains else None
trial = trial_of(study, choice) if learned is None else learned.trial
taught = learned if hasattr(trial.method, "phases_") else None  # it has blocks to look at


@st.fragment
def workbench() -> None:
    """Everything that moves with the bounds."""
    place().touch()
    with guard():
        # each in a place of its own: what shows its progress moves nothing that a person opened
        control, picture, prior, scores = (st.container() for _ in range(4))
        with control:
            values, basis = live_control(trial, choice, learned)
        view = trial.view(values)
        with picture:
            note = "" if learned is None else lesson(study, learned, view)
            live_picture(trial, choice, learned, view, values, basis, note)
        if taught is not None:
            with prior:
                prior_section(taught, view)
        with scores:
            all_metrics(trial, choice if learned is None else learned.shown_as, values)
    keep("correct")


workbench()
st.page_link(
    page_path("export"), label="Take this correction to Export", icon=":material/download:"
)
if taught is not None:
    falsifiers(taught)
