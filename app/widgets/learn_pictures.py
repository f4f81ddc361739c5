"""The Learn page's pictures on the sample: each with its controls, numbers and caption."""

from __future__ import annotations

import streamlit as st

from anisoalign_core.plots.teach import caption_cosines, claim_bars, gap_over_time
from anisoalign_core.teach import find_pictures
from app.widgets import learn_sample as sample
from app.widgets.common import figure, plain, three
from app.widgets.learn_sentences import several_sentences
from app.widgets.live_picture import show

CAPTIONS = 40
FIRST_CAPTION = 17
NEAREST = 8
THUMBNAIL = 92
NAMES = ("pictures", "captions")
LENGTH = "Length of the mean of all arrows, ‖μ‖: 1 if they all agree, 0 if they point everywhere."


def space() -> None:
    """Step 1: a caption looks for its picture, before and after training."""
    trained = _encoder("learn_encoder")
    pair = sample.pair() if trained else sample.control()
    captions, thumbnails = sample.shown(pair.source)[0], sample.shown(pair.target)[1]
    row = st.selectbox(
        "A caption looks for its picture",
        range(CAPTIONS),
        index=FIRST_CAPTION,
        format_func=lambda number: str(captions[number]),
        key="learn_caption",
        bind="query-params",
    )
    found = find_pictures(pair.source.vectors, pair.target.vectors, row, NEAREST)
    place = f"{found.rank:,}{_ordinal(found.rank)}"
    st.markdown(f"Of {len(pair.target):,} pictures, its own comes **{place}**. The nearest are:")
    tiles = st.container(horizontal=True, gap="small")
    for other, cosine in zip(found.rows, found.cosines, strict=True):
        with tiles.container(width=THUMBNAIL + 8, gap="xxsmall"):
            words = str(sample.shown(pair.target)[0][other])
            st.image(thumbnails[other], width=THUMBNAIL, alt=words)
            st.caption(f"{three(float(cosine))}" + (" · **its own**" if other == row else ""))
    figure(
        caption_cosines(
            pair.target.vectors @ pair.source.vectors[row], found.partner_cosine, found.cosines
        ),
        caption=f"Cosine of the chosen caption's arrow with each of {len(pair.target):,} pictures "
        f"that the encoder never saw in training, in all {pair.dim} dimensions, uncentred. Its own "
        f"picture: {three(found.partner_cosine)}.",
        alt="Histogram of the caption's cosines with all pictures, its own picture marked",
        key="learn_space",
    )


def _encoder(key: str) -> bool:
    chosen = st.segmented_control(
        "Encoder",
        ("After training", "Before training"),
        default="After training",
        required=True,
        key=key,
        bind="query-params",
    )
    return chosen != "Before training"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _temperature(key: str) -> float:
    """Choose a temperature."""
    runs = sample.training()
    return float(
        st.segmented_control(
            "Temperature",
            runs.scales[::-1],
            default=runs.scales[-1],
            format_func=lambda each: f"{1 / each:.2g}",
            required=True,
            key=f"{key}_scale",
            bind="query-params",
            help="The contrastive loss divides every cosine by it. Low: only the nearest rivals "
            "count. The sample's own encoder was trained at 0.01.",
        )
    )


def cone() -> None:
    """Step 2 on the sample: cosines inside each side while the encoder learns."""
    show(sample.training_live(_temperature("learn_cone"), "cone"), "learn_cone")


def gap() -> None:
    """Step 3 on the sample: the gap over training time, for each temperature."""
    scale = _temperature("learn_gap")
    show(sample.training_live(scale, "gap"), "learn_gap")
    runs = sample.training()
    last = runs.steps[-1]
    gaps = {each: [runs.measured[each, at].gap for at in runs.steps] for each in runs.scales}
    figure(
        gap_over_time(runs.steps, gaps, scale=scale),
        caption="The distance of the means in all four runs. Every run starts from the same "
        f"weights and sees the same batches for {last} steps; one run each.",
        alt="The gap over time for each temperature",
        key="learn_gap_runs",
    )


def residual() -> None:
    """Step 5: how many directions hold the residual, and what they are about."""
    known = sample.directions()
    found = known.residual
    show(sample.residual_live(), "learn_residual")
    st.caption(
        "All of the residual, the mean squared length of what is left between partners without "
        f"the gap, tr Σ_r: {three(found.trace)}; with random partners "
        f"{three(found.source.trace + found.target.trace)}."
    )
    several_sentences()


def claim() -> None:
    """Step 8: choose a sentence; its numbers are drawn, the verdict is hidden."""
    every = sample.measured_claims()
    number = st.radio(
        "A sentence one hears",
        range(len(every)),
        format_func=lambda k: every[k].words,
        key="learn_claim",
        bind="query-params",
    )
    chosen = every[number]
    figure(
        claim_bars(chosen),
        caption=f"Measured on the sample: {chosen.axis}. Amber: the encoder before training. Grey: "
        "what to compare with.",
        alt=f"Bars of the numbers behind the claim: {chosen.name}",
        key=f"learn_claim_{number}",
    )
    with st.expander("**Question.** May this be said?", icon=":material/help:"):
        verdict = "Yes, with these words." if chosen.holds else "No."
        st.markdown(f"**{verdict}** {plain(chosen.because)}")
