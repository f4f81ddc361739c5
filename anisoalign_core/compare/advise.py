"""Which correction for what: methods are chosen on some held-out rows and judged on others.

On each split rows are in three parts. Methods are fitted on the first; on the second the best is
chosen, for each purpose; on the third that choice is scored beside ReAlign and doing nothing.
So neither a fit nor the choice has seen the rows that speak for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.advice import Advice, Costs
from anisoalign_core.compare.entries import BASELINE, FLOOR, Entry, default_names, entries, entry
from anisoalign_core.compare.purposes import PURPOSES, Purpose
from anisoalign_core.compare.results import Values
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.labels import Classes, classes_of
from anisoalign_core.compare.use.use import spread
from anisoalign_core.compare.use.uses import USES
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.metrics.registry import applicable
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair, check_pair

HELD = 0.4
"""Share of the rows that no fit sees: half to choose on, half to score."""
SETTINGS = (
    'bounded:bound=0.2,recentre="rotate",rule="relax"',
    'bounded:bound="auto",watch="neighbours",recentre="rotate",rule="relax"',
)
"""What is tried besides the default of every method."""
COSTS = ("omega", "psi", "mixing_coverage")
"""Metrics of what a recommendation costs or buys besides its purpose."""
SHARE_OF_COSTS = 0.15
"""Of the time, for the estimate."""


def candidates(paired: bool) -> tuple[str, ...]:
    """Return what is tried by default: methods that do not train, controls left out."""
    found = []
    for name in (*default_names(), *SETTINGS):
        one = entry(name)
        if one.role != "control" and not one.trains and (paired or one.needs != "paired"):
            found.append(name)
    return tuple(found)


def advise(
    pair: EmbeddingPair,
    purpose: str | Sequence[str] | None = None,
    methods: Sequence[Any] | None = None,
    *,
    splits: int = 5,
    random_state: int = 0,
    columns: Sequence[str] | None = None,
    keywords: Mapping[str, Sequence[str]] | None = None,
    prompts: EmbeddingSet | None = None,
    on_split: Callable[[Advice], None] | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Recommend a correction for a purpose, or say that none helps.

    Split by split, 60 % of the rows fit every method, on 20 % the best is chosen, and on the other
    20 % the chosen one is compared with doing nothing and with ReAlign. The gain that is told is
    that of *choosing in this way*: its interval (:func:`~anisoalign_core.metrics.over_splits`)
    holds for new rows, and is no better for having tried many methods. Where it does not leave out
    zero, nothing helps as far as these rows can tell.

    Parameters
    ----------
    pair : EmbeddingPair
    purpose : str or sequence of str, optional
        Of :data:`~anisoalign_core.compare.purposes.PURPOSES`; all by default.
    methods : sequence, optional
        As :func:`~anisoalign_core.compare.leaderboard` takes them; by default what
        :func:`candidates` lists. Doing nothing and ReAlign always stand among them.
    splits : int, default 5
        At least 2.
    random_state : int, default 0
        Split i uses seed ``random_state + i``.
    columns, keywords, prompts
        As in :func:`~anisoalign_core.compare.leaderboard`.
    on_split : callable of an Advice, optional
        Receives what is known after each split: what is worth keeping when the run is cancelled.
        What a recommendation costs elsewhere is measured at the end.
    progress : callable(fraction, words), optional
        May raise to cancel.

    Returns
    -------
    Advice

    Raises
    ------
    ParameterError
        If a purpose is unknown or there are fewer than two splits.
    ShapeError
        If fewer than 20 rows are left to choose on, or to score.
    """
    asked = list(PURPOSES) if purpose is None else _listed(purpose)
    if splits < 2:
        raise ParameterError(f"splits is {splits}; an interval needs at least 2.")
    check_pair(pair, "advise")
    wanted = candidates(pair.paired) if methods is None else methods
    board, notes, given = entries([wanted] if isinstance(wanted, str) else wanted, pair.paired)
    board = tuple(one for one in board if one.role in ("floor", "method", "reference"))
    board = tuple(sorted(board, key=lambda one: one.name != FLOOR))  # of equals, nothing is chosen
    classes = classes_of(pair, columns, keywords)
    run = Run(pair, HELD, 20, random_state, classes, given, prompts)
    purposes, left_out = _answerable(asked, pair.paired, classes, prompts)
    found = Advice(
        purposes=tuple(one.name for one in purposes),
        entries=board,
        held=HELD / 2,
        wanted=splits,
        random_state=random_state,
        sides=(pair.source.modality, pair.target.modality),
        chosen_on={},
        scored_on={},
        left_out=left_out,
        notes=tuple(notes),
    )
    tell = progress or (lambda fraction, words: None)
    if not purposes:
        tell(1.0, "done")
        return found
    measures = [USES[name] for one in purposes for name in one.measures]
    tell(0.0, f"{len(board)} methods on {splits} splits")
    for number in range(splits):
        done = (1 - SHARE_OF_COSTS) / splits
        parts = run.halves(number)
        kept: list[dict[str, dict[str, float]]] = [{}, {}]
        failures = dict(found.failures)
        for step, one in enumerate(board):
            if one.name in failures:
                continue
            tell(
                done * (number + step / len(board)),
                f"split {number + 1} of {splits}: {one.label}",
            )
            try:
                method = parts[0].fit(given.get(one.name) or one.build())
                scores = _both(parts, method, measures)
            except AnisoAlignError as error:
                failures[one.name] = str(error)
                continue
            for values, score in zip(kept, scores, strict=True):
                values[one.name] = score
        chosen, scored = (
            _longer(before, now, failures)
            for before, now in zip((found.chosen_on, found.scored_on), kept, strict=True)
        )
        found = replace(found, chosen_on=chosen, scored_on=scored, failures=failures)
        if on_split is not None and number:
            on_split(found)
    found = replace(found, costs=_costs(run, found, tell, prompts))
    tell(1.0, "done")
    return found


