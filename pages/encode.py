"""Encode: pictures and captions through a model, straight into every other page."""

import streamlit as st

from app.widgets.common import guard, page_header
from app.widgets.encode import encode_now, show_encoded
from app.widgets.encode_inputs import choose_inputs, choose_model, show_inputs

page_header("Encode", "How do my own pictures and captions look to a model of my choice?")
with guard():
    asked = choose_inputs()
    if asked is not None:
        show_inputs(asked)
    model = choose_model()
    if asked is not None and model is not None:
        encode_now(asked, model)
with guard():
    show_encoded()
if st.session_state.get("encoded") is None:
    st.caption(
        "Then compare models: keep each one's report on Spectra, and they stand side by side."
    )
