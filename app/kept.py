"""What a session knows of how it is kept, and where. Every page asks, so that little is imported.

What is kept is written in :mod:`app.writing` and taken up in :mod:`app.taken`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.files.source import Source
from app.keeping import KEY, NAME, Store, Token
from app.pen import Pen
from app.private import private_folder
from app.session import KEY_OF_BROWSER, Loaded
from app.settings import settings

if TYPE_CHECKING:
    from app.packed import ComparedSaid, Contents, Pages, TrainingSaid

LOG = logging.getLogger("anisoalign")
COOKIE = "anisoalign_session"
"""Holds the browser's key, a dot, and the name of the session it had last."""
ADDRESS = "session"
"""What the address calls the name of a session."""
SAYS = "keep_says"
"""Key of what could not be taken up, until it is read."""
CLEAN_SECONDS = 900.0


@cache
def pen() -> Pen:
    """Return what writes for all sessions."""
    return Pen()


@cache
def store() -> Store | None:
    """Return the server's store, which is cleaned from now on; None where nothing is kept."""
    chosen = settings()
    if not chosen.kept_hours:
        return None
    try:
        root = private_folder(os.environ.get("ANISOALIGN_SESSION_ROOT"))
    except AnisoAlignError as error:
        LOG.warning("no session is kept: %s", error)
        return None
    found = Store(root, chosen.kept_hours, chosen.kept_session_bytes, chosen.kept_bytes)

    def clean() -> None:
        while True:
            try:
                found.clean()
            except Exception:
                LOG.exception("kept sessions could not be cleaned")
            time.sleep(CLEAN_SECONDS)

    threading.Thread(target=clean, name="clean", daemon=True).start()
    return found


@dataclass(frozen=True)
class Wants:
    """What waits until the rows are loaded that it belongs to, and where it was kept, if it was."""

    contents: Contents
    name: str = ""
    stamp: str | None = None

    def awaited(self, current: Loaded) -> Loaded | None:
        """Return what is loaded, the way round that is waited for; None where it is not that."""
        digest = "" if self.contents.pair is None else self.contents.pair.digest
        ways = (current, replace(current, pair=current.pair.turned()))
        return next((one for one in ways if one.pair.digest == digest), None)


@dataclass(eq=False)
class Keep:
    """What a session knows of how it is kept.

    Attributes
    ----------
    key : str
        The browser's.
    last : str
        The name of the session that the browser had last.
    name : str
        This session's, in its address; empty until something is kept.
    stamp : str or None
        Of what was read or written last.
    said : Contents or None
        What was given to be written last.
    problem : str
        Why it could not be kept, or not whole.
    elsewhere : bool
        Another window wrote the same session: this one goes on under a name of its own.
    off : bool
        It was forgotten, or the browser keeps no key: it is kept no more.
    pages, to_settle : dict
        The settings of each page, as its address has them; of pages that were not opened since.
    known : dict
        Files of what the session holds, by what it is.
    files : dict
        Files that were not opened yet: where each is, and its size.
    trainings, compared, bench
        What those files hold.
    wants : Wants or None
    """

    key: str = ""
    last: str = ""
    name: str = ""
    stamp: str | None = None
    said: Contents | None = None
    problem: str = ""
    elsewhere: bool = False
    off: bool = False
    touched: float = 0.0
    pages: Pages = field(default_factory=dict)
    to_settle: Pages = field(default_factory=dict)
    known: dict[str, tuple[Any, str]] = field(default_factory=dict)
    files: dict[str, tuple[Callable[[], Source], int]] = field(default_factory=dict)
    trainings: tuple[TrainingSaid, ...] = ()
    compared: tuple[ComparedSaid, ...] = ()
    bench: str | None = None
    wants: Wants | None = None

    @property
    def token(self) -> Token | None:
        """Where the session is kept, if it is."""
        return Token.of(self.key, self.name)

    @property
    def waits(self) -> bool:
        """Whether something that was kept is still to be taken up."""
        return bool(self.wants or self.to_settle or self.trainings or self.compared)


def keeping() -> Keep:
    """Return how this session is kept."""
    if "keep" not in st.session_state:
        key, last = cookie_parts(str(st.context.cookies.get(COOKIE, "")))
        st.session_state["keep"] = Keep(key or st.session_state.get(KEY_OF_BROWSER, ""), last)
    found: Keep = st.session_state["keep"]
    return found


def cookie_parts(value: str) -> tuple[str, str]:
    """Return the key and the last session's name of a cookie; empty where they are not ours."""
    key, _, last = value.partition(".")
    return (key if KEY.fullmatch(key) else "", last if NAME.fullmatch(last) else "")


def keep_under(key: str) -> None:
    """Keep this session under the key that the browser has, which another window gave it."""
    held = keeping()
    held.key = st.session_state[KEY_OF_BROWSER] = key
    held.name, held.stamp, held.said = "", None, None


def forget() -> None:
    """Remove what is kept of this session, at once, and keep no more of it.

    Raises
    ------
    PlaceError
        If something of it is left.
    """
    held, here = keeping(), store()
    if here is not None and held.token is not None:
        here.forget(held.token)
    held.off, held.name, held.stamp, held.said, held.problem = True, "", None, None, ""
    held.wants = None
