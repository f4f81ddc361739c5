"""The Correct page's controls and the results they lead to, kept per pair, split and method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from anisoalign_core.align import ALIGNERS, BoundedTransport
from anisoalign_core.geometry.spectrum import effective_dimension
from anisoalign_core.metrics import METRICS
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64, eigh, fix_signs
from anisoalign_core.study import Study, Trial, View
from app.session import long_result, require_pair, result, split
from app.widgets.common import Number, plain, three

LIVE_NUMBERS = {  # metric → words short enough for a card
    "psi": "Similarities kept",
    "omega": "Neighbours kept",
    "mixing_penetration": "Mixes in",
    "mixing_coverage": "Covers the target",
    "matched_cosine": "Partners' cosine",
}
MAX_BOUND = 1.5


@dataclass(frozen=True)
class Choice:
    """A method and its parameters, as chosen on screen."""

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What results of this choice are kept under."""
        return (
            self.method,
            tuple(sorted(self.parameters.items())),
            st.session_state["split_seed"],
            st.session_state["holdout"],
        )

    def auto(self, trial: Trial) -> float | None:
        """Return the bound that "auto" found, when it was asked already."""
        return st.session_state["results"].get((require_pair().digest, ("auto", self.key)))


def current_study() -> Study:
    """Return the study of the session's pair and split."""
    pair, parts = require_pair(), split()
    key = ("study", st.session_state["split_seed"], st.session_state["holdout"])
    return result(key, lambda: Study(pair, parts))


def trial_of(study: Study, choice: Choice) -> Trial:
    """Return the fitted method, fitting it when it is not kept yet."""

    def build() -> Trial:
        with st.spinner(f"Fitting {ALIGNERS[choice.method].label} …"):
            parameters = dict(choice.parameters)
            if choice.method == "bounded":
                parameters["bound"] = 0.0  # the slider moves it; nothing is fitted again
            trial = study.fit(ALIGNERS[choice.method](**parameters))
            _ = trial.sweep, study.reference
            return trial

    return result(("trial", choice.key), build)


