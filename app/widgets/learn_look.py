"""How the Learn page looks: type that is read from the back of a room."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.shared import OfSamples
from app.widgets import common

KEY = "learn_large"
TYPE = 1.5
"""How much larger; the style's numbers below follow from it and the theme's 15 pixels."""
STYLE = f"<style>:root {{ --aal-type: {TYPE:g}; }} html {{ font-size: {15 * TYPE:g}px; }}</style>"
FIGURE_TYPE = 12
MOST_DRAWN = 300


def large_type(place: Any) -> None:
    """Offer large type, and set it."""
    if place.toggle(
        "Large type",
        key=KEY,
        bind="query-params",
        help="For a screen that many look at: all text, and the pictures' own, half as large "
        "again.",
    ):
        st.html(STYLE)


@st.cache_resource
def _drawn() -> OfSamples:
    return OfSamples(MOST_DRAWN)


def figure(
    draw: Callable[[], go.Figure],
    *,
    caption: str,
    alt: str,
    key: str,
    of: Hashable = None,
    own: bool = False,
) -> None:
    """Show a figure as every page does, its type as large as the page's.

    Parameters
    ----------
    draw : callable
        Draws it: once for everybody, unless it is a person's own.
    caption, alt, key : str
    of : hashable
        What it depends on, besides the sample and its key.
    own : bool
        Whether it is of somebody's own words, or of the moment.
    """
    fig = draw() if own else _drawn().once((key, of), draw)
    if st.session_state.get(KEY):
        fig = go.Figure(fig).update_layout(
            font_size=FIGURE_TYPE * TYPE, height=TYPE * (fig.layout.height or 380)
        )
    common.figure(fig, caption=caption, alt=alt, key=key)
