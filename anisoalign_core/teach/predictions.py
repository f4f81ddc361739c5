"""What is asked of a class before it sees a picture, and how a prediction compares with what is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.card import three
from anisoalign_core.errors import ParameterError

MOST_OPTIONS = 24
"""Answers that a prediction may offer at most."""


@dataclass(frozen=True)
class Prediction:
    """A question whose answer is one of a few options, or a place on a line.

    Attributes
    ----------
    asks : str
    options : tuple of str
        Two to 24, in words; those of a choice are sentences.
    places : tuple of float
        The number that each option stands for, rising, where the answer is a place on a line;
        empty where it is a choice.
    ends : (str, str)
        What the first and the last place mean, in a few words.
    percent : bool
        Whether numbers are said as percentages.

    Raises
    ------
    ParameterError
        If there are too few or too many options, or places that do not rise with them.
    """

    asks: str
    options: tuple[str, ...]
    places: tuple[float, ...] = ()
    ends: tuple[str, str] = ("", "")
    percent: bool = False

    def __post_init__(self) -> None:
        """Check what is asked."""
        if not 2 <= len(self.options) <= MOST_OPTIONS:
            raise ParameterError(
                f"A prediction has {len(self.options)} options; give 2 to {MOST_OPTIONS}."
            )
        if self.places and (
            len(self.places) != len(self.options) or np.any(np.diff(self.places) <= 0)
        ):
            raise ParameterError("places must rise, one for each option.")

    @classmethod
    def placed(
        cls,
        asks: str,
        low: float,
        high: float,
        step: float,
        *,
        ends: tuple[str, str],
        percent: bool = False,
    ) -> Prediction:
        """Ask for a place between ``low`` and ``high``, in equal steps.

        Parameters
        ----------
        asks : str
        low, high, step : float
        ends : (str, str)
        percent : bool
            Places are shares of 1, said as percentages.
        """
        places = np.linspace(low, high, round((high - low) / step) + 1).round(6).tolist()
        options = tuple(f"{100 * at:.0f} %" if percent else f"{at:g}" for at in places)
        return cls(asks, options, tuple(places), ends, percent)

    def said(self, value: float) -> str:
        """Return a number of this question to three digits."""
        return f"{three(100 * value)} %" if self.percent else three(value)

    def nearest(self, value: float) -> int:
        """Return the option whose place is nearest to a number, the lower one of two.

        Raises
        ------
        ParameterError
            If options stand for no numbers.
        """
        if not self.places:
            raise ParameterError("This prediction is a choice; its options have no places.")
        return int(np.argmin(np.abs(np.array(self.places) - value)))

    def holds(self, found: float) -> str:
        """Say what is, where nobody predicted anything."""
        if not self.places:
            return f"What holds: **{self.options[int(found)]}**"
        return f"It is **{self.said(found)}**."

    def compared(self, guess: int, found: float, who: str = "You predicted") -> str:
        """Say in a sentence what was predicted and what is: no points, no praise, no blame.

        Parameters
        ----------
        guess : int
            Number of the option predicted, from 0.
        found : float
            What is: a number on the line, or the number of the option that holds.
        who : str
            Begins the sentence.
        """
        said = self.options[guess]
        if not self.places:
            return f"{who} **{said}** What holds: **{self.options[int(found)]}**"
        words = f"{who} **{said}**; it is **{self.said(found)}**"
        if guess == self.nearest(found):
            return f"{words}, as near as this line lets one say."
        return f"{words}, {'more' if found > self.places[guess] else 'less'} than that."


def typical(counts: tuple[int, ...], placed: bool) -> int | None:
    """Return the option that stands for many votes: the middle one on a line, else the most chosen.

    Parameters
    ----------
    counts : tuple of int
        Votes for each option.
    placed : bool
        Whether options are places on a line; then the lower median is taken.

    Returns
    -------
    int or None
        None without votes. Of options chosen equally often the first.
    """
    total = sum(counts)
    if not total:
        return None
    if not placed:
        return int(np.argmax(counts))
    return int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
