"""The parameters of each method as widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.align import AnisoAlign
from anisoalign_core.align.anisoalign.estimator import REFINEMENT
from app.session import require_pair

PRIORS = {
    "target": "the target's phases",
    "uniform": "uniform phases: nothing to know",
    "shuffled": "phases shuffled block by block",
}


def _bounded_parameters() -> dict[str, Any]:
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    recentre = row.segmented_control(
        "Bring the means together by a",
        ["shift", "rotation"],
        default="shift",
        required=True,
        key="recentre",
        bind="query-params",
        help="A shift is what ReAlign does. A rotation turns one mean onto the other and keeps "
        "every cosine between two rows, so fewer neighbours are lost.",
    )
    rule = row.segmented_control(
        "Bound stretches by",
        ["clip", "relax"],
        default="clip",
        required=True,
        key="rule",
        bind="query-params",
        help="Clip: no stretch leaves a factor e^±α of the overall scale. Relax: every stretch "
        "goes the same part, 1 − e^−α, of its way; only the lower bound s·e^−α is kept.",
    )
    changed = {"recentre": "rotate"} if recentre == "rotation" else {}
    changed |= {"rule": "relax"} if rule == "relax" else {}
    return _bounded_frame(row) | changed


def _bounded_frame(row: DeltaGenerator) -> dict[str, Any]:
    frame = row.segmented_control(
        "Frame",
        ["full", "joint", "target"],
        default="full",
        key="frame",
        bind="query-params",
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
        bind="query-params",
        help="How many leading directions the frame holds.",
    )
    return {"frame": frame, "rank": int(rank)}


def _anisoalign_parameters() -> dict[str, Any]:
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    variant = row.segmented_control(
        "Variant",
        ["paper", "corrected"],
        default="paper",
        required=True,
        key="aa_variant",
        bind="query-params",
        help="Paper: the published equations, weaknesses included. Corrected: centred phases, "
        "couplings only above chance, losses that compare whole rows and their neighbours, a hard "
        "limit on every row's step, and no weight on the prior.",
    )
    refine = row.toggle(
        "Refine",
        True,
        key="aa_refine",
        bind="query-params",
        help="Off: the published start alone (phases kept, radii matched). Nothing is trained.",
    )
    chosen = {"variant": variant, "refine": bool(refine), "rank": _rank(row)}
    if refine:
        has_prior = AnisoAlign(variant=variant).weights.prior > 0
        steps = row.number_input(
            "Steps of each stage" if has_prior else "Steps",
            10,
            20_000,
            REFINEMENT[variant][0],
            step=50,
            key=f"aa_steps_{variant}",
            bind="query-params",
            width=170,
            help="Steps of Adam"
            + (", for the prior and again for the refinement." if has_prior else "."),
        )
        chosen["refine_steps"] = int(steps)
        if has_prior:
            chosen["prior_steps"] = int(steps)
    with st.expander("More parameters"):
        chosen |= _more(has_prior=bool(refine) and has_prior)
    return chosen


def _rank(place: Any) -> int | None:
    """Choose an even rank of the frame; None leaves it to the method."""
    most = require_pair().dim // 2 * 2
    if most < 4:  # no choice to make
        return None
    automatic = place.toggle(
        "Automatic rank",
        True,
        key="aa_auto_rank",
        bind="query-params",
        help="The smallest even rank with 90 % of the variance of both sets, at most a tenth of "
        "the rows of the smaller side.",
    )
    if automatic:
        return None
    rank = place.slider(
        "Rank of the frame",
        2,
        most,
        max(most // 4 // 2 * 2, 2),
        step=2,
        key="aa_rank",
        bind="query-params",
        width=260,
        help="Even: its coordinates are paired into blocks, each with a phase and a radius.",
    )
    return int(rank)


def _more(has_prior: bool) -> dict[str, Any]:
    left, middle, right = st.columns(3)
    frame = left.segmented_control(
        "Frame",
        ["joint", "target"],
        default="joint",
        required=True,
        key="aa_frame",
        bind="query-params",
        help="Leading directions of both sets together (published), or of the target alone.",
    )
    seed = middle.number_input("Seed", 0, 2**31 - 1, 0, key="aa_seed", bind="query-params")
    partners = right.number_input(
        "Partners of each block",
        1,
        64,
        4,
        key="aa_partners",
        bind="query-params",
        help="How many strongest couplings each block keeps in the graph.",
    )
    chosen: dict[str, Any] = {
        "frame": frame,
        "random_state": int(seed),
        "partners": int(partners),
    }
    if has_prior:
        prior = st.segmented_control(
            "The prior learns from",
            list(PRIORS),
            format_func=PRIORS.get,
            default="target",
            required=True,
            key="aa_prior",
            bind="query-params",
            help="The last two are falsifiers: a prior that knows nothing, or nothing about how "
            "blocks belong together. If they correct as well, the prior adds nothing.",
        )
        chosen["prior"] = prior
    return chosen


def _slider(name: str, label: str, low: float, high: float, default: float, words: str) -> Any:
    def build() -> dict[str, Any]:
        value = st.slider(
            label, low, high, default, key=f"p_{name}", bind="query-params", help=words
        )
        return {name: value}

    return build


PARAMETERS: dict[str, Callable[[], dict[str, Any]]] = {
    "bounded": _bounded_parameters,
    "anisoalign": _anisoalign_parameters,
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
