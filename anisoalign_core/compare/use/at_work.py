"""A correction at work: what was learned from corrected fitted rows, and the rows it is asked on.

The counterpart of :class:`~anisoalign_core.metrics.comparison.Comparison` for measures of use: it
holds what they share, so that each is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy.typing as npt

from anisoalign_core.compare.use.labels import Classes, Classifier, Model
from anisoalign_core.errors import ShapeError
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.retrieval import MatchRanks, match_ranks
from anisoalign_core.numerics import Float32, Integers, generator
from anisoalign_core.things import Things

Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False)
class Learnt:
    """What corrected fitted rows know.

    Attributes
    ----------
    rows : (n, d) float32
        Fitted source rows, corrected; of the ceiling, fitted target rows.
    numbers : (n,) int
        Which rows of their set they are.
    bank : (m, d) float32
        Fitted target rows, moved by methods that move both sides.
    classes : Classes or None
        What they are taught; of the ceiling, both sides are the target's.
    prompts : mapping of column to mapping of class to (d,) float32
        Directions of class names, corrected; empty where there are none.
    """

    rows: Float32
    numbers: Integers
    bank: Float32
    classes: Classes | None = None
    prompts: Mapping[str, Mapping[str, Float32]] = field(default_factory=dict)
    _taught: dict[tuple[str, Model], Classifier] = field(default_factory=dict, repr=False)

    def classifier(self, column: str, model: Model) -> Classifier:
        """Return the classifier that was taught a column of labels; taught once."""
        if (column, model) not in self._taught:
            assert self.classes is not None  # noqa: S101  (measures that want labels ask for it)
            keep, labels = self.classes.of_source(column, self.numbers)
            self._taught[column, model] = Classifier.taught(self.rows[keep], labels, model)
        return self._taught[column, model]


@dataclass(frozen=True, eq=False)
class AtWork:
    """Corrected rows that no fit saw, beside target rows that none saw.

    Attributes
    ----------
    learnt : Learnt
    after : (n, d) float32
        Corrected source rows; of the ceiling, other target rows.
    target : (m, d) float32
    source_rows, target_rows : (n,) and (m,) int
        Which rows of their sets they are.
    things : Things or None
        What they show; None where that is not known.
    random_state : int
    """

    learnt: Learnt
    after: Float32
    target: Float32
    source_rows: Integers
    target_rows: Integers
    things: Things | None
    random_state: int = 0
    _kept: dict[object, Any] = field(default_factory=dict, repr=False)

    def once(self, key: object, compute: Callable[[AtWork], Kept]) -> Kept:
        """Return what several measures share; computed at the first call."""
        if key not in self._kept:
            self._kept[key] = compute(self)
        kept: Kept = self._kept[key]
        return kept

    @property
    def columns(self) -> list[str]:
        """Columns of labels; none where there are no classes."""
        return [] if self.learnt.classes is None else self.learnt.classes.columns

    def names(self, column: str) -> npt.NDArray[Any]:
        """Return the classes of a column, sorted."""
        assert self.learnt.classes is not None  # noqa: S101  (or it has no columns)
        return self.learnt.classes.names[column]

    def asked(self, column: str) -> tuple[Integers, npt.NDArray[Any]]:
        """Return positions and classes of those target rows that have one.

        Raises
        ------
        ShapeError
            If there are none.
        """
        assert self.learnt.classes is not None  # noqa: S101  (or it has no columns)
        keep, labels = self.learnt.classes.of_target(column, self.target_rows)
        if len(labels) == 0:
            raise ShapeError(
                f'No row that is asked about has a class of "{column}". Choose other labels.'
            )
        return keep, labels

    @property
    def known(self) -> Things:
        """What the rows show.

        Raises
        ------
        ShapeError
            If that is not known.
        """
        if self.things is None:
            raise ShapeError("These rows are not matched, so none can be found.")
        return self.things

    @cached_property
    def matched(self) -> tuple[Float32, Float32]:
        """One corrected source row and one target row of each thing, drawn at random."""
        source, target = self.known.one_each(generator(self.random_state))
        return self.after[source], self.target[target]

    @cached_property
    def ranks(self) -> MatchRanks:
        """Where matched rows stand by cosine, both ways."""
        return match_ranks(Cosines(self.after, self.target), self.known)
