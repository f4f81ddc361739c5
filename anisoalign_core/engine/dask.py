"""Many machines: pieces are mapped to the workers of a Dask cluster and their sums tree-reduced.

Every task is a pure function of a piece, so Dask may run it again: after an error, or because the
worker that held its result is gone. Files appear whole or not at all, so a task that is run twice
writes the same file twice. Workers must see the same paths as the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import add
from typing import Any

import numpy as np

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.engine.facts import FileFacts
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.engine.pieces import Piece, cut
from anisoalign_core.engine.sums import PieceResult, SumRequest, sphere_piece, sum_piece
from anisoalign_core.engine.work import Change, Written, write_output
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.io.shards import ShardedSet
from anisoalign_core.numerics import Float64, Progress
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
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise AnisoAlignError(
            "A cluster needs Dask, which is not installed. Install it with "
            "pip install -r requirements-distributed.txt."
        ) from error
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

    def sums(
        self, data: ShardedSet, request: SumRequest, progress: Progress | None = None
    ) -> tuple[PieceResult, tuple[FileFacts, ...]]:
        """Sum the pieces of a set on the workers, and add the sums in a tree."""
        pieces = cut(data)
        requests = [_narrowed(request, piece) for piece in pieces]
        with self._holding() as held:
            leaves = held(self._map(_sum_piece, pieces, requests))
            digests = held(self._map(FileFacts.of, data.shards))
            self._follow(leaves + digests, [p.size for p in pieces], progress, "summed")
            total = self._reduced(leaves, held).result()
            files = self.client.gather(digests)
        return total, tuple(files)

    def sphere_mean(
        self,
        data: ShardedSet,
        affine: AffineMap,
        *,
        drop_invalid: bool = False,
        progress: Progress | None = None,
    ) -> Float64:
        """Mean of ``Norm(e)`` over a set."""
        pieces = cut(data)
        with self._holding() as held:
            model = held([self.client.submit(_kept, affine, pure=False)])[0]
            leaves = held(self._map(_sphere_piece, pieces, affine=model, drop_invalid=drop_invalid))
            self._follow(leaves, [p.size for p in pieces], progress, "calibrated")
            found = self.client.gather(leaves)
        total, rows = np.zeros(affine.dim), 0
        for one, count in found:
            total, rows = total + one, rows + count
        return np.asarray(total / max(rows, 1))

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


def _narrowed(request: SumRequest, piece: Piece) -> SumRequest:
    """Return the request with those wanted rows only that lie in the piece."""
    if not request.wanted:
        return request
    low, high = piece.first, piece.first + piece.stop - piece.start
    wanted = tuple(group[(group >= low) & (group < high)] for group in request.wanted)
    return replace(request, wanted=wanted)


def _sum_piece(piece: Piece, request: SumRequest) -> PieceResult:
    with one_thread():
        return sum_piece(piece, request)


def _sphere_piece(piece: Piece, affine: AffineMap, drop_invalid: bool) -> tuple[Float64, int]:
    with one_thread():
        return sphere_piece(piece, affine, drop_invalid)


def _write_output(output: Output, plan: OutputPlan, change: Change) -> Written:
    with one_thread():
        return write_output(plan, output, change)


def _added(results: list[PieceResult]) -> PieceResult:
    total = results[0]
    for result in results[1:]:
        total = add(total, result)
    return total


def _kept(value: Any) -> Any:
    """Return a value as a task of its own: it can be made again when its worker is gone."""
    return value
