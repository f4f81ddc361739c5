"""Rows on screen: as cards with a picture, as a table, by their captions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.numerics import Integers
from anisoalign_core.plots.style import MAX_HOVER_POINTS
from app.widgets.common import plain

OWN_COLUMNS = ("row", "id", "caption", "picture", "modality")
"""Columns that mean something here; labels of these names are told apart from them."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets run."""


def cards(side: EmbeddingSet, rows: Integers, numbers: list[str]) -> None:
    """Show rows as thumbnail, caption and number; captions are data, shown as text."""
    for row, number in zip(rows, numbers, strict=True):
        if side.thumbnails is not None:
            line = st.container(horizontal=True, vertical_alignment="center", wrap=False)
            line.image(side.thumbnails[row], width=48, alt=row_words(side, int(row)))
        else:
            line = st.container()
        line.markdown(f"{plain(row_words(side, int(row)))}  \n:gray[{number}]")


def row_words(side: EmbeddingSet, row: int) -> str:
    """Return a row's caption, or its id when it has none."""
    words = side.captions[row] if side.captions is not None else f"{side.modality} {side.ids[row]}"
    return words if len(words) <= 120 else words[:119] + "…"


def captions_of(side: EmbeddingSet, rows: Integers) -> npt.NDArray[np.object_] | None:
    """Captions of drawn rows, or None when there are none or too many."""
    if side.captions is None or len(rows) > MAX_HOVER_POINTS:
        return None
    return side.captions[rows]


def table_of(side: EmbeddingSet, rows: Integers) -> pd.DataFrame:
    """Return ids, captions and labels of rows."""
    table = pd.DataFrame({"row": rows, "id": side.ids[rows]})
    if side.captions is not None:
        table["caption"] = side.captions[rows]
    if side.labels is not None:
        labels = side.labels.iloc[rows].reset_index(drop=True)
        labels = labels.rename(columns={name: f"{name} (label)" for name in OWN_COLUMNS})
        table = pd.concat([table, labels], axis=1)
    return table


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that spreadsheets show and do not run: formulas get an apostrophe in front."""
    return table.map(_inert).rename(columns=_inert)


def _inert(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(FORMULAS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def pictured(side: EmbeddingSet, rows: Integers) -> pd.DataFrame:
    """Return the table of rows with their thumbnails before it, as addresses that hold the data."""
    table = table_of(side, rows)
    if side.thumbnails is not None:
        table.insert(0, "picture", [address(side.thumbnails[row]) for row in rows])
    return table


def address(picture: npt.NDArray[np.uint8]) -> str:
    """Return a picture as an address that holds its data."""
    import base64
    import io

    from PIL import Image

    Image.fromarray(picture).save(stream := io.BytesIO(), format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
