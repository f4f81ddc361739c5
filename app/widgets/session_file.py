"""The session on the Data page: how long it is kept, and as one file of one's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.files.limits import size_text
from anisoalign_core.files.source import Source
from app.kept import forget, keeping, said_now, store
from app.loading import export_root
from app.packed import SUFFIX, pack, unpack
from app.server import place, server
from app.session import ask_for_room
from app.taken import take_over
from app.widgets.common import LOG, guard, plain
from app.widgets.export import DOWNLOAD_LIMIT

PROBLEM = "session_file_problem"


def session_section() -> None:
    """Say how the session is kept; save it, open another, or forget it."""
    st.subheader("This session", anchor=False)
    _how_it_is_kept()
    with guard():
        left, right = st.columns(2)
        with left:
            _save()
        with right:
            _open()


def _how_it_is_kept() -> None:
    held, here = keeping(), store()
    if here is None:
        st.caption("This server keeps no sessions: a reload of the page begins anew.")
    elif held.off:
        st.caption("This session is not kept: a reload of the page begins anew.")
    else:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.caption(
            "Rows, split, choices, encoders on the bench, what was trained and what Compare found "
            f"are kept on this server for {here.hours} hours after their last use, for this "
            "browser alone: a reload, a second tab of this address and a restart of the server "
            "bring them back.",
            width="stretch",
        )
        if row.button(
            "Forget this session",
            icon=":material/delete_history:",
            key="session_forget",
            help="Removes at once what the server keeps of it. What is on screen stays until the "
            "page is closed.",
        ):
            with guard():
                forget()
                st.rerun()


def _save() -> None:
    bare = st.checkbox(
        "Without the vectors",
        key="session_bare",
        help="Then the file holds digests in place of rows: who opens it has to have the files.",
    )
    contents, pieces = said_now()
    if bare:
        contents = contents.without_vectors()
    size = sum(pieces[name].size for name in contents.files)
    root = export_root()
    if size <= DOWNLOAD_LIMIT:
        st.download_button(
            "Save this session",
            lambda: _packed(contents, pieces),
            f"session{SUFFIX}",
            "application/zip",
            key="session_save",
            on_click="ignore",
            icon=":material/download:",
        )
    elif root is None:
        st.caption(
            f"This session takes {size_text(size)}, too much for a download: save it without the "
            "vectors."
        )
    elif st.button(f"Save this session on the server ({size_text(size)})", key="session_export"):
        digest = contents.pair.digest[:16] if contents.pair else "empty"
        with guard(), st.spinner("Writing …"):
            path = pack(contents, pieces, root / f"session-{digest}{SUFFIX}")
            st.success(f"Written to {plain(path.name)} in the folder for exports.")


def _packed(contents: Any, pieces: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return pack(contents, pieces, Path(folder) / f"session{SUFFIX}").read_bytes()


def _open() -> None:
    turn = st.session_state.get("session_round", 0)
    key = f"session_file_{turn}"
    uploaded = st.file_uploader(f"Open a session ({SUFFIX})", type=["zip"], key=key)
    problem = st.session_state.get(PROBLEM)
    if problem and uploaded is not None:
        st.error(problem, icon=":material/error:")
    if uploaded is not None:
        st.caption("It takes the place of what is loaded, chosen and trained now.")
        st.button("Open", key="session_open", type="primary", on_click=_take_over, args=(key,))


def _take_over(key: str) -> None:
    """Open the file that was uploaded; on any failure all stays as it is."""
    state = st.session_state
    uploaded = state.get(key)
    if uploaded is None:
        return
    try:
        data = uploaded.getvalue()
        room = server().places.room(place())
        ask_for_room(len(data), uploaded.name)
        take_over(unpack(Source(plain_name(uploaded.name), data=data), room))
    except AnisoAlignError as error:
        state[PROBLEM] = plain(str(error))
    except MemoryError:
        state[PROBLEM] = "There is not enough memory to open this session."
    except Exception:
        LOG.exception("a session's file could not be opened")
        state[PROBLEM] = "This file could not be opened; nothing was changed."
    else:
        state.pop(PROBLEM, None)
        state["session_round"] = state.get("session_round", 0) + 1
        st.toast("Opened.", icon=":material/check:")


def plain_name(name: str) -> str:
    """Return a file's name for messages."""
    return name.replace("\n", " ")[:120]
