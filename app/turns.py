"""Turns at work: a few jobs run at once, others wait in order; so do runs of pages."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anisoalign_core.errors import LimitError

LOOK_SECONDS = 0.25


class Turns:
    """Hands out at most ``at_once`` turns; further jobs wait, first come first served.

    Parameters
    ----------
    at_once : int
    waiting : int
        Jobs that may wait.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self.at_once, self.waiting = at_once, waiting
        self._tickets: list[object] = []  # the first ones run
        self._changed = threading.Condition()
        self._mine = threading.local()

    @contextmanager
    def turn(self, tell: Callable[[int], None]) -> Iterator[None]:
        """Wait for a turn, and hold it inside the block; a job within a job has it already.

        Parameters
        ----------
        tell : callable(jobs)
            Called again and again while ``jobs`` others wait in front; an exception it raises
            ends the waiting.

        Raises
        ------
        LimitError
            If too many wait already.
        """
        if getattr(self._mine, "held", False):
            yield
            return
        ticket = self._drawn()
        try:
            while (before := self._before(ticket)) is not None:
                tell(before)
            self._mine.held = True
            yield
        finally:
            self._mine.held = False
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _drawn(self) -> object:
        ticket = object()
        with self._changed:
            waiting = len(self._tickets) - self.at_once
            if waiting >= self.waiting:
                raise LimitError(
                    f"This server is busy, and its queue is full ({waiting} waiting). Nothing was "
                    "changed; try again in a few minutes."
                )
            self._tickets.append(ticket)
        return ticket

    def _before(self, ticket: object) -> int | None:
        """Return how many wait in front, after a moment; None when it is the ticket's turn."""
        with self._changed:
            if self._tickets.index(ticket) >= self.at_once:
                self._changed.wait(LOOK_SECONDS)
            place = self._tickets.index(ticket) - self.at_once
            return place if place >= 0 else None


class InOrder:
    """Lets short pieces of work in Python go one after another, which at once would all end last.

    One thread at a time runs Python in any case. Of sixty who press a button at the same moment,
    half then wait half as long, and the last no longer than everybody would.

    Parameters
    ----------
    seconds : float
        What takes longer stands in nobody's way from then on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._begun: dict[threading.Event, float] = {}

    @contextmanager
    def run(self) -> Iterator[None]:
        """Wait until those before have gone, and go."""
        mine = threading.Event()
        with self._lock:
            self._waiting.append(mine)
            self._let_go()
        while not mine.wait(self.seconds):
            with self._lock:
                self._let_go()
        try:
            yield
        finally:
            with self._lock:
                del self._begun[mine]
                self._let_go()

    def _let_go(self) -> None:
        """Let the first one go where nobody is in its way; the lock is held."""
        now = time.monotonic()
        if self._waiting and all(now - begun >= self.seconds for begun in self._begun.values()):
            first = self._waiting.popleft()
            self._begun[first] = now
            first.set()
