"""BoundedTransport's controls on the Correct page: its bound, what that promises and buys."""

from __future__ import annotations

import numpy as np
import streamlit as st

from anisoalign_core.align import BoundedTransport
from anisoalign_core.numerics import Float64
from anisoalign_core.plots import stretches, tradeoff
from anisoalign_core.study import Trial, View
from app.session import long_result, result
from app.widgets.common import figure
from app.widgets.correct import Choice

MAX_BOUND = 1.5
DEFAULT_BOUND = 0.2


def bound_control(trial: Trial, choice: Choice) -> float | None:
    """Choose the bound by slider, or ask for the automatic one; None if the method has none."""
    if trial.sweep is None:
        st.session_state["bound_in_force"] = None
        return None
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
            DEFAULT_BOUND,
            step=0.01,
            key="bound",
            bind="query-params",
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


def _guarantee(trial: Trial, view: View) -> None:
    """Say what the bound promises, and what the fitted stretches actually are."""
    assert isinstance(trial.method, BoundedTransport)
    assert view.at is not None
    s, bound = trial.method.scale_, view.at.bound
    stretch = view.at.stretch
    low = s * np.exp(-bound)
    if trial.method.rule == "relax":
        st.markdown(
            f"**Guarantee.** Before the rows return to the sphere, every distance between two "
            f"source rows keeps at least **{low:.3g}** of itself and grows to "
            f"at most **{stretch.max():.3g}** times itself, the largest fitted stretch "
            f"(s = {s:.3g}, α = {bound:.2f})."
        )
        return
    high = s * np.exp(bound)
    at_bound = float(np.mean(np.abs(np.log(stretch / s)) >= bound - 1e-9)) if bound > 0 else 1.0
    st.markdown(
        f"**Guarantee.** Before the rows return to the sphere, every distance between two source "
        f"rows changes by a factor between **{low:.3g}** and **{high:.3g}** (s = {s:.3g}, "
        f"α = {bound:.2f}). The fitted stretches run from {stretch.min():.3g} to "
        f"{stretch.max():.3g}; the bound holds back {at_bound:.0%} of the "
        f"{len(stretch)} directions."
    )


def bound_figures(trial: Trial, choice: Choice, view: View) -> None:
    """Show what the bound promises, what it buys and costs, and where it holds back."""
    _guarantee(trial, view)
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
