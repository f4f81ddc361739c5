"""A source and a target set together: matched by row or id, and split into fit and hold-out.

Rows that share an id show one *thing* (:class:`~anisoalign_core.things.Things`): five captions of
one picture. Splits, halves and re-pairings draw things, so that none is both fitted and held out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.card import Card, Shown
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import JoinError, ParameterError, ShapeError, kind_of
from anisoalign_core.numerics import Float32, Float64, Integers
from anisoalign_core.splitting import Split, split_rows, uncopied, without_copies
from anisoalign_core.things import Things, equal_weights, first_rows, merged, numbers

Repeats = Literal["group", "error", "first"]
"""What rows of one side that share an id become: rows of one thing, a refusal, the first alone."""


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingPair(Shown):
    """A source set to be corrected and the target set it should stand in for.

    Parameters
    ----------
    source, target : EmbeddingSet
        Of one dimension.
    paired : bool, default False
        Whether rows belong together: row i with row i, unless ``groups`` says otherwise. Use
        :meth:`join` to pair by id.
    unmatched_source, unmatched_target : tuple of str
        Ids that :meth:`join` left out.
    joined_by_id : bool
        Whether :meth:`join` made the pair.
    groups : Things, optional
        Which thing each row shows, where rows do not match one by one.

    Raises
    ------
    ShapeError
        If the dimensions differ, or the sets are called paired by row with different row counts.
    JoinError
        If the sets are called paired by row although rows were dropped from them differently.
    """

    source: EmbeddingSet
    target: EmbeddingSet
    paired: bool = False
    unmatched_source: tuple[str, ...] = ()
    unmatched_target: tuple[str, ...] = ()
    joined_by_id: bool = False
    groups: Things | None = None

    def __post_init__(self) -> None:
        """Refuse sets that cannot belong together."""
        source, target = self.source, self.target
        for side, name in ((source, "source"), (target, "target")):
            if not isinstance(side, EmbeddingSet):
                raise ParameterError(
                    f"The {name} of a pair is {kind_of(side)}, and should be an EmbeddingSet: wrap "
                    "rows with aa.EmbeddingSet.from_array(rows, modality=...), or aa.load a file."
                )
        if source.dim != target.dim:
            raise ShapeError(
                f"{_called(source, 'The source')} has {source.dim} dimensions and "
                f"{_called(target, 'the target')} has {target.dim}. "
                "Both must come from one encoder's shared space: check the files."
            )
        if not self.paired:
            return
        if self.groups is not None:
            if (len(self.groups.source), len(self.groups.target)) != (len(source), len(target)):
                raise ShapeError("The groups of a pair need one entry for each row of its sets.")
            return
        if len(source) != len(target):
            raise ShapeError(
                f"{_called(source, 'The source')} has {len(source)} rows and "
                f"{_called(target, 'the target')} has {len(target)}, so row i "
                "cannot belong to row i. Join them by id, or load them as unpaired."
            )
        by_row = source.provenance.ids_are_rows and target.provenance.ids_are_rows
        dropped = source.provenance.dropped_rows or target.provenance.dropped_rows
        if by_row and dropped and not np.array_equal(source.ids, target.ids):
            raise JoinError(
                f"Rows were dropped from {source.name} and {target.name} differently, so rows no "
                'longer correspond. Use EmbeddingPair.match(source, target, "row"), which pairs '
                "the rows that are left."
            )

    @classmethod
    def join(
        cls,
        source: EmbeddingSet,
        target: EmbeddingSet,
        *,
        duplicates: Repeats = "group",
    ) -> EmbeddingPair:
        """Pair rows that carry the same id; an id may occur any number of times on either side.

        Where no id repeats, rows come in the target's order; otherwise both sides keep their own,
        and target rows of one id that are equal bit by bit count once: an image that is written
        again for each of its captions is one image.

        Parameters
        ----------
        source, target : EmbeddingSet
        duplicates : {"group", "error", "first"}
            What to do when an id occurs more than once within a set: take its rows as one thing,
            refuse, or keep the first row of each.

        Raises
        ------
        JoinError
            If a side has no ids, if no id occurs on both sides, or if ids repeat and
            ``duplicates="error"``.
        """
        bare = [side for side in (source, target) if side.provenance.ids_are_rows]
        if bare:
            names = " and ".join(dict.fromkeys(side.name for side in bare))
            raise JoinError(
                f"{names} has no ids, so it cannot be joined by id. Add an ids file (one per "
                "line) or an id column, or pair the sets by row."
                if len(bare) == 1
                else f"Neither set has ids ({names}), so there is nothing to join on. Add ids "
                "files (one per line) or id columns, or pair the sets by row."
            )
        repeated = [(side, side.duplicate_ids) for side in (source, target)]
        if duplicates == "error":
            for side, ids in repeated:
                if len(ids):
                    count = int(np.sum(side.ids == ids[0]))
                    raise JoinError(
                        f'id "{ids[0]}" occurs {count} times in {side.name} ({len(ids)} ids '
                        "repeat). Make ids unique, take the rows of an id as one thing "
                        '(duplicates="group"), or keep the first row of each '
                        '(duplicates="first").'
                    )
        source_row, target_row = (first_rows(side.ids) for side in (source, target))
        common = [key for key in target_row if key in source_row]
        if not common:
            raise JoinError(
                f'No id occurs in both sets: {source.name} has ids like "{source.ids[0]}", '
                f'{target.name} like "{target.ids[0]}". Check that both files use the same ids, or '
                "load them as unpaired."
            )
        shared, groups = set(common), None
        if duplicates == "group" and any(len(ids) for _, ids in repeated):
            rows = [[r for r, key in enumerate(s.ids) if key in shared] for s in (source, target)]
            target, rows[1] = uncopied(target, rows[1])
            groups = Things.of(source.ids[rows[0]], target.ids[rows[1]])
        else:
            rows = [[found[key] for key in common] for found in (source_row, target_row)]
        return cls(
            source=source.take(rows[0]),
            target=target.take(rows[1]),
            paired=True,
            unmatched_source=tuple(key for key in source_row if key not in shared),
            unmatched_target=tuple(key for key in target_row if key not in shared),
            joined_by_id=True,
            groups=groups,
        )

    @classmethod
    def match(
        cls,
        source: EmbeddingSet,
        target: EmbeddingSet,
        by: Literal["row", "id", "none"],
        *,
        duplicates: Repeats = "group",
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
        """sha256 over both sets' digests and how rows correspond."""
        text = f"{self.source.digest}|{self.target.digest}|{self.paired}"
        if self.groups is not None:
            text += f"|{self.groups.source.tolist()}|{self.groups.target.tolist()}"
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def things(self) -> Things | None:
        """Which thing each row shows; None when the pair is unpaired.

        Rows matched one by one show one thing where either side's own ids say so.
        """
        if not self.paired or self.groups is not None:
            return self.groups
        n = len(self.source)
        keys = [numbers(s.ids) for s in (self.source, self.target) if len(s.repeated_ids)]
        if not keys:
            return Things.rows(n)
        of = merged(n, [(np.arange(n), each) for each in keys])
        return Things(of, of, int(of.max()) + 1)

    @property
    def matched(self) -> Things:
        """The things of a paired pair.

        Raises
        ------
        JoinError
            If the pair is unpaired.
        """
        if self.things is None:
            raise JoinError("Rows of an unpaired pair do not correspond; take rows of each set.")
        return self.things

    def take(self, things: npt.ArrayLike) -> EmbeddingPair:
        """Return the rows of the given things of a paired pair: row numbers, where things are rows.

        Parameters
        ----------
        things : sequence of int or boolean mask
        """
        every = self.matched
        if every.are_rows:
            return replace(self, source=self.source.take(things), target=self.target.take(things))
        index = np.arange(every.count)[np.asarray(things)]
        source, target = every.rows_of(index)
        return replace(
            self,
            source=self.source.take(source),
            target=self.target.take(target),
            groups=every.take(source, target),
        )

    def turned(self) -> EmbeddingPair:
        """Return the pair the other way round: what was the target is to be corrected."""
        return EmbeddingPair(
            self.target,
            self.source,
            self.paired,
            self.unmatched_target,
            self.unmatched_source,
            self.joined_by_id,
            None if self.groups is None else self.groups.turned(),
        )

    def partners(self, source_rows: Integers | None = None) -> Float32 | None:
        """Return what stands for the partners of (all) source rows, (m, d); None without pairs.

        The target row itself, or the direction of the mean of a thing's target rows.
        """
        if self.things is None:
            return None
        centres = self.things.centres(self.target.vectors, of_source=False)
        of = self.things.source
        return centres[of if source_rows is None else of[source_rows]]

    def in_words(self) -> str:
        """Say how rows belong together: "1,000 things: 1,000 image rows and 5,000 text rows …"."""
        sides = (self.target, self.source)
        counts = [f"{len(side):,} {side.modality} rows" for side in sides]
        if self.things is None:
            return f"{' and '.join(counts)}, unpaired"
        if self.things.are_rows:
            return f"{len(self.source):,} pairs"
        sizes = self.things.sizes[::-1]
        for side, size in enumerate(sizes):
            low, high = int(size.min()), int(size.max())
            counts[side] += f" ({low} each)" if low == high else f" ({low} to {high} each)"
        return f"{self.things.count:,} things: {' and '.join(counts)}"

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        return f"{self.source.name} → {self.target.name}, {self.in_words()}, {self.dim} dimensions"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = [(n, s.in_short()) for n, s in (("source", self.source), ("target", self.target))]
        left = len(self.unmatched_source) + len(self.unmatched_target)
        rows += [("without partner", f"{left:,} ids or rows, left out")] if left else []
        return Card(f"{self.in_words()}, {self.dim} dimensions", rows)

    def split(
        self,
        random_state: int | np.random.Generator = 0,
        holdout: float = 0.2,
        by: Literal["thing", "row"] = "thing",
    ) -> Split:
        """Divide the rows into fit-target, fit-source and hold-out parts, by thing.

        Paired sets: a share ``holdout`` of the things is held out, the rest is halved, one half
        fits the target's statistics and the other the source's, so that no fitted statistic has
        seen a row and its partner. Unpaired sets: the share is held out of each side. Rows of one
        id stay together, and so do rows of equal bytes on a side that has no ids.

        Parameters
        ----------
        random_state : int or numpy Generator, default 0
        holdout : float, default 0.2
            In (0, 0.8].
        by : {"thing", "row"}
            "row" keeps nothing together, as version 0.1 did: for its recipes, and for pairs whose
            rows match one by one.

        Raises
        ------
        ParameterError
            If ``holdout`` is outside its range.
        ShapeError
            If a part would have fewer than two rows.
        """
        return split_rows(self.source, self.target, self.things, random_state, holdout, by)


