"""Writes behind the pages' backs, one thing after the other: nobody waits for a disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

LOG = logging.getLogger("anisoalign")


class Pen:
    """Runs the latest job of each subject, in a thread of its own; it ends before the process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "pen")
        self._jobs: dict[str, Callable[[], None]] = {}
        self._done: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def put(self, subject: str, job: Callable[[], None]) -> None:
        """Run a job soon; one of the same subject that has not begun yet is left out."""
        with self._lock:
            waiting = subject in self._jobs
            self._jobs[subject] = job
            if not waiting:
                self._done[subject] = self._pool.submit(self._run, subject)

    def settle(self, subject: str, seconds: float) -> bool:
        """Wait until all of a subject is written, and say whether it is."""
        with self._lock:
            last = self._done.get(subject)
        return last is None or not wait([last], seconds).not_done

    def _run(self, subject: str) -> None:
        with self._lock:
            job = self._jobs.pop(subject)
        try:
            job()
        except Exception:
            LOG.exception("unexpected error in the background")
        finally:
            with self._lock:
                if subject not in self._jobs:
                    self._done.pop(subject, None)
