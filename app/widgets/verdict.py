"""The verdict on the loaded pair, on the pages that correct it: one line that stays in sight."""

from __future__ import annotations

import streamlit as st

from app.session import verdict
from app.widgets.common import guard, plain

KEY = "verdict_line"
STAYS = f"""<style>
:root {{ --page-line: 3.6rem; }}
div:has(> .st-key-{KEY}) {{ position: sticky; top: 3.75rem; z-index: 90; }}
.st-key-{KEY} {{ background: var(--page-colour); }}
</style>"""
"""The app's header of 3.75rem lies over what scrolls; a picture's dial stays below both."""


def verdict_line() -> None:
    """Say that there is nothing to align, where that is the verdict; else say nothing."""
    with guard():
        found = verdict()
        if found is not None and found.level == "nothing":
            with st.container(key=KEY):
                st.html(STAYS)
                st.warning(f"**{plain(found.headline)}**", icon=":material/block:")