def check_pair(value: object, function: str, first: str = "") -> None:
    """Refuse what is no pair, and say what the function wants.

    Raises
    ------
    ParameterError
    """
    if not isinstance(value, EmbeddingPair):
        raise ParameterError(
            f"aa.{function} got {kind_of(value)} where it wants an EmbeddingPair: "
            f"aa.{function}({first}aa.EmbeddingPair(source=texts, target=images, paired=True))."
        )


def _called(side: EmbeddingSet, role: str) -> str:
    """Return a set's name, or its role where it has none of its own."""
    return role if side.name == "array" else side.name


def fit_rows(
    pair: EmbeddingPair,
    needs_pairs: bool,
    split: Split | None,
    weigh: Literal["row", "thing"] = "row",
) -> tuple[EmbeddingSet, EmbeddingSet, Float64 | tuple[Float64 | None, Float64 | None] | None]:
    """Return the source and target sets a method is fitted on: all rows, or a split's parts.

    A method that needs pairs gets every link of a thing, row by row, and weights that give each
    thing weight one; any other gets the rows of each side, which count the same or, weighed by
    thing, give each thing weight one. Weights are None where all are equal to one.
    """
    if not needs_pairs:
        source, target = pair.source, pair.target
        if split is not None:
            source, target = source.take(split.fit_source), target.take(split.fit_target)
        sides = (equal_weights(source.ids), equal_weights(target.ids))
        weighs = weigh == "thing" and any(side is not None for side in sides)
        return source, target, sides if weighs else None
    fitted = pair if split is None else pair.take(split.fit_pairs)
    if fitted.things is None or fitted.things.are_rows:
        return fitted.source, fitted.target, None
    links = fitted.things.links
    return fitted.source.take(links.source), fitted.target.take(links.target), links.weights


__all__ = ["EmbeddingPair", "Repeats", "Split", "fit_rows", "without_copies"]
