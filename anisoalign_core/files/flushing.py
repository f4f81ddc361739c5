"""Files whose bytes travel to the disk while more of them are still being computed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

FLUSH_BYTES = 32 * 1024 * 1024


@contextmanager
def flushing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing; a thread flushes it to disk every 32 MiB.

    The last flush, which makes the file safe, stays with :func:`atomic_path`, and then has little
    left to do.

    Yields
    ------
    binary stream
    """
    with path.open("wb") as stream, ThreadPoolExecutor(1) as pool:
        yield cast(BinaryIO, _Flushed(stream, pool))


class _Flushed:
    """A binary stream; see :func:`flushing`."""

    def __init__(self, stream: BinaryIO, pool: ThreadPoolExecutor) -> None:
        self._stream, self._pool = stream, pool
        self._since = 0
        self._flush: Future[None] | None = None

    def write(self, data: Any) -> int:
        count = self._stream.write(data)
        self._since += count
        if self._since >= FLUSH_BYTES and (self._flush is None or self._flush.done()):
            if self._flush is not None:
                self._flush.result()  # raises its error, if there was one
            self._since = 0
            self._flush = self._pool.submit(os.fsync, self._stream.fileno())
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
