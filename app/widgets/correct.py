"""The Correct page's controls and the results they lead to, kept per pair, split and method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import streamlit as st

from anisoalign_core.align import ALIGNERS, USUAL, Aligner
from anisoalign_core.compare.study import Plane, PlaneKind, Study, Trial
from anisoalign_core.metrics import Scores
from app.session import already, long_result, require_pair, result, split
from app.widgets.common import plain
from app.widgets.parameters import choose_parameters, set_parameters
from app.widgets.tables import table_to_read


@dataclass(frozen=True)
class Choice:
    """A method and its parameters, as chosen on screen."""

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    weigh: Literal["row", "thing"] = "row"

    @property
    def key(self) -> tuple[object, ...]:
        """What results of this choice are kept under."""
        return (
            self.method,
            self.weigh,
            tuple(sorted(self.parameters.items())),
            st.session_state["split_seed"],
            st.session_state["holdout"],
        )

    @property
    def values(self) -> dict[str, Any]:
        """The values of live knobs among the parameters."""
        live = {knob.parameter for knob in ALIGNERS[self.method].live()}
        return {name: value for name, value in self.parameters.items() if name in live}

    @property
    def still(self) -> Choice:
        """The choice without them."""
        moving = self.values
        still = {k: v for k, v in self.parameters.items() if k not in moving}
        return replace(self, parameters=still)

    def but(self, parameters: Mapping[str, Any]) -> Choice:
        """Return the choice with other values of some parameters."""
        return replace(self, parameters=self.parameters | dict(parameters))

    def build(self) -> Aligner:
        """Return the method, not fitted."""
        return ALIGNERS[self.method].of(self.parameters)


AUTO = "auto_wanted"
"""Key of the live knob whose automatic value the page is to begin with."""


def open_with(choice: Choice) -> None:
    """Set the page's controls, so that it opens with a choice; what it leaves out is as usual."""
    method = ALIGNERS[choice.method]
    values = method.of(choice.parameters).plain_params()
    st.session_state["method"] = choice.method
    if choice.weigh != st.session_state.get("weigh", choice.weigh):
        st.session_state["weigh"] = choice.weigh
    set_parameters(method, values)
    st.session_state.pop(AUTO, None)
    for knob in method.live():
        if values[knob.parameter] == "auto":
            st.session_state[AUTO] = knob.parameter
        else:
            st.session_state[knob.parameter] = float(values[knob.parameter])


def usual_values(method: type[Aligner]) -> dict[str, Any]:
    """Return where live knobs begin."""
    usual, dim = method().plain_params(), require_pair().dim
    return {one.parameter: one.start({}, usual[one.parameter], dim) for one in method.live()}


def current_study() -> Study:
    """Return the study of the session's pair and split."""
    pair, parts = require_pair(), split()
    key = ("study", st.session_state["split_seed"], st.session_state["holdout"])
    return result(key, lambda: Study(pair, parts))


def trial_of(study: Study, choice: Choice) -> Trial:
    """Return the fitted method, fitting it when it is not kept yet."""

    def build() -> Trial:
        with st.spinner(f"Fitting {ALIGNERS[choice.method].label} …"):
            given = choice.but(usual_values(ALIGNERS[choice.method]) | choice.parameters)
            trial = study.fit(given.build(), weigh=choice.weigh)  # a live knob fits nothing again
            _ = trial.sweep, study.reference
            return trial

    return result(("trial", choice.key), build)


def choose_method(paired: bool) -> Choice:
    """Choose a method and its parameters; methods that cannot apply are not offered."""
    usable = [name for name, method in ALIGNERS.items() if paired or not method.needs_pairs]
    left, right = st.columns([2, 3], vertical_alignment="top")
    with left:
        name = st.selectbox(
            "Method",
            usable,
            index=usable.index(USUAL),
            format_func=lambda key: ALIGNERS[key].label + _tag(key),
            key="method",
            bind="query-params",
        )
    method = ALIGNERS[name]
    with right:
        parameters = choose_parameters(method)
        weigh = _choose_weigh(method)
    st.caption(f"{method.summary} Source: {plain(method.reference)}.")
    if not paired:
        needy = [method.label for method in ALIGNERS.values() if method.needs_pairs]
        st.caption(f"Not offered, since they need pairs: {plain(', '.join(needy))}.")
    choice = Choice(name, parameters, weigh)
    if not method.trains:  # what takes training is offered to Export once it is trained
        st.session_state["choice"] = choice
    return choice


