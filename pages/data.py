"""Data: load two sets of embeddings, see what is in them, choose how to split them."""

import streamlit as st

from app.session import loaded, use_pair
from app.widgets.common import page_header, plain
from app.widgets.data import set_table, split_settings
from app.widgets.direction import direction_line
from app.widgets.drop import drop_zone
from app.widgets.session_file import session_section

page_header("Data", "Which two sets of embeddings are compared, and how are their rows related?")
current = loaded()
if current is None:
    st.info("Nothing is loaded. Drop your files below, or open a bundled sample.")
drop_zone(current)
if current is not None:
    st.subheader(f"Loaded now: {plain(current.title)}", anchor=False)
    direction_line()
    set_table(current.pair)
    st.subheader("Held-out rows", anchor=False)
    split_settings(current.pair)
    if st.button("Unload everything", icon=":material/delete:", type="tertiary"):
        use_pair(None)
        st.rerun()

session_section()
