"""Numbers that can be set beside those of another encoder: galleries and shares of equal size."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import numpy as np

from anisoalign_core.gap.facts import Gallery, Items, ShareOverlap
from anisoalign_core.gap.sample import NULL_ROWS, Sample
from anisoalign_core.geometry.subspace import overlap
from anisoalign_core.metrics.intervals import Interval, balanced_halves, half_means, interval
from anisoalign_core.metrics.retrieval import thing_ranks
from anisoalign_core.metrics.structure import mutual_knn
from anisoalign_core.numerics import Float32, Float64, generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.rows import Strings

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 4000)
"""Things in the galleries that are reported, as far as the set reaches."""
SHARES = (50, 80, 90)
"""Percent of either side's variance at which subspaces are compared."""
NEIGHBOURS = 10
MOST_DRAWS = 8
WAYS = {"target_to_source": False, "source_to_target": True}


def galleries(sample: Sample, seed: int) -> dict[int, Gallery]:
    """Measure retrieval and neighbours at each of :data:`SIZES`; see Gallery."""
    things, sizes = sample.things, [size for size in SIZES if size <= sample.size]
    if things is None or not sizes:
        return {}
    ranks = sample.ranks if things.are_rows else thing_ranks(sample.cross, things)
    centres = (
        things.centres(sample.x, of_source=False),
        things.centres(sample.y, of_source=True),
    )
    halves, found = balanced_halves(things.count, random_state=seed), {}

    def recall(size: int, forward: bool) -> Interval:
        hits = things.shares(
            ranks.first_among(size, things.count, forward=forward), of_source=forward
        )
        value = float(hits.mean())
        return Interval(value, *interval(value, half_means(hits, halves), (0.0, 1.0)))

    for size in sizes:
        k, near = min(NEIGHBOURS, max(size - 2, 1)), size <= NULL_ROWS
        found[size] = Gallery(
            recall_at_1={way: recall(size, forward) for way, forward in WAYS.items()},
            recall_chance=1 / size,
            mutual_knn=_agreement(*centres, size, k, seed) if near else math.nan,
            mutual_knn_chance=k / (size - 1) if near else math.nan,
            neighbours=k,
        )
    return found


def _agreement(x: Float32, y: Float32, size: int, k: int, seed: int) -> float:
    """Mutual k-NN among ``size`` things, over a few draws."""
    rng, n = generator(seed), len(x)
    draws = 1 if size == n else min(MOST_DRAWS, max(2000 // size, 2))
    rows = [rng.permutation(n)[:size] for _ in range(draws)]
    return float(np.mean([mutual_knn(x[part], y[part], k) for part in rows]))


def rank_of_share(source: Float64, target: Float64, percent: int) -> int:
    """Smallest q at which both spectra, descending, hold ``percent`` of their sums."""
    wanted = percent / 100
    return max(
        int(np.searchsorted(np.cumsum(values) / values.sum(), wanted - 1e-12)) + 1
        for values in (np.maximum(source, 0), np.maximum(target, 0))
    )


def share_overlaps(
    frames: tuple[Float64, Float64],
    halves: tuple[tuple[Float64, Float64], tuple[Float64, Float64]],
    ranks: dict[int, int],
) -> dict[int, ShareOverlap]:
    """Overlaps at equal shares of variance; see ShareOverlap.

    Parameters
    ----------
    frames : (source, target) eigenvectors, (d, ·) columns
    halves : for source and target, leading eigenvectors of two halves
    ranks : percent → q
    """
    d, found = len(frames[0]), {}
    of_y, of_x = halves
    for percent, q in ranks.items():
        value = overlap(frames[1][:, :q], frames[0][:, :q])
        ceiling = sum(overlap(a[:, :q], b[:, :q]) for a, b in halves) / 2
        room = ceiling - q / d
        across = np.array([overlap(y[:, :q], x[:, :q]) for y in of_y for x in of_x])
        excess = Interval(math.nan, math.nan, math.nan)
        if room > 1e-9:
            centre = (value - q / d) / room
            low, high = interval(centre, centre + (across - across.mean()) / room)
            excess = Interval(centre, low, high)
        found[percent] = ShareOverlap(q, value, q / d, ceiling, excess)
    return found


def keys_of(pair: EmbeddingPair) -> tuple[Strings | None, Literal["ids", "captions", "nothing"]]:
    """Return what names the things of a pair for other encoders too, and what that is.

    The target's ids; where those are row numbers, which say nothing of another file's rows, the
    captions of the target, or of the source. Of a paired pair there is a key for each target row.
    """
    known = pair.target
    if not known.provenance.ids_are_rows:
        return known.ids, "ids"
    for side in (known, pair.source):
        if side.captions is not None:
            return side.captions, "captions"
    return None, "nothing"


def items_of(pair: EmbeddingPair) -> Items:
    """Return what tells whether another report is about the same things."""
    keys, by = keys_of(pair)
    if keys is None:
        return Items("", len(pair.target), by)
    unique = np.unique(keys.astype(str))
    seen = hashlib.sha256()
    for key in unique.tolist():
        seen.update(str(key).encode("utf-8", "surrogatepass") + b"\0")
    return Items(seen.hexdigest(), len(unique), by)
