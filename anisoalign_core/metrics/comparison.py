"""What several metrics share, computed once: cosines, neighbours, means, moments."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.cosines import Cosines, mean_rows
from anisoalign_core.metrics.neighbours import Neighbours, nearest
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, generator
from anisoalign_core.things import Things

Found = TypeVar("Found")

PRDC_K = 5
"""Neighbours that span a row's ball in precision, recall, density and coverage (Naeem 2020)."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Everything that depends only on the uncorrected source and the target.

    Keep one while a slider moves or while many methods are compared on the same rows.

    Attributes
    ----------
    before : (n_y, d) float32
        Unit source rows y.
    target : (n_x, d) float32
        Unit target rows x.
    k : int
        Neighbours of Ω_k, mixing and trustworthiness.
    """

    before: Float32
    target: Float32
    k: int = 20

    def __post_init__(self) -> None:
        """Refuse rows of different dimensions."""
        if self.before.shape[1] != self.target.shape[1]:
            raise ShapeError(
                f"Source rows have {self.before.shape[1]} dimensions and target rows "
                f"{self.target.shape[1]}. Both must come from one encoder's shared space."
            )

    @cached_property
    def depth(self) -> int:
        """How many neighbours are searched: k, and enough for precision and recall.

        Raises
        ------
        ParameterError
            If k is below 2, where mixing is not defined, or not below half of the smaller set,
            where neighbourhoods stop being local.
        """
        n = min(len(self.before), len(self.target))
        if not 2 <= self.k < n / 2:
            raise ParameterError(
                f"k is {self.k}, but {len(self.before)} source and {len(self.target)} target rows "
                f"allow 2 to {max((n - 1) // 2, 0)} (less than half of the smaller set). "
                "Choose a smaller k or evaluate more rows."
            )
        return min(max(self.k, PRDC_K), n - 1)

    @cached_property
    def before_cosines(self) -> Cosines:
        """``⟨y_i, y_j⟩``."""
        return Cosines(self.before, self.before)

    @cached_property
    def target_cosines(self) -> Cosines:
        """``⟨x_i, x_j⟩``."""
        return Cosines(self.target, self.target)

    @cached_property
    def before_neighbours(self) -> Neighbours:
        """Neighbours of the source rows among themselves."""
        return nearest(self.before_cosines, self.depth, exclude_self=True)

    @cached_property
    def target_neighbours(self) -> Neighbours:
        """Neighbours of the target rows among themselves."""
        return nearest(self.target_cosines, self.depth, exclude_self=True)

    @cached_property
    def before_mean(self) -> Float64:
        """μ_y."""
        return mean_rows(self.before)

    @cached_property
    def target_mean(self) -> Float64:
        """μ_x."""
        return mean_rows(self.target)

    @cached_property
    def target_moments(self) -> Moments:
        """Moments of the target rows."""
        return Moments.of(self.target)

    def warm(self) -> Reference:
        """Compute now what :func:`quick_scores` needs, so that its first call is quick too."""
        _ = self.before_neighbours, self.target_neighbours, self.before_mean, self.target_mean
        importlib.import_module("scipy.special")  # not free the first time
        return self

    def against(
        self,
        after: Float32,
        target: Float32 | None = None,
        *,
        paired: bool,
        things: Things | None = None,
    ) -> Comparison:
        """Compare corrected rows with the target, or with one that the method moved too."""
        fixed = self
        if target is not None and target is not self.target:
            fixed = Reference(self.before, target, self.k)
        return Comparison(fixed.before, after, fixed.target, paired, fixed.k, 0, fixed, things)

    def take(self, source_rows: Integers, target_rows: Integers, k: int) -> Reference:
        """Return the same for some of the rows; kept cosines are read, not recomputed."""
        taken = Reference(self.before[source_rows], self.target[target_rows], k)
        _seed(
            taken,
            before_cosines=self.before_cosines.take(source_rows, source_rows),
            target_cosines=self.target_cosines.take(target_rows, target_rows),
        )
        return taken


@dataclass(frozen=True, eq=False)
class Comparison:
    """Source rows before and after a correction, beside the target: what every metric reads.

    Attributes
    ----------
    before : (n_z, d) float32
        Unit source rows y.
    after : (n_z, d) float32
        The same rows corrected, z.
    target : (n_x, d) float32
        Unit target rows x.
    paired : bool
        Whether rows belong together: row i with row i, unless ``things`` says otherwise.
    k : int
        Neighbours.
    random_state : int
        Seed of random directions, splits and halves.
    reference : Reference, optional
        The parts that do not depend on ``after``, when the caller keeps them; it must have been
        built from the same ``before``, ``target`` and ``k``.
    things : Things, optional
        What each row shows, where paired rows do not match one by one.
    """

    before: Float32
    after: Float32
    target: Float32
    paired: bool = False
    k: int = 20
    random_state: int = 0
    reference: Reference | None = None
    things: Things | None = None

    def __post_init__(self) -> None:
        """Refuse rows that do not correspond."""
        if self.after.shape != self.before.shape:
            raise ShapeError(
                f"{self.after.shape[0]}×{self.after.shape[1]} corrected rows do not correspond to "
                f"{self.before.shape[0]}×{self.before.shape[1]} source rows."
            )
        if self.things is not None:
            given_rows = len(self.things.source), len(self.things.target)
            if not self.paired or given_rows != (len(self.before), len(self.target)):
                raise ShapeError("Things need one entry for each row of a paired comparison.")
        elif self.paired and len(self.target) != len(self.before):
            raise ShapeError(
                f"{len(self.before)} source and {len(self.target)} target rows cannot be paired. "
                "Pass paired=False, or rows that correspond."
            )
        given = self.reference
        if given is not None and (
            given.k != self.k
            or given.before.shape != self.before.shape
            or given.target.shape != self.target.shape
        ):
            raise ParameterError(
                "The reference was built from other rows or another k; build it anew."
            )

    @cached_property
    def fixed(self) -> Reference:
        """The reference given, or one built here."""
        return self.reference or Reference(self.before, self.target, self.k)

    @cached_property
    def matched(self) -> Things:
        """What each row of a paired comparison shows."""
        return self.things or Things.rows(len(self.after))

    @cached_property
    def after_cosines(self) -> Cosines:
        """``⟨z_i, z_j⟩``."""
        return Cosines(self.after, self.after)

    @cached_property
    def cross_cosines(self) -> Cosines:
        """``⟨z_i, x_j⟩``."""
        return Cosines(self.after, self.target)

    @cached_property
    def after_neighbours(self) -> Neighbours:
        """Neighbours of the corrected rows among themselves."""
        return nearest(self.after_cosines, self.fixed.depth, exclude_self=True)

    @cached_property
    def after_mean(self) -> Float64:
        """μ_z."""
        return mean_rows(self.after)

    def once(self, compute: Callable[[Comparison], Found]) -> Found:
        """Compute something of this comparison once: several metrics read one search."""
        if compute not in self._kept:
            self._kept[compute] = compute(self)
        found: Found = self._kept[compute]
        return found

    @cached_property
    def _kept(self) -> dict[Callable[[Comparison], Any], Any]:
        return {}

    @classmethod
    def between(
        cls, target: Float32, after: Float32, *, paired: bool = False, k: int = 20
    ) -> Comparison:
        """Return a comparison of two sets alone, for metrics that ask of no correction."""
        return cls(after, after, target, paired, k)

    @cached_property
    def one_each(self) -> Comparison:
        """The comparison on one row a side of every thing, drawn with the seed."""
        if self.things is None or self.things.are_rows:
            return self
        drawn = self.things.one_each(generator(self.random_state))
        return self.half(*(np.sort(rows) for rows in drawn))

    def half(self, source_rows: Integers, target_rows: Integers) -> Comparison:
        """Return the comparison on half of the rows, with the same k where they allow it.

        Halving k with the rows was tried: counts of so few neighbours are coarser, and intervals
        of Ω_k and M_k came out up to 1.7 times too wide, against 0.8 to 1.2 with the same k.
        """
        fewest = min(len(source_rows), len(target_rows))
        k = max(2, min(self.k, (fewest - 1) // 2))
        fixed = self.fixed.take(source_rows, target_rows, k)
        taken = Comparison(
            fixed.before,
            self.after[source_rows],
            fixed.target,
            self.paired,
            k,
            self.random_state,
            fixed,
            self.things and self.things.take(source_rows, target_rows),
        )
        _seed(
            taken,
            after_cosines=self.after_cosines.take(source_rows, source_rows),
            cross_cosines=self.cross_cosines.take(source_rows, target_rows),
        )
        return taken


def _seed(instance: object, **parts: object) -> None:
    """Fill cached properties whose values are known; the dataclass itself stays frozen."""
    vars(instance).update(parts)
