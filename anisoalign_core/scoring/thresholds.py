"""At which score a pair is a match: thresholds of a known rate of false matches, and probabilities.

A rank needs no threshold; a yes or no does, and one for each modality and direction, since their
scores lie at different places. Calibrate on held-out pairs that no correction was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.intervals import HALVES, Interval, balanced_halves, interval
from anisoalign_core.numerics import Float64, Integers, generator
from anisoalign_core.rows import as_strings

LEAST = 4
"""Queries with scores on either side, below which halves say nothing."""
Half = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""Which scores of matches, and which of others, a half-sample has."""


@dataclass(frozen=True)
class Threshold:
    """A score, and how often matches and others reach it.

    Attributes
    ----------
    value : float
        A pair whose score is at least this is taken for a match.
    asked : float
        The rate of false matches that was asked for; the one reached is at most that.
    false_match_rate, match_rate : Interval
        Shares of others and of matches that reach the value, each with its 95 % interval.
    n_matches, n_others : int
        Scores that it was calibrated on.
    """

    value: float
    asked: float
    false_match_rate: Interval
    match_rate: Interval
    n_matches: int
    n_others: int


def threshold(
    scores_of_matches: npt.ArrayLike,
    scores_of_others: npt.ArrayLike,
    *,
    false_match_rate: float = 0.01,
    random_state: int | np.random.Generator = 0,
) -> Threshold:
    """Return the lowest score that at most a share of others reaches.

    With N others and the rate f it is the least number above all but the ``⌊f N⌋`` largest of their
    scores; others that tie there count as reaching it or not together.

    Intervals are from balanced halves of the queries, without any bootstrap
    (:mod:`anisoalign_core.metrics.intervals`). That of the false matches holds the value fixed:
    how far the rate at this score may lie from the one seen. That of the matches takes the value
    anew on each half, so that both uncertainties are in it.

    Parameters
    ----------
    scores_of_matches : (n,) array
        One score for each query with its match.
    scores_of_others : (n, k) array, or (N,) array
        Scores of query i with k rows that are not its match; halves are of queries then, for the
        scores of one query stand or fall together. Of one axis: scores that are independent.
    false_match_rate : float, default 0.01
        In (0, 1).
    random_state : int or numpy Generator

    Raises
    ------
    ShapeError
        If scores have other shapes.
    ParameterError
        If a score is not finite, a side has scores of fewer than four queries, or others are too
        few to show such a rate.
    """
    matches, others = (
        np.asarray(scores, dtype=np.float64) for scores in (scores_of_matches, scores_of_others)
    )
    by_query = others.ndim == 2 and len(others) == len(matches)
    if matches.ndim != 1 or not (others.ndim == 1 or by_query):
        raise ShapeError(
            f"Scores of matches have shape {matches.shape}, of others {others.shape}. Give one per "
            "query, and one row of others per query, or others of one axis."
        )
    first = np.arange(len(matches))
    second = np.repeat(first, others.shape[1]) if by_query else len(first) + np.arange(len(others))
    return _calibrated(matches, others.ravel(), (first, second), false_match_rate, random_state)


def thresholds(
    scores: npt.ArrayLike,
    matches: npt.ArrayLike,
    *,
    modality: npt.ArrayLike | None = None,
    false_match_rate: float = 0.01,
    random_state: int | np.random.Generator = 0,
) -> dict[str, Threshold]:
    """Return one :func:`threshold` for each modality of a gallery: scores of one direction.

    Parameters
    ----------
    scores : (n, m) array
        Of n held-out queries with m gallery rows. The other direction has scores, and thresholds,
        of its own.
    matches : (n, m) array of bool
        Which rows are matches of which query; ``np.eye(n, dtype=bool)`` where row i is.
    modality : (m,) array of labels, optional
        Of the gallery rows; the one key is ``""`` without.
    false_match_rate, random_state
        As :func:`threshold`.

    Raises
    ------
    ShapeError, ParameterError
    """
    found, is_match = np.asarray(scores, dtype=np.float64), np.asarray(matches, dtype=np.bool_)
    if found.ndim != 2 or found.shape != is_match.shape:
        raise ShapeError(
            f"Scores have shape {found.shape} and matches {is_match.shape}; both are queries × "
            "gallery rows."
        )
    n, m = found.shape
    labels = as_strings([""] * m if modality is None else np.asarray(modality).reshape(-1))
    if len(labels) != m:
        raise ShapeError(f"The gallery has {m} rows but {len(labels)} labels. Give one each.")
    rng = generator(random_state)
    out = {}
    for name in dict.fromkeys(labels):
        own = labels == name
        query = np.repeat(np.arange(n), int(own.sum())).reshape(n, -1)
        there = is_match[:, own]
        values = found[:, own]
        out[name] = _calibrated(
            values[there], values[~there], (query[there], query[~there]), false_match_rate, rng
        )
    return out


