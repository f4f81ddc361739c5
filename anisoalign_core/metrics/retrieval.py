"""Whether matched rows find each other: paired, with ties counted fairly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import Cosines, row_cosines
from anisoalign_core.metrics.metric import Floor, Metric
from anisoalign_core.metrics.mixing import mixing
from anisoalign_core.numerics import Float32, Float64, Integers

TIE_TOLERANCE = 1e-6
"""Cosines closer than this are the same number in float32 products of unit rows."""


@dataclass(frozen=True, eq=False)
class MatchRanks:
    """Where the matched row stands for each query, both ways.

    Attributes
    ----------
    ahead_forward, ahead_backward : (n,) int
        Rows with a larger cosine than the match: for source queries in the target gallery, and
        for target queries in the source gallery.
    ties_forward, ties_backward : (n,) int
        Other rows with the same cosine as the match.
    """

    ahead_forward: Integers
    ties_forward: Integers
    ahead_backward: Integers
    ties_backward: Integers

    def hits(self, at: int, *, forward: bool) -> Float64:
        """Probability per query that its match is among the first ``at``, ties in random order.

        With a rows ahead and b ties beside the match it is ``clip((at − a) / (b + 1), 0, 1)``.
        """
        ahead = self.ahead_forward if forward else self.ahead_backward
        ties = self.ties_forward if forward else self.ties_backward
        return np.clip((at - ahead) / (ties + 1.0), 0.0, 1.0)


def match_ranks(cosines: Cosines) -> MatchRanks:
    """Ranks of the matches from the cosines of n source rows with their n target rows.

    Parameters
    ----------
    cosines : Cosines of shape (n, n)
        Row i and column i belong together.
    """
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


def recall(
    source: Float32, target: Float32, at: Sequence[int] = (1, 5, 10)
) -> dict[str, dict[int, float]]:
    """R@k of matched rows both ways, the expected value under random order of ties.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows.
    at : sequence of int

    Returns
    -------
    dict
        ``{"source_to_target": {k: share}, "target_to_source": {k: share}}``. Chance is k / n.
    """
    ranks = match_ranks(Cosines(source, target))
    return {
        name: {k: float(ranks.hits(k, forward=forward).mean()) for k in at}
        for name, forward in (("source_to_target", True), ("target_to_source", False))
    }


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
    return match_ranks(c.cross_cosines)


def _bias(c: Comparison) -> float:
    # The mean, not the rows: both sets are the gallery, so halves must search anew.
    share = c.once(mixing).after_share
    return float(mixed_gallery_bias(share, len(c.after), len(c.target)).mean())


def recall_chance(at: int) -> Floor:
    """Floor of R@k: a random ranking."""

    def floor(c: Comparison) -> float:
        """``k/n``: the match is as likely at every rank."""
        return min(1.0, at / len(c.target))

    return floor


def _recall(at: int, *, forward: bool) -> Metric:
    query, gallery = ("source", "target") if forward else ("target", "source")
    place = "the first place" if at == 1 else f"the first {at} places"
    return Metric(
        name=f"recall_at_{at}_{query}_to_{gallery}",
        label=f"Partner found in {place} ({query} → {gallery})",
        symbol=f"R@{at}",
        description=f"Share of {query} rows whose partner is in {place} among all {gallery} rows "
        "by cosine; ties count as if broken at random.",
        direction="higher",
        range=(0.0, 1.0),
        needs="paired",
        group="retrieval",
        cost="cheap",
        reference="Standard in CLIP evaluations",
        function=lambda c: c.once(_ranks).hits(at, forward=forward),
        floor=recall_chance(at),
        live=at == 1,
        meaningful=True,
    )


FAMILY = (
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
