"""Cross-modal search: partners found in the other modality, by cosines or by mended scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.use import Use
from anisoalign_core.errors import ShapeError
from anisoalign_core.metrics.retrieval import chance_of_hit
from anisoalign_core.numerics import Float32, Integers
from anisoalign_core.scoring import SCORERS

SCORED = ("nnn", "csls", "conformity")
"""Scorers that stand beside plain cosines."""


def first_is_match(scores: npt.ArrayLike, query: Integers, gallery: Integers) -> float:
    """R@1 from any scores: the expected share of queries whose first row shows their thing.

    Equal scores stand in random order: of t rows that share the best score, o of them of the
    query's thing, ``o/t`` counts. Scores are taken as they are; for cosines, whose rounding makes
    ties unequal, use :func:`~anisoalign_core.metrics.retrieval.match_ranks`.

    Parameters
    ----------
    scores : (n, m) array
    query, gallery : (n,) and (m,) int
        Things of the rows.

    Raises
    ------
    ShapeError
        If there is not one thing per row.
    """
    found = np.asarray(scores)
    if found.shape != (len(query), len(gallery)):
        raise ShapeError(
            f"Scores of shape {found.shape} do not fit {len(query)} queries and {len(gallery)} "
            "gallery rows."
        )
    best = found == found.max(axis=1, keepdims=True)
    own = best & (np.asarray(query)[:, None] == np.asarray(gallery))
    return float(np.mean(own.sum(axis=1) / best.sum(axis=1)))


def both_ways(work: AtWork) -> float:
    """Mean of R@1 from source to target and back, by cosine."""
    ways = (work.ranks.hits(1, forward=forward).mean() for forward in (True, False))
    return float(np.mean(list(ways)))


def chance(work: AtWork) -> float:
    """R@1 of random rankings, mean of both ways."""
    return float(
        np.mean([chance_of_hit(work.known, 1, forward=forward) for forward in (True, False)])
    )


def scored(work: AtWork, scorer: str) -> float:
    """Mean of R@1 both ways by the scores of a scorer.

    Its reference queries are fitted rows of the queries' side, which hold no query; its reference
    gallery is the gallery that is searched.
    """
    known, learnt = work.known, work.learnt
    forward = _scored(scorer, work.after, work.target, learnt.rows, known.source, known.target)
    backward = _scored(scorer, work.target, work.after, learnt.bank, known.target, known.source)
    return (forward + backward) / 2


def _scored(
    scorer: str,
    queries: Float32,
    gallery: Float32,
    bank: Float32,
    things: Integers,
    of_gallery: Integers,
) -> float:
    fitted = SCORERS[scorer]().fit(bank, gallery)
    return first_is_match(np.asarray(fitted.scores(queries, gallery)), things, of_gallery)


def _with(scorer: str) -> Use:
    made = SCORERS[scorer]
    return Use(
        name=f"search_recall_{scorer}",
        label=f"Partners found first, by scores ({made.label})",
        symbol=f"R@1, {scorer}",
        description="Mean of R@1 both ways when scores are mended and rows stay as they are. "
        + made.summary,
        needs="paired",
        group="search",
        reference=made.reference,
        ends=("permuted", "oracle"),
        function=lambda work: scored(work, scorer),
        floor=chance,
    )


FAMILY = (
    Use(
        name="search_recall",
        label="Partners found first, either way",
        symbol="R@1, both ways",
        description="Mean of R@1 from source to target and from target to source, by cosine.",
        needs="paired",
        group="search",
        reference="Standard in CLIP evaluations",
        ends=("permuted", "oracle"),
        function=both_ways,
        floor=chance,
    ),
    *map(_with, SCORED),
)
