"""Score a correction: run the registry on one comparison, with intervals and floors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anisoalign_core.arrays import as_array
from anisoalign_core.embeddings import EmbeddingSet, as_vectors
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.intervals import (
    HALVES,
    HEAVY_HALVES,
    balanced_halves,
    half_means,
    interval,
)
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.registry import applicable, measure
from anisoalign_core.metrics.scores import Score, Scores
from anisoalign_core.numerics import Float64, Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair, check_pair
from anisoalign_core.things import Things

Rows = EmbeddingSet | npt.NDArray[np.floating[Any]]

MAX_ROWS = 2000
"""Rows of each set that are scored by default; more are sampled, and the result says so."""

FEWEST_FOR_INTERVALS = 10
"""With fewer rows on a side, halves are too small to say anything about spread."""


class Corrects(Protocol):
    """What :func:`evaluate` asks of a fitted method: ``transform`` of source rows."""

    def transform(self, source: Any, /) -> Any:
        """Return the corrected rows."""


def score_rows(
    before: Rows,
    after: Rows,
    target: Rows,
    *,
    paired: bool,
    k: int = 20,
    random_state: int = 0,
    metrics: Iterable[str] | None = None,
    intervals: bool = True,
    max_rows: int | None = MAX_ROWS,
    things: Things | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score corrected source rows against the rows they came from and the target.

    Parameters
    ----------
    before : (n_z, d) EmbeddingSet or array
        Source rows y.
    after : (n_z, d) EmbeddingSet or array
        The same rows corrected, z.
    target : (n_x, d) EmbeddingSet or array
        Target rows x.
    paired : bool
        Whether source row i and target row i belong together.
    k : int, default 20
        Neighbours.
    random_state : int, default 0
        Seed of the sample, the random directions, the split and the halves.
    metrics : names, optional
        Default: all that apply, paired ones only with pairs.
    intervals : bool, default True
        Whether to compute 95 % intervals from balanced half-samples.
    max_rows : int or None, default 2000
        Sample larger sets to this many rows, of the same things on both sides when paired.
    things : Things, optional
        What each row shows, where paired rows do not match one by one.
    progress : callable of (fraction, words), optional
        May raise to cancel.

    Raises
    ------
    ParameterError
        If a metric is unknown or k does not fit the rows.
    NeedsPairsError
        If a paired metric is asked for without pairs.
    ShapeError
        If the rows do not correspond.
    """
    source, corrected, goal = (
        as_vectors(rows, name)
        for rows, name in ((before, "before"), (after, "after"), (target, "target"))
    )
    held = len(source), len(goal)
    if len(corrected) != len(source):
        raise ShapeError(f"{len(corrected)} corrected rows stand for {len(source)} source rows.")
    if paired and things is None:
        if held[0] != held[1]:
            raise ShapeError(
                f"{held[0]} source and {held[1]} target rows cannot be paired. "
                "Pass paired=False, or rows that correspond."
            )
        things = Things.rows(held[0])
    source_rows, target_rows = _sample(held, things, max_rows, random_state)
    comparison = Comparison(
        source[source_rows],
        corrected[source_rows],
        goal[target_rows],
        paired,
        k,
        random_state,
        things=things and things.take(source_rows, target_rows),
    )
    return score(comparison, metrics=metrics, intervals=intervals, held=held, progress=progress)


def evaluate(
    method: Corrects,
    pair: EmbeddingPair,
    *,
    k: int = 20,
    random_state: int = 0,
    metrics: Iterable[str] | None = None,
    intervals: bool = True,
    max_rows: int | None = MAX_ROWS,
    progress: Progress | None = None,
) -> Scores:
    """Score a fitted method on a pair. Fits nothing: pass rows the method has not seen.

    Parameters
    ----------
    method : fitted aligner
        ``transform(source)`` gives the corrected rows, or ``transform(source, target)`` if it
        declares ``needs_partners``. A method that moves the target too has ``transform_target``.
    pair : EmbeddingPair
    k, random_state, metrics, intervals, max_rows, progress
        As in :func:`score_rows`. Only the sampled rows are transformed.

    Returns
    -------
    Scores
        A mapping: ``scores["psi"].value``.
    """
    check_pair(pair, "evaluate", "method, ")
    if not hasattr(method, "transform"):
        raise ParameterError(
            f"aa.evaluate got a {type(method).__name__} as method; it wants a fitted method first, "
            "then the pair."
        )
    _warn_of_fitted_rows(method, pair)
    held = len(pair.source), len(pair.target)
    source_rows, target_rows = _sample(held, pair.things, max_rows, random_state)
    source = pair.source if len(source_rows) == held[0] else pair.source.take(source_rows)
    target = pair.target if len(target_rows) == held[1] else pair.target.take(target_rows)
    if progress is not None:
        progress(0.0, "correcting the rows")
    arguments: list[Any] = [source]
    if getattr(method, "needs_partners", False):
        one_each = pair.things is None or pair.things.are_rows
        arguments.append(target if one_each else pair.partners(source_rows))
    after = as_vectors(method.transform(*arguments), "corrected rows")
    move_target = getattr(method, "transform_target", None)
    goal = target.vectors if move_target is None else as_vectors(move_target(target), "target")
    things = pair.things and pair.things.take(source_rows, target_rows)
    comparison = Comparison(
        source.vectors, after, goal, pair.paired, k, random_state, things=things
    )
    return score(comparison, metrics=metrics, intervals=intervals, held=held, progress=progress)


