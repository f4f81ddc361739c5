"""The choice of what the columns of a file are, with what they are taken for."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from anisoalign_core.files.source import Choice
from anisoalign_core.io.columns import Meaning
from app.widgets.common import plain

BY_ITSELF = "as told by the file"
SHOWN = 200
"""Columns that are listed."""


def column_choice(name: str, found: Mapping[str, Meaning], key: str) -> Choice:
    """Let a person say which column holds the ids and which are left out.

    Nothing is shown for files without named columns.
    """
    others = [name for name, what in found.items() if what != "dimension"]
    dimensions = [name for name, what in found.items() if what == "dimension"]
    names = [*others, *dimensions]
    if len(names) < 2:
        return Choice()
    unclear = any(what == "unclear" for what in found.values())
    label = f"Columns of {plain(name)}"
    with st.expander(label, expanded=unclear, icon=":material/warning:" if unclear else None):
        rows: list[tuple[str, str]] = [(plain(name), found[name]) for name in others[:SHOWN]]
        if dimensions:
            ends = dimensions[0] if len(dimensions) == 1 else f"{dimensions[0]} … {dimensions[-1]}"
            rows.append((plain(ends), f"{len(dimensions):,} dimensions"))
        st.dataframe(pd.DataFrame(rows, columns=["column", "taken for"]), hide_index=True)
        ids = st.selectbox("Column of ids", [BY_ITSELF, *names], key=f"{key}_id_column")
        out = st.multiselect("Leave out", names, key=f"{key}_drop_columns")
    return Choice(None if ids == BY_ITSELF else ids, tuple(out))