def can_weigh(method: type[Aligner]) -> bool:
    """Whether the set has things of several rows, and the method can count each the same."""
    pair = require_pair()
    return method.weighs() and any(len(one.repeated_ids) for one in (pair.source, pair.target))


def _choose_weigh(method: type[Aligner]) -> Literal["row", "thing"]:
    """Choose what counts the same in a fit, where a set has things of several rows."""
    if not can_weigh(method):
        return "row"
    chosen = st.segmented_control(
        "What counts the same in the fit",
        list(WEIGH),
        default="row",
        required=True,
        format_func=lambda key: WEIGH[key],
        key="weigh",
        bind="query-params",
        help="Each row, so that a thing with many rows weighs more, or all rows of a thing "
        "together.",
    )
    return "thing" if chosen == "thing" else "row"


def _tag(name: str) -> str:
    method = ALIGNERS[name]
    if method.is_control:
        return " (control)"
    return " (uses pairs)" if method.needs_pairs else ""


OF_ALL = ("recall_at_1_source_to_target", "recall_at_1_target_to_source")
"""Scores that the table leaves out: of a gallery of one size on every page it has them too."""
COLUMNS = {
    "label": "number",
    "value": "value",
    "low": "95 % from",
    "high": "to",
    "floor": "by chance",
    "direction": "better",
    "needs": "needs",
}
"""Columns of the table of scores, and what they are called on screen."""
WEIGH = {"row": "Each row", "thing": "Each thing"}
PLANES: dict[str, PlaneKind] = {
    "Gap × leading residual": "gap",
    "Two leading directions of the target": "target",
    "Two leading directions of both": "joint",
}


def plane(study: Study) -> Plane:
    """Choose the plane of the before-and-after figure."""
    chosen = st.segmented_control(
        "Look along",
        list(PLANES),
        default="Gap × leading residual",
        label_visibility="collapsed",
        key="plane",
        bind="query-params",
    )
    kind = PLANES[chosen or "Gap × leading residual"]
    key = ("plane", kind, st.session_state["split_seed"], st.session_state["holdout"])
    return result(key, lambda: study.plane(kind))


def _with_gallery(name: str, label: str, scores: Scores) -> str:
    """Return what a score is called, with the size of the gallery that R@5 and R@10 search."""
    if not name.startswith(("recall_at_5_", "recall_at_10_")):
        return label
    rows = scores.rows_used[0 if name.endswith("source") else 1]
    return label.replace("places", f"places of {rows:,}")


def all_metrics(trial: Trial, choice: Choice, values: Mapping[str, Any]) -> None:
    """Every metric with interval and floor, on request."""
    with st.expander("Every metric, with intervals and floors"):
        key = ("scores", choice.but(values).key)
        place = st.empty()
        if not already(key):
            if not place.button("Compute (some seconds)", key="evaluate"):
                st.caption("For the correction as it is now; moving a control asks again.")
                return
            place.empty()
        scores = long_result(
            key, "Evaluation", lambda tell: trial.view(values).evaluate(progress=tell)
        )
        frame = scores.to_frame().drop(index=list(OF_ALL), errors="ignore")
        frame["label"] = [
            _with_gallery(name, str(frame["label"][name]), scores) for name in frame.index
        ]
        table = frame.rename(columns=COLUMNS)[list(COLUMNS.values())]
        table_to_read(table.set_index(COLUMNS["label"]), "scores")
        st.caption(f"95 % intervals from balanced half-samples. {scores.rows_note}")
