"""What moves without another fit on the Correct page: the live picture, and what it promises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from anisoalign_core.align import Knob
from anisoalign_core.align.knobs import Dial
from anisoalign_core.compare.study import Plane, Trial, View
from anisoalign_core.plots.live import picture
from app.session import loaded, long_result, result
from app.widgets.correct import AUTO, Choice, plane, usual_values
from app.widgets.learned import Learned, retrain
from app.widgets.live_picture import show
from app.widgets.selections import Selection, show_selection

BOX_WIDTH = 170
LINE = "live_line"
"""Key of the line that several bounds move along together, with the choice it belongs to."""


def live_control(
    trial: Trial, choice: Choice, learned: Learned | None
) -> tuple[dict[str, float], Plane]:
    """Say the method's live knobs in numbers, which Export takes, and choose what to look along."""
    values = usual_values(type(trial.method)) | ((learned and learned.trained_at) or {})
    knobs = trial.moves
    alone = len(knobs) == 1
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    place: Any = row
    if alone:
        place = row.container(width=BOX_WIDTH)
        pressed = knobs[0].auto and row.button("Auto", key="auto", help=knobs[0].auto)
        if pressed or st.session_state.pop(AUTO, None) == knobs[0].parameter:
            st.session_state[knobs[0].parameter] = _auto(trial, choice, knobs[0])
    elif knobs:
        place = row.popover("Each bound by itself", icon=":material/tune:")
    # a link can carry a setting, but no training
    kept: dict[str, Any] = {"persist_state": "session"} if learned else {"bind": "query-params"}
    moved = {}
    for knob in knobs:
        widget = place.number_input if alone else place.slider
        moved[knob.parameter] = float(
            widget(
                knob.label,
                float(knob.low),
                float(knob.most(trial.study.pair.dim)),
                float(values[knob.parameter]),
                step=knob.step,
                format="%.3f" if knob.step < 0.01 else "%.2f",
                key=knob.parameter,
                help=knob.help,
                **kept,
            )
        )
    if learned is not None:
        retrain(row, learned, moved)
    st.session_state["choice"] = choice.but(moved) if learned is None else learned.exported(moved)
    with row:
        return moved, plane(trial.study)


def _auto(trial: Trial, choice: Choice, knob: Knob) -> float:
    """Return the value that the method finds by itself on the same fit rows."""

    def build() -> float:
        with st.spinner(f"Looking for the automatic {knob.parameter} …"):
            fitted = choice.but({knob.parameter: "auto"}).build()
            fitted.fit_pair(trial.study.pair, trial.study.split, weigh=choice.weigh)
            return float(getattr(fitted, f"{knob.parameter}_"))

    return result(("auto", choice.key), build)


def live_picture(
    trial: Trial,
    choice: Choice,
    learned: Learned | None,
    view: View,
    values: dict[str, float],
    basis: Plane,
    note: str = "",
) -> None:
    """Show both clouds, numbers, stretches and trade-off, moved in the browser by one dial."""
    dial, at = _dial(trial, choice, learned, values)
    along = tuple((dial.shares if dial else {}).items())
    curve = None
    if dial is not None:  # it is the same along whatever one looks
        curve = long_result(
            ("curve", choice.key, along),
            "Working out the live picture",
            lambda tell: trial.curve(progress=tell, dial=dial, floors=True),
        )
    made = long_result(
        ("live", choice.key, basis.caption, along),
        "Working out the live picture",
        lambda tell: picture(
            trial, basis, value=at, dial=dial, curve=curve, title=_title(), progress=tell
        ),
    )
    released = None if dial is None else lambda value: _set(dial.settings(value))
    scores = view.scores | view.floors if learned else _scores(view, choice.but(values))
    exact = at or 0.0, scores
    drawn = show(made, "live", now=exact, note=note, released=released)
    st.download_button(
        "Take this picture home (HTML)",
        lambda: str((made if at is None else made.at(at)).to_html()),
        f"{choice.method}.html",
        "text/html",
        key="live_html",
        on_click="ignore",
        icon=":material/download:",
        help="One file that opens from disk with no network, and moves as it does here.",
    )
    if view.moved.guarantee:
        st.markdown(f"**Guarantee.** {view.moved.guarantee}")
    rows = made.rows(drawn)
    selection = Selection(tuple(rows["target"].tolist()), tuple(rows["source"].tolist()), "drawn")
    if selection:
        show_selection(trial.study.pair, selection)


def _scores(view: View, choice: Choice) -> dict[str, float]:
    return result(("live scores", choice.key), lambda: view.scores | view.floors)


def _dial(
    trial: Trial, choice: Choice, learned: Learned | None, values: dict[str, float]
) -> tuple[Dial | None, float | None]:
    """Return the dial that goes through the values in force, and where it stands.

    Several bounds move together, along the line from nothing through those of the training; where
    one was set by itself, along the line through those in force.
    """
    if not values:
        return None, None
    if len(values) == 1:
        ((_, value),) = values.items()
        return trial.dial(values), value
    before, way = st.session_state.get(LINE, (None, values))
    lines = [way] if before == choice.key else []
    for way in (*lines, (learned and learned.trained_at) or values, values):
        dial, share = trial.dial(way), _share(way, values)
        if dial is not None and share is not None and share <= dial.high:
            break
    st.session_state[LINE] = choice.key, way
    return dial, share


def _share(whole: Mapping[str, float], values: Mapping[str, float]) -> float | None:
    """Return the one number that ``whole`` times gives the values; None where there is none."""
    largest = max(whole, key=lambda name: abs(whole[name]))
    share = values[largest] / whole[largest] if whole[largest] else 1.0
    same = all(math.isclose(values[k], share * v, abs_tol=1e-4) for k, v in whole.items())
    return share if same else None


def _set(values: Mapping[str, float]) -> None:
    """Set live knobs to what the picture was dragged to."""
    st.session_state.update({name: round(value, 6) for name, value in values.items()})


def _title() -> str:
    current = loaded()
    return current.title if current is not None else ""
