"""Encoders: many side by side, kept between visits, and training runs along their steps."""

import streamlit as st

from app.widgets.bench import bench, keeper
from app.widgets.bench_add import add_section, edit_section, save_section
from app.widgets.bench_matrix import matrix_section
from app.widgets.bench_views import (
    clouds_section,
    found_section,
    parts_section,
    runs_section,
    shown_bench,
    table_section,
    tradeoff_section,
)
from app.widgets.common import guard, page_header

page_header(
    "Encoders",
    "How does one encoder's gap compare with others, what did its loss do to it, and when?",
)
keeper()
add_section()
with guard():
    found = bench()
    shown = shown_bench(found)
    edit_section()
    if shown.entries:
        comparison = table_section(shown)
        parts_section(comparison)
        clouds_section(shown)
        tradeoff_section(shown)
        found_section(shown)
    else:
        st.info("No encoder is shown. Choose some above, or add your own.", icon=":material/inbox:")
    runs_section(found)
    matrix_section()
    save_section()
