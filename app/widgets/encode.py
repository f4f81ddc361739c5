"""The Encode page's work: batches that are finished stay finished, and the result is loaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from anisoalign_core.encode import Encoded, EncodingState, encode
from anisoalign_core.io import to_bytes
from app.session import Loaded, loaded, page_path, use_pair
from app.widgets.common import plain
from app.widgets.encode_inputs import Asked, Model
from app.widgets.progress import progress_bar
from app.widgets.prompts import session_encoder, use_encoder
from app.widgets.rows import cards

if TYPE_CHECKING:
    from anisoalign_core.encode import Encoder

BATCHES = (16, 32, 64, 128, 256)
SHOWN_BROKEN = 20


def encode_now(asked: Asked, model: Model) -> None:
    """Encode when asked to; what was stopped goes on where it stood."""
    batch = st.select_slider(
        "Batch size", BATCHES, value=64, key="encode_batch", bind="query-params"
    )
    key = (asked.key, model.key, batch)
    earlier: tuple[object, EncodingState] | None = st.session_state.get("encode_state")
    state = earlier[1] if earlier is not None and earlier[0] == key else EncodingState()
    words = "Encode"
    if state.batches:
        pictures, captions = state.done
        st.info(
            f"Stopped after {pictures:,} pictures and {captions:,} captions; they are kept.",
            icon=":material/pause_circle:",
        )
        words = "Continue"
    if not st.button(words, type="primary", key="encode_start", icon=":material/play_arrow:"):
        return
    st.session_state["encode_state"] = (key, state)
    with progress_bar("Encoding", on_cancel=lambda: None, long=True) as tell:
        encoder = _encoder(model)
        found = encode(
            asked.inputs.items,
            encoder,
            batch_size=batch,
            progress=tell,
            state=state,
            files=asked.inputs.files,
        )
    del st.session_state["encode_state"]
    st.session_state["encoded"] = found
    if found.images is not None and found.texts is not None:
        pair = found.pair()
        st.session_state["encoded_digest"] = pair.digest
        use_pair(Loaded(pair, f"{asked.title} · {encoder.name}"))
    st.rerun()


def _encoder(model: Model) -> Encoder:
    """Load the model, unless it is the one that is loaded already."""
    current = session_encoder()
    if current is not None and st.session_state.get("encoder_key") == model.key:
        return current
    with st.spinner("Loading the model …"):
        encoder: Encoder = model.load()
    use_encoder(encoder)
    st.session_state["encoder_key"] = model.key
    return encoder


def show_encoded() -> None:
    """Show what was encoded last: where it went, what is not in it, and files to take home."""
    found: Encoded | None = st.session_state.get("encoded")
    if found is None:
        return
    st.subheader("Encoded", anchor=False)
    sides = [side for side in (found.images, found.texts) if side is not None]
    st.success(
        " and ".join(f"{len(side):,} {side.modality} rows" for side in sides)
        + f" of {sides[0].dim:,} dimensions, through {plain(sides[0].provenance.model or '')}.",
        icon=":material/check:",
    )
    current = loaded()
    if current is not None and current.pair.digest == st.session_state.get("encoded_digest"):
        st.markdown("They are loaded now: every page works on them.")
        row = st.container(horizontal=True)
        row.page_link(page_path("spectra"), label="Spectra", icon=":material/show_chart:")
        row.page_link(page_path("directions"), label="Directions", icon=":material/explore:")
        row.page_link(page_path("data"), label="Data", icon=":material/upload_file:")
    elif len(sides) < 2:
        st.markdown("One side alone makes no pair; take it home, and load it with the other.")
    for note in found.notes:
        st.caption(plain(note))
    if found.left_out:
        st.caption(f"{len(found.left_out):,} rows were left out, having no partner.")
    if found.broken:
        st.warning(f"{len(found.broken):,} pictures could not be read.", icon=":material/warning:")
        for one in found.broken[:SHOWN_BROKEN]:
            st.caption(plain(f"{one.id}: {one.reason}."))
    row = st.container(horizontal=True)
    for side in sides:
        for suffix in (".npz", ".npy"):
            row.download_button(
                f"{side.modality}{suffix}",
                partial(to_bytes, side, suffix),
                f"{side.modality}{suffix}",
                key=f"encoded_{side.modality}{suffix}",
                on_click="ignore",
            )
    with st.expander("First rows"):
        first = sides[0]
        rows = np.arange(min(6, len(first)))
        cards(first, rows, [str(first.ids[row]) for row in rows])
    with st.expander("What the numbers depend on"):
        st.json(found.encoder)
