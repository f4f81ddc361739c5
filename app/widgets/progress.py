"""Waiting: nothing at first, then a bar with an estimate and a way to cancel."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.numerics import Progress
from app.server import place, server

T = TypeVar("T")
QUIET_SECONDS = 0.4
CANCEL_SECONDS = 1.5


@contextmanager
def progress_bar(
    what: str, on_cancel: Callable[[], None] | None = None, *, long: bool = False
) -> Iterator[Progress]:
    """Wait for the job's turn on this server, and yield a progress callback.

    It draws once the work, or the waiting, has taken a moment.

    Every call is a point at which Streamlit can end the run: pressing Cancel, or moving any
    control, stops the work there, and nothing of it is kept.

    Parameters
    ----------
    what : str
        Words for the work.
    on_cancel : callable, optional
        Run when Cancel is pressed; without it no button is drawn.
    long : bool
        Long jobs have turns of their own, so that short ones need not wait for them.

    Raises
    ------
    LimitError
        If too many jobs wait already.
    """
    here, spot = place(), st.empty()
    begun = time.monotonic()
    drawn: dict[str, object] = {}

    def tell(fraction: float, words: str) -> None:
        here.touch()
        elapsed = time.monotonic() - begun
        if elapsed < QUIET_SECONDS:
            return
        if "bar" not in drawn:
            box = spot.container(horizontal=True, vertical_alignment="center")
            drawn["bar"], drawn["button"] = box.empty(), box.empty()
        left = ""
        if 0.02 < fraction < 1.0:
            left = f" · about {elapsed * (1 - fraction) / fraction:.0f} s left"
        drawn["bar"].progress(  # type: ignore[attr-defined]
            min(max(fraction, 0.0), 1.0), text=f"{what}: {words}{left}"
        )
        if on_cancel is not None and elapsed > CANCEL_SECONDS and "shown" not in drawn:
            drawn["shown"] = True
            drawn["button"].button(  # type: ignore[attr-defined]
                "Cancel", key=f"cancel_{what}", on_click=on_cancel
            )

    def wait(before: int) -> None:
        others = "another job" if before == 0 else f"{before + 1} other jobs"
        tell(0.0, f"waiting for {others} on this server")

    turns = server().long if long else server().short
    try:
        with turns.turn(wait):
            begun = time.monotonic()
            yield tell
    finally:
        spot.empty()


@contextmanager
def waiting(what: str) -> Iterator[Callable[[], None]]:
    """Yield what says, again and again, that another session is at this very work already."""
    here, begun = place(), time.monotonic()
    spots: list[DeltaGenerator] = []

    def tell() -> None:
        here.touch()
        if time.monotonic() - begun > QUIET_SECONDS:
            spots[:] = spots or [st.empty()]
            spots[0].caption(f"{what}: another session has begun it, and all will see it …")

    try:
        yield tell
    finally:
        for spot in spots:
            spot.empty()


def cancellable(
    key: Hashable, what: str, build: Callable[[Progress], T], *, long: bool = False
) -> T:
    """Run long work with a bar and a Cancel button; after cancelling, offer to start again.

    Ends the page when the work was cancelled: everything else stays as it was.

    Parameters
    ----------
    key : hashable
        What the work is for; a cancelled key stays cancelled until it is started again.
    what : str
    build : callable of a progress callback
    long : bool
        As in :func:`progress_bar`.
    """
    cancelled: set[Hashable] = st.session_state.setdefault("cancelled", set())
    if key in cancelled:
        st.info(f"{what} was cancelled; nothing was changed.", icon=":material/cancel:")
        st.button("Start again", key=f"again_{what}", on_click=cancelled.discard, args=(key,))
        st.stop()
    with progress_bar(what, on_cancel=lambda: cancelled.add(key), long=long) as tell:
        return build(tell)
