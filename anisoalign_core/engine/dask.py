"""Many machines: pieces are mapped to the workers of a Dask cluster and their sums tree-reduced.

Every task is a pure function of a piece, so Dask may run it again: after an error, or because the
worker that held its result is gone. Files appear whole or not at all, so a task that is run twice
writes the same file twice. Workers must see the same paths as the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

from anisoalign_core.engine.facts import FileFacts
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.engine.passes import Pass, Piece, Total, cut, over_piece
from anisoalign_core.engine.write import Change, Written, write_output
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.extras import need
from anisoalign_core.io.shards import ShardedSet
from anisoalign_core.numerics import Progress
from anisoalign_core.threads import one_thread

RETRIES = 3
FAN_IN = 8
"""Partial sums that one task of the tree adds."""


@contextmanager
def connected(scheduler: str | None, workers: int | None = None) -> Iterator[DaskEngine]:
    """Yield an engine on a running cluster, or on one that lives as long as the block.

    Parameters
    ----------
    scheduler : str or None
        Address such as ``tcp://host:8786``.
    workers : int, optional
        Processes of a cluster on this machine, where no scheduler is given.

    Raises
    ------
    AnisoAlignError
        If Dask is not installed or the scheduler does not answer.
    """
    need("A cluster", "distributed", "dask", "distributed")
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=workers or 2, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            Client(cluster) as client,  # type: ignore[no-untyped-call]
        ):
            yield DaskEngine(client)
        return
    try:
        client = Client(scheduler, timeout="20s")  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise AnisoAlignError(
            f"No Dask scheduler answers at {scheduler} ({type(error).__name__}). Check the "
            "address, and that it runs."
        ) from error
    with client:
        yield DaskEngine(client)


@dataclass(frozen=True)
class DaskEngine:
    """The workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    """

    client: Any

    def over(
        self, data: ShardedSet, work: Pass[Total], progress: Progress | None = None
    ) -> tuple[Total, tuple[FileFacts, ...]]:
        """Pass over the pieces of a set on the workers, and add what they give in a tree."""
        pieces = cut(data)
        with self._holding() as held:
            sent = held([self.client.submit(_kept, work, pure=False)])[0]
            leaves = held(self._map(_over_piece, pieces, work=sent))
            digests = held(self._map(FileFacts.of, data.shards)) if work.digests else []
            self._follow(leaves + digests, [p.size for p in pieces], progress, work.words)
            total: Total = self._reduced(leaves, held).result()
            files = self.client.gather(digests)
        return total, tuple(files)

    def write(
        self,
        plan: OutputPlan,
        outputs: Sequence[Output],
        change: Change,
        progress: Progress | None = None,
    ) -> tuple[list[Written], dict[str, str]]:
        """Write outputs, each on one worker; the model goes to every worker once."""
        shards = {p.shard.name: p.shard for output in outputs for p in output.pieces}
        sizes = [sum(piece.size for piece in output.pieces) for output in outputs]
        with self._holding() as held:
            model = held([self.client.submit(_kept, change, pure=False)])[0]
            bare = replace(plan, outputs=())
            tasks = held(self._map(_write_output, outputs, plan=bare, change=model))
            digests = held(self._map(FileFacts.of, list(shards.values())))
            self._follow(tasks + digests, sizes, progress, "written")
            written = self.client.gather(tasks)
            files = self.client.gather(digests)
        return written, {one.name: one.digest for one in files}

    def _map(self, function: Callable[..., Any], *items: Sequence[Any], **fixed: Any) -> list[Any]:
        """Submit one task per item; none is taken for another, as files may have changed."""
        futures: list[Any] = self.client.map(function, *items, pure=False, retries=RETRIES, **fixed)
        return futures

    def _reduced(self, leaves: list[Any], held: Callable[[list[Any]], list[Any]]) -> Any:
        """Add results in a tree of fixed shape, so that the sums do not depend on who was first."""
        level = leaves
        while len(level) > 1:
            groups = [level[i : i + FAN_IN] for i in range(0, len(level), FAN_IN)]
            level = held(
                [self.client.submit(_added, group, pure=False, retries=RETRIES) for group in groups]
            )
        return level[0]

    def _follow(
        self, futures: list[Any], sizes: Sequence[int], progress: Progress | None, words: str
    ) -> None:
        """Wait for tasks; the first that fails ends the work with its own error."""
        from distributed import as_completed

        weights = dict(zip((future.key for future in futures), sizes, strict=False))
        total, done, count = max(sum(sizes), 1), 0, 0
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            if future.status == "error":
                future.result()
            done += weights.get(future.key, 0)
            count += future.key in weights
            if progress is not None:
                progress(min(done / total, 1.0), f"{count:,} of {len(sizes):,} pieces {words}")

    @contextmanager
    def _holding(self) -> Iterator[Callable[[list[Any]], list[Any]]]:
        """Hold futures while they are needed; cancel what is left of them on any way out."""
        everything: list[Any] = []

        def hold(futures: list[Any]) -> list[Any]:
            everything.extend(futures)
            return futures

        try:
            yield hold
        finally:
            self.client.cancel(everything)


def _over_piece(piece: Piece, work: Pass[Total]) -> Total:
    with one_thread():
        return over_piece(piece, work)


def _write_output(output: Output, plan: OutputPlan, change: Change) -> Written:
    with one_thread():
        return write_output(plan, output, change)


def _added(results: list[Total]) -> Total:
    return reduce(add, results)


def _kept(value: Any) -> Any:
    """Return a value as a task of its own: it can be made again when its worker is gone."""
    return value