def _warn_of_fitted_rows(method: object, pair: EmbeddingPair) -> None:
    saw = getattr(method, "saw", None)
    if saw is not None and saw(pair.source.vectors):
        warnings.warn(
            f"{getattr(method, 'label', 'The method')} was fitted on these very source rows, so "
            "the scores flatter it. Fit on pair.split() and evaluate on what is held out: "
            "method.fit_pair(pair, split), then pair.take(split.holdout_pairs).",
            FittedRowsWarning,
            stacklevel=3,
        )


class FittedRowsWarning(UserWarning):
    """Scores are of rows that the method was fitted on."""


def score(
    comparison: Comparison,
    *,
    metrics: Iterable[str] | None = None,
    intervals: bool = True,
    held: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Run metrics on a comparison; what :func:`score_rows` and :func:`evaluate` share.

    Parameters
    ----------
    comparison : Comparison
    metrics, intervals, progress
        As in :func:`score_rows`.
    held : (int, int), optional
        Rows of the sets the comparison was sampled from.
    """
    chosen = applicable(comparison.paired, metrics)
    used = len(comparison.after), len(comparison.target)
    with_halves = intervals and min(used) >= FEWEST_FOR_INTERVALS
    report = progress or (lambda fraction, words: None)
    weight = 0.4 if with_halves else 1.0
    done = iter(range(len(chosen)))
    values, per_row = measure(
        comparison,
        chosen,
        lambda one: report(weight * next(done) / len(chosen), f"measuring: {one.label}"),
    )
    replicates = _replicate(comparison, chosen, per_row, report, weight) if with_halves else {}
    found: dict[str, Score] = {}
    for metric in chosen:
        name, value = metric.name, values[metric.name]
        low: float | None = None
        high: float | None = None
        if name in replicates:
            low, high = interval(value, replicates[name], metric.range)
        elif intervals and metric.interval is not None:
            low, high = metric.interval(comparison)
        found[name] = Score(value, low, high, metric.floor(comparison), metric.needs)
    report(1.0, "done")
    return Scores(
        found,
        used,
        held or used,
        comparison.k,
        comparison.random_state,
        comparison.paired,
        replicates,
    )


def quick_scores(
    before: Rows,
    after: Rows,
    target: Rows,
    *,
    paired: bool,
    k: int = 20,
    reference: Reference | None = None,
    things: Things | None = None,
) -> dict[str, float]:
    """Compute the scores a slider shows while it moves, without intervals.

    Parameters
    ----------
    before, after, target : EmbeddingSet or (n, d) float32 array
        *Unit* rows, which is not checked again here. Up to 1000 rows it stays interactive.
    paired : bool
    k : int, default 20
    reference : Reference, optional
        ``Reference(before, target, k).warm()``, kept while ``after`` changes.
    things : Things, optional
        What each row shows, where paired rows do not match one by one.

    Returns
    -------
    dict
        Metric name to value; the same functions as :func:`score_rows` on the same rows.
    """
    y, z, x = (
        rows.vectors
        if isinstance(rows, EmbeddingSet)
        else np.asarray(as_array(rows, "rows"), dtype=np.float32)
        for rows in (before, after, target)
    )
    comparison = Comparison(y, z, x, paired, k, 0, reference, things)
    return measure(comparison, [one for one in applicable(paired) if one.live])[0]


def _replicate(
    comparison: Comparison,
    chosen: list[Metric],
    per_row: dict[str, Float64],
    report: Progress,
    start: float,
) -> dict[str, Float64]:
    """Values on balanced halves, every cache shared by the metrics of one half."""
    rng = generator(comparison.random_state)
    if comparison.paired:
        halves = balanced_halves(comparison.matched.count, HALVES, rng)
        rows_of = [comparison.matched.rows_of(half) for half in halves]
        source_halves, target_halves = ([sides[s] for sides in rows_of] for s in (0, 1))
    else:
        halves = source_halves = balanced_halves(len(comparison.after), HALVES, rng)
        target_halves = balanced_halves(len(comparison.target), HALVES, rng)
    by_thing = {metric.name for metric in chosen if metric.needs == "paired"}
    found = {
        name: half_means(rows, halves if name in by_thing else source_halves)
        for name, rows in per_row.items()
    }
    again = [m for m in chosen if m.name not in per_row and m.interval is None]
    values: dict[str, list[float]] = {metric.name: [] for metric in again}
    for done, (source_rows, target_rows) in enumerate(
        zip(source_halves, target_halves, strict=True)
    ):
        current = [m for m in again if m.cost != "heavy" or done < HEAVY_HALVES]
        if not current:
            break
        report(start + (1 - start) * done / HALVES, f"interval: half {done + 1} of {HALVES}")
        half = comparison.half(source_rows, target_rows)
        for name, value in measure(half, current)[0].items():
            values[name].append(value)
    return found | {name: np.array(found_values) for name, found_values in values.items()}


def _sample(
    held: tuple[int, int], things: Things | None, max_rows: int | None, random_state: int
) -> tuple[Integers, Integers]:
    """Sorted rows of each side to score: all, or a seeded sample, drawn by thing when paired."""
    if max_rows is not None and max_rows < 2:
        raise ParameterError(f"max_rows is {max_rows}; choose at least 2, or None for all rows.")
    rng = generator(random_state)
    if max_rows is None or max(held) <= max_rows:
        return np.arange(held[0]), np.arange(held[1])
    if things is not None:
        chosen = np.sort(rng.choice(things.count, things.within(max_rows), replace=False))
        source, target = (np.sort(rows) for rows in things.rows_of(chosen))
        return source, target
    source, target = (
        np.arange(n) if n <= max_rows else np.sort(rng.choice(n, max_rows, replace=False))
        for n in held
    )
    return source, target


__all__ = [
    "MAX_ROWS",
    "Comparison",
    "Reference",
    "Score",
    "Scores",
    "evaluate",
    "quick_scores",
    "score",
    "score_rows",
]
