"""Data: load two sets of embeddings, see what is in them, choose how to split them."""

import streamlit as st

from anisoalign_core.samples import SAMPLES
from app.loading import data_root
from app.session import loaded, use_pair, use_sample
from app.widgets.common import page_header, plain
from app.widgets.data import server_form, set_table, split_settings, upload_form
from app.widgets.direction import direction_line
from app.widgets.furnish import furnish_section
from app.widgets.session_file import session_section

page_header("Data", "Which two sets of embeddings are compared, and how are their rows related?")
current = loaded()
if current is None:
    st.info("Nothing is loaded. Upload two files below, or open a bundled sample.")
else:
    st.subheader(f"Loaded now: {plain(current.title)}", anchor=False)
    direction_line()
    set_table(current.pair)
    furnish_section(current)

st.subheader("Load another", anchor=False)
names = ["Upload", "Bundled samples"] + (["Server folder"] if data_root() else [])
tabs = dict(zip(names, st.tabs(names), strict=True))
with tabs["Upload"]:
    upload_form()
with tabs["Bundled samples"]:
    for name, sample in SAMPLES.items():
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.markdown(f"**{sample.title}**  \n{sample.description}")
        if right.button("Open", key=f"open_{name}", width="stretch"):
            use_sample(name)
            st.rerun()
if "Server folder" in tabs:
    with tabs["Server folder"]:
        server_form()

if current is not None:
    st.subheader("Held-out rows", anchor=False)
    split_settings(current.pair)
    if st.button("Unload everything", icon=":material/delete:", type="tertiary"):
        use_pair(None)
        st.rerun()

session_section()
