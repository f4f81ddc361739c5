"""Who is here, and how much memory each holds."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anisoalign_core.errors import LimitError
from anisoalign_core.files.limits import size_text

TEXT_BYTES = 100
"""What an entry of an array of texts is taken to hold."""


@dataclass(eq=False)
class Place:
    """One session's place: what it holds, when it was last used, and whether it was left."""

    held: int = 0
    used: float = field(default_factory=time.monotonic)
    left: bool = False

    def touch(self) -> None:
        """Say that somebody is here."""
        self.used = time.monotonic()

    def idle_for(self, minutes: float) -> bool:
        """Whether nobody did anything for so many minutes."""
        return time.monotonic() - self.used > 60 * minutes


class Places:
    """The places of a server; safe to use from all sessions' threads.

    Parameters
    ----------
    sessions : int
        Places at most.
    session_bytes, server_bytes : int
        What one session, and all together, may hold.
    """

    def __init__(self, sessions: int, session_bytes: int, server_bytes: int) -> None:
        self.sessions, self.session_bytes, self.server_bytes = sessions, session_bytes, server_bytes
        self._taken: set[Place] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many places are taken."""
        return len(self._taken)

    def last_used(self) -> float:
        """Return when any place was used last, on the clock of `time.monotonic`; else 0."""
        with self._lock:
            return max((place.used for place in self._taken), default=0.0)

    def enter(self) -> Place:
        """Take a place.

        Raises
        ------
        LimitError
            If all are taken.
        """
        with self._lock:
            if len(self._taken) >= self.sessions:
                raise LimitError(
                    f"All places on this server are taken: it allows {self.sessions} at once. "
                    "Try again in a few minutes."
                )
            place = Place()
            self._taken.add(place)
            return place

    def leave(self, place: Place) -> None:
        """Give a place back; twice is no harm."""
        with self._lock:
            self._taken.discard(place)
            place.left, place.held = True, 0

    def claim(self, place: Place, size: int, what: str) -> None:
        """Ask for room for ``size`` bytes instead of what the place holds.

        Raises
        ------
        LimitError
            If the session, or the server, may not hold as much; then nothing changes.
        """
        with self._lock:
            if size > self.session_bytes:
                raise LimitError(
                    f"{what} takes {size_text(size)} of memory; a session on this server may hold "
                    f"{size_text(self.session_bytes)}. Load fewer rows, or use the command line "
                    "on your own machine, which streams sets of any size."
                )
            others = self._others(place)
            if others + size > self.server_bytes:
                raise LimitError(
                    f"{what} takes {size_text(size)} of memory, and other sessions hold "
                    f"{size_text(others)} of the {size_text(self.server_bytes)} that this server "
                    "gives to all. Try again later, or load fewer rows."
                )
            place.held = max(place.held, size)

    def room(self, place: Place) -> int:
        """Bytes that the session may hold beside what others hold."""
        with self._lock:
            return min(self.session_bytes, self.server_bytes - self._others(place))

    def _others(self, place: Place) -> int:
        """Bytes that all others hold; the lock is held."""
        return sum(each.held for each in self._taken if each is not place)


def bytes_of(values: Iterable[Any], besides: Iterable[Any] = ()) -> int:
    """Bytes of all arrays, tables, tensors and files within some values, each counted once.

    Views count as the memory they keep alive. Texts are estimated; small objects are not counted,
    and nothing that lies in what is left out by ``besides``.
    """
    seen: set[int] = set(map(id, besides))
    waiting = list(values)
    total = 0
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (str, int, float, type, type(None))):
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if isinstance(value.base, np.ndarray):
                waiting.append(value.base)
            else:
                total += value.nbytes
                total += TEXT_BYTES * value.size if value.dtype == object else 0
        elif isinstance(value, (bytes, bytearray)):
            total += len(value)
        elif isinstance(value, io.BytesIO):
            total += value.getbuffer().nbytes
        elif isinstance(value, dict):  # before what is asked for names: some dicts answer to any
            waiting += value.values()
        elif hasattr(value, "memory_usage"):  # a table
            total += int(np.sum(value.memory_usage(deep=False)))
        elif hasattr(value, "untyped_storage"):  # a tensor
            total += int(value.nbytes)
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()
    return total
