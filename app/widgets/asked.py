"""Work that a button asks for and that keeps what it finishes: boards, advice."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import streamlit as st

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.numerics import Progress
from app.widgets.common import plain
from app.widgets.progress import progress_bar


def ask(name: str, key: Hashable) -> None:
    """Ask for a piece of work, which :func:`when_asked` runs; for buttons."""
    st.session_state[f"{name}_asked"] = key


def when_asked(name: str, key: Hashable, what: str, work: Callable[[Progress], object]) -> None:
    """Run work that was asked for, which keeps what it finishes by itself.

    An error is said once and ends the run; Cancel ends it too, and :func:`was_stopped` tells.

    Parameters
    ----------
    name : str
        Of this kind of work.
    key : hashable
        What it is for; what was asked for another is not run.
    what : str
        Words for the work.
    work : callable of a progress callback
    """
    asked, unfinished = f"{name}_asked", f"{name}_unfinished"
    if st.session_state.get(asked) != key:
        return

    def forget() -> None:
        st.session_state.pop(asked, None)

    st.session_state[unfinished] = True  # until the end, or an error, is reached
    try:
        with progress_bar(what, on_cancel=forget, long=True) as tell:
            work(tell)
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        forget()  # or every later run of the page would fail in the same way
        del st.session_state[unfinished]
        raise
    forget()
    del st.session_state[unfinished]


def was_stopped(name: str) -> bool:
    """Whether the last run of this kind of work was ended before its end; told once."""
    return bool(st.session_state.pop(f"{name}_unfinished", False))
