"""The Directions page's pieces: choosing, projecting, rows at the ends, selections, UMAP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.directions import KINDS, Direction, Directions, ends
from anisoalign_core.geometry.umap_map import joint_map
from anisoalign_core.metrics import top_k
from anisoalign_core.numerics import Float32, Integers, generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots import clouds
from anisoalign_core.plots.style import MAX_HOVER_POINTS
from app.session import require_pair, result
from app.widgets.common import figure, plain, three

SHOWN_ROWS = 6000
END_ROWS = 6
TABLE_ROWS = 200
NEIGHBOURS = 6


def choose(label: str, known: Directions, key: str, index: int) -> Direction:
    """Choose a direction by kind and number."""
    kinds = known.kinds
    left, right = st.columns([3, 1])
    kind = left.selectbox(
        label,
        kinds,
        index=min(index, len(kinds) - 1),
        format_func=KINDS.get,
        key=f"{key}_kind",
        persist_state="session",
    )
    count, number = known.count(kind), 1
    if count > 1:
        number = right.number_input(
            "number", 1, count, 1, key=f"{key}_{kind}_number", persist_state="session"
        )
    return known.get(kind, int(number))


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


@dataclass(frozen=True, eq=False)
class Projected:
    """All rows on two directions, and which of them are drawn."""

    target: Float32
    source: Float32
    shown_target: Integers
    shown_source: Integers
    cosine: float

    @staticmethod
    def captions_of(side: EmbeddingSet, rows: Integers) -> npt.NDArray[np.object_] | None:
        """Captions of drawn rows, or None when there are none or too many."""
        if side.captions is None or len(rows) > MAX_HOVER_POINTS:
            return None
        return side.captions[rows]


def projected(first: Direction, second: Direction) -> Projected:
    """Project both sets; kept per pair and directions."""
    pair = require_pair()
    key = ("projected", first.kind, first.number, second.kind, second.number)

    def build() -> Projected:
        columns = np.column_stack([first.vector, second.vector]).astype(np.float32)
        shown = [
            np.sort(generator(0).permutation(len(side))[:SHOWN_ROWS])
            for side in (pair.target, pair.source)
        ]
        return Projected(
            pair.target.vectors @ columns,
            pair.source.vectors @ columns,
            shown[0],
            shown[1],
            float(first.vector @ second.vector),
        )

    return result(key, build)


def extremes(pair: EmbeddingPair, direction: Direction) -> None:
    """Show the rows at both ends of a direction, for each modality."""
    for side in (pair.target, pair.source):
        low, high, values = ends(side.vectors, direction.vector, END_ROWS)
        st.markdown(f"**{plain(side.modality)}**")
        left, right = st.columns(2)
        for column, rows, words in ((left, low, "low end"), (right, high, "high end")):
            with column.container(border=True):
                st.caption(f"{words}, {three(float(values[rows[0]]))} outermost")
                cards(side, rows, [three(float(values[row])) for row in rows])


def cards(side: EmbeddingSet, rows: Integers, numbers: list[str]) -> None:
    """Show rows as thumbnail, caption and number; captions are data, shown as text."""
    for row, number in zip(rows, numbers, strict=True):
        if side.thumbnails is not None:
            picture, text = st.columns([1, 6], vertical_alignment="center")
            picture.image(side.thumbnails[row], width=48, alt=row_words(side, int(row)))
        else:
            text = st
        text.markdown(f"{plain(row_words(side, int(row)))}  \n:gray[{number}]")


def row_words(side: EmbeddingSet, row: int) -> str:
    """Return a row's caption, or its id when it has none."""
    words = side.captions[row] if side.captions is not None else f"{side.modality} {side.ids[row]}"
    return words if len(words) <= 120 else words[:119] + "…"


