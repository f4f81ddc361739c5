"""The answer for one purpose: what was chosen, what it gained, and whether that helps."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from anisoalign_core.compare.entries import FLOOR, Entry
from anisoalign_core.compare.purposes import scorer_of
from anisoalign_core.metrics.intervals import Interval

READS = ("unpaired", "paired")
"""What is chosen among: methods that read no pairs, or all."""


def raced(entries: Iterable[Entry], values: Container[str], pairs: bool) -> list[str]:
    """Names of entries that have values and, unless ``pairs`` is set, read no pairs."""
    have = [one for one in entries if one.name in values]
    return [one.name for one in have if pairs or one.needs != "paired"]


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
    over_nothing, over_baseline, over_chance : Interval
        Gain over rows as they are, over ReAlign, and over chance, of the candidate chosen on each
        split, on the rows of that split that neither a fit nor the choice has seen. Positive is
        better.
    level, nothing, baseline, chance : Interval
        The measure itself on those rows: of the chosen, of doing nothing, of ReAlign, and what the
        chosen has to pass to speak of meaning: the floor, and what classes give by accident.
    chosen : dict of "entry|measure" to int
        How often each candidate was chosen.
    """

    purpose: str
    best: Candidate
    runner_up: Candidate
    over_nothing: Interval
    over_baseline: Interval
    over_chance: Interval
    level: Interval
    nothing: Interval
    baseline: Interval
    chance: Interval
    chosen: dict[str, int]

    @property
    def helps(self) -> bool:
        """Whether choosing beats both doing nothing and chance, as far as these rows can tell.

        Each of the two is told at its own level: that both look so where one is not true is no
        more frequent (an intersection–union test; Berger, Technometrics 24, 1982).
        """
        return self.over_nothing.sign > 0 and self.over_chance.sign > 0 and not self.plain

    @property
    def plain(self) -> bool:
        """Whether rows as they are do best on average."""
        return self.best.entry == FLOOR and not self.best.scorer

    @property
    def pick(self) -> Candidate | None:
        """What to use; None where nothing helps."""
        return self.best if self.helps else None
