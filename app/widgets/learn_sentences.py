"""The Learn page's several captions of one scene, and what of the residual they explain."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from anisoalign_core.plots.teach import value_bars
from anisoalign_core.teach import Bar
from app.widgets import learn_sample as sample
from app.widgets.common import Number, number_row, plain, three
from app.widgets.learn_look import figure

SCENES = 40
PICTURE = 96
TOP = 1.15
"""End of the axis, in the longest bar."""


def several_sentences() -> None:
    """Step 5: one scene with its captions, and the residual of means of captions."""
    st.markdown("##### One picture, several true sentences: why the residual never vanishes")
    pair, known = sample.told(), sample.sentences()
    captions = sample.shown(pair.source)[0]
    rows_of = [pair.matched.rows_of(np.array([scene]))[0] for scene in range(SCENES)]
    scene = st.selectbox(
        "A scene",
        range(SCENES),
        format_func=lambda number: str(captions[rows_of[number][0]]),
        key="learn_scene",
        bind="query-params",
    )
    picture, words = st.columns([1, 5], vertical_alignment="center")
    told = [str(captions[row]) for row in rows_of[scene]]
    picture.image(sample.thumbnail(pair.target, scene), width=PICTURE, alt=told[0])
    cosines = pair.source.vectors[rows_of[scene]] @ pair.target.vectors[scene]
    words.markdown(
        "\n".join(
            f"- {plain(text)} :gray[cosine {three(float(cosine))}]"
            for text, cosine in zip(told, cosines, strict=True)
        )
    )
    one, mean = (math.sqrt(known.residual(count, scene)) for count in (1, known.size))
    number_row(
        [
            Number(
                "Two captions apart",
                math.sqrt(2 * known.spread[scene]),
                "of this scene",
                "Root mean square of the distances of its captions from each other.",
            ),
            Number(
                "Picture to caption",
                one,
                "the gap taken away",
                "Root mean square over the captions of this scene; the gap is that of all scenes.",
            ),
            Number(
                "Picture to mean",
                mean,
                "the gap taken away",
                "The mean of this scene's captions, as it is, without bringing it to length 1.",
            ),
        ]
    )
    figure(
        lambda: value_bars(
            _bars(), "mean squared distance to the picture, without the gap", TOP * known.strangers
        ),
        caption=f"Mean squared distance over {len(pair.target):,} scenes, the gap taken away. One "
        "caption: tr Σ_r. Means of captions are not brought back to length 1. Grey: how far it "
        "would fall with ever more captions like these, estimated from how much three differ.",
        alt="Residual of one caption, of means of captions, and with a random picture",
        key="learn_sentences",
    )
    apart, rest = known.residual(1) - known.residual(math.inf), known.residual(math.inf)
    st.markdown(
        f"Every sentence is true, and each says something else. A map that sees one caption cannot "
        f"know the others: {three(apart / known.residual(1), percent=True)} of the residual is "
        "what sentences about one picture differ by. The rest, "
        f"{three(rest / known.residual(1), percent=True)}, stays at any number of sentences: what "
        "pictures show and no caption tells, and what the encoder makes of the two differently."
    )


def _bars() -> list[Bar]:
    """Return the residual of means of 1, 2, … captions, its limit, and that of strangers."""
    known = sample.sentences()
    names = ["one caption", *(f"mean of {count} captions" for count in range(2, known.size + 1))]
    bars = [Bar(name, known.residual(count), "raw") for count, name in enumerate(names, start=1)]
    return [
        *bars,
        Bar("mean of ever more (estimated)", known.residual(math.inf), "limit"),
        Bar("one caption, random picture", known.strangers, "control"),
    ]
