"""What moves without another fit on the Correct page: live knobs, what they promise and buy."""

from __future__ import annotations

from typing import Any

import streamlit as st

from anisoalign_core.align import Knob
from anisoalign_core.compare.study import Trial, View
from anisoalign_core.metrics import METRICS
from anisoalign_core.numerics import Float64
from anisoalign_core.plots import stretches, tradeoff
from app.session import long_result, require_pair, result
from app.widgets.common import figure
from app.widgets.correct import Choice, usual_values
from app.widgets.learned import Learned, retrain

SLIDER_WIDTH = 240


def live_control(trial: Trial, choice: Choice, learned: Learned | None) -> dict[str, float]:
    """Move the method's live knobs; what is chosen here is what Export takes."""
    values = usual_values(type(trial.method)) | ((learned and learned.trained_at) or {})
    knobs = trial.moves
    alone = len(knobs) == 1
    place: Any = st
    if knobs and alone and knobs[0].auto:
        place, right = st.columns([4, 1], vertical_alignment="bottom")
        if right.button("Auto", key="auto", width="stretch", help=knobs[0].auto):
            st.session_state[knobs[0].parameter] = _auto(trial, choice, knobs[0])
    elif not alone:
        place = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    # a link can carry a setting, but no training
    kept: dict[str, Any] = {"persist_state": "session"} if learned else {"bind": "query-params"}
    moved = {}
    for knob in knobs:
        moved[knob.parameter] = float(
            place.slider(
                knob.label,
                float(knob.low),
                float(knob.most(trial.study.pair.dim)),
                float(values[knob.parameter]),
                step=knob.step,
                format="%.3f" if knob.step < 0.01 else "%.2f",
                key=knob.parameter,
                width="stretch" if alone else SLIDER_WIDTH,
                help=knob.help,
                **kept,
            )
        )
    if learned is not None:
        retrain(place, learned, moved)
    st.session_state["choice"] = choice.but(moved) if learned is None else learned.exported(moved)
    return moved


def _auto(trial: Trial, choice: Choice, knob: Knob) -> float:
    """Return the value that the method finds by itself on the same fit rows."""

    def build() -> float:
        with st.spinner(f"Looking for the automatic {knob.parameter} …"):
            fitted = choice.but({knob.parameter: "auto"}).build()
            pair, parts = trial.study.pair, trial.study.split
            fitted.fit(pair.source.take(parts.fit_source), pair.target.take(parts.fit_target))
            return float(getattr(fitted, f"{knob.parameter}_"))

    return result(("auto", choice.key), build)


def curve(trial: Trial, choice: Choice) -> dict[str, Float64]:
    """Live scores along the one live knob, computed once."""
    return long_result(
        ("curve", choice.key), "Trade-off curve", lambda tell: trial.curve(progress=tell)
    )


def live_figures(trial: Trial, choice: Choice, view: View, values: dict[str, float]) -> None:
    """Show what the values promise, what they buy and cost, and where they hold back."""
    if view.moved.guarantee:
        st.markdown(f"**Guarantee.** {view.moved.guarantee}")
    if len(values) != 1:
        return
    ((name, value),) = values.items()
    left, right = st.columns(2)
    with left:
        lines = curve(trial, choice)
        shown = [key for key in lines if key in METRICS and METRICS[key].curve]
        figure(
            tradeoff(
                lines[name],
                {key: lines[key] for key in shown},
                current=value,
                auto=st.session_state["results"].get((require_pair().digest, ("auto", choice.key))),
            ),
            caption=f"What a larger {name} buys (support, M) and what it costs (meaning, Ψ and "
            f"Ω), on the same held-out rows. The line marks the {name} in force.",
            alt=f"Semantics and support against the {name}",
            key="tradeoff",
        )
    known = view.moved.stretches
    if known is None:
        return
    with right:
        figure(
            stretches(known.raw, known.held, known.scale, known.bound, known.rank),
            caption="Stretch of each direction relative to the overall scale s: grey what "
            "Gaussian optimal transport asks for, green what the bound lets through.",
            alt="Raw and bounded stretches by direction",
            key="stretches",
        )
