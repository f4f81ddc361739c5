"""The Directions page's pieces: choosing an axis, what lies at its ends, and a map."""

from __future__ import annotations

import numpy as np
import streamlit as st

from anisoalign_core.compare.plan import in_words
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.directions import KINDS, Direction, Directions, ends
from anisoalign_core.geometry.reading import Contents, Reading, read_direction
from anisoalign_core.geometry.umap_map import JointMap
from anisoalign_core.geometry.umap_plan import Fitted
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots import clouds
from app.mapper import Job, mapper
from app.server import place
from app.session import already, result
from app.widgets.common import figure, lacks, plain, three
from app.widgets.prompts import prompt_direction, prompts_offered
from app.widgets.rows import captions_of, cards
from app.widgets.selections import kept, selection_direction

KIND_WIDTH = 250
END_ROWS = 6
MOST_FINDINGS = 6
MAP = "umap_job"
LOOK_SECONDS = 1.0
SAME = 1 - 1e-9
"""From this cosine on, two directions are one."""
GIVEN = {"selections": "Difference of two selections", "prompt": "A text's direction"}


def choose(
    label: str, known: Directions, key: str, index: int, taken: Direction | None = None
) -> Direction:
    """Choose a direction: by kind and number, or one that a person makes.

    What is ``taken`` already is not offered again: where it would be chosen, the next is.
    """
    kinds = [
        kind for kind in known.kinds if taken is None or kind != taken.kind or known.count(kind) > 1
    ]
    kinds += ["selections"] if kept() else []
    kinds += ["prompt"] if prompts_offered() else []
    usual = known.kinds[index]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    kind = row.container(width=KIND_WIDTH).selectbox(
        label,
        kinds,
        index=kinds.index(usual) if usual in kinds else 0,
        format_func=(KINDS | GIVEN).__getitem__,
        key=f"{key}_kind",
        bind="query-params",
    )
    if kind == "selections":
        return selection_direction(known.pair, key)
    if kind == "prompt":
        return prompt_direction(known, key)
    count, number = known.count(kind), 1
    if count > 1:
        if taken is not None and taken.kind == kind:
            _move_on(f"{key}_{kind}_number", taken.number, count)
        number = row.number_input(
            "number", 1, count, 1, key=f"{key}_{kind}_number", bind="query-params", width=110
        )
    return known.get(kind, int(number))


def _move_on(key: str, taken: int, count: int) -> None:
    """Let a number step over the one that is taken, the way it was going."""
    before, now = st.session_state.get(f"{key}_was", 0), st.session_state.get(key, 1)
    if now == taken:
        step = -1 if before > taken else 1
        now = taken + step if 1 <= taken + step <= count else taken - step
        st.session_state[key] = now
    st.session_state[f"{key}_was"] = now


def apart(first: Direction, second: Direction, known: Directions) -> Direction:
    """Return the second direction, or one beside the first where both are the same; say so then."""
    if abs(float(first.vector @ second.vector)) < SAME:
        return second
    others = (known.get(kind, n + 1) for kind in known.kinds for n in range(known.count(kind)))
    beside = next((one for one in others if abs(float(first.vector @ one.vector)) < SAME), second)
    if beside is not second:
        st.caption(
            f"{plain(second.label)} is the same direction as {plain(first.label)}, so the picture "
            f"shows {plain(beside.label)} across it."
        )
    return beside


def direction_words(direction: Direction, known: Directions) -> str:
    """Say what a direction is, with its number and how much of the gap it holds."""
    delta = known.target.mean - known.source.mean
    size = float(delta @ delta)
    inside = float(direction.vector @ delta) ** 2 / size if size > 0 else 0.0
    spread = [
        float(direction.vector @ moments.covariance @ direction.vector) / moments.trace
        for moments in (known.target, known.source)
    ]
    names = (known.pair.target.modality, known.pair.source.modality)
    return (
        f"**{direction.label}**: {direction.meaning} **{three(direction.strength)}**. It holds "
        f"{inside:.1%} of the squared gap between the means, {spread[0]:.1%} of the variance of "
        f"{plain(names[0])} and {spread[1]:.1%} of {plain(names[1])}."
    )


def extremes(pair: EmbeddingPair, direction: Direction) -> None:
    """Show the rows at both ends of a direction, for each modality, and what they share."""
    for role, side in (("target", pair.target), ("source", pair.source)):
        low, high, values = ends(side.vectors, direction.vector, END_ROWS)
        st.markdown(f"**{plain(side.modality)}**")
        read = reading(role, side, direction)
        left, right = st.columns(2)
        for column, rows, words in ((left, low, "low end"), (right, high, "high end")):
            with column.container(border=True):
                st.caption(f"{words}, {three(float(values[rows[0]]))} outermost")
                if read is not None:
                    st.markdown(findings_in_words(read, words.split()[0]))
                cards(side, rows, [three(float(values[row])) for row in rows])
        if read is not None:
            st.caption(
                f"In words: among the {read.rows:,} rows at each end, against all "
                f"{len(side):,}, what chance would give less than once in twenty such readings "
                f"({read.tested:,} labels and words tested at both ends, corrected by Holm)."
            )


