"""Whether matched rows find each other: paired, with ties counted fairly.

A query of a thing with several rows hits when *any* of them is found, and each query counts once:
the convention behind published figures on COCO and Flickr, with five captions a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import Cosines, row_cosines
from anisoalign_core.metrics.metric import Floor, Metric
from anisoalign_core.metrics.mixing import mixing
from anisoalign_core.numerics import Float32, Float64, Integers
from anisoalign_core.things import Things

GALLERY = 100
"""Items in the gallery of the retrieval that pages show: R@1 falls as a gallery grows, so one size
for all, which small sets and held-out rows reach too."""
TIE_TOLERANCE = 1e-6
"""Cosines closer than this are the same number in float32 products of unit rows."""


@dataclass(frozen=True, eq=False)
class MatchRanks:
    """Where the matched row stands for each query, both ways.

    Attributes
    ----------
    ahead_forward, ahead_backward : (n,) int
        Rows with a larger cosine than the best match: for source queries in the target gallery,
        and for target queries in the source gallery.
    ties_forward, ties_backward : (n,) int
        Other rows with the same cosine as the best match.
    equals_forward, equals_backward : (n,) int, optional
        Matches with that cosine; 1 where left out.
    """

    ahead_forward: Integers
    ties_forward: Integers
    ahead_backward: Integers
    ties_backward: Integers
    equals_forward: Integers | None = None
    equals_backward: Integers | None = None

    def hits(self, at: int, *, forward: bool) -> Float64:
        """Probability per query that its match is among the first ``at``, ties in random order.

        With a rows ahead and b ties beside one match it is ``clip((at − a) / (b + 1), 0, 1)``;
        with t equal matches, ``1 − C(b, s)/C(b + t, s)`` of the ``s = at − a`` places left.
        """
        ahead = self.ahead_forward if forward else self.ahead_backward
        ties = self.ties_forward if forward else self.ties_backward
        equals = self.equals_forward if forward else self.equals_backward
        one = np.clip((at - ahead) / (ties + 1.0), 0.0, 1.0)
        if equals is None:
            return one
        return np.where(equals == 1, one, 1.0 - _misses(ties, equals, at - ahead))

    def first_among(self, size: int, of: int, *, forward: bool) -> Float64:
        """Probability per query that its match comes first in a random gallery of ``size`` items.

        The match and ``m − 1`` of the other n − 1 items, drawn without replacement from the ``of``
        that were searched. With a items ahead and b ties it is
        ``[C(n − a, m) − C(n − 1 − a − b, m)] / ((b + 1) C(n − 1, m − 1))``, exactly:
        ``C(n − 1 − a, m − 1)/C(n − 1, m − 1)`` without ties.

        Raises
        ------
        ParameterError
            If the gallery is larger than the one that was searched.
        """
        ahead = self.ahead_forward if forward else self.ahead_backward
        ties = self.ties_forward if forward else self.ties_backward
        n = of
        if not 1 <= size <= n:
            raise ParameterError(f"A gallery of {size} cannot be drawn from {n} items.")
        alone = _binomial_ratio(n - 1 - ahead, size - 1, n - 1)
        tied = np.flatnonzero(ties)
        if len(tied):
            a, b = ahead[tied], ties[tied]
            upper, lower = (_binomial_ratio(top, size, n) for top in (n - a, n - 1 - a - b))
            alone[tied] = (upper - lower) * n / (size * (b + 1))  # C(n, m) = C(n−1, m−1) n/m
        return alone


def _binomial_ratio(top: Integers, chosen: int, whole: int) -> Float64:
    """``C(t, k)/C(N, k)``, 0 where t < k."""
    from scipy.special import gammaln

    enough = top >= chosen
    t = np.where(enough, top, chosen).astype(np.float64)
    log = (
        gammaln(t + 1) - gammaln(t - chosen + 1) - gammaln(whole + 1) + gammaln(whole - chosen + 1)
    )
    return np.where(enough, np.exp(np.minimum(log, 0.0)), 0.0)


def _misses(others: Integers, matches: Integers, places: Integers) -> Float64:
    """``C(b, s)/C(b + t, s)``: the chance that s places drawn of b + t hold none of t."""
    missed = np.ones(len(others))
    for taken in range(max(int(places.max(initial=0)), 0)):
        left = np.maximum(others - taken, 0) / np.maximum(others + matches - taken, 1)
        missed *= np.where(taken < places, left, 1.0)
    return missed


def _ranks_of(cosines: Cosines, query: Integers, gallery: Integers) -> tuple[Integers, ...]:
    """Rows ahead of, tied with and equal to the best match of every query."""
    found = np.empty((3, len(query)), dtype=np.intp)
    for part, block in cosines.blocks():
        own = query[part, None] == gallery
        best = np.max(block, axis=1, where=own, initial=-np.inf)[:, None]
        above, below = best + np.float32(TIE_TOLERANCE), best - np.float32(TIE_TOLERANCE)
        reached = block >= below
        found[0, part] = np.count_nonzero((block > above) & ~own, axis=1)
        found[1, part] = np.count_nonzero(reached & ~own, axis=1) - found[0, part]
        found[2, part] = np.count_nonzero(reached & own, axis=1)
    return found[0], found[1], found[2]


def match_ranks(cosines: Cosines, things: Things | None = None) -> MatchRanks:
    """Ranks of the matches from the cosines of n source rows with their n target rows.

    Parameters
    ----------
    cosines : Cosines of shape (n, n)
        Row i and column i belong together, unless ``things`` says otherwise.
    things : Things, optional
        What rows show: any row of its thing is a query's match.
    """
    if things is not None and not things.are_rows:
        ahead, ties, equals = _ranks_of(cosines, things.source, things.target)
        back = _ranks_of(cosines.transposed, things.target, things.source)
        return MatchRanks(ahead, ties, back[0], back[1], equals, back[2])
    n, m = cosines.shape
    if n != m:
        raise ShapeError(f"{n} source and {m} target rows cannot be matched row by row.")
    match = row_cosines(cosines.queries, cosines.keys).astype(np.float32)
    above, below = match + np.float32(TIE_TOLERANCE), match - np.float32(TIE_TOLERANCE)
    ahead_forward = np.empty(n, dtype=np.intp)
    reached_forward = np.empty(n, dtype=np.intp)
    ahead_backward = np.zeros(n, dtype=np.intp)
    reached_backward = np.zeros(n, dtype=np.intp)
    for part, block in cosines.blocks():
        ahead_forward[part] = np.count_nonzero(block > above[part, None], axis=1)
        reached_forward[part] = np.count_nonzero(block >= below[part, None], axis=1)
        ahead_backward += np.count_nonzero(block > above, axis=0)
        reached_backward += np.count_nonzero(block >= below, axis=0)
    return MatchRanks(
        ahead_forward,
        np.maximum(reached_forward - ahead_forward - 1, 0),
        ahead_backward,
        np.maximum(reached_backward - ahead_backward - 1, 0),
    )


def thing_ranks(cosines: Cosines, things: Things) -> MatchRanks:
    """:func:`match_ranks` in a gallery of things, each as near to a query as its nearest row.

    Where things are rows, the same; else whole things are counted ahead of a query's own.
    """
    if things.are_rows:
        return match_ranks(cosines)
    forward = _thing_ranks(cosines, things.source, things.target, things.count)
    backward = _thing_ranks(cosines.transposed, things.target, things.source, things.count)
    return MatchRanks(*forward, *backward)


def _thing_ranks(
    cosines: Cosines, query: Integers, gallery: Integers, count: int
) -> tuple[Integers, Integers]:
    order = np.argsort(gallery, kind="stable")
    first = np.searchsorted(gallery[order], np.arange(count))
    found = np.empty((2, len(query)), dtype=np.intp)
    for part, block in cosines.blocks():
        nearest = np.maximum.reduceat(block[:, order], first, axis=1)
        own = np.take_along_axis(nearest, query[part, None], axis=1)
        ahead = np.count_nonzero(nearest > own + np.float32(TIE_TOLERANCE), axis=1)
        reached = np.count_nonzero(nearest >= own - np.float32(TIE_TOLERANCE), axis=1)
        found[:, part] = ahead, np.maximum(reached - ahead - 1, 0)
    return found[0], found[1]


def recall(
    source: Float32,
    target: Float32,
    at: Sequence[int] = (1, 5, 10),
    things: Things | None = None,
) -> dict[str, dict[int, float]]:
    """R@k of matched rows both ways, the expected value under random order of ties.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows.
    at : sequence of int
    things : Things, optional
        What rows show: a query hits when any row of its thing on the other side is found.

    Returns
    -------
    dict
        ``{"source_to_target": {k: share}, "target_to_source": {k: share}}``. Chance is k / n.
    """
    return recall_of(match_ranks(Cosines(source, target), things), at)


def recall_of(ranks: MatchRanks, at: Sequence[int]) -> dict[str, dict[int, float]]:
    """:func:`recall` of ranks that are known."""
    return {
        name: {k: float(ranks.hits(k, forward=forward).mean()) for k in at}
        for name, forward in (("source_to_target", True), ("target_to_source", False))
    }


def gallery_recall(
    source: Float32, target: Float32, things: Things | None = None, size: int = GALLERY
) -> dict[str, float]:
    """R@1 of matched rows both ways, the exact mean over all galleries of ``size`` things.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows.
    things : Things, optional
        What rows show.
    size : int, default 100
        Fewer where there are fewer things; chance is one over it.

    Returns
    -------
    dict
        ``{"source_to_target": share, "target_to_source": share}``
    """
    matched = things or Things.rows(len(source))
    ranks = thing_ranks(Cosines(source, target), matched)
    return {
        name: float(_gallery_hits(ranks, matched, size, forward=forward).mean())
        for name, forward in (("source_to_target", True), ("target_to_source", False))
    }


def _gallery_hits(ranks: MatchRanks, things: Things, size: int, *, forward: bool) -> Float64:
    hits = ranks.first_among(min(size, things.count), things.count, forward=forward)
    return things.shares(hits, of_source=forward)


def mixed_gallery_bias(target_share: Float64, n_source: int, n_target: int) -> Float64:
    """How much a source query prefers its own modality in a gallery that holds both [GR].

    The gallery holds all target rows and all corrected source rows but the query; the bias is
    the source's share among the k nearest minus its share of the gallery,
    ``(1 − p_k(z)) − (n_z − 1)/(n_z + n_x − 1)``. 0 is fair; ``n_x/(n_z + n_x − 1)`` means that
    no target row is ever found.

    Parameters
    ----------
    target_share : (n_z,) float64
        Share p_k(z) of target rows among the k nearest, from
        :func:`~anisoalign_core.metrics.mixing.mixing`.
    n_source, n_target : int

    Returns
    -------
    (n_z,) float64
    """
    return (1.0 - target_share) - (n_source - 1) / (n_source + n_target - 1)


def _ranks(c: Comparison) -> MatchRanks:
    return match_ranks(c.cross_cosines, c.matched)


def _thing_ranks_of(c: Comparison) -> MatchRanks:
    if c.matched.are_rows:
        return c.once(_ranks)
    return thing_ranks(c.cross_cosines, c.matched)


def _bias(c: Comparison) -> float:
    # The mean, not the rows: both sets are the gallery, so halves must search anew.
    share = c.once(mixing).after_share
    n_target = len(c.one_each.target)
    return float(mixed_gallery_bias(share, len(share), n_target).mean())


def chance_of_hit(things: Things, at: int, *, forward: bool) -> float:
    """R@k of a random ranking: ``k/n`` for one match of n; any of t is as likely at each rank."""
    gallery = len(things.target if forward else things.source)
    if things.are_rows:
        return min(1.0, at / gallery)
    matches = things.sizes[1 if forward else 0][things.source if forward else things.target]
    places = np.full(len(matches), min(at, gallery))
    return float(1.0 - _misses(gallery - matches, matches, places).mean())


def recall_chance(at: int, *, forward: bool) -> Floor:
    """Floor of R@k: a random ranking."""

    def floor(c: Comparison) -> float:
        """``k/n``: every match is as likely at every rank."""
        return chance_of_hit(c.matched, at, forward=forward)

    return floor


_found = partial(
    Metric,
    direction="higher",
    range=(0.0, 1.0),
    needs="paired",
    group="retrieval",
    cost="cheap",
    reference="Standard in CLIP evaluations",
    meaningful=True,
)
"""How often partners are found: what all such metrics declare."""


def _recall(at: int, *, forward: bool) -> Metric:
    query, gallery = ("source", "target") if forward else ("target", "source")
    place = "the first place" if at == 1 else f"the first {at} places"
    return _found(
        name=f"recall_at_{at}_{query}_to_{gallery}",
        label=f"Partner found in {place} ({query} → {gallery})",
        symbol=f"R@{at}",
        description=f"Share of {query} rows of which a partner is in {place} among all {gallery} "
        "rows by cosine; ties count as if broken at random.",
        function=lambda c: c.matched.shares(
            c.once(_ranks).hits(at, forward=forward), of_source=forward
        ),
        floor=recall_chance(at, forward=forward),
        live=at == 1,
    )


def _gallery_chance(c: Comparison) -> float:
    """``1/m`` in a gallery of m things: a random ranking."""
    return 1.0 / min(GALLERY, c.matched.count)


def _in_gallery(*, forward: bool) -> Metric:
    query, gallery = ("source", "target") if forward else ("target", "source")
    return _found(
        name=f"recall_at_1_of_{GALLERY}_{query}_to_{gallery}",
        label=f"Partner found in the first place of {GALLERY} ({query} → {gallery})",
        symbol=f"R@1 of {GALLERY}",
        description=f"Share of {query} rows whose partner is nearest among {GALLERY} {gallery} "
        "things, the exact mean over all such galleries; of all things where there are fewer.",
        function=lambda c: _gallery_hits(
            c.once(_thing_ranks_of), c.matched, GALLERY, forward=forward
        ),
        floor=_gallery_chance,
    )


FAMILY = (
    *(_in_gallery(forward=forward) for forward in (True, False)),
    *(_recall(at, forward=forward) for at in (1, 5, 10) for forward in (True, False)),
    Metric(
        name="mixed_gallery_bias",
        label="Preference for the own modality when both are searched together",
        symbol="β_mix",
        description="Share of corrected source rows among a corrected row's k nearest rows of "
        "both sets, minus their share of the gallery.",
        direction="neutral",
        range=(-1.0, 1.0),
        needs="unpaired",
        group="retrieval",
        reference="[GR] arXiv:2507.19054",
        function=_bias,
    ),
)
