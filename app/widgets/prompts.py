"""The direction of a text, by the encoder that this session has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from anisoalign_core.geometry.directions import Direction, Directions, given
from app.places import bytes_of
from app.session import ask_for_room, loaded, result
from app.widgets.common import lacks, plain

if TYPE_CHECKING:
    from anisoalign_core.encode import Encoder


PROMPTS = ("a red circle", "a blue square")
"""What the two axes begin with."""


def session_encoder() -> Encoder | None:
    """Return the encoder that this session has loaded, if there is one."""
    found: Encoder | None = st.session_state.get("encoder")
    return found


def use_encoder(encoder: Encoder | None) -> None:
    """Keep an encoder for this session, in place of the one before.

    Raises
    ------
    LimitError
        If the session, or the server, has no room for it.
    """
    if encoder is not None:
        ask_for_room(bytes_of([encoder]), encoder.name)
    st.session_state["encoder"] = encoder


@st.cache_resource(show_spinner="Loading the sample's encoder …")
def sample_encoder() -> Encoder:
    """Load the encoder of the bundled sample; it is nobody's, so sessions share it."""
    from anisoalign_core.encode import load_encoder
    from anisoalign_core.samples import sample_encoder_path

    return load_encoder(checkpoint=sample_encoder_path())


def prompts_offered() -> bool:
    """Whether an encoder is loaded whose texts live in the space of the current pair."""
    encoder, current = session_encoder(), loaded()
    return encoder is not None and current is not None and encoder.dim == current.pair.dim


def offer_encoder() -> None:
    """Say how a text becomes a direction; the sample's own encoder is one click away."""
    current = loaded()
    if current is None or prompts_offered():
        return
    if current.sample == "scenes":
        if lacks("Looking along texts", "encode", "open_clip"):
            return
        if st.button("Look along texts: load the sample's encoder", icon=":material/text_fields:"):
            use_encoder(sample_encoder())
            st.rerun()
        return
    encoder = session_encoder()
    words = "Load the encoder of this set on the Encode page to look along texts of your own."
    if encoder is not None:
        words = (
            f"The encoder that is loaded has {encoder.dim:,} dimensions and this set "
            f"{current.pair.dim:,}: its texts live elsewhere."
        )
    st.caption(words)


def prompt_direction(known: Directions, key: str) -> Direction:
    """Ask for a text, and what it is to be told from."""
    encoder = session_encoder()
    assert encoder is not None  # only then prompts are offered
    left, right = st.columns(2)
    usual = PROMPTS[key != "first"]
    text = left.text_input("text", usual, key=f"{key}_prompt", bind="query-params").strip()
    other = right.text_input(
        "instead of",
        "",
        key=f"{key}_instead",
        placeholder="the mean of the source",
        bind="query-params",
    ).strip()
    text = text or usual

    def build() -> Direction:
        rows = encoder.encode_texts([text, *([other] if other else [])]).astype(np.float64)
        base = rows[1] if other else known.source.mean
        name = f"“{text}”" + (f" instead of “{other}”" if other else "")
        meaning = f"by {plain(encoder.name)}; distance from what it is told from"
        return given(rows[0] - base, name, meaning)

    return result(("prompt", encoder.summary, text, other), build)