def probability(
    scores: npt.ArrayLike, logit_scale: float | None, logit_bias: float | None
) -> Float64:
    """Return ``σ(scale·s + bias)``, the probability of a match that a sigmoid loss trains.

    Zhai et al., *Sigmoid Loss for Language Image Pre-Training*, arXiv:2303.15343. It is a
    probability within batches as in training, one match among as many others as there; of plain
    cosines only.

    Parameters
    ----------
    scores : array of cosines
    logit_scale, logit_bias : float
        As an encoder's ``describe()`` has them. Encoders of a softmax loss have no bias, and no
        probability of a single pair.

    Raises
    ------
    ParameterError
        If the encoder gives none, or one that is not finite.
    """
    from scipy.special import expit

    if logit_scale is None or logit_bias is None:
        raise ParameterError(
            "This encoder has no logit_bias (or no logit_scale): it was not trained with a sigmoid "
            "loss and gives no probability of a single pair. Calibrate a threshold instead."
        )
    if not (np.isfinite(logit_scale) and np.isfinite(logit_bias) and logit_scale > 0):
        raise ParameterError(
            f"logit_scale is {logit_scale} and logit_bias {logit_bias}; give finite numbers, the "
            "scale above 0 (its exponential, where a file holds its logarithm)."
        )
    return np.asarray(expit(logit_scale * np.asarray(scores, dtype=np.float64) + logit_bias))


def _halves(
    first: Integers, second: Integers, random_state: int | np.random.Generator
) -> list[Half]:
    """Halves of the queries that scores of matches and of others belong to.

    Queries with a match are halved by themselves, so that each half has its share of them.
    """
    rng = generator(random_state)
    known = np.unique(first)
    rest = np.setdiff1d(second, known)
    drawn = zip(*(balanced_halves(len(one), HALVES, rng) for one in (known, rest)), strict=True)
    halves = []
    for ours, theirs in drawn:
        inside = np.zeros(int(max(first.max(), second.max())) + 1, dtype=np.bool_)
        inside[known[ours]] = inside[rest[theirs]] = True
        halves.append((inside[first], inside[second]))
    return halves


def _calibrated(
    matches: Float64,
    others: Float64,
    queries: tuple[Integers, Integers],
    rate: float,
    random_state: int | np.random.Generator,
) -> Threshold:
    """Calibrate scores that belong to these queries."""
    for what, scores, of in (("matches", matches, queries[0]), ("others", others, queries[1])):
        if len(np.unique(of)) < LEAST:
            raise ParameterError(
                f"There are scores of {what} for {len(np.unique(of))} queries; give at least "
                f"{LEAST}."
            )
        if not np.isfinite(scores).all():
            raise ParameterError(f"Some scores of {what} are not finite. Leave those pairs out.")
    if not 0.0 < rate < 1.0:
        raise ParameterError(f"false_match_rate is {rate}; give a share between 0 and 1.")
    if rate * len(others) < 1.0:
        raise ParameterError(
            f"{len(others):,} scores of others cannot show a false_match_rate of {rate:g}; give at "
            f"least {int(np.ceil(1 / rate)):,} of them, or ask for a larger rate."
        )
    value, halves = _least(others, rate), _halves(*queries, random_state)
    false, true = float(np.mean(others >= value)), float(np.mean(matches >= value))
    falses = [np.mean(others[other] >= value) for _, other in halves]
    trues = [np.mean(matches[match] >= _least(others[other], rate)) for match, other in halves]
    bounds = (0.0, 1.0)
    return Threshold(
        value,
        rate,
        Interval(false, *interval(false, falses, bounds)),
        Interval(true, *interval(true, trues, bounds)),
        len(matches),
        len(others),
    )


def _least(others: Float64, rate: float) -> float:
    """Least number that at most ``⌊rate·N⌋`` scores reach."""
    place = len(others) - 1 - int(np.floor(rate * len(others) + 1e-9))
    return float(np.nextafter(np.partition(others, place)[place], np.inf))
