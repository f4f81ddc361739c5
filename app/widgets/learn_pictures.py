"""The Learn page's pictures on the sample: each with its controls, numbers and caption."""

from __future__ import annotations

import streamlit as st

from anisoalign_core.metrics.retrieval import GALLERY
from anisoalign_core.plots.teach import caption_cosines, claim_bars, gap_over_time, value_bars
from anisoalign_core.teach import Bar
from app.widgets import learn_sample as sample
from app.widgets.common import three
from app.widgets.learn_look import figure
from app.widgets.learn_predictions import FIRST_CAPTION, THUMBNAIL, asked, shown
from app.widgets.learn_sentences import several_sentences
from app.widgets.live_picture import show

CAPTIONS = 40
NAMES = ("pictures", "captions")
LENGTH = "Length of the mean of all arrows, ‖μ‖: 1 if they all agree, 0 if they point everywhere."


def space(guess: int | None) -> None:
    """Step 1: a caption looks for its picture, before and after training."""
    if guess is not None:
        _predicted_share(guess)
    trained = _encoder("learn_encoder")
    pair = sample.pair() if trained else sample.control()
    captions = sample.shown(pair.source)[0]
    row = st.selectbox(
        "A caption looks for its picture",
        range(CAPTIONS),
        index=FIRST_CAPTION,
        format_func=lambda number: str(captions[number]),
        key="learn_caption",
        bind="query-params",
    )
    found = sample.nearest(trained, row)
    place = f"{found.rank:,}{_ordinal(found.rank)}"
    st.markdown(f"Of {len(pair.target):,} pictures, its own comes **{place}**. The nearest are:")
    tiles = st.container(horizontal=True, gap="small")
    for other, cosine in zip(found.rows, found.cosines, strict=True):
        with tiles.container(width=THUMBNAIL + 8, gap="xxsmall"):
            words = str(sample.shown(pair.target)[0][other])
            st.image(sample.thumbnail(pair.target, int(other)), width=THUMBNAIL, alt=words)
            st.caption(f"{three(float(cosine))}" + (" · **its own**" if other == row else ""))
    figure(
        lambda: caption_cosines(
            pair.target.vectors @ pair.source.vectors[row], found.partner_cosine, found.cosines
        ),
        of=(trained, row),
        caption=f"Cosine of the chosen caption's arrow with each of {len(pair.target):,} pictures "
        f"that the encoder never saw in training, in all {pair.dim} dimensions, uncentred. Its own "
        f"picture: {three(found.partner_cosine)}.",
        alt="Histogram of the caption's cosines with all pictures, its own picture marked",
        key="learn_space",
    )


def _predicted_share(guess: int) -> None:
    """Draw how many captions find their picture beside what was predicted."""
    ours, before = (sample.retrieval(trained)["source_to_target"] for trained in (True, False))
    figure(
        lambda: value_bars(
            [
                Bar("predicted", asked((1, 0)).prediction.places[guess], "elsewhere"),
                Bar("after training", ours, "measured"),
                Bar("before training", before, "control"),
                Bar("by chance", 1 / GALLERY, "limit"),
            ],
            f"find theirs first among {GALLERY}",
            1.1,
        ),
        of=guess,
        caption=f"The exact mean over all galleries of {GALLERY} of {len(sample.pair().target):,} "
        "pictures that the encoder never saw in training.",
        alt="Share of captions that find their picture: predicted, measured, before, by chance",
        key="learn_share",
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


def cone(guess: int | None) -> None:
    """Step 2 on the sample: cosines inside each side while the encoder learns."""
    _training("cone", 2, guess)


def _training(kind: str, number: int, guess: int | None) -> float:
    """Show a run of the training from its beginning; return its logit scale."""
    scale = _temperature(f"learn_{kind}")
    asked_about = scale == sample.training().scales[-1]
    made = shown(number, guess) if asked_about else sample.training_live(scale, kind)
    show(made, f"learn_{kind}")
    return scale


def gap(guess: int | None) -> None:
    """Step 3 on the sample: the gap over training time, for each temperature."""
    scale = _training("gap", 3, guess)
    runs = sample.training()
    last = runs.steps[-1]
    gaps = {each: [runs.measured[each, at].gap for at in runs.steps] for each in runs.scales}
    figure(
        lambda: gap_over_time(runs.steps, gaps, scale=scale),
        of=scale,
        caption="The distance of the means in all four runs. Every run starts from the same "
        f"weights and sees the same batches for {last} steps; one run each.",
        alt="The gap over time for each temperature",
        key="learn_gap_runs",
    )


def residual(guess: int | None) -> None:
    """Step 5: how many directions hold the residual, and what they are about."""
    known = sample.directions()
    found = known.residual
    show(shown(5, guess), "learn_residual")
    st.caption(
        "All of the residual, the mean squared length of what is left between partners without "
        f"the gap, tr Σ_r: {three(found.trace)}; with random partners "
        f"{three(found.source.trace + found.target.trace)}."
    )
    several_sentences()


def claim(given: int | None = None) -> int:
    """Step 8: choose a sentence, unless a class has; its numbers are drawn, the verdict is not."""
    every = sample.measured_claims()
    if given is None:
        number = int(
            st.radio(
                "A sentence one hears",
                range(len(every)),
                format_func=lambda k: every[k].words,
                key="learn_claim",
                bind="query-params",
            )
        )
    else:
        number = min(given, len(every) - 1)
        st.markdown(f"**{every[number].words}**")
    chosen = every[number]
    figure(
        lambda: claim_bars(chosen),
        caption=f"Measured on the sample: {chosen.axis}. Amber: the encoder before training. Grey: "
        "what to compare with.",
        alt=f"Bars of the numbers behind the claim: {chosen.name}",
        key=f"learn_claim_{number}",
    )
    return number
