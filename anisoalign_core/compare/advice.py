"""What is advised for each purpose, with the gain, its interval, the runner-up and the price."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anisoalign_core.align import ALIGNERS
from anisoalign_core.card import Card, Shown, three, within
from anisoalign_core.compare.entries import BASELINE, FLOOR, Entry
from anisoalign_core.compare.purposes import PURPOSES, scorer_of
from anisoalign_core.compare.use.uses import described
from anisoalign_core.compare.values import Values, arrays, lists
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.numerics import Float64

FORMAT, FORMAT_VERSION = "anisoalign-advice", 1
Costs = Values
"""Entry → measure → (S,) values on the scored rows."""


@dataclass(frozen=True)
class Candidate:
    """A method, and the measure of use that its rows go through.

    Attributes
    ----------
    entry : str
        Name of an entry.
    measure : str
        One of the purpose's measures; it names the scorer, if there is one.
    """

    entry: str
    measure: str

    @property
    def scorer(self) -> str:
        """The scorer beside the rows; empty for plain cosines."""
        return scorer_of(self.measure)


@dataclass(frozen=True)
class Answer:
    """What is advised for one purpose.

    Attributes
    ----------
    purpose : str
    best : Candidate
        Best on average over all held-out rows of all splits.
    runner_up : Candidate
        The next of another method, or by another way.
    over_nothing, over_baseline : Interval
        Gain over rows as they are, and over ReAlign, of the candidate chosen on each split, on the
        rows of that split that neither a fit nor the choice has seen. Positive is better.
    level, nothing, baseline : Interval
        The measure itself on those rows: of the chosen, of doing nothing, of ReAlign.
    chosen : dict of "entry|measure" to int
        How often each candidate was chosen.
    """

    purpose: str
    best: Candidate
    runner_up: Candidate
    over_nothing: Interval
    over_baseline: Interval
    level: Interval
    nothing: Interval
    baseline: Interval
    chosen: dict[str, int]

    @property
    def helps(self) -> bool:
        """Whether choosing beats doing nothing, as far as these rows can tell."""
        plain = self.best.entry == FLOOR and not self.best.scorer
        return self.over_nothing.sign > 0 and not plain

    @property
    def pick(self) -> Candidate | None:
        """What to use; None where nothing helps."""
        return self.best if self.helps else None


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

    def _scores(self, purpose: str, values: Values) -> dict[Candidate, Float64]:
        """Values of every candidate, larger is better."""
        measures = PURPOSES[purpose].measures
        sign = 1.0 if described(measures[0]).direction == "higher" else -1.0
        return {
            Candidate(one.name, measure): sign * values[one.name][measure]
            for one in self.entries
            if one.name in values
            for measure in measures
        }

    def answer(self, purpose: str) -> Answer:
        """Return what is advised for a purpose; there must be two finished splits."""
        to_choose, to_score = (
            self._scores(purpose, values) for values in (self.chosen_on, self.scored_on)
        )
        names = list(to_choose)
        seen = np.array([to_choose[one] for one in names])
        held = np.array([to_score[one] for one in names])
        picks, rounds = seen.argmax(axis=0), np.arange(seen.shape[1])
        order = np.argsort(-(seen + held).mean(axis=1), kind="stable")
        measure = PURPOSES[purpose].measures[0]
        level = held[picks, rounds]
        nothing = to_score[Candidate(FLOOR, measure)]
        baseline = to_score[Candidate(BASELINE, measure)]
        chosen = [f"{names[at].entry}|{names[at].measure}" for at in picks]
        direction = described(measure).direction

        def told(values: Float64) -> Interval:
            shown = values if direction == "higher" else -values
            return over_splits(shown, self.held, described(measure).range)

        return Answer(
            purpose,
            names[order[0]],
            names[order[min(1, len(order) - 1)]],
            over_splits(level - nothing, self.held),
            over_splits(level - baseline, self.held),
            told(level),
            told(nothing),
            told(baseline),
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
        found, shown = self.answer(purpose), PURPOSES[purpose]
        symbol = described(shown.measures[0]).symbol
        none, over = three(found.nothing.value), _told(found.over_nothing)
        if not found.helps:
            tried = f"choosing among {len(self.scored_on)} methods changes it by {over}"
            if found.best.entry == FLOOR and not found.best.scorer:
                tried = f"none of {len(self.scored_on)} methods does better on average"
            return f"{shown.label}: nothing helps. Rows as they are reach {symbol} {none}; {tried}."
        against = _told(found.over_baseline)
        rival = {
            1: f"and {against} over ReAlign",
            0: f"not told from ReAlign ({against})",
            -1: f"but {against} against ReAlign",
        }[found.over_baseline.sign]
        return (
            f"{shown.label}: use {self.label(found.best)}. {symbol} {three(found.level.value)} "
            f"where rows as they are reach {none}: {over} over doing nothing, {rival}. Next comes "
            f"{self.label(found.runner_up)}."
        )

    def lines(self, purpose: str, *, target: str = "image.npy", source: str = "text.npy") -> str:
        """Return the shell lines that apply the advice; empty where nothing helps."""
        from shlex import quote

        pick = self.answer(purpose).pick
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
            arrays(known["costs"]),
            dict(known["left_out"]),
            dict(known["failures"]),
            tuple(known["notes"]),
        )


def _told(gain: Interval) -> str:
    """Return a gain with its sign and its interval."""
    low, high = gain.limits
    return f"{gain.value:+.3f} ({low:+.3f} … {high:+.3f})"
