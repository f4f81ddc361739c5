"""The two nouns everything else takes: a set of unit embeddings, and a pair of such sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    JoinError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.numerics import (
    UNIT_TOLERANCE,
    Float32,
    Integers,
    generator,
    read_only,
    row_norms,
    unit_rows,
)

if TYPE_CHECKING:
    import pandas as pd

Strings = npt.NDArray[np.object_]

LOOSE_UNIT_TOLERANCE = 2e-3
"""Norms within this of 1 count as "already normalised" in reports: float16 files land here."""


@dataclass(frozen=True)
class Provenance:
    """Where a set came from and what was measured on the way in.

    Attributes
    ----------
    name : str
        What to call the set in messages: usually the file name.
    files : tuple of str
        Source file names, in reading order.
    model : str or None
        The encoder, when the file says so.
    original_dtype : str
        Data type before conversion to float32.
    rows_read : int
        Rows in the input, before any were dropped.
    dropped_rows : tuple of int
        Input rows left out because they were non-finite or all zeros.
    norm_min, norm_median, norm_max : float
        Row norms as they were in the input.
    was_normalised : bool
        Whether every kept row was already unit to within 2e-3.
    ids_are_rows : bool
        Whether the ids are just input row numbers, because the input brought none.
    """

    name: str
    files: tuple[str, ...] = ()
    model: str | None = None
    original_dtype: str = "float32"
    rows_read: int = 0
    dropped_rows: tuple[int, ...] = ()
    norm_min: float = 1.0
    norm_median: float = 1.0
    norm_max: float = 1.0
    was_normalised: bool = True
    ids_are_rows: bool = True


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Unit-norm embeddings of one modality, with what is known about each row.

    Build one with :meth:`from_array` or :func:`anisoalign_core.load`; both check the rows and
    place them on the unit sphere. Arrays are read-only.

    Attributes
    ----------
    vectors : (n, d) float32
        Unit rows, C-contiguous, read-only.
    ids : (n,) array of str
    modality : str
        Any name: "image", "text", "audio", "protein", …
    captions : (n,) array of str or None
    labels : pandas.DataFrame or None
        One row per embedding, any columns.
    thumbnails : (n, h, w, 3) uint8 or None
    provenance : Provenance
    """

    vectors: Float32
    ids: Strings
    modality: str
    captions: Strings | None = None
    labels: pd.DataFrame | None = None
    thumbnails: npt.NDArray[np.uint8] | None = None
    provenance: Provenance = field(default_factory=lambda: Provenance("array"))

    @classmethod
    def from_array(
        cls,
        array: npt.ArrayLike,
        *,
        modality: str,
        ids: Sequence[object] | npt.NDArray[Any] | None = None,
        captions: Sequence[object] | npt.NDArray[Any] | None = None,
        labels: pd.DataFrame | None = None,
        thumbnails: npt.NDArray[np.uint8] | None = None,
        name: str = "array",
        files: Sequence[str] = (),
        model: str | None = None,
        drop_invalid: bool = False,
    ) -> EmbeddingSet:
        """Check an array, L2-normalise its rows and wrap it.

        Parameters
        ----------
        array : (n, d) array of real numbers
            Any float or integer type, byte order and memory order.
        modality : str
        ids, captions : sequence of length n, optional
            Converted to ``str``. Without ids the input row numbers serve.
        labels : pandas.DataFrame of n rows, optional
        thumbnails : (n, h, w, 3) uint8, optional
        name : str
            What error messages call the input.
        files, model
            Kept in the provenance.
        drop_invalid : bool, default False
            Leave out non-finite and all-zero rows instead of refusing the input.

        Raises
        ------
        FormatError
            If the entries are not real numbers.
        ShapeError
            If the array is not 2-D, has no rows or fewer than two columns, or the metadata has
            another length.
        InvalidRowsError
            If rows are non-finite or all zeros and ``drop_invalid`` is false. ``error.rows``
            holds all of them.
        """
        rows = as_real_matrix(array, name)
        n = len(rows)
        for what, value in (("ids", ids), ("captions", captions), ("labels", labels)):
            if value is not None and len(value) != n:
                raise ShapeError(
                    f"{name} has {n} rows but {len(value)} {what}. Give one per row, in row order."
                )
        _check_thumbnails(thumbnails, n, name)
        norms = row_norms(rows)
        bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
        if len(bad) and not drop_invalid:
            raise InvalidRowsError(_describe_invalid(rows, norms, bad, name), bad.tolist())
        if len(bad) == n:
            raise InvalidRowsError(
                f"Every one of the {n} rows of {name} is non-finite or all zeros; nothing is left "
                "to load. Check how the file was written.",
                bad.tolist(),
            )
        keep = np.setdiff1d(np.arange(n), bad) if len(bad) else slice(None)
        kept = norms[keep]
        vectors = unit_rows(rows[keep], kept)
        given = ids is not None
        id_array = as_strings(ids if ids is not None else range(n))[keep]
        return cls(
            vectors=read_only(vectors),
            ids=read_only(id_array),
            modality=modality,
            captions=None if captions is None else read_only(as_strings(captions)[keep]),
            labels=None if labels is None else labels.iloc[keep].reset_index(drop=True),
            thumbnails=None if thumbnails is None else read_only(thumbnails[keep]),
            provenance=Provenance(
                name=name,
                files=tuple(files),
                model=model,
                original_dtype=str(rows.dtype.newbyteorder("=")),
                rows_read=n,
                dropped_rows=tuple(bad.tolist()),
                norm_min=float(kept.min()),
                norm_median=float(np.median(kept)),
                norm_max=float(kept.max()),
                was_normalised=bool(np.all(np.abs(kept - 1.0) <= LOOSE_UNIT_TOLERANCE)),
                ids_are_rows=not given,
            ),
        )

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return int(self.vectors.shape[1])

    @property
    def name(self) -> str:
        """What to call the set in messages."""
        return self.provenance.name

    @cached_property
    def digest(self) -> str:
        """sha256 over modality-free content: shape, the float32 bytes, and the ids."""
        sha = hashlib.sha256(repr(self.vectors.shape).encode())
        sha.update(np.ascontiguousarray(self.vectors, dtype="<f4").data)
        sha.update("\x1f".join(self.ids.tolist()).encode("utf-8", "surrogatepass"))
        return sha.hexdigest()

    @cached_property
    def duplicate_rows(self) -> int:
        """Rows that repeat an earlier row exactly."""
        hashes = {row.tobytes() for row in self.vectors}
        return len(self) - len(hashes)

    @cached_property
    def duplicate_ids(self) -> Strings:
        """Ids that occur more than once, sorted."""
        values, counts = np.unique(self.ids, return_counts=True)
        return np.asarray(values[counts > 1], dtype=object)

    def take(self, rows: npt.ArrayLike) -> EmbeddingSet:
        """Return the given rows, in the given order, with everything known about them.

        Parameters
        ----------
        rows : sequence of int or boolean mask
        """
        index = np.asarray(rows)
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        index = index.astype(np.intp)
        return replace(
            self,
            vectors=read_only(np.ascontiguousarray(self.vectors[index])),
            ids=read_only(self.ids[index]),
            captions=None if self.captions is None else read_only(self.captions[index]),
            labels=None if self.labels is None else self.labels.iloc[index].reset_index(drop=True),
            thumbnails=None if self.thumbnails is None else read_only(self.thumbnails[index]),
        )

    @property
    def input_rows(self) -> Integers:
        """Row numbers in the input of the rows that were kept; valid for a set as it was read."""
        kept = np.setdiff1d(np.arange(self.provenance.rows_read), self.provenance.dropped_rows)
        if len(kept) != len(self):
            raise JoinError(f"{self.name} is a selection of its input; pair the whole sets first.")
        return kept

    def with_vectors(self, vectors: Float32) -> EmbeddingSet:
        """Return the same rows with other vectors (a corrected set keeps ids and captions)."""
        if len(vectors) != len(self):
            raise ShapeError(f"{len(vectors)} vectors cannot stand for the {len(self)} rows.")
        return replace(self, vectors=read_only(np.ascontiguousarray(vectors, dtype=np.float32)))


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


