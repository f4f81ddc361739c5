"""Tables to be read: every column is seen; where there is no room, every row is a card."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.widgets.common import plain, three

_KEY = "read"
_NAME_PIXELS, _COLUMN_PIXELS = 130, 75
"""What a table takes for what its rows are called, and for each column, when its texts wrap."""
_LOOK = f"""
[class*="st-key-{_KEY}_"] {{ container-type: inline-size; }}
[class*="st-key-{_KEY}_"] :is(th, td) {{ padding: .3rem .4rem; font-size: .8rem; }}
[class*="st-key-{_KEY}_"] tbody th {{ min-width: 7rem; text-align: left; }}
"""
_CARDS = """
  thead { display: none; }
  tr { display: block; padding: .4rem 0; }
  :is(th, td) { border: none; padding: .1rem .5rem; }
  th { display: block; font-weight: 600; }
  td { display: flex; justify-content: space-between; gap: 1rem; }
  td::before { opacity: .65; }
  tr:not(:last-child) { border-bottom: 1px solid #8884; }
"""


def _in_css(text: str) -> str:
    """Return what a string of a style sheet holds: names of columns may be a person's own."""
    return "".join(one if one.isalnum() else f"\\{ord(one):x} " for one in text)


def _written(value: object) -> str:
    """Return a cell: numbers to three significant digits, texts as they are written."""
    if isinstance(value, str):
        return plain(value)
    return three(None if value is None else float(str(value)))


def table_to_read(frame: pd.DataFrame, key: str) -> None:
    """Show a table, the index of which says what a row is.

    In cards the names of columns stand beside every value, in place of a row above them.

    Parameters
    ----------
    frame : DataFrame
        Of numbers and texts. Texts are data: what they hold is shown as it is written.
    key : str
    """
    named = "".join(
        f'  td:nth-of-type({at}):not(:empty)::before {{ content: "{_in_css(str(name))}"; }}\n'
        for at, name in enumerate(frame.columns, start=1)
    )
    narrow = _NAME_PIXELS + _COLUMN_PIXELS * len(frame.columns)
    cards = f"@container (max-width: {narrow}px) {{ .st-key-{_KEY}_{key} {{ {_CARDS}{named} }} }}"
    shown = frame.set_axis([plain(str(name)) for name in frame.columns], axis=1)
    shown.index = pd.Index([plain(str(name)) for name in frame.index], name=frame.index.name)
    cells = shown.map(_written)
    with st.container(key=f"{_KEY}_{key}"):
        st.html(f"<style>{_LOOK}{cards}</style>")
        st.table(cells)
