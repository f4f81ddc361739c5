"""Splits side by side: each on a thread with one BLAS thread, told and kept in their order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from anisoalign_core.errors import ParameterError
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.numerics import Progress
from anisoalign_core.threads import beside

T = TypeVar("T")
EVERY = 0.05
"""Seconds between looks at whether somebody cancelled."""


class _StoppedError(BaseException):
    """Ends the work of a thread that nobody waits for any more."""


def side_by_side(
    numbers: range,
    work: Callable[[int, Progress], T],
    tell: Progress,
    workers: int | None = None,
) -> Iterator[T]:
    """Yield what ``work`` returns for each number, in order, as soon as it is done.

    Each piece of work has a BLAS thread of its own, however many run at once, so that results do
    not depend on their number. Progress is told on the caller's thread; when it raises, pieces that
    run stop at their next word, and what was yielded stays.

    Parameters
    ----------
    numbers : range
    work : callable(number, tell)
        ``tell`` takes the fraction of this piece, and words.
    tell : callable(fraction, words)
        Told the mean fraction of all pieces, and the latest words. May raise to cancel.
    workers : int, optional
        How many run at once; as many as there are cores by default.

    Raises
    ------
    ParameterError
        If ``workers`` is below 1.
    """
    if workers is not None and workers < 1:
        raise ParameterError(f"workers is {workers}; give at least 1.")
    workers = min(usable_cores() if workers is None else workers, max(len(numbers), 1))
    said: queue.SimpleQueue[tuple[int, float, str]] = queue.SimpleQueue()
    stop = threading.Event()

    def piece(number: int) -> T:
        def here(fraction: float, words: str) -> None:
            if stop.is_set():
                raise _StoppedError
            said.put((number, fraction, words))

        return work(number, here)

    done = dict.fromkeys(numbers, 0.0)

    def hear() -> None:
        """Pass on what was said since."""
        try:
            number, fraction, words = said.get(timeout=EVERY)
            while True:
                done[number] = max(done[number], fraction)
                tell(sum(done.values()) / len(done), words)
                number, fraction, words = said.get_nowait()
        except queue.Empty:
            return

    with beside(workers) as begin:
        pieces = [begin(piece, number) for number in numbers]
        cancelled: BaseException | None = None
        try:
            for number, future in zip(numbers, pieces, strict=True):
                while not future.done():
                    if cancelled is not None:
                        raise cancelled
                    try:
                        hear()
                    except BaseException as error:
                        cancelled = error
                found = future.result()
                done[number] = 1.0
                yield found
            if cancelled is not None:
                raise cancelled
        finally:
            stop.set()
