"""The live picture on a page: mounted once, moved in the browser, heard where a drag ends.

The picture's bytes stay the same while its dial moves, so the browser keeps them; exact numbers
come beside it, in a message of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from anisoalign_core.plots.live import LivePicture
from anisoalign_core.plots.live.homes import module, style

SHOW = st.components.v2.component("anisoalign_live", js=module(), css=style())


def show(
    picture: LivePicture,
    key: str,
    *,
    now: tuple[float, Mapping[str, float]] | None = None,
    note: str = "",
    released: Callable[[float], None] | None = None,
) -> Mapping[str, Any]:
    """Show a picture; return the rows last drawn around, as positions among the drawn ones.

    Parameters
    ----------
    picture : LivePicture
    key : str
    now : (float, mapping), optional
        Value of the dial in force, and the exact scores there.
    note : str
        What is said of them under the cards, as long as the dial stands there.
    released : callable of the dial's value, optional
        Told before the run that follows where a drag ended.
    """

    def hear() -> None:
        value = st.session_state[key].get("value")
        if released is not None and isinstance(value, int | float):
            released(float(value))

    mounted = SHOW(
        data=picture.payload, key=key, on_value_change=hear, on_selected_change=lambda: None
    )
    if now is not None:
        value, scores = now
        SHOW(
            data={"for": picture.facts["id"], "value": value, "scores": dict(scores), "note": note},
            key=f"{key}_now",
            height=1,
        )
    selected = mounted.get("selected")
    return selected if isinstance(selected, Mapping) else {}
