"""Directions: look along what carries the gap, and at the rows at both ends."""

import streamlit as st

from anisoalign_core.plots import clouds, density, histogram_1d
from anisoalign_core.plots.style import MAX_POINTS
from app.session import require_pair
from app.widgets.common import figure, guard, page_header, plain, three
from app.widgets.directions import (
    choose,
    direction_words,
    extremes,
    projected,
    selected,
    show_selection,
    umap_section,
)
from app.widgets.spectra import directions

page_header("Directions", "Which directions carry the difference, and what do they mean?")
pair = require_pair()
names = (pair.target.modality, pair.source.modality)
with guard():
    known = directions()
    if not pair.paired:
        st.caption("Residual and shared directions are not offered: they need pairs.")
    left, right = st.columns(2)
    with left:
        first = choose("Look along", known, "first", 0)
    with right:
        second = choose("and against", known, "second", 1)
    st.markdown(direction_words(first, known))
    view = projected(first, second)
    if max(len(pair.source), len(pair.target)) > MAX_POINTS:
        figure(
            density(view.target, view.source, names=names, axis_labels=(first.label, second.label)),
            caption=f"Logarithmic density of all {len(pair.target):,} + {len(pair.source):,} rows, "
            "uncentred coordinates.",
            alt="Density of both modalities on two directions",
            key="density",
        )
    event = figure(
        clouds(
            view.target[view.shown_target],
            view.source[view.shown_source],
            names=names,
            axis_labels=(first.label, second.label),
            target_rows=view.shown_target,
            source_rows=view.shown_source,
            target_captions=view.captions_of(pair.target, view.shown_target),
            source_captions=view.captions_of(pair.source, view.shown_source),
        ),
        caption=f"Uncentred coordinates of unit rows on {first.label.lower()} (across) and "
        f"{second.label.lower()} (up); {len(view.shown_target):,} + {len(view.shown_source):,} "
        f"rows of {len(pair.target):,} + {len(pair.source):,}. The axes meet at a cosine of "
        f"{three(view.cosine)}. Draw a lasso or a box to see its rows below.",
        alt="Both modalities projected on the two chosen directions",
        key="clouds",
        select=True,
    )
    show_selection(pair, selected(event))
    st.subheader(f"Both ends of: {first.label.lower()}", anchor=False)
    figure(
        histogram_1d(view.target[:, 0], view.source[:, 0], names=names, axis_label=first.label),
        caption=f"All rows along {first.label.lower()}; dashed lines are means, "
        f"{three(float(view.target[:, 0].mean()))} for {plain(names[0])} and "
        f"{three(float(view.source[:, 0].mean()))} for {plain(names[1])}.",
        alt="Distribution of both modalities along the first direction",
        key="histogram",
    )
    extremes(pair, first)
    st.subheader("A map of both", anchor=False)
    umap_section(pair)