def as_real_matrix(array: npt.ArrayLike, name: str) -> npt.NDArray[np.floating[Any]]:
    """Return ``array`` as a 2-D float array, or say in a sentence why that is not possible."""
    rows = np.asarray(array)
    if rows.dtype == object or rows.dtype.kind in "SUVMmcb":
        raise FormatError(
            f"{name} holds {_kind_name(rows.dtype)}, not real numbers. Save the embeddings as a "
            "plain float array of shape (rows, dimensions)."
        )
    if rows.ndim != 2:
        hint = (
            "Reshape it to (rows, dimensions)."
            if rows.ndim == 1
            else "Pool or select until one vector per row is left."
        )
        raise ShapeError(f"{name} has {rows.ndim} axes (shape {rows.shape}), not 2. {hint}")
    if rows.shape[0] == 0:
        raise ShapeError(f"{name} has no rows (shape {rows.shape}). Check how it was written.")
    if rows.shape[1] < 2:
        raise ShapeError(
            f"{name} has {rows.shape[1]} column(s); a direction needs at least 2 dimensions."
        )
    if rows.dtype.kind in "iu":
        return rows.astype(np.float64)
    if rows.dtype.itemsize > 8:
        return rows.astype(np.float64)
    return rows


def as_vectors(data: EmbeddingSet | npt.ArrayLike, name: str = "array") -> Float32:
    """Return the unit rows of a set or of a bare array: what aligners and metrics compute on."""
    if isinstance(data, EmbeddingSet):
        return data.vectors
    return EmbeddingSet.from_array(data, modality="any", name=name).vectors


