"""What is kept of an encoder besides its report: a few rows, what they find, and a trade-off."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from anisoalign_core.align import BoundedTransport
from anisoalign_core.compare.study import Study
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ValueRefused
from anisoalign_core.gap.comparable import keys_of
from anisoalign_core.metrics.retrieval import TIE_TOLERANCE
from anisoalign_core.numerics import Float32, Integers, Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.rows import Strings
from anisoalign_core.things import Things

KEPT = 200
"""Things whose rows are kept: the same ones for every encoder of the same things."""
SEARCHED = 4000
"""Things that the kept ones are searched among, drawn by their ids too."""
FEWEST = 50
"""Things below which no trade-off is measured."""
BOUNDS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Of the trade-off: from ReAlign to all but the unbounded map."""


@dataclass(frozen=True)
class Found:
    """Where the partners of the kept things stand among all that were searched.

    Attributes
    ----------
    ahead_of_target, ahead_of_source : tuple of int
        Other things nearer than the partner: for each source row in the target gallery, and for
        each target row in the source gallery. 0 is found at the first place.
    searched : int
        Things in the gallery.
    """

    ahead_of_target: tuple[int, ...]
    ahead_of_source: tuple[int, ...]
    searched: int


@dataclass(frozen=True, eq=False)
class Kept:
    """What :func:`keep` returns; each part is None where the pair does not have it.

    Attributes
    ----------
    rows : EmbeddingPair or None
        Paired row by row, one row a side for each thing.
    found : Found or None
    tradeoff : dict of str to tuple of float, or None
        Live scores of BoundedTransport along its bound; the first entry is the bound. None also
        of rows that no method can be fitted on, such as those that all point the same way.
    """

    rows: EmbeddingPair | None
    found: Found | None
    tradeoff: dict[str, tuple[float, ...]] | None


def keep(
    pair: EmbeddingPair,
    *,
    rows: int = KEPT,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Kept:
    """Choose rows by their ids, search their partners, and move the bound once through its range.

    Things are chosen by the smallest digests of their ids, or of their captions where ids are row
    numbers, so that encoders of the same things keep the same rows without knowing of each other.
    Where neither tells things apart their names here begin with the set's digest, so that nothing
    links them to another encoder's. Nothing is kept of unpaired sets.
    """
    tell = progress or (lambda fraction, words: None)
    things = pair.things
    if things is None:
        return Kept(None, None, None)
    tell(0.0, "Choosing rows")
    order, names = _order(pair, things)
    chosen = order[: min(rows, len(names))]
    rows_y, rows_x = _first_rows(things, chosen)
    ids = np.array(names[: len(chosen)], dtype=object)
    shown = EmbeddingPair(
        _bare(pair.source.take(rows_y), ids), _bare(pair.target.take(rows_x), ids), paired=True
    )
    tell(0.1, "Searching their partners")
    found = _found(pair, things, order[:SEARCHED], len(chosen))
    tell(0.3, "Moving the bound")
    tradeoff = None
    if things.count >= FEWEST:
        try:
            trial = Study(pair, pair.split(random_state, 0.2)).fit(BoundedTransport())
            curve = trial.curve(BOUNDS, lambda fraction, words: tell(0.3 + 0.7 * fraction, words))
            tradeoff = {
                name: tuple(values.tolist())
                for name, values in curve.items()
                if np.isfinite(values).all()
            }
        except ValueRefused:  # a collapsed encoder has its numbers all the same
            tradeoff = None
    tell(1.0, "Done")
    return Kept(shown, found, tradeoff)


def _order(pair: EmbeddingPair, things: Things) -> tuple[Integers, list[str]]:
    """Things by the digests of their names, those without one of their own last; and the names."""
    firsts = np.unique(things.target, return_index=True)[1]
    known, _ = keys_of(pair)
    keys = [] if known is None else [str(one) for one in known[firsts]]
    counts = Counter(keys)
    if 1 not in counts.values():
        mark = pair.target.digest[:8]
        keys = [f"{mark} {one}" for one in pair.target.ids[firsts]]
        counts = Counter(keys)

    def place(at: int) -> tuple[bool, bytes]:
        key = keys[at].encode("utf-8", "surrogatepass")
        return counts[keys[at]] > 1, hashlib.sha256(key).digest()

    order = sorted(range(len(keys)), key=place)
    names = [keys[at] for at in order if counts[keys[at]] == 1]
    return np.array(order, dtype=np.intp), names


def _first_rows(things: Things, chosen: Integers) -> tuple[Integers, Integers]:
    source, target = (
        np.unique(of, return_index=True)[1][chosen] for of in (things.source, things.target)
    )
    return source, target


def _bare(data: EmbeddingSet, ids: Strings) -> EmbeddingSet:
    """Return rows with common ids, without labels and thumbnails."""
    known = replace(data.provenance, ids_are_rows=False)
    return replace(data, ids=ids, labels=None, thumbnails=None, provenance=known)


def _found(pair: EmbeddingPair, things: Things, searched: Integers, kept: int) -> Found:
    rows_y, rows_x = _first_rows(things, searched)
    y, x = pair.source.vectors[rows_y], pair.target.vectors[rows_x]

    def ahead(queries: Float32, gallery: Float32) -> tuple[int, ...]:
        cosines = queries[:kept] @ gallery.T
        own = np.diagonal(cosines)[:, None]
        return tuple(np.count_nonzero(cosines > own + TIE_TOLERANCE, axis=1).tolist())

    return Found(ahead(y, x), ahead(x, y), len(searched))
