"""Tables to be read: every column is seen, and on a telephone every row is a card of its own."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.widgets.common import plain, three

_KEY = "read"
_LOOK = f"""
[class*="st-key-{_KEY}_"] :is(th, td) {{ padding: .3rem .45rem; font-size: .8rem; }}
[class*="st-key-{_KEY}_"] tbody th {{ min-width: 8rem; text-align: left; }}
@media (max-width: 480px) {{
  [class*="st-key-{_KEY}_"] thead {{ display: none; }}
  [class*="st-key-{_KEY}_"] tr {{ display: block; padding: .4rem 0; }}
  [class*="st-key-{_KEY}_"] :is(th, td) {{ border: none; padding: .1rem .5rem; }}
  [class*="st-key-{_KEY}_"] th {{ display: block; font-weight: 600; }}
  [class*="st-key-{_KEY}_"] td {{ display: flex; justify-content: space-between; gap: 1rem; }}
  [class*="st-key-{_KEY}_"] td::before {{ opacity: .65; }}
  [class*="st-key-{_KEY}_"] tr:not(:last-child) {{ border-bottom: 1px solid #8884; }}
}}
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

    On a telephone the names of columns stand beside every value, in place of a row above them.

    Parameters
    ----------
    frame : DataFrame
        Of numbers and texts. Texts are data: what they hold is shown as it is written.
    key : str
    """
    names = "".join(
        f"  .st-key-{_KEY}_{key} td:nth-of-type({at}):not(:empty)::before "
        f'{{ content: "{_in_css(str(name))}"; }}\n'
        for at, name in enumerate(frame.columns, start=1)
    )
    shown = frame.set_axis([plain(str(name)) for name in frame.columns], axis=1)
    shown.index = pd.Index([plain(str(name)) for name in frame.index], name=frame.index.name)
    cells = shown.map(_written)
    with st.container(key=f"{_KEY}_{key}"):
        st.html(f"<style>{_LOOK}@media (max-width: 480px) {{\n{names}}}</style>")
        st.table(cells)
