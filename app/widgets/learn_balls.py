"""The Learn page's pictures that come twice: on a ball, to be seen whole, and in the sample."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.plots.ball import cones_on_ball, moved_on_ball, stretched_axes
from anisoalign_core.plots.style import CORRECTED, NULL
from anisoalign_core.teach import Cones
from app.widgets import learn_corrections as corrections
from app.widgets import learn_pictures as pictures
from app.widgets import learn_sample as sample
from app.widgets.common import Number, number_row, three
from app.widgets.learn_look import figure

BALL = "On a ball"
SAMPLE = "In the sample"
BOUNDS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, math.inf)
CONTROLS, ANGLE = 400, 80
TURNING = "Drag to turn the ball."


def cone(guess: int | None) -> None:
    """Step 2: how wide the cones are."""
    if _on_a_ball("learn_cone_view"):
        cone_on_ball()
    else:
        pictures.cone(guess)


def cone_on_ball() -> None:
    """Step 2 on the ball, which is also seen before the prediction."""
    controls, ball = _beside()
    with controls:
        of = _opening(), ANGLE
        cones = sample.cones(*of)
        number_row(
            [
                Number("A mean arrow", cones.length, "long; 1 if all agree", pictures.LENGTH),
                Number("Two arrows of a cone", cones.inside, "mean cosine; no cone 0"),
            ]
        )
    with ball:
        _show_cones(cones, of, "", "learn_ball_cone", gap=False)


def gap(guess: int | None) -> None:
    """Step 3: two cones and the gap between their means; temperature, in the sample."""
    if not _on_a_ball("learn_gap_view"):
        pictures.gap(guess)
        return
    controls, ball = _beside()
    with controls:
        opening = _opening()
        angle = st.slider(
            "Angle between the cones",
            0,
            150,
            ANGLE,
            format="%d°",
            key="learn_angle",
            bind="query-params",
        )
        cones = sample.cones(opening, angle)
        number_row(
            [
                Number("Gap between the means", cones.gap, "0 to 2", "G_μ = ‖μ_x − μ_y‖"),
                Number(
                    "Partners' cosine",
                    cones.partners,
                    f"shuffled {three(cones.shuffled)}; 1 if they coincide",
                ),
                Number("A mean arrow", cones.length, "long; 1 if all agree", pictures.LENGTH),
                Number("Two arrows of a cone", cones.inside, "mean cosine; no cone 0"),
            ]
        )
    with ball:
        of = opening, angle
        _show_cones(cones, of, "Partners hold the same place in their cones. ", "learn_ball_gap")


def _opening() -> int:
    return int(
        st.slider(
            "Opening of the cones",
            5,
            120,
            30,
            format="%d°",
            key="learn_opening",
            bind="query-params",
        )
    )


def _show_cones(
    cones: Cones, of: tuple[int, int], words: str, key: str, *, gap: bool = True
) -> None:
    figure(
        lambda: cones_on_ball(cones, names=pictures.NAMES, gap=gap),
        of=of,
        caption=f"A toy in three dimensions: the ends of {len(cones.target)} arrows on each side, "
        f"uncentred. Lines from the middle: mean arrows. {words}{TURNING}",
        alt="A ball with two cones of points and their mean arrows",
        key=key,
    )


def shift(guess: int | None) -> None:
    """Step 4: bring the means together, and see what becomes of the cloud."""
    if not _on_a_ball("learn_shift_view"):
        corrections.shift(_method(), guess)
        return
    controls, ball = _beside()
    with controls:
        method = _method()
        turn = st.slider(
            "Captions' long side: 0° across the gap, 90° along it",
            0,
            90,
            90,
            step=5,
            format="%d°",
            key="learn_turn",
            bind="query-params",
        )
        moved = sample.toy_shift(method, turn)
        number_row(corrections.numbers(moved.gap, moved.omega, moved.coverage))
    with ball:
        figure(
            lambda: moved_on_ball(moved, names=pictures.NAMES),
            of=(method, turn),
            caption=f"A toy in three dimensions: two clouds of {len(moved.source)} arrows' ends, "
            "each four times as long as wide, the pictures' along the gap; uncentred, no partners. "
            f"Lines from the middle: mean arrows. {TURNING}",
            alt="A ball with pictures, captions and corrected captions, and the mean of each",
            key="learn_ball_shift",
        )


def _method() -> str:
    return str(
        st.segmented_control(
            "Bring the means together by",
            tuple(sample.SHIFTS),
            default="mean-shift",
            format_func=lambda name: sample.SHIFTS[name][0],
            required=True,
            key="learn_shift_method",
            bind="query-params",
            help="A mean shift adds one arrow to all and returns them to length 1. ReAlign also "
            "scales the cloud, and shifts once more. A rotation turns one mean onto the other.",
        )
    )


def bounded(guess: int | None) -> None:
    """Step 6: move the bound; stretches on the ball or in the sample."""
    if not _on_a_ball("learn_bounded_view"):
        corrections.stretch(guess)
        return
    controls, ball = _beside()
    toy = sample.toy_bound()
    with controls:
        bound = _bound()
        moved, stretch = sample.toy_view(bound), toy.stretch(bound)
        asked = float(toy.method.raw_stretch_.max())
        number_row(
            [
                *corrections.numbers(moved.gap, moved.omega, moved.coverage),
                Number("Largest stretch", float(stretch.max()), f"asked for {asked:.3g}"),
            ]
        )
    basis = toy.method.basis_
    axes = (
        ("stretch asked for", NULL, stretched_axes(basis, toy.method.raw_stretch_)),
        ("stretch let through", CORRECTED, stretched_axes(basis, stretch)),
    )
    with ball:
        figure(
            lambda: moved_on_ball(moved, names=pictures.NAMES, axes=axes),
            of=bound,
            caption=f"A toy in three dimensions: two clouds of {len(moved.source)} arrows' ends, "
            "long in crossed directions; uncentred, no partners. Bars at the pictures' mean: how "
            "far each of three axes would be stretched, and how far the bound lets it. "
            f"{TURNING}",
            alt="A ball with pictures, captions and captions after the bounded correction",
            key="learn_ball_bound",
        )


def _bound() -> float:
    return float(
        st.select_slider(
            "Bound α",
            BOUNDS,
            value=0.3,
            format_func=lambda alpha: "∞" if math.isinf(alpha) else f"{alpha:g}",
            key="learn_alpha",
            bind="query-params",
            help="How far a stretch may leave the overall scale: a factor between e^−α and e^α.",
        )
    )


def _on_a_ball(key: str, first: str = SAMPLE) -> bool:
    """Choose between the toy and the sample."""
    chosen = st.segmented_control(
        "Where to look",
        (BALL, SAMPLE),
        default=first,
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return bool(chosen == BALL)


def _beside() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return two places: controls and numbers, and the ball beside them, below if it is narrow."""
    row = st.container(horizontal=True, gap="medium")
    return row.container(width=CONTROLS), row.container(width="stretch")
