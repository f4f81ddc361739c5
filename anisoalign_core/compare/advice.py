"""What is advised for each purpose, with the gain, its interval, the runner-up and the price."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anisoalign_core.align import ALIGNERS
from anisoalign_core.card import Card, Shown, three, within
from anisoalign_core.compare.answer import READS, Answer, Candidate, raced
from anisoalign_core.compare.entries import BASELINE, FLOOR, Entry
from anisoalign_core.compare.purposes import PURPOSES
from anisoalign_core.compare.use.uses import described
from anisoalign_core.compare.values import Values, arrays, lists
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.numerics import Float64

FORMAT, FORMAT_VERSION = "anisoalign-advice", 1
Costs = Values
"""Entry → measure → (S,) values on the scored rows."""


@dataclass(frozen=True, eq=False, repr=False)
class Advice(Shown):
    """Advice for some purposes; see :func:`~anisoalign_core.compare.advise.advise`.

    Attributes
    ----------
    purposes : tuple of str
        Those that could be asked.
    entries : tuple of Entry
        What was tried.
    held : float
        Share of the rows that each split scores.
    wanted : int
        Splits asked for; :attr:`splits` are finished.
    random_state : int
    sides : (str, str)
        Modalities of source and target.
    chosen_on, scored_on : entry → measure → (S,) float64
        Values on the rows to choose on, and on those that are scored.
    by_chance : "unpaired" or "paired" → purpose → (S,) float64
        What is chosen without and with pairs has to pass this on the scored rows.
    costs : entry → measure → (S,) float64
        What recommendations, ReAlign and doing nothing score besides.
    left_out : dict of purpose to sentence
    failures : dict of entry to sentence
    notes : tuple of str
    """

    purposes: tuple[str, ...]
    entries: tuple[Entry, ...]
    held: float
    wanted: int
    random_state: int
    sides: tuple[str, str]
    chosen_on: Values
    scored_on: Values
    by_chance: Values
    costs: Costs = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> int:
        """Number of finished splits."""
        scores = next(iter(self.scored_on.values()), {})
        return len(next(iter(scores.values()), ()))

    def named(self, name: str) -> Entry:
        """Return an entry by name."""
        return next(one for one in self.entries if one.name == name)

    def label(self, one: Candidate) -> str:
        """Return a candidate in words."""
        words = self.named(one.entry).label
        if not one.scorer:
            return words
        from anisoalign_core.scoring import SCORERS

        return f"{words}, scores by {SCORERS[one.scorer].label}"

    def answer(self, purpose: str, *, pairs: bool = False) -> Answer:
        """Return what is advised for a purpose.

        Parameters
        ----------
        purpose : str
        pairs : bool, default False
            Whether what learns from pairs is chosen among, too.

        Raises
        ------
        ParameterError
            If it was not asked, could not be, or there are fewer than two finished splits.
        """
        if purpose not in self.purposes or self.splits < 2:
            why = f'"{purpose}" was not asked, or too few splits are finished for an answer.'
            raise ParameterError(self.left_out.get(purpose, why))
        measures = PURPOSES[purpose].measures
        entries = raced(self.entries, self.scored_on, pairs)
        names = [Candidate(name, use) for name in entries for use in measures]
        seen, held = (
            np.array([values[one.entry][one.measure] for one in names])
            for values in (self.chosen_on, self.scored_on)
        )
        picks, rounds = seen.argmax(axis=0), np.arange(seen.shape[1])
        order = np.argsort(-(seen + held).mean(axis=1), kind="stable")
        level, chance = held[picks, rounds], self.by_chance[READS[pairs]][purpose]
        nothing, baseline = (self.scored_on[name][measures[0]] for name in (FLOOR, BASELINE))
        chosen = [f"{names[at].entry}|{names[at].measure}" for at in picks]

        def gain(over: Float64) -> Interval:
            return over_splits(level - over, self.held)

        def told(values: Float64) -> Interval:
            return over_splits(values, self.held, described(measures[0]).range)

        return Answer(
            purpose,
            names[order[0]],
            names[order[min(1, len(order) - 1)]],
            gain(nothing),
            gain(baseline),
            gain(chance),
            told(level),
            told(nothing),
            told(baseline),
            told(chance),
            {name: chosen.count(name) for name in dict.fromkeys(chosen)},
        )

    @property
    def answers(self) -> dict[str, Answer]:
        """What is advised, by purpose."""
        return {name: self.answer(name) for name in self.purposes if self.splits >= 2}

    def price(self, one: Candidate) -> dict[str, Interval]:
        """Return what a candidate's rows gain or lose elsewhere against doing nothing.

        Returns
        -------
        dict of measure to Interval
            Differences, split by split, in the measure's own direction.
        """
        if one.entry not in self.costs or one.entry == FLOOR:
            return {}
        mine, none = dict(self.costs[one.entry]), dict(self.costs[FLOOR])
        for purpose in self.purposes:
            first = PURPOSES[purpose].measures[0]
            if one.measure not in PURPOSES[purpose].measures:
                mine[first], none[first] = (
                    self.scored_on[name][first] for name in (one.entry, FLOOR)
                )
        return {name: over_splits(mine[name] - none[name], self.held) for name in mine}

    def in_words(self, purpose: str) -> str:
        """Return the advice for a purpose in one or two sentences."""
        if purpose in self.left_out:
            return self.left_out[purpose]
        found, label = self.answer(purpose), PURPOSES[purpose].label
        symbol = described(PURPOSES[purpose].measures[0]).symbol
        none, tried = (
            three(found.nothing.value),
            f"{len(raced(self.entries, self.scored_on, False))} methods",
        )
        reach = f"Rows as they are reach {symbol} {none}"
        if found.helps:
            against = signed(found.over_baseline)
            rival = {
                1: f"and {against} over ReAlign",
                0: f"not told from ReAlign ({against})",
                -1: f"but {against} against ReAlign",
            }[found.over_baseline.sign]
            words = (
                f"use {self.label(found.best)}. {symbol} {three(found.level.value)} where rows as "
                f"they are reach {none} and chance {three(found.chance.value)}: "
                f"{signed(found.over_nothing)} over doing nothing, {rival}. Next comes "
                f"{self.label(found.runner_up)}."
            )
        elif found.plain:
            words = f"nothing helps. {reach}; none of {tried} does better on average."
        elif found.over_nothing.sign < 1:
            change = signed(found.over_nothing)
            words = f"nothing helps. {reach}; choosing among {tried} changes it by {change}."
        else:
            words = (
                f"nothing helps. {reach}, and choosing among {tried} {three(found.level.value)}: "
                f"not above chance, {three(found.chance.value)} ({signed(found.over_chance)})."
            )
        return f"{label}: {words}{self._from_pairs(purpose)}"

    def _from_pairs(self, purpose: str) -> str:
        """Say what learns from pairs, where that is best of all."""
        found = self.answer(purpose, pairs=True)
        if not found.helps or self.named(found.best.entry).needs != "paired":
            return ""
        return (
            f" Of what learns from pairs, {self.label(found.best)} is best: "
            f"{three(found.level.value)}, {signed(found.over_nothing)} over doing nothing."
        )

    def lines(
        self,
        purpose: str,
        *,
        target: str = "image.npy",
        source: str = "text.npy",
        pairs: bool = False,
    ) -> str:
        """Return the shell lines that apply the advice; empty where nothing helps."""
        from shlex import quote

        pick = self.answer(purpose, pairs=pairs).pick
        if pick is None:
            return ""
        files = f"--target {quote(target)} --source {quote(source)}"
        lines, queries = [], source
        one = self.named(pick.entry)
        if pick.entry != FLOOR:
            flags = "".join(
                f" --param {key}={quote(value if isinstance(value, str) else json.dumps(value))}"
                for key, value in one.parameters.items()
            )
            paired = " --paired" if one.needs == "paired" else ""
            lines += [
                f"anisoalign fit --method {one.method}{flags} {files}{paired} --out model.npz",
                f"anisoalign apply --model model.npz --source {quote(source)} --out corrected.npy",
            ]
            queries = "corrected.npy"
            if ALIGNERS[one.method].moves_target:
                lines[-1] += f" --target {quote(target)} --out-target moved.npy"
        if pick.scorer:
            lines.append(
                f"anisoalign scores --scorer {pick.scorer} --queries {quote(queries)} "
                f"--gallery {quote(target)} --out rows.npy --out-queries queries.npy"
            )
        return "\n".join(lines)

    @property
    def sentences(self) -> list[str]:
        """What is advised, and what it rests on."""
        names = (*self.purposes, *self.left_out) if self.splits >= 2 else tuple(self.left_out)
        found = [self.in_words(name) for name in names]
        if self.purposes:
            stopped = "" if self.splits == self.wanted else f" of {self.wanted}"
            found.append(
                f"{len(self.scored_on)} methods on {self.splits}{stopped} splits: fitted on "
                f"{1 - 2 * self.held:.0%} of the rows, chosen on {self.held:.0%}, scored on the "
                f"other {self.held:.0%}. Gains are those of choosing in this way, with 95 % "
                "intervals that speak of new rows."
            )
        failed = [f"{self.named(name).label}: {words}" for name, words in self.failures.items()]
        return [*found, *self.notes, *failed]

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        picks = {
            name: "nothing helps" if one.pick is None else self.label(one.pick)
            for name, one in self.answers.items()
        }
        return "; ".join(f"{name}: {words}" for name, words in picks.items()) or "no advice yet"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = []
        for name, one in self.answers.items():
            advised = "nothing helps" if one.pick is None else self.label(one.pick)
            gains = (one.over_nothing, one.over_baseline)
            cells = (within(each.value, each.low, each.high) for each in gains)
            rows.append((name, advised, *cells, self.label(one.runner_up)))
        header = ("purpose", "use", "over nothing", "over ReAlign", "runner-up")
        return Card("Advice by purpose", rows, header, self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; ``answers`` are for reading and are made again."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "purposes": list(self.purposes),
            "answers": {
                name: asdict(one)
                | {
                    "helps": one.helps,
                    "words": self.in_words(name),
                    "lines": self.lines(name),
                    "price": {m: asdict(found) for m, found in self.price(one.best).items()},
                }
                for name, one in self.answers.items()
            },
            "entries": [asdict(one) for one in self.entries],
            "held": self.held,
            "wanted": self.wanted,
            "random_state": self.random_state,
            "sides": list(self.sides),
            "chosen_on": lists(self.chosen_on),
            "scored_on": lists(self.scored_on),
            "by_chance": lists(self.by_chance),
            "costs": lists(self.costs),
            "left_out": dict(self.left_out),
            "failures": self.failures,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Advice:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            tuple(known["purposes"]),
            tuple(Entry(**one) for one in known["entries"]),
            known["held"],
            known["wanted"],
            known["random_state"],
            (known["sides"][0], known["sides"][1]),
            arrays(known["chosen_on"]),
            arrays(known["scored_on"]),
            arrays(known["by_chance"]),
            arrays(known["costs"]),
            dict(known["left_out"]),
            dict(known["failures"]),
            tuple(known["notes"]),
        )


def signed(gain: Interval) -> str:
    """Return a gain with its sign and its interval."""
    low, high = gain.limits
    return f"{gain.value:+.3f} ({low:+.3f} … {high:+.3f})"
