"""The first noun: a set of unit embeddings with what is known about each row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.card import Card, Shown, within
from anisoalign_core.errors import InvalidRowsError, JoinError, ShapeError
from anisoalign_core.numerics import Float32, Integers, median, read_only
from anisoalign_core.rows import (
    Strings,
    admit,
    as_strings,
    check_thumbnails,
)

if TYPE_CHECKING:
    import pandas as pd


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
    notes : tuple of str
        Sentences about how the input was understood, where it did not say so itself.
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingSet(Shown):
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
        notes: Sequence[str] = (),
    ) -> EmbeddingSet:
        """Check an array, L2-normalise its rows and wrap it.

        Parameters
        ----------
        array : (n, d) array of real numbers
            Any float or integer type, byte order and memory order; of NumPy, PyTorch on any
            device, pandas, Arrow, datasets, JAX, or lists: :mod:`anisoalign_core.arrays` has the
            table. The set keeps a float32 copy of its own.
        modality : str
        ids, captions : sequence of length n, optional
            Converted to ``str``. Without ids the input row numbers serve.
        labels : pandas.DataFrame of n rows, optional
        thumbnails : (n, h, w, 3) uint8, optional
        name : str
            What error messages call the input.
        files, model, notes
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
        checked = admit(array, name, drop_invalid=drop_invalid)
        n, norms = len(checked.rows) + len(checked.dropped), checked.norms
        for what, value in (("ids", ids), ("captions", captions), ("labels", labels)):
            if value is not None and len(value) != n:
                raise ShapeError(
                    f"{name} has {n} rows but {len(value)} {what}. Give one per row, in row order."
                )
        check_thumbnails(thumbnails, n, name)
        if not len(norms):
            raise InvalidRowsError(
                f"Every one of the {n} rows of {name} is non-finite or all zeros; nothing is left "
                "to load. Check how the file was written.",
                checked.dropped.tolist(),
            )
        keep = slice(None) if checked.kept is None else checked.kept
        given = ids is not None
        id_array = as_strings(ids if ids is not None else range(n))[keep]
        return cls(
            vectors=read_only(checked.unit()),
            ids=read_only(id_array),
            modality=modality,
            captions=None if captions is None else read_only(as_strings(captions)[keep]),
            labels=None if labels is None else labels.iloc[keep].reset_index(drop=True),
            thumbnails=None if thumbnails is None else read_only(thumbnails[keep]),
            provenance=Provenance(
                name=name,
                files=tuple(files),
                model=model,
                original_dtype=str(checked.rows.dtype.newbyteorder("=")),
                rows_read=n,
                dropped_rows=tuple(checked.dropped.tolist()),
                norm_min=float(norms.min()),
                norm_median=median(norms),
                norm_max=float(norms.max()),
                was_normalised=checked.measured.was_normalised,
                ids_are_rows=not given,
                notes=tuple(notes),
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

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        return f"{self.name}, {len(self):,} {self.modality} rows of {self.dim} dimensions"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        known = self.provenance
        rows = [
            ("name", known.name),
            ("encoder", known.model or "not said"),
            ("stored as", known.original_dtype),
            (
                "norms as read: median, range",
                within(known.norm_median, known.norm_min, known.norm_max),
            ),
            ("ids", "row numbers" if known.ids_are_rows else "given"),
        ]
        if known.dropped_rows:
            left = f"{len(known.dropped_rows):,} of {known.rows_read:,}, not finite or all zeros"
            rows.append(("rows left out", left))
        if self.captions is not None and len(self):
            rows.append(("captions", f"such as “{self.captions[0]}”"))
        if self.labels is not None:
            rows.append(("labels", ", ".join(map(str, self.labels.columns))))
        if self.thumbnails is not None:
            rows.append(("thumbnails", "yes"))
        title = f"{len(self):,} {self.modality} embeddings of {self.dim} dimensions"
        return Card(title, rows, notes=known.notes)

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

    @property
    def repeated_ids(self) -> Strings:
        """Ids that the input gave to several rows: empty where ids are row numbers."""
        return self.duplicate_ids[:0] if self.provenance.ids_are_rows else self.duplicate_ids

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


def as_stored(data: EmbeddingSet, name: str) -> EmbeddingSet:
    """Return a set whose provenance names the type in its file, where NumPy has no such type."""
    known = replace(data.provenance, original_dtype=name) if name else data.provenance
    return replace(data, provenance=known)


def as_vectors(
    data: EmbeddingSet | npt.ArrayLike, name: str = "array", *, borrow: bool = False
) -> Float32:
    """Return the unit rows of a set or of a bare array: what aligners and metrics compute on.

    With ``borrow`` an array of unit rows is returned itself, read-only, for who does not keep it.
    """
    if isinstance(data, EmbeddingSet):
        return data.vectors
    checked = admit(data, name)
    return checked.borrowed() if borrow else np.asarray(read_only(checked.unit()))
