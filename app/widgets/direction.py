"""Which way a correction goes, in words, and the click that turns it round."""

from __future__ import annotations

import streamlit as st

from app.session import require_pair, turn_round
from app.widgets.common import plain


def direction_line() -> None:
    """Say which rows become stand-ins for which, and offer the other way round."""
    pair = require_pair()
    source, target = plain(pair.source.modality), plain(pair.target.modality)
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    row.markdown(
        f"**{source} → {target}**: {source} rows become stand-ins for {target} rows, which stay "
        "where they are.",
        width="content",
    )
    if row.button(
        "Turn it round",
        icon=":material/swap_horiz:",
        key="turn_round",
        help=f"Then {target} rows become stand-ins for {source} rows. What was computed for this "
        "way is let go; the rows stay loaded.",
    ):
        turn_round()
        st.rerun()
