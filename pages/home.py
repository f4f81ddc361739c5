"""Home: what the tool answers, and the loaded set at a glance."""

import streamlit as st

from app.session import page_path, require_pair, use_sample
from app.widgets.common import CARD_WIDTH, guard, page_header
from app.widgets.glance import begin_with

page_header(
    "AnisoAlign Studio",
    "How do a model's image and text embeddings differ, which directions carry the difference, and "
    "can one stand in for the other without losing meaning?",
)
pair = require_pair()
begin_with(pair)
st.subheader("Where to go from here", anchor=False)
steps = (
    ("data", "Data", "Load your own embeddings, paired or not."),
    ("encode", "Encode", "Pictures and captions of your own, through a model of your choice."),
    ("spectra", "Spectra", "How large is the gap, and how is it spread over directions?"),
    ("directions", "Directions", "What do the directions that carry it mean? Look at the rows."),
    ("correct", "Correct", "Tune a bounded correction and watch what it costs in meaning."),
    ("compare", "Compare", "Every method on the same splits, with floor, ceiling and controls."),
    ("export", "Export", "Take corrected vectors home, with a recipe that rebuilds them."),
    ("encoders", "Encoders", "Many encoders side by side, and the gap while training forms it."),
    ("learn", "Learn", "New to the gap? Eight steps with pictures that move; nothing to upload."),
)
row = st.container(horizontal=True)  # wraps on narrow screens, unlike columns
for name, title, words in steps:
    with row.container(border=True, height="stretch", width=CARD_WIDTH):
        st.page_link(page_path(name), label=f"**{title}**")
        st.caption(words)
st.subheader("Bundled samples", anchor=False)
row = st.container(horizontal=True)
with guard():
    if row.button("Captioned scenes", key="home_sample"):
        use_sample("scenes")
        st.rerun()
    if row.button("The same, untrained encoder", key="home_control"):
        use_sample("scenes-untrained")
        st.rerun()
st.caption(
    "4,000 rendered scenes with captions through a small CLIP that never saw them; and the same "
    "pairs through the encoder before training, a control with a gap but no shared meaning."
)
