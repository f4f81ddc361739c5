"""Selections of rows: from a lasso or a search, named, kept for the session, exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.directions import Direction, given
from anisoalign_core.numerics import Float64, Integers
from anisoalign_core.pairs import EmbeddingPair
from app.widgets.common import plain
from app.widgets.rows import for_spreadsheets, pictured, table_of

TABLE_ROWS = 200
REST = "everything else"


@dataclass(frozen=True)
class Selection:
    """Rows of both sides.

    Attributes
    ----------
    target, source : tuple of int
        Sorted row numbers.
    origin : str
        How they were found.
    """

    target: tuple[int, ...] = ()
    source: tuple[int, ...] = ()
    origin: str = ""

    def __bool__(self) -> bool:
        """Whether there is any row."""
        return bool(self.target or self.source)

    def rows(self, role: str) -> Integers:
        """Row numbers of one side."""
        return np.array(getattr(self, role), dtype=np.intp)

    def counts(self, pair: EmbeddingPair) -> str:
        """Say how many rows of each modality."""
        parts = [
            f"{len(rows):,} {side.modality}"
            for rows, side in ((self.target, pair.target), (self.source, pair.source))
            if rows
        ]
        return " and ".join(parts) + " rows"


def kept() -> dict[str, Selection]:
    """Return the selections of this pair by name."""
    found: dict[str, Selection] = st.session_state.setdefault("selections", {})
    return found


def points_of(event: Any) -> list[tuple[int, int]]:
    """Read a selection event: both numbers that points carry, as their figure says."""
    found = []
    selection = event.get("selection", {}) if event else {}
    for point in selection.get("points", []):
        data = point.get("customdata")
        if isinstance(data, dict):  # a typed array arrives as {"0": row, "1": side}
            data = [data.get("0"), data.get("1")]
        if data is not None and len(data) >= 2 and None not in data[:2]:
            found.append((int(data[0]), int(data[1])))
    return found


def from_event(event: Any) -> Selection:
    """Read a selection event; corrected rows are rows of the source."""
    found: dict[int, set[int]] = {0: set(), 1: set()}
    for row, side in points_of(event):
        found[min(side, 1)].add(row)
    return Selection(tuple(sorted(found[0])), tuple(sorted(found[1])), "drawn")


def from_search(pair: EmbeddingPair, text: str) -> Selection:
    """Find rows whose captions hold a text, whatever its case."""
    wanted = text.strip().casefold()
    if not wanted:
        return Selection()
    found = []
    for side in (pair.target, pair.source):
        captions = [] if side.captions is None else side.captions.tolist()
        found.append(tuple(n for n, caption in enumerate(captions) if wanted in caption.casefold()))
    return Selection(found[0], found[1], f'captions with "{text.strip()}"')


def show_selection(pair: EmbeddingPair, selection: Selection) -> None:
    """Show the rows of a selection, and offer to keep it."""
    st.markdown(f"**Selected ({plain(selection.origin)}): {plain(selection.counts(pair))}**")
    for role, side in (("target", pair.target), ("source", pair.source)):
        rows = selection.rows(role)[:TABLE_ROWS]
        if not len(rows):
            continue
        st.caption(plain(side.modality))
        st.dataframe(
            pictured(side, rows),
            hide_index=True,
            height=220,
            row_height=40 if side.thumbnails is not None else None,
            column_config={"picture": st.column_config.ImageColumn(width="small")},
        )
        if len(getattr(selection, role)) > TABLE_ROWS:
            st.caption(f"The first {TABLE_ROWS} are listed; all are kept and exported.")
    _keep_form(pair, selection)


def _keep_form(pair: EmbeddingPair, selection: Selection) -> None:
    with st.form("keep_selection", border=False):
        left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
        name = left.text_input("Keep this selection as", f"selection {len(kept()) + 1}")
        partners = pair.paired and middle.checkbox("with their partners")
        if not right.form_submit_button("Keep", width="stretch"):
            return
    name = name.strip()
    if not name or name == REST:
        st.error("Give the selection a name of its own.", icon=":material/error:")
        return
    if partners:
        things = pair.matched
        shown = np.unique(
            [*things.target[list(selection.target)], *things.source[list(selection.source)]]
        )
        source, target = (tuple(np.sort(rows).tolist()) for rows in things.rows_of(shown))
        selection = Selection(target, source, selection.origin)
    kept()[name] = selection
    st.rerun()


def kept_list(pair: EmbeddingPair) -> None:
    """List what is kept: to take home, or to let go."""
    if not kept():
        return
    with st.expander(f"Kept selections ({len(kept())})", expanded=False):
        for number, (name, selection) in enumerate(list(kept().items())):
            words, home, away = st.columns([4, 1, 1], vertical_alignment="center")
            words.markdown(
                f"**{plain(name)}**  \n:gray[{plain(selection.counts(pair))}, "
                f"{plain(selection.origin)}]"
            )
            home.download_button(
                "CSV",
                as_csv(pair, selection),
                f"selection-{number + 1}.csv",
                "text/csv",
                key=f"selection_csv_{number}",
                on_click="ignore",
                width="stretch",
            )
            if away.button("Remove", key=f"selection_remove_{number}", width="stretch"):
                del kept()[name]
                st.rerun()
        st.caption("Two of them, or one and everything else, make a direction to look along.")


def as_csv(pair: EmbeddingPair, selection: Selection) -> str:
    """Return the rows of a selection as CSV: side, row, id, caption, labels; never a formula."""
    tables = []
    for role, side in (("target", pair.target), ("source", pair.source)):
        table = table_of(side, selection.rows(role))
        table.insert(0, "modality", side.modality)
        tables.append(table)
    text: str = for_spreadsheets(pd.concat(tables, ignore_index=True)).to_csv(index=False)
    return text


def selection_direction(pair: EmbeddingPair, key: str) -> Direction:
    """Choose two selections, and take the difference of their means for a direction."""
    left, right = st.columns(2)
    names = list(kept())
    first = left.selectbox("from", [REST, *names], key=f"{key}_from", bind="query-params")
    second = right.selectbox("to", names, key=f"{key}_to", bind="query-params")
    vector, within = _difference(pair, kept().get(first), kept()[second])
    if not within:
        st.caption(
            "These two share no modality, so the gap between the modalities is in this direction."
        )
    meaning = "distance between the means of the two selections"
    return given(vector, f"{first} → {second}", meaning)


def _difference(
    pair: EmbeddingPair, first: Selection | None, second: Selection
) -> tuple[Float64, bool]:
    """Return the difference of means, within each modality that both have rows of."""
    sides: list[tuple[str, EmbeddingSet]] = [("target", pair.target), ("source", pair.source)]
    inside = []
    for role, side in sides:
        here = second.rows(role)
        other = first.rows(role) if first else np.setdiff1d(np.arange(len(side)), here)
        if len(here) and len(other):
            inside.append(_mean(side, here) - _mean(side, other))
    if inside:
        return np.asarray(np.mean(inside, axis=0)), True
    ends = []
    for selection in (first, second):
        assert selection is not None  # everything else shares a modality with any selection
        parts = [side.vectors[selection.rows(role)] for role, side in sides]
        ends.append(np.concatenate(parts).mean(axis=0, dtype=np.float64))
    return ends[1] - ends[0], False


def _mean(side: EmbeddingSet, rows: Integers) -> Float64:
    return np.asarray(side.vectors[rows].mean(axis=0, dtype=np.float64))
