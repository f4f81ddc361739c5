"""The picture of the Directions page: before and after, coloured, searched; and neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from anisoalign_core.align import ALIGNERS
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.directions import Direction
from anisoalign_core.metrics.neighbours import NeighbourChange, neighbour_change, top_k
from anisoalign_core.numerics import Float32, Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots import Layer, density, linked
from anisoalign_core.plots.explore import coded
from anisoalign_core.plots.style import MAX_POINTS
from app.session import long_result, require_pair, result
from app.widgets.common import figure, plain, three
from app.widgets.export import in_words, to_export
from app.widgets.rows import captions_of, cards, row_words
from app.widgets.selections import Selection, from_search

SHOWN_ROWS = 6000
NEIGHBOURS = 6
LISTED = 200
MODALITY = "modality"


def after() -> tuple[Float32, str] | None:
    """Return the source as Export would correct it, and by what; None where that is not asked."""
    pair = require_pair()
    choice = to_export()
    method = ALIGNERS[choice.method]
    words = in_words(choice)
    if not st.toggle(f"After {words}", value=True, key="show_after", bind="query-params"):
        return None
    if method.trains or method.moves_target or method.is_control or not method.row_independent:
        st.caption("This correction is shown on Correct only. Choose another there to see it here.")
        return None

    def build(tell: Progress) -> Float32:
        fitted = choice.build()
        fitted.fit_pair(pair, weigh=choice.weigh, progress=tell)
        return fitted.transform(pair.source)

    return long_result(("after", choice.key), "Correcting every row", build), words


@dataclass(frozen=True, eq=False)
class Seen:
    """All rows on two directions."""

    target: Float32
    source: Float32
    corrected: Float32 | None
    shown: tuple[Integers, Integers]


def seen(first: Direction, second: Direction, corrected: Float32 | None) -> Seen:
    """Project all rows on two directions."""
    pair = require_pair()
    columns = np.column_stack([first.vector, second.vector]).astype(np.float32)
    shown = [
        np.sort(generator(0).permutation(len(side))[:SHOWN_ROWS])
        for side in (pair.target, pair.source)
    ]
    return Seen(
        result(
            ("seen", "target", first.digest, second.digest), lambda: pair.target.vectors @ columns
        ),
        result(
            ("seen", "source", first.digest, second.digest), lambda: pair.source.vectors @ columns
        ),
        None if corrected is None else corrected @ columns,
        (shown[0], shown[1]),
    )


def colour_choice(pair: EmbeddingPair) -> str:
    """Choose what colours say."""
    labels = [
        str(name)
        for side in (pair.target, pair.source)
        if side.labels is not None
        for name in side.labels.columns
    ]
    options = [MODALITY, *dict.fromkeys(labels)]
    chosen: str = st.selectbox("Colour by", options, key="colour_by", bind="query-params")
    return chosen


def search_captions(pair: EmbeddingPair) -> Selection:
    """Ask for a text, and find the rows whose captions hold it."""
    if pair.target.captions is None and pair.source.captions is None:
        st.caption("There is no search: this set has no captions.")
        return Selection()
    text = st.text_input("Search captions", key="search", bind="query-params")
    found = from_search(pair, text)
    if text.strip() and not found:
        st.caption("No caption holds that text.")
    return found


def _groups(pair: EmbeddingPair, label: str) -> tuple[list[Any], list[str]]:
    """Give the label's most frequent values numbers; return those of each side's rows."""
    columns = [
        side.labels[label].astype(str)
        if side.labels is not None and label in side.labels.columns
        else None
        for side in (pair.target, pair.source)
    ]
    return coded(columns)


def picture(
    first: Direction, second: Direction, colour: str, search: Selection, correction: Any
) -> object:
    """Draw before and after in the same basis; return the selection event."""
    pair = require_pair()
    corrected = None if correction is None else correction[0]
    view = seen(first, second, corrected)
    names = (pair.target.modality, pair.source.modality)
    if max(len(pair.source), len(pair.target)) > MAX_POINTS:
        figure(
            density(view.target, view.source, names=names, axis_labels=(first.label, second.label)),
            caption=f"Logarithmic density of all {len(pair.target):,} + {len(pair.source):,} rows, "
            "uncentred coordinates.",
            alt="Density of both modalities on two directions",
            key="density",
        )
    groups: list[Integers | None] = [None, None]
    values: list[str] = []
    if colour != MODALITY:
        groups, values = result(("groups", colour), lambda: _groups(pair, colour))
    layers: list[dict[str, Any]] = []
    for number, (role, side) in enumerate((("target", pair.target), ("source", pair.source))):
        rows = view.shown[number]
        found = groups[number]
        layers.append(
            {
                "rows": rows,
                "captions": captions_of(side, rows),
                "groups": None if found is None else found[rows],
                "marked": np.flatnonzero(np.isin(rows, search.rows(role))),
            }
        )
    shown = view.shown
    target = Layer(view.target[shown[0]], names[0], **layers[0])
    source = Layer(view.source[shown[1]], names[1], **layers[1])
    moved = None
    if view.corrected is not None:
        moved = Layer(view.corrected[shown[1]], f"{names[1]}, corrected", **layers[1])
    words = (
        ""
        if correction is None
        else f" Right: {names[1]} after {correction[1]}, fitted on all rows."
    )
    shape = "" if colour == MODALITY else f" Circles are {names[0]}, diamonds {names[1]}."
    rings = f" Rings: {search.origin}, {search.counts(pair)}." if search else ""
    return figure(
        linked(target, source, moved, axis_labels=(first.label, second.label), values=values),
        caption=f"Uncentred coordinates of unit rows on {plain(first.label)} (across) and "
        f"{plain(second.label)} (up), the same in both panels; {len(shown[0]):,} + "
        f"{len(shown[1]):,} rows of {len(pair.target):,} + {len(pair.source):,}. The axes meet "
        f"at a cosine of {three(float(first.vector @ second.vector))}.{words}{plain(shape)}"
        f"{plain(rings)} Draw a lasso or a box to see its rows below.",
        alt="Both modalities on the two chosen directions, before and after the correction",
        key="clouds",
        select=True,
    )


def neighbours_of(pair: EmbeddingPair, selection: Selection, corrected: Float32 | None) -> None:
    """Choose a selected row; show its neighbours in all dimensions, and what a correction moves."""
    role = "target" if selection.target else "source"
    if selection.target and selection.source:
        names = {"target": pair.target.modality, "source": pair.source.modality}
        role = (
            st.segmented_control(
                "Neighbours of",
                list(names),
                default=role,
                format_func=names.__getitem__,
                key="neighbour_side",
            )
            or role
        )
    side: EmbeddingSet = getattr(pair, role)
    row = st.selectbox(
        "Neighbours in all dimensions of",
        selection.rows(role)[:LISTED].tolist(),
        format_func=lambda r: f"{side.modality} {side.ids[r]}: {row_words(side, r)}",
        key="neighbours_of",
    )
    for column, other in zip(st.columns(2), ("target", "source"), strict=True):
        with column.container(border=True):
            _neighbours(pair, role, int(row), other, corrected)


def _neighbours(
    pair: EmbeddingPair, role: str, row: int, other: str, corrected: Float32 | None
) -> None:
    keys: EmbeddingSet = getattr(pair, other)
    query: Float32 = getattr(pair, role).vectors[row]
    leave_out = row if role == other else None
    count = min(NEIGHBOURS, len(keys) - (leave_out is not None))
    moved = corrected is not None and "source" in (role, other)
    st.caption(
        f"nearest {plain(keys.modality)} rows, by cosine"
        + (", before and after" if moved else ("" if corrected is None else "; nothing moves them"))
    )
    if corrected is None or not moved:
        rows, cosines = top_k(query[None], keys.vectors, count + (leave_out is not None))
        near = rows[0] != leave_out
        cards(keys, rows[0][near][:count], [three(float(c)) for c in cosines[0][near][:count]])
        return
    change = neighbour_change(
        (query, keys.vectors),
        (
            corrected[row] if role == "source" else query,
            corrected if other == "source" else keys.vectors,
        ),
        count,
        leave_out=leave_out,
    )
    _changes(keys, change)


def _changes(keys: EmbeddingSet, change: NeighbourChange) -> None:
    before = dict(zip(*(part.tolist() for part in change.before), strict=True))
    now = dict(zip(*(part.tolist() for part in change.after), strict=True))
    for words, rows in (("kept", change.kept), ("gained", change.gained), ("lost", change.lost)):
        if not len(rows):
            continue
        st.markdown(f"{words} ({len(rows)})")
        numbers = [
            " → ".join(three(there[row]) for there in (before, now) if row in there)
            for row in rows.tolist()
        ]
        cards(keys, rows, numbers)
