"""Captions and pictures for the pair that is loaded: from a file, several, a zip or a folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.encode.furnish import furnish
from anisoalign_core.encode.images import SUFFIXES, thumbnail_side
from anisoalign_core.encode.inputs import Inputs, find_items
from anisoalign_core.files.source import Source
from anisoalign_core.io.captions import Captions, read_captions
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from app.loading import Upload, data_root, within
from app.session import Loaded, ask_for_room, use_pair
from app.widgets.common import guard, plain
from app.widgets.progress import progress_bar

WORDS = ["csv", "tsv", "txt", "json", "jsonl", "token"]
WAYS: dict[str, Literal["id", "row"]] = {"By id": "id", "By row": "row"}
BOTH = "both"


def furnish_section(current: Loaded) -> None:
    """Offer captions and pictures for the rows that are loaded."""
    turn = st.session_state.get("furnish_round", 0)
    for note in st.session_state.pop("furnish_notes", ()):
        st.caption(plain(note))
    with st.expander("Add captions and pictures", icon=":material/add_photo_alternate:"), guard():
        captions, pictures = _given(turn)
        names = {BOTH: "both", "target": current.pair.target.modality}
        names["source"] = current.pair.source.modality
        row = st.container(horizontal=True, gap="large")
        side = row.segmented_control(
            "Of which rows?",
            list(names),
            default=BOTH,
            required=True,
            format_func=lambda key: plain(names[key]),
            key="furnish_side",
        )
        numbered = current.pair.target.provenance.ids_are_rows
        way = row.segmented_control(
            "How do they belong to rows?",
            list(WAYS),
            default="By row" if numbered else "By id",
            required=True,
            key="furnish_by",
            help="By id: what is called after a row's id belongs to it, with or without folders "
            "and suffix. By row: one for each row, in order; pictures in the order of their names.",
        )
        if st.button("Add", key="furnish", disabled=captions is None and pictures is None):
            with progress_bar("Reading", on_cancel=lambda: None, long=True) as tell:
                pair, notes = _furnished(
                    current.pair, str(side), WAYS[str(way)], captions, pictures, tell
                )
            use_pair(replace(current, pair=pair, sample=None, turned=False))
            st.session_state["furnish_round"] = turn + 1
            st.session_state["furnish_notes"] = notes
            st.rerun()


def _given(turn: int) -> tuple[Captions | None, Inputs | None]:
    """Ask for captions and pictures; read captions, and find pictures."""
    left, right = st.columns(2)
    words = left.file_uploader("Captions", type=WORDS, key=f"furnish_words_{turn}")
    files = right.file_uploader(
        "Pictures: files, or a zip",
        type=[*(suffix.lstrip(".") for suffix in SUFFIXES), "zip", "txt"],
        accept_multiple_files=True,
        key=f"furnish_pictures_{turn}",
        help="Captions can lie beside the pictures in a zip, as cat.txt for cat.jpg.",
    )
    places: list[Any] = [Source(one.name, data=one.getvalue()) for one in files]
    root = data_root()
    if root is not None:
        folder = right.text_input(
            "or a folder or zip below the server's folder", key="furnish_folder"
        ).strip()
        places += [within(root, folder)] if folder else []
    captions = None
    if words is not None:
        captions = read_captions(Upload(words.name, words.getvalue()).source)
    return captions, find_items(places) if places else None


def _furnished(
    pair: EmbeddingPair,
    side: str,
    by: Literal["id", "row"],
    captions: Captions | None,
    pictures: Inputs | None,
    tell: Progress,
) -> tuple[EmbeddingPair, list[str]]:
    roles = ("target", "source") if side == BOTH else (side,)
    rows = sum(len(getattr(pair, role)) for role in roles)
    if pictures is not None:
        ask_for_room(3 * rows * thumbnail_side(rows) ** 2, "these pictures")
    done: dict[str, EmbeddingSet] = {}
    notes: list[str] = []
    for number, role in enumerate(roles):
        share = number / len(roles)
        done[role], said = furnish(
            getattr(pair, role),
            captions,
            pictures,
            by=by,
            progress=lambda f, words, share=share: tell(share + f / len(roles), words),  # type: ignore[misc]
        )
        notes += said
    whole = {"source": pair.source, "target": pair.target} | done
    return replace(pair, source=whole["source"], target=whole["target"]), notes
