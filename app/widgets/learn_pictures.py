"""The Learn page's pictures on the sample: each with its controls, numbers and caption."""

from __future__ import annotations

import streamlit as st

from anisoalign_core.geometry.spectrum import cumulative_energy
from anisoalign_core.plots.teach import (
    caption_cosines,
    claim_bars,
    cone_histograms,
    residual_energy,
    temperature_words,
    training_time,
)
from anisoalign_core.teach import find_pictures
from app.widgets import learn_sample as sample
from app.widgets.common import Number, figure, number_row, plain, three
from app.widgets.learn_sentences import several_sentences

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


def _checkpoint(key: str) -> tuple[float, int]:
    """Choose a temperature and a moment of training."""
    runs = sample.training()
    left, right = st.columns(2)
    scale = left.segmented_control(
        "Temperature",
        runs.scales[::-1],
        default=runs.scales[-1],
        format_func=lambda each: f"{1 / each:.2g}",
        required=True,
        key=f"{key}_scale",
        bind="query-params",
        help="The contrastive loss divides every cosine by it. Low: only the nearest rivals count. "
        "The sample's own encoder was trained at 0.01.",
    )
    step = right.select_slider(
        "Training steps", runs.steps, value=runs.steps[-1], key=f"{key}_step", bind="query-params"
    )
    return float(scale), int(step)


def cone() -> None:
    """Step 2 on the sample: cosines inside each side while the encoder learns."""
    scale, step = _checkpoint("learn_cone")
    runs, shares = sample.training(), sample.checkpoint_cones(scale, step)
    now = runs.measured[scale, step]
    number_row(
        [
            Number("Pictures' mean arrow", now.target_length, "1 if all agree", LENGTH),
            Number("Captions' mean arrow", now.source_length, "1 if all agree", LENGTH),
            Number("Two pictures", shares.target_mean, "mean cosine; no cone 0"),
            Number("Two captions", shares.source_mean, "mean cosine; no cone 0"),
        ]
    )
    figure(
        cone_histograms(shares, names=NAMES),
        caption=f"Cosines of {len(runs.rows)} pictures and their {len(runs.rows)} captions, held "
        f"out, in all {runs.source.shape[-1]} dimensions, uncentred; {temperature_words(scale)}, "
        f"after {step} steps. Dashed: means. The axes stay put; a peak above them is cut.",
        alt="Histograms of the cosines of two pictures, of two captions and of random directions",
        key="learn_cone",
    )


def gap() -> None:
    """Step 3 on the sample: the gap over training time, for each temperature."""
    scale, step = _checkpoint("learn_gap")
    runs = sample.training()
    now = runs.measured[scale, step]
    number_row(
        [
            Number("Gap between the means", now.gap, f"sampling floor {now.gap_floor:.2g}"),
            Number(
                "Partners' cosine",
                now.matched_cosine,
                f"two pictures {three(sample.checkpoint_cones(scale, step).target_mean)}",
                "Mean cosine of a picture and its own caption, beside that of two different "
                "pictures.",
            ),
            Number(
                "Finds its picture",
                now.recall_source_to_target,
                f"of {len(runs.rows)}; chance {1 / len(runs.rows):.2%}",
                "Share of captions whose own picture is the nearest of all, R@1.",
                percent=True,
            ),
        ]
    )
    source, target = sample.checkpoint_clouds(scale, step)
    gaps = {each: [runs.measured[each, at].gap for at in runs.steps] for each in runs.scales}
    figure(
        training_time(source, target, runs.steps, gaps, scale=scale, step=step, names=NAMES),
        caption=f"Left: {len(runs.rows)} held-out pictures and their captions; across, the "
        "direction between their means at this moment, up, the leading direction of both beside "
        "it; uncentred. Right: the distance of the means. Every run starts from the same weights "
        "and sees the same batches; one run each.",
        alt="Both clouds at one moment of training, and the gap over time for each temperature",
        key="learn_gap",
    )


def residual() -> None:
    """Step 5: how many directions hold the residual, and what they are about."""
    known = sample.directions()
    found = known.residual
    count = st.slider("Leading directions K", 1, 40, 3, key="learn_k", bind="query-params")
    both = cumulative_energy(found.repaired_values)
    number_row(
        [
            Number(
                "The first K hold", float(found.energy[count - 1]), "of the residual", percent=True
            ),
            Number("With random partners", float(both[count - 1]), "they would hold", percent=True),
            Number("If all were equal", count / known.pair.dim, "they would hold", percent=True),
            Number(
                "All of the residual",
                found.trace,
                f"random partners {three(found.source.trace + found.target.trace)}",
                "Mean squared length of what is left between partners without the gap, tr Σ_r.",
            ),
        ]
    )
    figure(
        residual_energy(found.values, found.repaired_values, count),
        caption=f"Share of the residual of {len(known.pair.source):,} pairs in its K leading "
        "directions, centred. Dashed: the same when every caption gets a random picture. Dotted: "
        "if every direction held the same.",
        alt="Cumulative share of the residual with both nulls, the chosen K marked",
        key="learn_residual",
    )
    low, high = sample.residual_ends(count)
    st.markdown(
        f"**Direction {count}**: the pairs that differ most along it, one way and the other"
    )
    for column, rows in zip(st.columns(2), (low, high), strict=True):
        with column.container(border=True):
            for row in rows:
                picture, text = st.columns([1, 5], vertical_alignment="center")
                words = str(sample.shown(known.pair.source)[0][row])
                picture.image(sample.shown(known.pair.target)[1][row], width=40, alt=words)
                text.markdown(plain(words))
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
