"""Directions: look along what carries the gap, and at the rows it tells apart."""

import streamlit as st

from anisoalign_core.plots import histogram_1d
from app.session import require_pair
from app.widgets.common import figure, guard, page_header, plain, three
from app.widgets.directions import apart, choose, direction_words, extremes, umap_section
from app.widgets.explore import after, colour_choice, neighbours_of, picture, search_captions, seen
from app.widgets.prompts import offer_encoder
from app.widgets.selections import from_event, kept_list, show_selection
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
        second = choose("and against", known, "second", 1, first)
    second = apart(first, second, known)
    offer_encoder()
    st.markdown(direction_words(first, known))
    left, right = st.columns(2)
    with left:
        colour = colour_choice(pair)
    with right:
        search = search_captions(pair)
    correction = after()
    drawn = from_event(picture(first, second, colour, search, correction))
    selection = drawn or search
    if selection:
        show_selection(pair, selection)
        neighbours_of(pair, selection, None if correction is None else correction[0])
    kept_list(pair)
    st.subheader(f"Both ends of: {plain(first.label)}", anchor=False)
    view = seen(first, second, None)
    figure(
        histogram_1d(view.target[:, 0], view.source[:, 0], names=names, axis_label=first.label),
        caption=f"All rows along {plain(first.label)}; dashed lines are means, "
        f"{three(float(view.target[:, 0].mean()))} for {plain(names[0])} and "
        f"{three(float(view.source[:, 0].mean()))} for {plain(names[1])}.",
        alt="Distribution of both modalities along the first direction",
        key="histogram",
    )
    extremes(pair, first)
    st.subheader("A map of both", anchor=False)
    umap_section(pair)
