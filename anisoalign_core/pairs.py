"""A source and a target set together: matched by row or id, and split into fit and hold-out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import JoinError, ParameterError, ShapeError
from anisoalign_core.numerics import Integers, generator
from anisoalign_core.rows import Strings


@dataclass(frozen=True)
class Split:
    """Rows of a pair that fit the target's statistics, the source's, and that are held out.

    Attributes
    ----------
    fit_source, fit_target : arrays of row numbers
        Disjoint when pairs are known, so that fitting never sees a row's partner.
    holdout_source, holdout_target : arrays of row numbers
        Equal when pairs are known.
    fit_pairs : array of row numbers
        Rows that methods labelled *paired* may fit on: all but the hold-out; empty if unpaired.
    """

    fit_source: Integers
    fit_target: Integers
    holdout_source: Integers
    holdout_target: Integers
    fit_pairs: Integers


@dataclass(frozen=True, eq=False)
class EmbeddingPair:
    """A source set to be corrected and the target set it should stand in for.

    Parameters
    ----------
    source, target : EmbeddingSet
        Of one dimension.
    paired : bool, default False
        Whether source row i and target row i belong together. Use :meth:`join` to pair by id.
    unmatched_source, unmatched_target : tuple of str
        Ids that :meth:`join` left out.
    joined_by_id : bool
        Whether :meth:`join` made the pair.

    Raises
    ------
    ShapeError
        If the dimensions differ, or the sets are called paired with different row counts.
    JoinError
        If the sets are called paired by row although rows were dropped from them differently.
    """

    source: EmbeddingSet
    target: EmbeddingSet
    paired: bool = False
    unmatched_source: tuple[str, ...] = ()
    unmatched_target: tuple[str, ...] = ()
    joined_by_id: bool = False

    def __post_init__(self) -> None:
        """Refuse sets that cannot belong together."""
        source, target = self.source, self.target
        if source.dim != target.dim:
            raise ShapeError(
                f"{source.name} has {source.dim} dimensions and {target.name} has {target.dim}. "
                "Both must come from one encoder's shared space: check the files."
            )
        if not self.paired:
            return
        if len(source) != len(target):
            raise ShapeError(
                f"{source.name} has {len(source)} rows and {target.name} has {len(target)}, so "
                "row i cannot belong to row i. Join them by id, or load them as unpaired."
            )
        by_row = source.provenance.ids_are_rows and target.provenance.ids_are_rows
        dropped = source.provenance.dropped_rows or target.provenance.dropped_rows
        if by_row and dropped and not np.array_equal(source.ids, target.ids):
            raise JoinError(
                f"Rows were dropped from {source.name} and {target.name} differently, so rows no "
                "longer correspond. Use EmbeddingPair.join, which pairs the rows that are left."
            )

    @classmethod
    def join(
        cls,
        source: EmbeddingSet,
        target: EmbeddingSet,
        *,
        duplicates: Literal["error", "first"] = "error",
    ) -> EmbeddingPair:
        """Pair rows that carry the same id, in the target's order.

        Sets that brought no ids are joined by their row numbers in the input, which puts back
        together what dropping invalid rows took apart.

        Parameters
        ----------
        source, target : EmbeddingSet
        duplicates : {"error", "first"}
            What to do when an id occurs more than once within a set.

        Raises
        ------
        JoinError
            If ids repeat (and ``duplicates="error"``), if only one side has ids, or if no id
            occurs on both sides.
        """
        if source.provenance.ids_are_rows != target.provenance.ids_are_rows:
            bare = source if source.provenance.ids_are_rows else target
            raise JoinError(
                f"{bare.name} has no ids, so it cannot be joined by id. Add an ids file (one per "
                "line) or an id column, or pair the sets by row."
            )
        for side in (source, target):
            repeated = side.duplicate_ids
            if len(repeated) and duplicates == "error":
                count = int(np.sum(side.ids == repeated[0]))
                raise JoinError(
                    f'id "{repeated[0]}" occurs {count} times in {side.name} ({len(repeated)} ids '
                    "repeat). Make ids unique, or keep the first row of each "
                    '(duplicates="first").'
                )
        source_row = _first_rows(source.ids)
        target_row = _first_rows(target.ids)
        common = [key for key in target_row if key in source_row]
        if not common:
            raise JoinError(
                f'No id occurs in both sets: {source.name} has ids like "{source.ids[0]}", '
                f'{target.name} like "{target.ids[0]}". Check that both files use the same ids, '
                "or load them as unpaired."
            )
        shared = set(common)
        return cls(
            source=source.take([source_row[key] for key in common]),
            target=target.take([target_row[key] for key in common]),
            paired=True,
            unmatched_source=tuple(key for key in source_row if key not in shared),
            unmatched_target=tuple(key for key in target_row if key not in shared),
            joined_by_id=True,
        )

    @classmethod
    def match(
        cls,
        source: EmbeddingSet,
        target: EmbeddingSet,
        by: Literal["row", "id", "none"],
        *,
        duplicates: Literal["error", "first"] = "error",
    ) -> EmbeddingPair:
        """Pair two freshly read sets by input row, by id, or not at all.

        By row, rows that were dropped from either input leave on both sides.

        Raises
        ------
        JoinError, ShapeError
            As :meth:`join` and the constructor.
        """
        if by == "none":
            return cls(source, target)
        if by == "id":
            return cls.join(source, target, duplicates=duplicates)
        if not (source.provenance.dropped_rows or target.provenance.dropped_rows):
            return cls(source, target, paired=True)
        read = source.provenance.rows_read, target.provenance.rows_read
        if read[0] != read[1]:
            raise ShapeError(
                f"{source.name} has {read[0]} rows and {target.name} has {read[1]}, so row i "
                "cannot belong to row i. Join them by id, or load them as unpaired."
            )
        common = np.intersect1d(source.input_rows, target.input_rows)
        if len(common) == 0:
            raise JoinError("No row is valid in both sets, so nothing can be paired.")
        return cls(
            source.take(np.searchsorted(source.input_rows, common)),
            target.take(np.searchsorted(target.input_rows, common)),
            paired=True,
            unmatched_source=tuple(source.ids[~np.isin(source.input_rows, common)]),
            unmatched_target=tuple(target.ids[~np.isin(target.input_rows, common)]),
        )

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return self.source.dim

    @cached_property
    def digest(self) -> str:
        """sha256 over both sets' digests and whether rows correspond."""
        text = f"{self.source.digest}|{self.target.digest}|{self.paired}"
        return hashlib.sha256(text.encode()).hexdigest()

    def take(self, rows: npt.ArrayLike) -> EmbeddingPair:
        """Return the given rows of both sides of a paired pair."""
        if not self.paired:
            raise JoinError("Rows of an unpaired pair do not correspond; take rows of each set.")
        return replace(self, source=self.source.take(rows), target=self.target.take(rows))

    def split(self, random_state: int | np.random.Generator = 0, holdout: float = 0.2) -> Split:
        """Divide the rows into fit-target, fit-source and hold-out parts.

        Paired sets: a share ``holdout`` of the rows is held out, the rest is halved, one half
        fits the target's statistics and the other the source's, so that no fitted statistic has
        seen a row and its partner. Unpaired sets: the share is held out of each side.

        Parameters
        ----------
        random_state : int or numpy Generator, default 0
        holdout : float, default 0.2
            In (0, 0.8].

        Raises
        ------
        ParameterError
            If ``holdout`` is outside its range.
        ShapeError
            If a part would have fewer than two rows.
        """
        if not 0.0 < holdout <= 0.8:
            raise ParameterError(f"holdout is {holdout}; choose a share above 0 and at most 0.8.")
        rng = generator(random_state)
        if self.paired:
            order = rng.permutation(len(self.source))
            held = round(len(order) * holdout)
            half = (len(order) - held) // 2
            target_rows, source_rows = order[:half], order[half : len(order) - held]
            hold_source = hold_target = np.sort(order[len(order) - held :])
            pairs = np.sort(order[: len(order) - held])
        else:
            source_order = rng.permutation(len(self.source))
            target_order = rng.permutation(len(self.target))
            held_s, held_t = round(len(source_order) * holdout), round(len(target_order) * holdout)
            source_rows, hold_source = source_order[held_s:], np.sort(source_order[:held_s])
            target_rows, hold_target = target_order[held_t:], np.sort(target_order[:held_t])
            pairs = np.empty(0, dtype=np.intp)
        parts = (source_rows, target_rows, hold_source, hold_target)
        if min(len(part) for part in parts) < 2:
            raise ShapeError(
                f"{len(self.source)} source and {len(self.target)} target rows are too few to "
                "split into fit and hold-out parts of at least two rows each. Load more rows."
            )
        return Split(np.sort(source_rows), np.sort(target_rows), hold_source, hold_target, pairs)


def fit_rows(
    pair: EmbeddingPair, needs_pairs: bool, split: Split | None
) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Return the source and target sets a method is fitted on: all rows, or a split's parts."""
    if split is None:
        return pair.source, pair.target
    if needs_pairs:
        return pair.source.take(split.fit_pairs), pair.target.take(split.fit_pairs)
    return pair.source.take(split.fit_source), pair.target.take(split.fit_target)


def _first_rows(ids: Strings) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, key in enumerate(ids):
        rows.setdefault(key, row)
    return rows
