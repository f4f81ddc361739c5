"""Which correction for what: methods are chosen on some held-out rows and judged on others.

On each split rows are in three parts. Methods are fitted on the first; on the second the best is
chosen, for each purpose; on the third that choice is scored beside ReAlign and doing nothing.
So neither a fit nor the choice has seen the rows that speak for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.advice import Advice, Costs
from anisoalign_core.compare.answer import READS, raced
from anisoalign_core.compare.entries import BASELINE, FLOOR, Entry, default_names, entries, entry
from anisoalign_core.compare.parallel import side_by_side
from anisoalign_core.compare.purposes import PURPOSES, Purpose, askable
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.at_work import AtWork, Learnt
from anisoalign_core.compare.use.labels import classes_of
from anisoalign_core.compare.use.names import accident
from anisoalign_core.compare.use.use import Use, spread
from anisoalign_core.compare.use.uses import USES
from anisoalign_core.compare.values import longer
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.metrics.registry import applicable
from anisoalign_core.numerics import Float64, Progress
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
    that of *choosing in this way*: its interval
    (:func:`~anisoalign_core.metrics.intervals.over_splits`) holds for new rows, and is no better
    for having tried many methods. Something helps where both this gain and what the chosen one has
    above chance are told from zero: closing a gap lifts rows that mean nothing from below chance up
    to it. Chance is the measure's floor and, where classes
    count, what the same choice reaches by accident (:func:`~.use.names.accident`).

    What reads no pairs is chosen among itself; where pairs are known, what learns from them stands
    beside it (``pairs=True`` of :meth:`~.advice.Advice.answer`).

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
    possible, left_out = askable(pair.paired, classes, prompts, asked)
    purposes = [PURPOSES[name] for name in possible]
    if {"search", "mixed"} & set(possible):
        searched = len(run.halves(0)[1].target_rows)
        notes = [*notes, f"Searches are among the {searched:,} target rows that a split scores."]
    found = Advice(
        purposes=possible,
        entries=board,
        held=HELD / 2,
        wanted=splits,
        random_state=random_state,
        sides=(pair.source.modality, pair.target.modality),
        chosen_on={},
        scored_on={},
        by_chance={},
        left_out=left_out,
        notes=tuple(notes),
    )
    tell = progress or (lambda fraction, words: None)
    if not purposes:
        tell(1.0, "done")
        return found

    def one_split(number: int, here: Progress) -> _Found:
        return _one_split(run, number, board, purposes, here, f"split {number + 1} of {splits}")

    of_costs = _share_of_costs(len(board), len(purposes))

    def before_costs(fraction: float, words: str) -> None:
        tell((1 - of_costs) * fraction, words)

    tell(0.0, f"{len(board)} methods on {splits} splits")
    for number, new in enumerate(side_by_side(range(splits), one_split, before_costs, workers)):
        failures = found.failures | new.failures
        found = replace(
            found,
            chosen_on=longer(found.chosen_on, new.chosen_on, failures),
            scored_on=longer(found.scored_on, new.scored_on, failures),
            by_chance=longer(found.by_chance, new.by_chance, failures),
            failures=failures,
        )
        if on_split is not None and number:
            on_split(found)
    found = replace(found, costs=_costs(run, found, tell, of_costs, workers))
    tell(1.0, "done")
    return found


@dataclass
class _Found:
    """Values of one split on the rows to choose on and on those that are scored, and chance."""

    chosen_on: dict[str, Numbers] = field(default_factory=dict)
    scored_on: dict[str, Numbers] = field(default_factory=dict)
    by_chance: dict[str, Numbers] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Chance:
    """What one method gives without meaning: the floor, and by other names on both parts."""

    floor: float
    chosen_on: Float64
    scored_on: Float64

    @classmethod
    def of(cls, use: Use, choosing: AtWork, scoring: AtWork) -> _Chance:
        floor = spread(use.name, use.floor(scoring))[use.name]
        if use.renamed is None:
            return cls(floor, np.empty(0), np.empty(0))
        return cls(floor, use.renamed(choosing), use.renamed(scoring))


def _one_split(
    run: Run,
    number: int,
    board: Sequence[Entry],
    purposes: Sequence[Purpose],
    tell: Progress,
    where: str,
) -> _Found:
    (choosing, scoring), found = run.halves(number), _Found()
    measures = [USES[name] for one in purposes for name in one.measures]
    chances: dict[str, dict[str, _Chance]] = {}
    for step, one in enumerate(board):
        tell(step / len(board), f"{where}: {one.label}")
        try:
            method = choosing.fit(run.given.get(one.name) or one.build())
            learnt = choosing.learnt_by(method)  # taught once, asked on both parts
            works = [_at_work(part, method, learnt) for part in (choosing, scoring)]
            seen, scored = (_measured(work, measures) for work in works)
            chances[one.name] = {use.name: _Chance.of(use, *works) for use in measures}
        except AnisoAlignError as error:
            if one.name in (FLOOR, BASELINE):
                raise  # without them there is nothing to compare with
            found.failures[one.name] = str(error)
            continue
        found.chosen_on[one.name], found.scored_on[one.name] = seen, scored
    for pairs in (False, True):
        names = raced(board, found.scored_on, pairs)
        found.by_chance[READS[pairs]] = {
            one.name: _by_chance(one, names, found.chosen_on, chances) for one in purposes
        }
    return found


def _by_chance(
    purpose: Purpose,
    names: Sequence[str],
    chosen_on: Mapping[str, Numbers],
    chances: Mapping[str, Mapping[str, _Chance]],
) -> float:
    """Return what the chosen one has to pass on the scored rows to speak of meaning."""
    known = [chances[name][use] for name in names for use in purpose.measures]
    values = [chosen_on[name][use] for name in names for use in purpose.measures]
    floor = known[int(np.argmax(values))].floor
    if not known[0].chosen_on.size:
        return floor
    sides = (np.stack([one.chosen_on for one in known]), np.stack([one.scored_on for one in known]))
    return max(floor, accident(*sides))


def _at_work(part: Round, method: Aligner, learnt: Learnt) -> AtWork:
    after, target = part.moved(method)
    return part.at_work(after, learnt, target)


def _measured(work: AtWork, uses: Sequence[Use]) -> Numbers:
    return {one.name: spread(one.name, one.function(work))[one.name] for one in uses}


def _listed(purpose: str | Sequence[str]) -> list[str]:
    names = [purpose] if isinstance(purpose, str) else list(purpose)
    for name in names:
        if name not in PURPOSES:
            raise ParameterError(
                f'There is no purpose "{name}". Choose among: {", ".join(PURPOSES)}.'
            )
    return list(dict.fromkeys(names))


def priced(entries: int, purposes: int) -> int:
    """Return about how many entries are measured at the other purposes: those advised, and two."""
    return min(2 + purposes, entries)


def _share_of_costs(entries: int, purposes: int) -> float:
    """Return about what share of the time that takes."""
    there = priced(entries, purposes) * (len(PURPOSES) - purposes)
    return there / (there + 2 * entries * purposes)


def _costs(run: Run, found: Advice, tell: Progress, of_costs: float, workers: int | None) -> Costs:
    """Measure on the scored rows what recommendations cost besides their purposes."""
    answers = [
        found.answer(name, pairs=pairs) for name in found.purposes for pairs in (False, True)
    ]
    wanted = {one.pick.entry for one in answers if one.pick is not None} - {FLOOR}
    if not wanted:
        return {}
    wanted |= {FLOOR, BASELINE}
    board = [one for one in found.entries if one.name in wanted and one.name in found.scored_on]
    paired = run.pair.paired
    others, _ = askable(paired, run.classes, run.prompts)
    uses = [USES[PURPOSES[name].measures[0]] for name in others if name not in found.purposes]
    names = [metric.name for metric in applicable(paired, COSTS)]

    def one_split(number: int, here: Progress) -> dict[str, Numbers]:
        part, values = run.halves(number)[1], {}
        for step, one in enumerate(board):
            here(step / len(board), f"what it costs elsewhere: {one.label}")
            method = part.fit(run.given.get(one.name) or one.build())
            after, target = part.moved(method)
            values[one.name] = part.measure(after, names, target)
            if uses:
                work = part.at_work(after, part.learnt_by(method), target)
                values[one.name] |= _measured(work, uses)
        return values

    def at_the_end(fraction: float, words: str) -> None:
        tell(1 - of_costs * (1 - fraction), words)

    costs: Costs = {}
    for new in side_by_side(range(found.splits), one_split, at_the_end, workers):
        costs = longer(costs, new)
    return costs
