"""A seeded sample of a set of any size, as an :class:`EmbeddingSet`: for metrics and figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet, as_stored
from anisoalign_core.errors import InvalidRowsError, ParameterError, ShapeError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.io.chunks import About, explained, joined_labels, joined_notes, joined_texts
from anisoalign_core.io.shards import Shard, ShardedSet, stream_limits
from anisoalign_core.numerics import BLOCK_ROWS, Integers, generator

GAP = 64
"""Wanted rows that are closer than this are read together with what lies between."""


def sample_rows(total: int, rows: int, random_state: int = 0) -> Integers:
    """Return ``rows`` different row numbers below ``total``, sorted; all where there are fewer.

    The same numbers, seed and size give the same rows: two sides of a pair stay row-aligned.
    """
    if rows < 1:
        raise ParameterError(f"A sample of {rows} rows was asked for; give at least 1.")
    if rows >= total:
        return np.arange(total)
    return np.sort(generator(random_state).choice(total, rows, replace=False))


def sample_set(
    data: ShardedSet, rows: npt.ArrayLike | None = None, *, drop_invalid: bool = False
) -> EmbeddingSet:
    """Read some rows of a set, with what is known about them.

    Parameters
    ----------
    data : ShardedSet
    rows : array of different row numbers, sorted, optional
        All rows by default.
    drop_invalid : bool

    Returns
    -------
    EmbeddingSet
        Row numbers of the whole set serve as ids where the files bring none.

    Raises
    ------
    LimitError
        If the rows asked for are more than the limits of reading into memory allow.
    ParameterError
        If ``rows`` are not as described, or none.
    FormatError, ShapeError, InvalidRowsError
    """
    total = data.rows
    wanted = np.arange(total) if rows is None else np.asarray(rows, dtype=np.intp)
    if not len(wanted) or wanted[0] < 0 or wanted[-1] >= total or (np.diff(wanted) <= 0).any():
        raise ParameterError(
            f"Rows to read from {data.name} must be different row numbers below {total:,}, sorted, "
            "and at least one."
        )
    itemsize = max(data.shards[0].facts.dtype.itemsize, 4)
    check_declared(len(wanted), data.dim, itemsize, data.name, Limits.from_env())
    arrays: list[npt.NDArray[np.generic]] = []
    abouts: list[About] = []
    for shard, start in zip(data.shards, data.starts, strict=True):
        count = shard.facts.rows
        local = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + count)]
        for array, about in _taken(shard, local - start):
            arrays.append(array)
            abouts.append(about)
    ids = joined_texts([about.ids for about in abouts])
    complete = len(wanted) == total
    notes = [note for shard in data.shards for note in shard.facts.notes]
    try:
        with explained(notes):
            found = EmbeddingSet.from_array(
                np.concatenate(arrays),
                modality=data.modality,
                ids=ids if ids is not None or complete else wanted,
                captions=joined_texts([about.captions for about in abouts]),
                labels=joined_labels([about.labels for about in abouts]),
                name=data.name,
                files=tuple(shard.name for shard in data.shards),
                model=data.shards[0].facts.metadata.get("model"),
                drop_invalid=drop_invalid,
                notes=(*notes, *joined_notes(abouts)),
            )
        return as_stored(found, data.shards[0].facts.stored)
    except InvalidRowsError as error:
        if complete:
            raise
        bad = wanted[list(error.rows)].tolist()
        shown = ", ".join(f"{row:,}" for row in bad[:5]) + (", …" if len(bad) > 5 else "")
        raise InvalidRowsError(f"{error} In the whole set these are {shown}.", bad) from error


def read_sides(
    source: ShardedSet,
    target: ShardedSet,
    pairing: Literal["none", "row", "id"],
    *,
    rows: int | None = None,
    random_state: int = 0,
    drop_invalid: bool = False,
) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Read two sets, or a sample of each: the same rows of both where row i belongs to row i.

    Parameters
    ----------
    source, target : ShardedSet
    pairing : {"none", "row", "id"}
    rows : int, optional
        Rows of a sample. Sets that are joined by id are always read whole.
    random_state : int
    drop_invalid : bool

    Raises
    ------
    ShapeError
        If rows should belong together and their numbers differ.
    """
    if pairing == "row" and source.rows != target.rows:
        raise ShapeError(
            f"{source.name} has {source.rows} rows and {target.name} has {target.rows}, so row i "
            "cannot belong to row i. Join them by id, or load them as unpaired."
        )

    def read(side: ShardedSet) -> EmbeddingSet:
        total = side.rows
        if rows is None or rows >= total or pairing == "id":
            return sample_set(side, drop_invalid=drop_invalid)
        return sample_set(side, sample_rows(total, rows, random_state), drop_invalid=drop_invalid)

    return read(source), read(target)


def _taken(shard: Shard, rows: Integers) -> Iterator[tuple[npt.NDArray[np.generic], About]]:
    """Yield the wanted rows of a shard, in order."""
    if not len(rows):
        return
    limits = stream_limits()
    if shard.format.ranges:
        known = shard.about() or About()
        cuts = np.flatnonzero(np.diff(rows) > GAP) + 1
        for run in np.split(rows, cuts):
            first = int(run[0])
            for chunk in shard.chunks(BLOCK_ROWS, first, int(run[-1]) + 1):
                here = run[(run >= first) & (run < first + len(chunk.array))]
                if len(here):
                    yield np.array(chunk.array[here - first]), known.take(here)
                first += len(chunk.array)
        return
    first = int(rows[0])
    for chunk in shard.chunks(BLOCK_ROWS, first, int(rows[-1]) + 1, about=True):
        here = rows[(rows >= first) & (rows < first + len(chunk.array))] - first
        if len(here):
            yield np.array(chunk.array[here]), chunk.about.take(here).plain(limits)
        first += len(chunk.array)
