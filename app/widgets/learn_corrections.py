"""The Learn page's corrections of the sample: means, shapes, and what each of them costs."""

from __future__ import annotations

import numpy as np
import streamlit as st

from anisoalign_core.compare.study import View
from anisoalign_core.plots import before_after
from anisoalign_core.plots.teach import meaning_against_fit
from app.widgets import learn_sample as sample
from app.widgets.common import Number, figure, number_row, three
from app.widgets.learn_pictures import NAMES

HELD = "held-out rows"


def shift(method: str) -> None:
    """Step 4 on the sample: what a way to bring the means together does to the held-out rows."""
    scores = sample.shift_scores(method)
    number_row(numbers(scores["gap"], scores["omega"], scores["mixing_coverage"]))
    _before_and_after(sample.shifted(method).view(), sample.plane(0, 2), "learn_shift")


def stretch(bound: float) -> None:
    """Step 6 on the sample: the shapes of the clouds before and after, under a bound."""
    trial = sample.bounded()
    view = trial.view(bound)
    known = view.moved.stretches
    assert known is not None  # it stretches
    held = known.held / known.scale
    scores = sample.scores_of(view)
    number_row(
        [
            *numbers(scores["gap"], scores["omega"], scores["mixing_coverage"]),
            Number(
                "Largest stretch",
                float(held.max()),
                f"smallest {three(float(held.min()))}",
                "Of the overall scale, over all directions; at α = 0 both are 1.",
            ),
        ]
    )
    _before_and_after(view, sample.plane(1, 2), "learn_stretch")


def _before_and_after(view: View, plane: sample.Plane, key: str) -> None:
    study = view.study
    figure(
        before_after(
            study.target @ plane.directions.astype(np.float32),
            study.source @ plane.directions.astype(np.float32),
            view.project(plane.directions),
            names=NAMES,
            axis_labels=plane.labels,
            range_x=plane.ranges[0],
            range_y=plane.ranges[1],
        ),
        caption=f"{len(study.source)} {HELD} of each side on two of {study.pair.dim} directions, "
        f"uncentred; crosses are means. Fitted on other rows, without pairs. Numbers in all "
        f"dimensions, k = {study.k} neighbours.",
        alt="Held-out pictures and captions before and after the correction, under the same axes",
        key=key,
    )


def numbers(left: float, kept: float, covered: float) -> list[Number]:
    """Return the three numbers by which the story judges a correction."""
    return [
        Number(
            "Gap left",
            left,
            "0 if equal",
            "Distance between the means after it, ‖μ_z − μ_x‖.",
            "lower",
        ),
        Number(
            "Neighbours kept",
            kept,
            "1 if all stay",
            "Share of a caption's nearest captions that stay the nearest, Ω.",
            "higher",
        ),
        Number(
            "Pictures covered",
            covered,
            "0 apart, 1 mixed",
            "How mixed with captions the neighbourhoods of pictures are, M^X.",
            "higher",
        ),
    ]


def fit_against_meaning() -> None:
    """Step 7: the curve along the bound, with other methods beside it."""
    trial, curve = sample.bounded(), sample.bound_curve()
    bound = st.slider("Bound α", 0.0, 1.5, 0.3, step=0.05, key="learn_bound", bind="query-params")
    scores = trial.view(bound).scores
    number_row(
        [
            Number("Neighbours kept", scores["omega"], "1 if all stay", "Ω", "higher"),
            Number("Similarities kept", scores["psi"], "1 if all stay", "Ψ", "higher"),
            Number("Pictures covered", scores["mixing_coverage"], "1 if mixed", "M^X", "higher"),
            Number("Partners' cosine", scores["matched_cosine"], "needs pairs", "", "higher"),
        ]
    )
    others = {
        words: (sample.shift_scores(name)["omega"], sample.shift_scores(name)["mixing_coverage"])
        for name, (words, _, _) in sample.SHIFTS.items()
        if name != "realign"  # the curve starts there
    }
    figure(
        meaning_against_fit(
            curve["omega"],
            curve["mixing_coverage"],
            now=(scores["omega"], scores["mixing_coverage"]),
            others=others,
        ),
        caption=f"Each point is a correction of the captions, measured on {sample.study().live[0]} "
        f"{HELD} (k = {sample.study().k}) and fitted on others without pairs. The curve starts at "
        "ReAlign (α = 0) and runs to α = 1.5. Right is meaning, up is fit.",
        alt="Neighbours kept against pictures covered along the bound, other methods beside it",
        key="learn_fit",
    )