def as_strings(values: Iterable[object]) -> Strings:
    """Return an object array of ``str``."""
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = [item if isinstance(item, str) else str(item) for item in items]
    return out


def _first_rows(ids: Strings) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, key in enumerate(ids):
        rows.setdefault(key, row)
    return rows


def _check_thumbnails(thumbnails: npt.NDArray[np.uint8] | None, n: int, name: str) -> None:
    if thumbnails is None:
        return
    if thumbnails.ndim != 4 or thumbnails.shape[3] != 3 or thumbnails.dtype != np.uint8:
        raise ShapeError(f"Thumbnails of {name} must be uint8 of shape (rows, height, width, 3).")
    if len(thumbnails) != n:
        raise ShapeError(f"{name} has {n} rows but {len(thumbnails)} thumbnails.")


def _kind_name(dtype: np.dtype[Any]) -> str:
    names = {"O": "Python objects", "S": "bytes", "U": "text", "c": "complex numbers"}
    return names.get(dtype.kind, {"b": "booleans", "V": "records"}.get(dtype.kind, "dates"))


def _describe_invalid(
    rows: npt.NDArray[np.floating[Any]], norms: npt.NDArray[Any], bad: Integers, name: str
) -> str:
    zeros = bad[norms[bad] == 0.0]
    broken = bad[norms[bad] != 0.0]
    parts = []
    for what, which in (("all zeros", zeros), ("not finite (NaN or Inf)", broken)):
        if len(which):
            shown = ", ".join(str(row) for row in which[:5])
            more = f", … ({len(which)} such rows)" if len(which) > 5 else ""
            parts.append(
                f"row{'s' if len(which) > 1 else ''} {shown}{more} of {name} "
                f"{'are' if len(which) > 1 else 'is'} {what}"
            )
    return (
        f"{' and '.join(parts)} (counting from 0; {len(bad)} of {len(rows)} rows). "
        "Drop them with drop_invalid=True, or mend the file."
    ).replace("row", "Row", 1)


__all__ = [
    "UNIT_TOLERANCE",
    "EmbeddingPair",
    "EmbeddingSet",
    "Provenance",
    "Split",
    "as_real_matrix",
    "as_vectors",
]
