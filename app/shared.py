"""What was computed from bundled samples: it is nobody's, so sessions share it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

LOOK_SECONDS = 0.25
MOST = 300


class OfSamples:
    """Results that all sessions share, each computed once; safe to use from all threads.

    Parameters
    ----------
    most : int
        Results kept; those used longest ago are let go.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._changed = threading.Condition()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: set[Hashable] = set()

    def __contains__(self, key: Hashable) -> bool:
        """Whether a result is kept."""
        with self._changed:
            return key in self._kept

    def once(
        self, key: Hashable, build: Callable[[], Any], wait: Callable[[], None] | None = None
    ) -> Any:
        """Return a result; whoever asks first computes it, and others wait for that.

        Where the first one fails, or is stopped, the next in line computes it.

        Parameters
        ----------
        key : hashable
        build : callable
        wait : callable, optional
            Called again and again while another session computes it; an exception that it raises
            ends the waiting.
        """
        while True:
            with self._changed:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
                if key not in self._making:
                    self._making.add(key)
                    break
                self._changed.wait(LOOK_SECONDS)
            if wait is not None:
                wait()
        try:
            found = build()
            self._keep(key, found)
        finally:
            with self._changed:
                self._making.discard(key)
                self._changed.notify_all()
        return found

    def _keep(self, key: Hashable, found: Any) -> None:
        with self._changed:
            self._kept[key] = found
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