def reading(role: str, side: EmbeddingSet, direction: Direction) -> Reading | None:
    """Read a direction from labels and captions; None where there are none, or too few rows."""
    if (side.labels is None and side.captions is None) or len(side) < 40:
        return None

    def build() -> Contents:
        with st.spinner(f"Reading labels and words of {plain(side.modality)} …"):
            return Contents.of(side)

    contents = result(("contents", role), build)
    if not contents.names:
        return None
    projections = side.vectors @ direction.vector.astype(np.float32)
    return result(
        ("reading", role, direction.digest), lambda: read_direction(contents, projections)
    )


def findings_in_words(read: Reading, end: str) -> str:
    """Say what one end has more often than chance."""
    found = read.at(end)
    if not found:
        return f":gray[Nothing stands out among {read.tested:,} labels and words.]"
    parts = [
        f"**{plain(one.value)}**"
        + ("" if one.label == "word" else f" ({plain(one.label)})")
        + f" {one.share:.0%} against {one.overall:.0%}"
        for one in found[:MOST_FINDINGS]
    ]
    more = f" and {len(found) - MOST_FINDINGS} more" if len(found) > MOST_FINDINGS else ""
    return ", ".join(parts) + more


def umap_section(pair: EmbeddingPair) -> None:
    """Draw a UMAP of both sets, on request, beside a page that stays of use."""
    if lacks("A UMAP", "umap", "umap"):
        return
    names = (pair.target.modality, pair.source.modality)
    fits: dict[Fitted, str] = {
        "both": "both sets",
        "target": f"{names[0]} only; {names[1]} placed among them",
        "source": f"{names[1]} only; {names[0]} placed among them",
    }
    chosen = st.segmented_control(
        "Fitted on",
        list(fits),
        default="both",
        format_func=fits.__getitem__,
        key="umap_fit",
        bind="query-params",
    )
    fit_on: Fitted = chosen or "both"
    key = ("umap", fit_on)
    job: Job | None = st.session_state.get(MAP)
    if job is not None and job.made is not None and job.pair is pair:
        made = job.made
        result(("umap", job.fit_on), lambda: made)
        del st.session_state[MAP]
    if not already(key):
        st.caption(
            "UMAP bends space to keep neighbours together. It shows clusters, not distances: the "
            "gap's size cannot be read from it."
        )
        _offer_map(pair, fit_on)
        return
    found: JointMap = result(key, _never)
    figure(
        clouds(
            found.target,
            found.source,
            names=names,
            axis_labels=("UMAP 1", "UMAP 2"),
            target_rows=found.target_rows,
            source_rows=found.source_rows,
            target_captions=captions_of(pair.target, found.target_rows),
            source_captions=captions_of(pair.source, found.source_rows),
        ),
        caption=f"UMAP fitted on {plain(fits[fit_on])} (cosine, seeded, first reduced to "
        f"{found.reduced_to} principal components); {len(found.target_rows):,} + "
        f"{len(found.source_rows):,} rows of {len(pair.target):,} + {len(pair.source):,}.",
        alt="UMAP layout of both modalities",
        key="umap_figure",
    )


def _never() -> JointMap:
    raise AssertionError("a map is kept before it is shown")


def _offer_map(pair: EmbeddingPair, fit_on: Fitted) -> None:
    """Offer a map and say how long it takes; show how far it is while it is made."""
    job: Job | None = st.session_state.get(MAP)
    if job is not None and (job.pair is not pair or job.fit_on != fit_on):
        job.cancel()
        job = None
        del st.session_state[MAP]
    if job is None or job.over:
        if job is not None and job.state == "failed":
            st.error(plain(job.words), icon=":material/error:")
        elif job is not None:
            st.info("The UMAP was cancelled; nothing was changed.", icon=":material/cancel:")
        seconds = in_words(mapper().seconds(pair, fit_on))
        if st.button(f"Draw a UMAP, about {seconds}", key="umap_button"):
            st.session_state[MAP] = mapper().begin(pair, fit_on, place())
            st.rerun()
        return
    _watch_map(job)


@st.fragment(run_every=LOOK_SECONDS)
def _watch_map(job: Job) -> None:
    """Say how far a map is, beside a page that stays of use; draw the page anew when it is made."""
    if job.over:
        st.rerun()
    place().touch()
    row = st.container(horizontal=True, vertical_alignment="center")
    if job.state == "waiting":
        row.progress(0.0, text=f"UMAP: {job.words or 'waiting for its turn'}")
    else:
        left = in_words(job.left())
        row.progress(job.share(), text=f"UMAP: {job.words} · about {left} left")
    if row.button("Cancel", key="umap_cancel"):
        job.cancel()
        st.rerun()
