"""Which correction for what: methods are chosen on some held-out rows and judged on others.

On each split rows are in three parts. Methods are fitted on the first; on the second the best is
chosen, for each purpose; on the third that choice is scored beside ReAlign and doing nothing.
So neither a fit nor the choice has seen the rows that speak for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.advice import Advice, Costs
from anisoalign_core.compare.entries import BASELINE, FLOOR, Entry, default_names, entries, entry
from anisoalign_core.compare.parallel import side_by_side
from anisoalign_core.compare.purposes import PURPOSES, Purpose
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.at_work import Learnt
from anisoalign_core.compare.use.labels import Classes, classes_of
from anisoalign_core.compare.use.use import Use, spread
from anisoalign_core.compare.use.uses import USES
from anisoalign_core.compare.values import Values
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
Numbers = dict[str, float]


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
    workers: int | None = None,
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
    workers : int, optional
        Splits that run at once, by default one for each core; numbers do not depend on it.
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

    def one_split(number: int, here: Progress) -> _Found:
        return _one_split(run, number, board, measures, here, f"split {number + 1} of {splits}")

    def before_costs(fraction: float, words: str) -> None:
        tell((1 - SHARE_OF_COSTS) * fraction, words)

    tell(0.0, f"{len(board)} methods on {splits} splits")
    for number, new in enumerate(side_by_side(range(splits), one_split, before_costs, workers)):
        failures = found.failures | new.failures
        chosen, scored = (
            _longer(before, now, failures)
            for before, now in zip((found.chosen_on, found.scored_on), new.values, strict=True)
        )
        found = replace(found, chosen_on=chosen, scored_on=scored, failures=failures)
        if on_split is not None and number:
            on_split(found)
    found = replace(found, costs=_costs(run, found, tell, workers))
    tell(1.0, "done")
    return found


@dataclass
class _Found:
    """Values of one split: on the rows to choose on, and on those that are scored."""

    values: tuple[dict[str, Numbers], dict[str, Numbers]]
    failures: dict[str, str]


def _one_split(
    run: Run,
    number: int,
    board: Sequence[Entry],
    measures: Sequence[Use],
    tell: Progress,
    where: str,
) -> _Found:
    parts, found = run.halves(number), _Found(({}, {}), {})
    for step, one in enumerate(board):
        tell(step / len(board), f"{where}: {one.label}")
        try:
            method = parts[0].fit(run.given.get(one.name) or one.build())
            learnt = parts[0].learnt_by(method)  # taught once, asked on both parts
            scores = [_measured(part, method, learnt, measures) for part in parts]
        except AnisoAlignError as error:
            found.failures[one.name] = str(error)
            continue
        for values, score in zip(found.values, scores, strict=True):
            values[one.name] = score
    return found


def _measured(part: Round, method: Aligner, learnt: Learnt, uses: Sequence[Use]) -> Numbers:
    after, target = part.moved(method)
    work = part.at_work(after, learnt, target)
    return {one.name: spread(one.name, one.function(work))[one.name] for one in uses}


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


def _longer(before: Values, now: Mapping[str, Numbers], failed: Collection[str]) -> Values:
    """Return values with those of one more split."""
    return {
        name: {
            measure: np.append(before.get(name, {}).get(measure, np.empty(0)), value)
            for measure, value in scores.items()
        }
        for name, scores in now.items()
        if name not in failed
    }


def _costs(run: Run, found: Advice, tell: Progress, workers: int | None) -> Costs:
    """Measure on the scored rows what recommendations cost besides their purposes."""
    picks = [answer.pick for answer in found.answers.values()]
    wanted = {pick.entry for pick in picks if pick is not None} - {FLOOR}
    if not wanted:
        return {}
    wanted |= {FLOOR, BASELINE}
    board = [one for one in found.entries if one.name in wanted and one.name in found.scored_on]
    paired = run.pair.paired
    others, _ = _answerable(list(PURPOSES), paired, run.classes, run.prompts)
    uses = [USES[one.measures[0]] for one in others if one.name not in found.purposes]
    names = [metric.name for metric in applicable(paired, COSTS)]

    def one_split(number: int, here: Progress) -> dict[str, Numbers]:
        part, values = run.halves(number)[1], {}
        for step, one in enumerate(board):
            here(step / len(board), f"what it costs elsewhere: {one.label}")
            method = part.fit(run.given.get(one.name) or one.build())
            after, target = part.moved(method)
            values[one.name] = part.measure(after, names, target)
            if uses:
                values[one.name] |= _measured(part, method, part.learnt_by(method), uses)
        return values

    def at_the_end(fraction: float, words: str) -> None:
        tell(1 - SHARE_OF_COSTS * (1 - fraction), words)

    costs: Costs = {}
    for new in side_by_side(range(found.splits), one_split, at_the_end, workers):
        costs = _longer(costs, new, ())
    return costs
