"""What all sessions of this server share: places, turns, classes, and memory that goes back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from functools import cache

import streamlit as st

from anisoalign_core.files.limits import THREADS_VARIABLE, usable_cores
from anisoalign_core.threads import limit_blas
from app.classes import Classes
from app.places import Place, Places
from app.settings import settings
from app.turns import InOrder, Turns

TRIM_SECONDS = 2.0
RUN_SECONDS = 0.1
"""Runs of pages that take longer are overtaken."""
COLLECT_SECONDS = 30.0
M_MMAP_THRESHOLD = -3
"""The option's number in glibc's malloc.h."""
MMAP_BYTES = 1 << 20


@dataclass(frozen=True)
class Server:
    """Places for sessions, turns for long, for short jobs and for runs, and classes that vote."""

    places: Places
    long: Turns
    short: Turns
    classes: Classes = field(default_factory=lambda: Classes(at_once=0, hours=1))
    runs: InOrder = field(default_factory=lambda: InOrder(RUN_SECONDS))


@cache
def server() -> Server:
    """Return the server's own; threads are bounded when it is first asked for."""
    chosen = settings()
    _give_back_large_blocks()
    _collecting()
    if THREADS_VARIABLE in os.environ:
        limit_blas(usable_cores())
    return Server(
        Places(chosen.sessions, chosen.session_bytes, chosen.server_bytes),
        Turns(chosen.jobs, chosen.waiting),
        Turns(chosen.jobs, chosen.waiting),
        Classes(chosen.classes, chosen.class_hours),
    )


def _give_back_large_blocks() -> None:
    """Have glibc return arrays to the system as soon as they are freed.

    It would raise the size from which it does so by itself, up to 32 MiB, and keep smaller ones in
    arenas of threads that are gone: after six sessions more than twice what they left behind.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(M_MMAP_THRESHOLD, MMAP_BYTES)


@cache
def _collecting() -> threading.Thread:
    """Begin to collect, once a process."""
    thread = threading.Thread(target=_collect, name="collect", daemon=True)
    thread.start()
    return thread


def _collect() -> None:
    """Collect cycles every few seconds while the app is used, for all sessions at once.

    Streamlit would after each run of each page: with all that a server has imported it takes longer
    than the run itself.
    """
    seen = 0.0
    while True:
        time.sleep(COLLECT_SECONDS)
        used = server().places.last_used()
        if used > seen:
            seen = used
            gc.collect()


def _leave(place: Place) -> None:
    server().places.leave(place)


@st.cache_resource(scope="session", show_spinner=False, on_release=_leave)
def place() -> Place:
    """Return this session's place; it is given back when the browser goes.

    Raises
    ------
    LimitError
        If all places are taken.
    """
    return server().places.enter()


class Alive:
    """Lives in a session's state: when that is let go, memory goes back to the system."""

    def __init__(self) -> None:
        weakref.finalize(self, give_back_later).atexit = False


_GOING_BACK = threading.Lock()
"""Held from when memory is to be given back until it is."""


def give_back_later() -> None:
    """Give memory back when what is being let go is gone: in a moment, once for all who ask."""
    if _GOING_BACK.acquire(blocking=False):
        timer = threading.Timer(TRIM_SECONDS, _go_back)
        timer.daemon = True
        timer.start()


def _go_back() -> None:
    _GOING_BACK.release()  # who asks from now on is not served by what begins here
    give_back()


def give_back() -> None:
    """Collect cycles, and hand free memory from the allocator back to the system."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim is not None:
            trim(0)
