"""Which rows of two sets are fitted and which are held out: drawn by thing, with a seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Integers, generator
from anisoalign_core.things import Things, merged, numbers


@dataclass(frozen=True)
class Split:
    """Rows of a pair that fit the target's statistics, the source's, and that are held out.

    Attributes
    ----------
    fit_source, fit_target : arrays of row numbers
        Of different things when pairs are known, so that fitting never sees a row's partner.
    holdout_source, holdout_target : arrays of row numbers
        Of the same things when pairs are known.
    fit_pairs, holdout_pairs : arrays of thing numbers
        What methods labelled *paired* may fit on, and what is held out; empty if unpaired. Where
        rows are matched one by one, things are rows.
    """

    fit_source: Integers
    fit_target: Integers
    holdout_source: Integers
    holdout_target: Integers
    fit_pairs: Integers
    holdout_pairs: Integers


def split_rows(
    source: EmbeddingSet,
    target: EmbeddingSet,
    things: Things | None,
    random_state: int | np.random.Generator,
    holdout: float,
    by: Literal["thing", "row"] = "thing",
) -> Split:
    """Draw a split; see :meth:`anisoalign_core.EmbeddingPair.split`."""
    if not 0.0 < holdout <= 0.8:
        raise ParameterError(f"holdout is {holdout}; choose a share above 0 and at most 0.8.")
    rng = generator(random_state)
    if by == "row":
        if things is not None and len(source) != len(target):
            raise ParameterError("Rows that do not match one by one are split by thing.")
        things = things and Things.rows(len(source))
        of_source, of_target = np.arange(len(source)), np.arange(len(target))
    else:
        of_source, of_target = _units(source, target, things)
    pairs = held_pairs = np.empty(0, dtype=np.intp)
    if things is not None:
        order = rng.permutation(int(of_source.max()) + 1)
        fitted = len(order) - round(len(order) * holdout)
        half = fitted // 2
        fit_target, fit_source = (
            _rows(of_target, order[:half]),
            _rows(of_source, order[half:fitted]),
        )
        hold_source, hold_target = (_rows(of, order[fitted:]) for of in (of_source, of_target))
        held_pairs = np.unique(things.source[hold_source])
        pairs = np.setdiff1d(np.arange(things.count), held_pairs)
    else:
        found = []
        for of in (of_source, of_target):
            order = rng.permutation(int(of.max()) + 1)
            held = round(len(order) * holdout)
            found.append((_rows(of, order[held:]), _rows(of, order[:held])))
        (fit_source, hold_source), (fit_target, hold_target) = found
    if min(len(part) for part in (fit_source, fit_target, hold_source, hold_target)) < 2:
        raise ShapeError(
            f"{len(source)} source and {len(target)} target rows are too few to "
            "split into fit and hold-out parts of at least two rows each. Load more rows."
        )
    return Split(fit_source, fit_target, hold_source, hold_target, pairs, held_pairs)


def equal_rows(side: EmbeddingSet) -> int:
    """Rows that a split keeps with an equal one: repeats in a set whose input gave no ids."""
    return side.duplicate_rows if side.provenance.ids_are_rows else 0


def without_copies(side: EmbeddingSet, rows: Iterable[int] | None = None) -> list[int]:
    """Return (some of) the rows without those that have the id and the bytes of one before."""
    rows = range(len(side)) if rows is None else rows
    if not len(side.repeated_ids):
        return list(rows)
    first: dict[tuple[str, bytes], int] = {}
    for row in rows:
        first.setdefault((side.ids[row], side.vectors[row].tobytes()), row)
    return list(first.values())


def uncopied(side: EmbeddingSet, rows: list[int]) -> tuple[EmbeddingSet, list[int]]:
    """Return the set, with a note on how many copies are left out, and the rows without them."""
    kept = without_copies(side, rows)
    more = len(rows) - len(kept)
    if not more:
        return side, kept
    words = (
        f"{more:,} rows of {side.name} repeat another row of their id bit by bit and count once."
    )
    said = replace(side.provenance, notes=(*side.provenance.notes, words))
    return replace(side, provenance=said), kept


def _units(
    source: EmbeddingSet, target: EmbeddingSet, things: Things | None
) -> tuple[Integers, Integers]:
    """Return the unit of each source and target row: its thing, its id, or rows equal to it."""
    if things is None:
        found = (numbers(_bytes(s) if equal_rows(s) else s.ids) for s in (source, target))
        of_source, of_target = found
        return of_source, of_target
    sides = ((source, things.source), (target, things.target))
    links = [(of, numbers(_bytes(side))) for side, of in sides if equal_rows(side)]
    if not links:
        return things.source, things.target
    unit = merged(things.count, links)
    return unit[things.source], unit[things.target]


def _rows(unit: Integers, chosen: Integers) -> Integers:
    """Sorted rows of the chosen units."""
    wanted = np.zeros(int(unit.max()) + 1, dtype=bool)
    wanted[chosen] = True
    return np.flatnonzero(wanted[unit])


def _bytes(side: EmbeddingSet) -> list[bytes]:
    return [row.tobytes() for row in side.vectors]
