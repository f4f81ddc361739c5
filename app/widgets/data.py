"""What the Data page says of a pair that is loaded, and how it is split."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.io.reading import pair_words
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.splitting import equal_rows
from app.session import split
from app.widgets.common import guard, plain, three
from app.widgets.drop import choosing


def set_table(pair: EmbeddingPair) -> None:
    """Show what each set holds, and what was measured on the way in.

    Its warnings end where files of another set are chosen: they would be taken for the new one's.
    """
    columns = {
        plain(side.modality + role): {fact: plain(words) for fact, words in _facts(side).items()}
        for side, role in _sides(pair)
    }
    st.table(pd.DataFrame(columns))  # wraps; its cells are Markdown
    if pair.paired:
        st.caption(plain(pair_words(pair)))
    else:
        st.caption("Unpaired: nothing that needs pairs is computed.")
    for side, _ in _sides(pair):
        for note in side.provenance.notes:
            st.caption(plain(note))
        if len(side) < pair.dim and not choosing():
            st.warning(
                f"{plain(side.name)} has fewer rows ({len(side)}) than dimensions ({pair.dim}): "
                "its covariance is singular. Everything works, with Ledoit–Wolf shrinkage, but "
                "spectra and overlaps are rough.",
                icon=":material/warning:",
            )
    with st.expander("First rows"):
        rows = min(8, len(pair.source), len(pair.target))
        for side, _ in _sides(pair):
            st.markdown(f"**{plain(side.modality)}**")
            table = pd.DataFrame({"id": side.ids[:rows]})
            if side.captions is not None:
                table["caption"] = side.captions[:rows]
            if side.labels is not None:
                table = pd.concat([table, side.labels.iloc[:rows]], axis=1)
            table["first dimensions"] = [
                ", ".join(three(float(v)) for v in row[:4]) + ", …" for row in side.vectors[:rows]
            ]
            st.dataframe(table, hide_index=True, width="stretch")


def _sides(pair: EmbeddingPair) -> list[tuple[EmbeddingSet, str]]:
    return [(pair.target, " (target)"), (pair.source, " (source)")]


def _facts(side: EmbeddingSet) -> dict[str, str]:
    known = side.provenance
    return {
        "file": known.name,
        "rows × dimensions": f"{len(side):,} × {side.dim}",
        "encoder": known.model or "not named",
        "stored as": known.original_dtype,
        "norms: min / median / max": " / ".join(
            three(v) for v in (known.norm_min, known.norm_median, known.norm_max)
        ),
        "were unit already": "yes" if known.was_normalised else "no: normalised on loading",
        "dropped rows (zero, NaN, Inf)": f"{len(known.dropped_rows):,}",
        "repeated rows": f"{side.duplicate_rows:,}"
        + (", kept on one side of a split" if equal_rows(side) else ""),
        "ids": "row numbers" if known.ids_are_rows else f"given, e.g. {side.ids[0]}",
        "captions": "yes" if side.captions is not None else "no",
        "digest": side.digest[:16],
    }


def split_settings(pair: EmbeddingPair) -> None:
    """Choose the hold-out share and seed; every number on Correct comes from this split."""
    left, right = st.columns(2)
    st.session_state["holdout"] = left.slider(
        "Share held out to evaluate",
        0.05,
        0.5,
        st.session_state["holdout"],
        0.05,
        key="holdout_slider",
    )
    st.session_state["split_seed"] = int(
        right.number_input("Seed", 0, 2**31 - 1, st.session_state["split_seed"], key="seed_input")
    )
    with guard():
        parts = split()
        held = f"{len(parts.holdout_pairs):,} pairs"
        if pair.paired and not pair.matched.are_rows:
            held = f"{len(parts.holdout_pairs):,} things with all their rows"
        words = (
            f"{len(parts.fit_target):,} target rows and {len(parts.fit_source):,} other source "
            f"rows fit the corrections; {held} are held out to "
            "evaluate. No fitted statistic sees a row and its partner."
            if pair.paired
            else f"{len(parts.fit_target):,} target and {len(parts.fit_source):,} source rows fit "
            f"the corrections; {len(parts.holdout_target):,} and {len(parts.holdout_source):,} are "
            "held out to evaluate."
        )
        st.caption(words)
