"""Classes by other names: what an encoder without shared meaning reaches by accident.

Random weights keep words apart, and pictures too: each class of captions lies somewhere, and so
does each class of pictures. With few classes some of these places agree by accident. That accident
belongs to the encoder and its classes: all rows repeat it, so no interval over rows sees it, and
what is chosen on some rows is chosen for it on all. But it does not know names. An encoder whose
sides share no meaning agrees as well with the classes of one side called by other names; meaning
agrees with the true names only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.numerics import Float64, Integers, generator

NAMINGS = 400
"""Namings that are drawn; those that change nothing are left out."""
SHARE = 0.95
"""Share of other namings that a level has to pass."""
Strings = npt.NDArray[Any]
Score = Callable[[Integers], Float64]
"""(R, k) permutations of the k classes of a column → (R,) values under these names."""


def by_other_names(columns: Sequence[tuple[int, Score]], random_state: int = 0) -> Float64:
    """Return the mean over columns under other names of one side's classes.

    Each naming permutes the classes in each column on its own, uniformly; the true names are no
    other naming. Equal numbers of classes get equal namings, so that methods can be compared, and
    chosen, under each of them.

    Parameters
    ----------
    columns : sequence of (k, score)
        Number of classes, and the measure under permutations of them.
    random_state : int, default 0

    Returns
    -------
    (R,) float64
        R is about :data:`NAMINGS`.
    """
    rng = generator(random_state)
    total, other = np.zeros(NAMINGS), np.zeros(NAMINGS, dtype=bool)
    for count, score in columns:
        names = rng.permuted(np.tile(np.arange(count), (NAMINGS, 1)), axis=1)
        other |= (names != np.arange(count)).any(axis=1)
        total += score(names)
    return np.asarray(total[other] / len(columns))


def accident(chosen_on: Float64, scored_on: Float64) -> float:
    """Return what choosing among methods reaches in all but one of twenty other namings.

    Under each naming the method that is best on some rows is scored on others, as it is under the
    true names. A level that passes the value is told from accident with p below 1/20; where there
    are fewer than 20 namings it has to be best with the true names, and accident stays possible at
    one in the number of namings: at 1/2 with a single column of two classes.

    Parameters
    ----------
    chosen_on, scored_on : (methods, R) float64
        Of :func:`by_other_names`.
    """
    picks = chosen_on.argmax(axis=0)
    reached = scored_on[picks, np.arange(len(picks))]
    return float(np.quantile(reached, SHARE, method="higher"))


@dataclass(frozen=True, eq=False)
class Told:
    """What rows of one column of labels are told to be, and what they are.

    Attributes
    ----------
    said, true : (n,) arrays of str
    names : (k,) array of str
        All classes of the column, sorted.
    """

    said: Strings
    true: Strings
    names: Strings

    @property
    def right(self) -> float:
        """Share of the rows that are named right."""
        return float(np.mean(self.said == self.true))

    @property
    def by_name(self) -> tuple[int, Score]:
        """Number of classes, and the same under other names of what is said."""
        met = crossed(self.said, self.true, self.names, self.names) / len(self.true)
        return len(met), lambda other: met[other, np.arange(len(met))].sum(axis=1)


def crossed(left: npt.ArrayLike, right: npt.ArrayLike, rows: Strings, columns: Strings) -> Float64:
    """Count how often values meet, (len(rows), len(columns)); both are sorted and hold them all."""
    found = np.zeros((len(rows), len(columns)))
    np.add.at(found, (np.searchsorted(rows, left), np.searchsorted(columns, right)), 1.0)
    return found