def selected(event: Any) -> dict[int, list[int]]:
    """Read a selection event: side (0 target, 1 source) → row numbers."""
    found: dict[int, list[int]] = {}
    selection = event.get("selection", {}) if event else {}
    for point in selection.get("points", []):
        data = point.get("customdata")
        if isinstance(data, dict):  # a typed array arrives as {"0": row, "1": side}
            data = [data.get("0"), data.get("1")]
        if data is not None and len(data) >= 2 and None not in data[:2]:
            found.setdefault(int(data[1]), []).append(int(data[0]))
    return {side: sorted(set(rows)) for side, rows in found.items()}


def table_of(side: EmbeddingSet, rows: list[int]) -> pd.DataFrame:
    """Return ids, captions and labels of rows."""
    table = pd.DataFrame({"row": rows, "id": side.ids[rows]})
    if side.captions is not None:
        table["caption"] = side.captions[rows]
    if side.labels is not None:
        labels = side.labels.iloc[rows].reset_index(drop=True)
        table = pd.concat([table, labels], axis=1)
    return table


def show_selection(pair: EmbeddingPair, rows_by_side: dict[int, list[int]]) -> None:
    """Show the rows in a lasso or box, then the neighbours of one of them in both modalities."""
    if not rows_by_side:
        return
    sides = (pair.target, pair.source)
    for number, rows in sorted(rows_by_side.items()):
        side = sides[number]
        st.markdown(f"**{len(rows):,} {plain(side.modality)} rows selected**")
        st.dataframe(table_of(side, rows[:TABLE_ROWS]), hide_index=True, height=220)
        if len(rows) > TABLE_ROWS:
            st.caption(f"The first {TABLE_ROWS} are listed.")
    number = min(rows_by_side)
    side, rows = sides[number], rows_by_side[number][:TABLE_ROWS]
    row = st.selectbox(
        "Neighbours in all dimensions of",
        rows,
        format_func=lambda r: f"{side.modality} {side.ids[r]}: {row_words(side, r)}",
        key="neighbours_of",
    )
    query = side.vectors[[row]]
    for column, other in zip(st.columns(2), sides, strict=True):
        same = other is side
        count = min(NEIGHBOURS + same, len(other))
        near, cosines = top_k(query, other.vectors, count)
        kept = [(r, c) for r, c in zip(near[0], cosines[0], strict=True) if not (same and r == row)]
        with column.container(border=True):
            st.caption(f"nearest {plain(other.modality)} rows, by cosine")
            picked = kept[:NEIGHBOURS]
            cards(other, np.array([r for r, _ in picked]), [three(float(c)) for _, c in picked])


def umap_section(pair: EmbeddingPair) -> None:
    """Draw a UMAP of both sets, on request: its first use in a server compiles for a minute."""
    key = "umap"
    results = st.session_state["results"]
    if (pair.digest, key) not in results:
        st.caption(
            "UMAP bends space to keep neighbours together. It shows clusters, not distances: the "
            "gap's size cannot be read from it."
        )
        place = st.empty()
        if not place.button("Draw a UMAP (about a minute the first time)", key="umap_button"):
            return
        place.empty()

    def build() -> Any:
        with st.spinner("Laying out with UMAP; the first time it compiles for about a minute …"):
            return joint_map(pair.target.vectors, pair.source.vectors, random_state=0)

    found = result(key, build)
    names = (pair.target.modality, pair.source.modality)
    figure(
        clouds(
            found.target,
            found.source,
            names=names,
            axis_labels=("UMAP 1", "UMAP 2"),
            target_rows=found.target_rows,
            source_rows=found.source_rows,
            target_captions=Projected.captions_of(pair.target, found.target_rows),
            source_captions=Projected.captions_of(pair.source, found.source_rows),
        ),
        caption=f"UMAP of both sets together (cosine, seeded, first reduced to "
        f"{found.reduced_to} principal components); {len(found.target_rows):,} + "
        f"{len(found.source_rows):,} rows of {len(pair.target):,} + {len(pair.source):,}.",
        alt="UMAP layout of both modalities",
        key="umap_figure",
    )