def _listed(purpose: str | Sequence[str]) -> list[str]:
    names = [purpose] if isinstance(purpose, str) else list(purpose)
    for name in names:
        if name not in PURPOSES:
            raise ParameterError(
                f'There is no purpose "{name}". Choose among: {", ".join(PURPOSES)}.'
            )
    return list(dict.fromkeys(names))


def _answerable(
    asked: Sequence[str], paired: bool, classes: Classes | None, prompts: EmbeddingSet | None
) -> tuple[list[Purpose], dict[str, str]]:
    """Return the purposes that can be answered, and a sentence for each that cannot."""
    kept, left_out = [], {}
    for name in asked:
        one = PURPOSES[name]
        use = USES[one.measures[0]]
        lacks = [
            bool(use.wants) and classes is None,
            use.wants == "prompts" and prompts is None,
            use.needs == "paired" and not paired,
        ]
        if any(lacks):
            left_out[name] = f"{one.label}: cannot be asked here; it needs {one.needs}."
        else:
            kept.append(one)
    return kept, left_out


def _both(
    parts: tuple[Round, Round], method: Aligner, measures: Sequence[Any]
) -> tuple[dict[str, float], dict[str, float]]:
    """Measure a fitted method on both parts; what it has taught is taught once."""
    learnt = parts[0].learnt_by(method)
    found = []
    for part in parts:
        after = method.transform(part.reference.before, part.partners)
        target = method.transform_target(part.reference.target) if method.moves_target else None
        work = part.at_work(after, learnt, target)
        found.append({one.name: spread(one.name, one.function(work))[one.name] for one in measures})
    return found[0], found[1]


def _longer(before: Values, now: Mapping[str, Mapping[str, float]], failed: Any) -> Values:
    """Return values with those of one more split."""
    return {
        name: {
            measure: np.append(before.get(name, {}).get(measure, np.empty(0)), value)
            for measure, value in scores.items()
        }
        for name, scores in now.items()
        if name not in failed
    }


def _costs(run: Run, found: Advice, tell: Progress, prompts: EmbeddingSet | None) -> Costs:
    """Measure on the scored rows what recommendations cost besides their purposes."""
    wanted = {FLOOR, BASELINE}
    for purpose in found.purposes:
        best = found.answer(purpose).best
        wanted.add(best.entry)
    board: list[Entry] = [
        one for one in found.entries if one.name in wanted and one.name not in found.failures
    ]
    paired = run.pair.paired
    others, _ = _answerable(list(PURPOSES), paired, run.classes, prompts)
    uses = [USES[one.measures[0]] for one in others if one.name not in found.purposes]
    values: dict[str, dict[str, list[float]]] = {one.name: {} for one in board}
    for number in range(found.splits):
        part = run.halves(number)[1]
        for step, one in enumerate(board):
            done = (number + step / len(board)) / found.splits
            tell(1 - SHARE_OF_COSTS * (1 - done), f"what it costs elsewhere: {one.label}")
            method = part.fit(run.given.get(one.name) or one.build())
            after = method.transform(part.reference.before, part.partners)
            moves = method.moves_target
            target = method.transform_target(part.reference.target) if moves else None
            names = [metric.name for metric in applicable(paired, COSTS)]
            scores = part.measure(after, names, target)
            work = part.at_work(after, part.learnt_by(method) if uses else None, target)
            for use in uses:
                scores[use.name] = spread(use.name, use.function(work))[use.name]
            for name, value in scores.items():
                values[one.name].setdefault(name, []).append(value)
    return {one: {m: np.array(v) for m, v in scores.items()} for one, scores in values.items()}
