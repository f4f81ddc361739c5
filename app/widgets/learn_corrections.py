"""The Learn page's corrections of the sample: means, shapes, and what each of them costs."""

from __future__ import annotations

import numpy as np
import streamlit as st

from anisoalign_core.compare.study import Plane, View
from anisoalign_core.plots import before_after
from app.widgets import learn_sample as sample
from app.widgets.common import Number, number_row
from app.widgets.learn_look import figure
from app.widgets.learn_pictures import NAMES
from app.widgets.learn_predictions import shown
from app.widgets.live_picture import show

HELD = "held-out rows"


def shift(method: str, guess: int | None) -> None:
    """Step 4 on the sample: what a way to bring the means together does to the held-out rows."""
    if method == "mean-shift":
        show(shown(4, guess), "learn_shift_live")
        return
    scores = sample.shift_scores(method)
    number_row(numbers(scores["gap"], scores["omega"], scores["mixing_coverage"]))
    _before_and_after(method, sample.shifted(method).view(), sample.plane(0, 2))


def stretch(guess: int | None) -> None:
    """Step 6 on the sample: the shapes of the clouds before and after, under a bound."""
    show(shown(6, guess), "learn_stretch")


def _before_and_after(method: str, view: View, plane: Plane) -> None:
    study = view.study
    figure(
        lambda: before_after(
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
        key="learn_shift",
        of=method,
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


def fit_against_meaning(guess: int | None) -> None:
    """Step 7: the curve along the bound, with other methods beside it."""
    show(shown(7, guess), "learn_fit")
    st.caption(
        "Beside the clouds: neighbours kept against pictures covered. The curve starts at ReAlign "
        "(α = 0) and runs to α = 1.5; grey are other ways to bring the means together. Right is "
        "meaning, up is fit."
    )
