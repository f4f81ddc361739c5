"""The session on the Data page: how long it is kept, and as one file of one's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from anisoalign_core.files.limits import size_text
from anisoalign_core.files.source import Source
from app.kept import forget, keeping, store
from app.loading import export_root
from app.packed import SUFFIX, pack, unpack
from app.server import place, server
from app.session import ask_for_room
from app.taken import take_over
from app.widgets.common import guard, plain
from app.widgets.export import DOWNLOAD_LIMIT
from app.writing import said_now


def session_section() -> None:
    """Say how the session is kept; save it, open another, or forget it."""
    st.subheader("This session", anchor=False)
    _how_it_is_kept()
    with guard():
        _save()


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


def open_session(source: Source) -> None:
    """Open a session that was saved; on any failure all stays as it is.

    Raises
    ------
    AnisoAlignError
    """
    ask_for_room(source.size, source.name)
    take_over(unpack(source, server().places.room(place())))
    st.toast("Opened.", icon=":material/check:")