def _bounded_parameters() -> dict[str, Any]:
    frame = st.segmented_control(
        "Frame",
        ["full", "joint", "target"],
        default="full",
        key="frame",
        persist_state="session",
        help="Full: every direction has its own bounded stretch. Joint or target: only the leading "
        "directions of both sets, or of the target, do; the rest share one.",
    )
    if (frame or "full") == "full":
        return {"frame": "full"}
    dim = require_pair().dim
    rank = st.slider(
        "Rank of the frame",
        2,
        dim - 1 if dim > 3 else 3,
        min(max(dim // 8, 2), dim - 1),
        key="rank",
        persist_state="session",
        help="How many leading directions the frame holds.",
    )
    return {"frame": frame, "rank": int(rank)}


def _slider(name: str, label: str, low: float, high: float, default: float, words: str) -> Any:
    def build() -> dict[str, Any]:
        value = st.slider(
            label, low, high, default, key=f"p_{name}", persist_state="session", help=words
        )
        return {name: value}

    return build


PARAMETERS: dict[str, Callable[[], dict[str, Any]]] = {
    "bounded": _bounded_parameters,
    "gap-shift": _slider(
        "shift", "Shift λ", 0.0, 2.0, 1.0, "0 leaves the gap, 1 closes it, above 1 overshoots."
    ),
    "c3": _slider("sigma", "Noise σ", 0.0, 0.2, 0.02, "Standard deviation per coordinate."),
    "bures": _slider(
        "relaxation", "Relaxation t", 0.0, 1.0, 1.0, "0 is a mean shift, 1 the full transport map."
    ),
    "oracle": _slider(
        "strength", "Strength α", 0.0, 1.0, 1.0, "Share of each row's true residual added back."
    ),
}


def choose_method(paired: bool) -> Choice:
    """Choose a method and its parameters; methods that cannot apply are not offered."""
    usable = [name for name, method in ALIGNERS.items() if paired or not method.needs_pairs]
    left, right = st.columns([2, 3], vertical_alignment="top")
    with left:
        name = st.selectbox(
            "Method",
            usable,
            index=usable.index("bounded"),
            format_func=lambda key: ALIGNERS[key].label + _tag(key),
            key="method",
            persist_state="session",
        )
    method = ALIGNERS[name]
    with right:
        parameters = PARAMETERS[name]() if name in PARAMETERS else {}
    st.caption(f"{method.summary} Source: {plain(method.reference)}.")
    if not paired:
        st.caption("Procrustes, ridge regression and the oracle are not offered: they need pairs.")
    choice = Choice(name, parameters)
    st.session_state["choice"] = choice
    return choice


def _tag(name: str) -> str:
    method = ALIGNERS[name]
    if method.is_control:
        return " (control)"
    return " (uses pairs)" if method.needs_pairs else ""


def bound_control(trial: Trial, choice: Choice) -> float | None:
    """Choose the bound by slider, or ask for the automatic one; None if the method has none."""
    if trial.sweep is None:
        st.session_state["bound_in_force"] = None
        return None
    if "bound" not in st.session_state:
        st.session_state["bound"] = st.session_state.get("bound_in_force") or 0.2
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with right:
        if st.button(
            "Auto",
            key="auto",
            width="stretch",
            help="The largest bound that keeps Ψ on held-out source rows within 0.01 of its value "
            "at 0. Reads no pairs and no labels.",
        ):
            st.session_state["bound"] = _auto_bound(trial, choice)
    with left:
        bound = st.slider(
            "Bound α",
            0.0,
            MAX_BOUND,
            step=0.01,
            key="bound",
            help="How far each direction's stretch may leave the overall scale: a factor e^±α. "
            "0 is ReAlign; large values approach Gaussian optimal transport.",
        )
    st.session_state["bound_in_force"] = bound
    return float(bound)


def _auto_bound(trial: Trial, choice: Choice) -> float:
    def build() -> float:
        with st.spinner("Watching Ψ along the bound …"):
            parameters = {**choice.parameters, "bound": "auto"}
            fitted = BoundedTransport(**parameters)
            pair, parts = trial.study.pair, trial.study.split
            fitted.fit(pair.source.take(parts.fit_source), pair.target.take(parts.fit_target))
            return float(fitted.bound_)

    return result(("auto", choice.key), build)


def curve(trial: Trial, choice: Choice) -> dict[str, Float64]:
    """Live scores along the bound, computed once."""
    return long_result(
        ("curve", choice.key), "Trade-off curve", lambda tell: trial.curve(progress=tell)
    )


def live_number(name: str, view: View, study: Study) -> Number:
    """One live score beside its value for the uncorrected source."""
    metric = METRICS[name]
    before = study.uncorrected[name]
    return Number(
        LIVE_NUMBERS[name],
        view.scores[name],
        f"raw {three(before)}",
        f"{metric.symbol}: {metric.description} ({metric.reference})",
        metric.direction,
    )


def guarantee(trial: Trial, view: View) -> None:
    """Say what the bound promises, and what the fitted stretches actually are."""
    assert isinstance(trial.method, BoundedTransport)
    assert view.at is not None
    s, bound = trial.method.scale_, view.at.bound
    low, high = s * np.exp(-bound), s * np.exp(bound)
    stretch = view.at.stretch
    at_bound = float(np.mean(np.abs(np.log(stretch / s)) >= bound - 1e-9)) if bound > 0 else 1.0
    st.markdown(
        f"**Guarantee.** Before the rows return to the sphere, every distance between two source "
        f"rows changes by a factor between **{low:.3g}** and **{high:.3g}** (s = {s:.3g}, "
        f"α = {bound:.2f}). The fitted stretches run from {stretch.min():.3g} to "
        f"{stretch.max():.3g}; the bound holds back {at_bound:.0%} of the "
        f"{len(stretch)} directions."
    )


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions to look along, with fixed axis ranges."""

    directions: Float64
    labels: tuple[str, str]
    caption: str
    ranges: tuple[tuple[float, float], tuple[float, float]]


PLANES = {
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
        persist_state="session",
    )
    kind = PLANES[chosen or "Gap × leading residual"]
    key = ("plane", kind, st.session_state["split_seed"], st.session_state["holdout"])
    return result(key, lambda: _plane(study, kind))


def _plane(study: Study, kind: str) -> Plane:
    pair, parts = study.pair, study.split
    source = Moments.of(pair.source.vectors[parts.fit_source])
    target = Moments.of(pair.target.vectors[parts.fit_target])
    if kind == "gap":
        delta = target.mean - source.mean
        first = delta / max(float(np.linalg.norm(delta)), 1e-12)
        second = eigh(target.covariance + source.covariance)[1]
        words = "leading direction of Σ_x + Σ_y beside the gap"
        if pair.paired:
            rows = parts.fit_pairs
            residual = Moments.of(pair.target.vectors[rows] - pair.source.vectors[rows])
            second = eigh(residual.covariance)[1]
            words = "leading residual direction beside the gap"
        # the part of the leading direction that the gap direction does not already show
        rest = second - np.outer(first, first @ second)
        top = rest[:, int(np.argmax(np.linalg.norm(rest[:, :2], axis=0)))]
        directions = np.column_stack([first, fix_signs((top / np.linalg.norm(top))[:, None])[:, 0]])
        labels = ("gap direction Δ/‖Δ‖", words)
        caption = "Across: the direction between the fitted means. Up: the " + words + "."
    else:
        total = target.covariance + (source.covariance if kind == "joint" else 0)
        values, vectors = eigh(total)
        directions = vectors[:, :2]
        of = "Σ_x" if kind == "target" else "Σ_x + Σ_y"
        labels = (f"leading direction of {of}", f"second direction of {of}")
        caption = (
            f"The two leading eigenvectors of {of} of the fitted rows (effective dimension "
            f"{effective_dimension(values):.3g})."
        )
    both = np.concatenate([study.source @ directions, study.target @ directions])
    ranges = []
    for column in both.T:
        low, high = float(column.min()), float(column.max())
        pad = 0.15 * (high - low) + 1e-6
        ranges.append((low - pad, high + pad))
    return Plane(directions, labels, caption, (ranges[0], ranges[1]))


def all_metrics(trial: Trial, choice: Choice) -> None:
    """Every metric with interval and floor, on request."""
    with st.expander("Every metric, with intervals and floors"):
        bound = st.session_state.get("bound_in_force")
        key = ("scores", choice.key, bound)
        kept = st.session_state["results"].get((require_pair().digest, key))
        place = st.empty()
        if kept is None:
            if not place.button("Compute (some seconds)", key="evaluate"):
                st.caption("For the correction as it is now; moving a control asks again.")
                return
            place.empty()
        scores = long_result(
            key, "Evaluation", lambda tell: trial.view(bound).evaluate(progress=tell)
        )
        table = scores.to_frame()[["label", "value", "low", "high", "floor", "direction", "needs"]]
        st.dataframe(
            table,
            width="stretch",
            column_config={
                name: st.column_config.NumberColumn(format="%.3g")
                for name in ("value", "low", "high", "floor")
            },
        )
        st.caption(f"95 % intervals from balanced half-samples. {scores.rows_note}")
