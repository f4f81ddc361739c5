"""What must be true before ReVision chunks are written: their loader finds out too late."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anisoalign_core.engine.outputs import OutputPlan
from anisoalign_core.errors import FormatError
from anisoalign_core.io.preflight import Preflight, PreflightCounter, training_ids
from anisoalign_core.io.shards import ShardedSet, stream_limits
from anisoalign_core.numerics import BLOCK_ROWS, UNIT_TOLERANCE, row_norms
from anisoalign_core.rows import valid_norms


def preflight(
    plan: OutputPlan,
    data: ShardedSet,
    training_json: str | None,
    say: Callable[[str], None],
) -> Preflight:
    """Read ids and norms once, say what was found, and refuse what the loader could not use.

    Parameters
    ----------
    plan : OutputPlan
    data : ShardedSet
    training_json : str or None
    say : callable(words)

    Raises
    ------
    FormatError
        With the reason, before anything is written.
    """
    wanted = None if training_json is None else training_ids(training_json)
    counter, limits, first = PreflightCounter(), stream_limits(), 0
    for shard in data.shards:
        for chunk in shard.chunks(BLOCK_ROWS, about=True):
            array, ids = chunk.array, chunk.about.plain(limits).ids
            numbers = np.arange(first, first + len(array))
            first += len(array)
            ids = numbers.astype(str).astype(object) if ids is None else ids
            norms = row_norms(array)
            kept = valid_norms(norms)
            if not (np.abs(norms - 1.0) <= UNIT_TOLERANCE).all():
                # as they will be written: on the unit sphere
                array = array / np.where(kept, norms, 1.0)[:, None]
            if plan.drop_invalid:
                array, ids = array[kept], ids[kept]
            counter.add(array, ids)
    found = counter.finish(wanted, data.dim)
    for sentence in found.sentences:
        say(sentence)
    if found.refusal is not None:
        raise FormatError(f"{found.refusal} Nothing was written.")
    return found
