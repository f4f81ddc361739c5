"""Export: corrected vectors with a recipe, and the lines that reproduce them."""

from typing import Literal

import streamlit as st

from anisoalign_core.align import ALIGNERS
from anisoalign_core.io.writing import Dtype
from app.session import require_pair
from app.widgets.common import guard, page_header
from app.widgets.export import (
    build,
    file_name,
    formats,
    in_words,
    offer,
    offer_recipe,
    reproduce,
    summary,
    to_export,
)
from app.widgets.scores import mended_scores
from app.widgets.verdict import verdict_line

FORMAT_WIDTH = 340

page_header("Export", "How do the corrected vectors leave, and how can they be made again?")
pair = require_pair()
verdict_line()
with guard():
    choice = to_export()
    method = ALIGNERS[choice.method]
    st.markdown(f"{in_words(choice)}. Change it on the Correct page.")
    if method.is_control:
        st.warning(
            "This is a control, not a correction: its vectors are for comparison only.",
            icon=":material/science:",
        )
    row = st.container(horizontal=True, gap="large")  # wraps on narrow screens, unlike columns
    with row.container(width="content"):
        fit_on: Literal["all", "split"] = st.radio(
            "Fit on",
            ["all", "split"],
            format_func={"all": "All rows", "split": "The split's fit rows only"}.get,
            key="export_fit",
            bind="query-params",
            help="All rows is what `anisoalign fit` on the two files does. The split's fit keeps "
            "held-out rows unseen, as the numbers on Correct do.",
        )
    known = formats()
    with row.container(width=FORMAT_WIDTH):
        suffix = st.selectbox(
            "Format",
            list(known),
            format_func=lambda key: f"{key}  ({known[key]})",
            key="export_format",
            bind="query-params",
        )
    with row.container(width="content"):
        dtype: Dtype = st.radio(
            "Numbers",
            ["float32", "float16"],
            key="export_dtype",
            bind="query-params",
            help="float16 halves the file; its measured error is shown below.",
        )
    cooked = build(choice, fit_on)
    if cooked is None:
        st.stop()
    summary(cooked, dtype)
    name = file_name(choice, suffix)
    offer(cooked, suffix, dtype, name)
    offer_recipe(cooked, name)
    reproduce(cooked, name)
    mended_scores(cooked, choice)
