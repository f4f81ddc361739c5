"""What is kept of a session, on every page: taken up, said, and its key left with the browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from app.keeping import Token
from app.kept import ADDRESS, COOKIE, SAYS, Keep, cookie_parts, keep_under, keeping, store
from app.widgets.common import plain

CARRIER = st.components.v2.component(
    "anisoalign_cookie", js=(Path(__file__).parent / "cookie.js").read_text(encoding="utf-8")
)
AT = "session_cookie"


def begin_kept(page: Any) -> None:
    """Take up what was kept, as far as this page needs it."""
    if ADDRESS in st.query_params or "keep_asked" in st.session_state or keeping().waits:
        from app.taken import take  # a first visitor sees numbers before this is imported

        take(page, _name(page))


def end_kept(page: Any) -> None:
    """Keep what has changed, and leave the key with the browser."""
    from app.writing import keep  # as above: it knows all that a session can hold

    keep(_name(page))
    held, here = keeping(), store()
    if here is None or held.off or not held.name:
        return
    with st.sidebar:
        CARRIER(
            data={
                "name": COOKIE,
                "key": held.key,
                "last": held.name,
                "path": "/" + str(st.get_option("server.baseUrlPath")).strip("/"),
                "seconds": 3600 * here.hours,
                "hour": int(time.time() // 3600),  # so that it is left anew while it is used
            },
            key=AT,
            height=1,
            on_other_change=_other,
            on_refused_change=_refused,
        )


def _name(page: Any) -> str:
    return page.url_path or "home"


def _other() -> None:
    """Another window left its key with the browser first: keep this session under that one."""
    said = st.session_state.get(AT, {}).get("other")
    key, _ = cookie_parts(said if isinstance(said, str) else "")
    if key:
        keep_under(key)


def _refused() -> None:
    """Keep nothing that nobody could take up again."""
    held = keeping()
    held.off, held.name, held.problem = True, "", "This browser keeps no cookies of this address."


def say_what_was_kept() -> None:
    """Say what could not be taken up or kept, what waits for its rows, and what was there last."""
    held = keeping()
    for number, words in enumerate(st.session_state.get(SAYS, [])):
        left, right = st.columns([8, 1], vertical_alignment="center")
        left.warning(words, icon=":material/history_toggle_off:")
        if right.button("Close", key=f"keep_says_{number}", type="tertiary"):
            del st.session_state[SAYS][number]
            st.rerun()
    if held.problem:
        st.sidebar.caption(f":material/warning: {plain(held.problem)}")
    _say_what_waits(held)
    _offer_last(held)


def _say_what_waits(held: Keep) -> None:
    said = None if held.wants is None else held.wants.contents.pair
    if said is None:
        return
    target, source = (plain(one) for one in (*said.names, "", "")[:2])
    st.info(
        f"The session of “{plain(said.title)}” was kept without its rows. Load {target} (target) "
        f"and {source} (source) on the Data page, as before: once their digest is "
        f"`{said.digest[:12]}`, split, choices and what was trained come back.",
        icon=":material/upload_file:",
    )
    st.button("Go on without them", key="wants_nothing", on_click=lambda: _drop(held))


def _drop(held: Keep) -> None:
    held.wants, held.files, held.to_settle = None, {}, {}


def _offer_last(held: Keep) -> None:
    """Offer the session that this browser had last, to whoever comes without its address."""
    here, token = store(), Token.of(held.key, held.last)
    busy = held.name or held.off or held.wants is not None or st.query_params.get(ADDRESS)
    if here is None or token is None or busy or not here.holds(token):
        return
    with st.sidebar.container(border=True):
        st.caption("This browser had a session here before.")
        row = st.container(horizontal=True)
        row.button("Take it up", key="take_last", on_click=lambda: _take_last(held))
        row.button("No", key="leave_last", type="tertiary", on_click=lambda: _leave_last(held))


def _take_last(held: Keep) -> None:
    st.query_params[ADDRESS] = held.last
    held.last = ""


def _leave_last(held: Keep) -> None:
    held.last = ""
