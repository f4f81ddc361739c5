"""Correct: tune a bounded correction and see what it brings and what it costs."""

import streamlit as st

from anisoalign_core.plots import before_after, stretches, tradeoff
from anisoalign_core.study import View
from app.session import page_path, require_pair
from app.widgets.common import figure, guard, number_row, page_header
from app.widgets.correct import (
    LIVE_NUMBERS,
    all_metrics,
    bound_control,
    choose_method,
    current_study,
    curve,
    guarantee,
    live_number,
    plane,
    trial_of,
)

page_header(
    "Correct",
    "Can the source stand in for the target, and what does the correction cost in meaning?",
)
pair = require_pair()
names = (pair.target.modality, pair.source.modality)
study = current_study()
choice = choose_method(pair.paired)
trial = trial_of(study, choice)


def bound_figures(view: View) -> None:
    """Show what the bound promises, what it buys and costs, and where it holds back."""
    guarantee(trial, view)
    left, right = st.columns(2)
    with left:
        lines = curve(trial, choice)
        figure(
            tradeoff(
                lines["bound"],
                {
                    key: lines[key]
                    for key in ("psi", "omega", "mixing_penetration", "mixing_coverage")
                },
                current=view.at.bound,
                auto=choice.auto(trial),
            ),
            caption="What a larger bound buys (support, M) and what it costs (meaning, Ψ and "
            "Ω), on the same held-out rows. The line marks the bound in force.",
            alt="Semantics and support against the bound",
            key="tradeoff",
        )
    with right:
        figure(
            stretches(
                trial.method.raw_stretch_,
                view.at.stretch,
                trial.method.scale_,
                view.at.bound,
                trial.method.rank_,
            ),
            caption="Stretch of each direction relative to the overall scale s: grey what "
            "Gaussian optimal transport asks for, green what the bound lets through.",
            alt="Raw and bounded stretches by direction",
            key="stretches",
        )


@st.fragment
def workbench() -> None:
    """Everything that moves with the bound."""
    with guard():
        bound = bound_control(trial, choice)
        view = trial.view(bound)
        number_row([live_number(name, view, study) for name in LIVE_NUMBERS if name in view.scores])
        st.caption(
            f"On {study.live:,} held-out rows (k = {study.k}); beside each number, that of the raw "
            "source. No held-out row was fitted."
        )
        basis = plane(study)
        coordinates = (
            view.target @ basis.directions.astype("float32"),
            study.source @ basis.directions.astype("float32"),
            view.project(basis.directions),
        )
        shown = f"{len(study.source):,} + {len(study.target):,} held-out rows of "
        shown += f"{len(pair.source):,} + {len(pair.target):,}"
        figure(
            before_after(
                *coordinates,
                names=names,
                axis_labels=basis.labels,
                range_x=basis.ranges[0],
                range_y=basis.ranges[1],
                target_rows=study.shown[1],
                source_rows=study.shown[0],
            ),
            caption=f"{basis.caption} Uncentred coordinates of unit rows. {shown}. Crosses mark "
            "the means. The axes stay put while the bound moves.",
            alt="Two scatter plots under the same axes: before and after the correction",
            key="before_after",
        )
        if trial.sweep is not None:
            bound_figures(view)
        all_metrics(trial, choice)


workbench()
st.page_link(
    page_path("export"), label="Take this correction to Export", icon=":material/download:"
)
