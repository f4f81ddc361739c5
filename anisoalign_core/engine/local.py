"""One machine, out of core: the file is read once per pass, its blocks are shared among threads.

Each block of rows is worked on by one thread with BLAS on one thread, and results are taken in the
order of the blocks: the numbers do not depend on how many threads there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

from anisoalign_core.engine.facts import FileFacts
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.engine.passes import Pass, Piece, RawBlock, Total, cut, raw_blocks
from anisoalign_core.engine.write import Change, Written, write_output
from anisoalign_core.files.digests import PassingDigest
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.io.shards import ShardedSet
from anisoalign_core.numerics import Progress
from anisoalign_core.rows import NormRange
from anisoalign_core.threads import one_thread

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class LocalEngine:
    """The cores of this machine.

    Parameters
    ----------
    threads : int
        Blocks that are worked on at once, at most; by default the cores this process may use.
    """

    threads: int = field(default_factory=usable_cores)

    def over(
        self, data: ShardedSet, work: Pass[Total], progress: Progress | None = None
    ) -> tuple[Total, tuple[FileFacts, ...]]:
        """Pass over a set once."""
        files: list[FileFacts] = []
        told = _Told(cut(data, None), progress, work.words)

        def results(run: _Ordered) -> Iterator[Any]:
            for piece in cut(data, None):
                digest = PassingDigest() if work.digests else None
                blocks = raw_blocks(piece, drop_invalid=work.drop_invalid, digest=digest)
                for found, norms in run(partial(work.block, begin=piece.first), blocks):
                    told.step(norms)
                    yield found
                if digest is not None:
                    files.append(FileFacts.of(piece.shard, digest.of(piece.shard.path)))

        # whoever reads takes a core: with a worker on each they would be in each other's way
        with self._running(max(self.threads - work.light, 1)) as run:
            total = work.total(results(run), data.dim)
        return total, tuple(files)

    def write(
        self,
        plan: OutputPlan,
        outputs: Sequence[Output],
        change: Change,
        progress: Progress | None = None,
    ) -> tuple[list[Written], dict[str, str]]:
        """Write outputs one after the other; return them and the digests of files read whole."""
        written: list[Written] = []
        digests: dict[str, PassingDigest] = {}
        pieces = [piece for output in outputs for piece in output.pieces]
        told = _Told(pieces, progress, "written")
        with self._running(self.threads) as run:

            def watched(
                work: Callable[[RawBlock], Any], blocks: Iterable[RawBlock]
            ) -> Iterator[Any]:
                # read, correct and take digests in one thread while this one writes
                for result in _ahead(lambda: run(work, blocks)):
                    told.step(result[1])
                    yield result

            for output in outputs:
                written.append(write_output(plan, output, change, run=watched, digests=digests))
        paths = {piece.shard.name: piece.shard.path for piece in pieces}
        return written, {name: digest.of(paths[name]) for name, digest in digests.items()}

    @contextmanager
    def _running(self, workers: int) -> Iterator[_Ordered]:
        with one_thread(), ThreadPoolExecutor(workers) as pool:
            yield _Ordered(pool, 2 * workers)


@dataclass(frozen=True)
class _Ordered:
    """Applies a function to items in a pool; results come in order, few wait in memory."""

    pool: ThreadPoolExecutor
    window: int

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self.pool.submit(function, item))
                if len(waiting) >= self.window:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _ahead(items: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """Run an iterator in a thread of its own, one item ahead: memory for more costs more time.

    An error in it is raised here; when this generator is closed early, the iterator ends too.
    """
    waiting: Queue[tuple[bool, Any]] = Queue(1)
    stopped = Event()

    def put(item: tuple[bool, Any]) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except Full:
                continue

    def run() -> None:
        try:
            for item in items():
                put((True, item))
                if stopped.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            goes_on, item = waiting.get()
            if goes_on:
                yield item
            elif item is not None:
                raise item
            else:
                return
    finally:
        stopped.set()
        thread.join()


class _Told:
    """Tells how far a pass is, by rows."""

    def __init__(self, pieces: Sequence[Piece], progress: Progress | None, words: str) -> None:
        self._progress, self._words, self._rows = progress, words, 0
        self._total = max(sum(piece.rows for piece in pieces), 1)

    def step(self, norms: NormRange) -> None:
        if self._progress is None:
            return
        self._rows += norms.rows + norms.dropped
        self._progress(min(self._rows / self._total, 1.0), f"{self._rows:,} rows {self._words}")
