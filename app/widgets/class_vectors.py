"""Vectors of class names for zero-shot: from an encoder of this space, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import streamlit as st

from anisoalign_core.compare.use import Classes, prompt_rows
from anisoalign_core.compare.use.zero_shot import named_rows
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, ShapeError
from anisoalign_core.io import load_bytes
from anisoalign_core.io.registry import suffixes
from anisoalign_core.pairs import EmbeddingPair
from app.places import bytes_of
from app.session import ask_for_room, loaded, result
from app.widgets.common import plain
from app.widgets.prompts import prompts_offered, sample_encoder, session_encoder, use_encoder

GIVEN = "class_vectors"
"""Key of the vectors that were uploaded, with the digest of the pair that they are for."""
TURN = "class_vectors_turn"


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Vectors of class names, made when they are needed.

    Attributes
    ----------
    key : hashable
        What results with them are kept under.
    origin : str
        Where they are from, in words.
    make : callable
    """

    key: Hashable
    origin: str
    make: Callable[[], EmbeddingSet]


def class_vectors(pair: EmbeddingPair, classes: Classes | None) -> ClassVectors | None:
    """Return vectors of the classes' names: those that were uploaded, or of a loaded encoder."""
    if classes is None:
        return None
    digest, given = st.session_state.get(GIVEN, ("", None))
    if digest == pair.digest:
        return ClassVectors(("file", given.digest), plain(given.name), lambda: given)
    encoder = session_encoder()
    if encoder is None or not prompts_offered() or not _reads_texts(pair):
        return None
    names = _names(classes)
    key = "class names", encoder.summary, tuple((name, tuple(of)) for name, of in names.items())

    def make() -> EmbeddingSet:
        with st.spinner("Encoding class names …"):
            return result(key, lambda: prompt_rows(encoder, names))

    return ClassVectors(key, f"by {plain(encoder.name)}", make)


def _names(classes: Classes) -> dict[str, list[str]]:
    return {
        column: sorted({name for name in classes.target[column] if isinstance(name, str)})
        for column in classes.columns
    }


def _reads_texts(pair: EmbeddingPair) -> bool:
    """Whether texts live on the source's side: class vectors are corrected as source rows are."""
    return pair.source.modality == "text" or pair.source.captions is not None


def offer_class_vectors(pair: EmbeddingPair, classes: Classes) -> None:
    """Say how class vectors come here: by an encoder that is one click away, or as a file."""
    known = class_vectors(pair, classes)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if known is not None:
        row.caption(f"Vectors of class names: {known.origin}.", width="content")
        if GIVEN in st.session_state and st.session_state[GIVEN][0] == pair.digest:
            row.button("Forget them", type="tertiary", on_click=_forget, key="class_vectors_forget")
        return
    current = loaded()
    if current is not None and current.sample == "scenes":
        words, icon = "Make class vectors with the sample's encoder", ":material/text_fields:"
        if row.button(words, icon=icon, key="class_vectors_sample"):
            use_encoder(sample_encoder())
            st.rerun()
    with row.popover("Upload class vectors", icon=":material/upload_file:"):
        _upload(pair, classes)
    encoder = session_encoder()
    if encoder is not None and encoder.dim != pair.dim:
        st.caption(
            f"The encoder that is loaded has {encoder.dim:,} dimensions and this set "
            f"{pair.dim:,}: its class names live elsewhere."
        )


def _upload(pair: EmbeddingPair, classes: Classes) -> None:
    shown = "; ".join(f"{name}: {', '.join(of)}" for name, of in _names(classes).items())
    st.caption(
        f"Vectors of the class names from the encoder of the {plain(pair.source.modality)} rows, "
        f"several of a class if you like. Ids, or columns of labels, name the class: {plain(shown)}"
    )
    upload = st.file_uploader(
        "A file of class vectors",
        type=suffixes(uploads=True),
        key=f"class_vectors_{st.session_state.get(TURN, 0)}",
        label_visibility="collapsed",
    )
    if upload is None:
        return
    try:
        rows = load_bytes(upload.getvalue(), upload.name, modality=pair.source.modality)
        if rows.dim != pair.dim:
            raise ShapeError(
                f"The class vectors have {rows.dim:,} dimensions and this set {pair.dim:,}. Both "
                "must come from one encoder."
            )
        named_rows(rows, classes)
        ask_for_room(bytes_of([rows]), upload.name)
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.session_state[GIVEN] = pair.digest, rows
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1  # an uploader that is empty again
    st.rerun()


def _forget() -> None:
    del st.session_state[GIVEN]
