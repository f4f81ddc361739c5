"""What every scorer is: an estimator whose scores are inner products of rows with columns added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from anisoalign_core.align.estimating import Parameters, Rows
from anisoalign_core.align.knobs import Knob, Values
from anisoalign_core.card import Card, Carded
from anisoalign_core.embeddings import as_vectors
from anisoalign_core.errors import NotFittedError, ParameterError, ShapeError
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.numerics import Float32, Float64, blocks
from anisoalign_core.rows import Strings, as_strings

Labels = npt.ArrayLike
"""One label for each row of a gallery: names, numbers or booleans."""


class Scorer(Carded, Parameters):
    """Base of every correction of scores; rows stay as they are.

    A fitted scorer gives a query q and a gallery row x a score that depends on these two and on
    what was fitted, never on the other rows passed with them. All but the bilinear one are affine
    in the cosine ``s = q·x``,

        ``score(q, x) = a(x) s − b(x) − c(q)``,

    and every one is an inner product of rows with a few columns added (:meth:`export`,
    :meth:`export_queries`), so that any index for largest inner products finds its neighbours.

    Subclasses declare themselves as class attributes and write ``_fit``, ``_of_rows``
    and, where the query has its own part, ``_of_queries``.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    """One sentence."""
    reference: ClassVar[str]
    per_item: ClassVar[bool] = True
    """Affine in the cosine for each gallery row: ``a(x) s − b(x)``, up to a term of the query."""
    query_term: ClassVar[bool] = False
    """There is a ``c(q)``: it moves all scores of a query alike, and no rank."""
    needs_queries: ClassVar[bool] = False
    """``fit`` reads reference queries."""
    needs_gallery: ClassVar[bool] = False
    """``fit`` reads reference gallery rows, usually those that will be searched."""
    takes_modality: ClassVar[bool] = False
    """Gallery rows may be of several modalities, told apart by a label each."""
    knobs: ClassVar[tuple[Knob, ...]] = ()
    """Parameters that have an option or a widget of their own; none yet."""
    parts: ClassVar[dict[str, type]] = {}
    """Fitted attributes that are dataclasses; see :class:`~anisoalign_core.align.base.Aligner`."""

    n_features_in_: int

    def fit(
        self,
        queries: Rows | None = None,
        gallery: Rows | None = None,
        *,
        modality: Labels | None = None,
    ) -> Self:
        """Fit on reference queries and gallery rows; a failure changes nothing.

        Nothing is read of which query belongs to which row.

        Parameters
        ----------
        queries : EmbeddingSet or (n, d) array
            Reference queries, where ``needs_queries``: like those that will be asked, and not
            those on which the scores are judged. Arrays are L2-normalised first.
        gallery : EmbeddingSet or (m, d) array
            Gallery rows, where ``needs_gallery``.
        modality : (m,) array of labels, optional
            Which modality each gallery row has, where ``takes_modality``; one for all by default.

        Raises
        ------
        ParameterError
            If a side that is needed is missing, a parameter is outside its range, or labels are
            given to a scorer that reads none.
        ShapeError
            If the dimensions differ, or there is not one label per row.
        """
        sides = [("queries", queries, self.needs_queries), ("gallery", gallery, self.needs_gallery)]
        for side, given, needed in sides:
            if needed and given is None:
                raise ParameterError(f"{self.label} is fitted on reference {side}; give {side}=…")
        found = [
            as_vectors(given, f"reference {side}") for side, given, _ in sides if given is not None
        ]
        if not found:
            raise ParameterError(
                f"{self.label} needs no statistics, but the dimension: give queries or a gallery."
            )
        if found[0].shape[1] != found[-1].shape[1]:
            raise ShapeError(
                f"Reference queries have {found[0].shape[1]} dimensions, gallery rows "
                f"{found[-1].shape[1]}; both must come from one shared space."
            )
        none = np.empty((0, found[0].shape[1]), dtype=np.float32)
        asked = none if queries is None else found[0]
        items = none if gallery is None else found[-1]
        labels = self._labels(modality, len(items))
        with self._fitting():
            self.check_parameters()
            self._fit(asked, items, labels)
            self.n_features_in_ = int(none.shape[1])
            self.n_queries_, self.n_gallery_ = len(asked), len(items)
        return self

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def scores(self, queries: Rows, gallery: Rows, *, modality: Labels | None = None) -> Float32:
        """Return the score of every query with every gallery row.

        Parameters
        ----------
        queries : EmbeddingSet or (n, d) array
        gallery : EmbeddingSet or (m, d) array
            Any rows: those of the fit, or others.
        modality : (m,) array of labels, optional
            As in :meth:`fit`.

        Returns
        -------
        (n, m) float32
            :meth:`products` has the same block by block, where n·m numbers are too many to hold.

        Raises
        ------
        NotFittedError, ShapeError, ParameterError
        """
        found = self.products(queries, gallery, modality=modality)
        out = np.empty(found.shape, dtype=np.float32)
        for part in blocks(len(out), 1024):
            np.matmul(found.queries[part], found.keys.T, out=out[part])
        return out

    def products(self, queries: Rows, gallery: Rows, *, modality: Labels | None = None) -> Cosines:
        """Return the scores block by block: its ``queries`` and ``keys`` are the exported rows.

        Neighbours are found from it as from cosines; ties are not, for
        :mod:`anisoalign_core.metrics.retrieval` tells them by the rounding of unit rows.
        """
        return Cosines(self.export_queries(queries), self.export(gallery, modality=modality))

    def export(self, gallery: Rows, *, modality: Labels | None = None) -> Float32:
        """Return gallery rows for an index of largest inner products.

        Returns
        -------
        (m, d + e) float32
            ``[a(x) x; −b(x)]``, with a last column of ones where there is a ``c(q)``; not unit
            rows. Inner products with :meth:`export_queries` are the scores to float32 rounding.
            Without the last column of both sides, where there is a ``c(q)``, ranks are the same.
        """
        rows = self._checked(gallery, "gallery")
        scale, beside = self._of_rows(rows, self._labels(modality, len(rows)))
        scaled = rows if scale is None else rows * scale[:, None]
        return self._put_beside(scaled, beside, np.ones((len(rows), int(self.query_term))))

    def export_queries(self, queries: Rows) -> Float32:
        """Return queries for such an index: (n, d + e) float32, ``[q; 1]`` or ``[q; 1; −c(q)]``."""
        rows = self._checked(queries, "queries")
        return self._put_beside(rows, self._of_queries(rows))

    @staticmethod
    def _put_beside(*columns: npt.NDArray[Any]) -> Float32:
        return np.concatenate([each.astype(np.float32, copy=False) for each in columns], axis=1)

    def check_parameters(self) -> None:
        """Refuse parameters outside their range.

        Raises
        ------
        ParameterError
        """

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        """Fit unit rows; a side that is not needed may have none."""

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        """Return ``a(x)``, (m,) or None for 1, and the column ``−b(x)``, (m, 1)."""
        raise NotImplementedError

    def _of_queries(self, rows: Float32) -> Float64:
        """Return the columns beside queries: ``[1]`` or ``[1; −c(q)]``."""
        return np.ones((len(rows), 1))

    def _check_loaded(self) -> None:
        """Refuse fitted state from a file that one score would not show to be wrong."""

    def _labels(self, modality: Labels | None, n: int) -> Strings:
        """One label per gallery row; empty text for all where there is one modality."""
        if modality is None:
            return as_strings([""] * n)
        if not self.takes_modality:
            raise ParameterError(
                f"{self.label} treats gallery rows of all modalities alike; leave out modality."
            )
        labels = as_strings(np.asarray(modality).reshape(-1))
        if len(labels) != n:
            raise ShapeError(f"The gallery has {n} rows but {len(labels)} labels. Give one each.")
        return labels

    def _checked(self, rows: Rows, name: str) -> Float32:
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet. Call fit(queries, gallery).")
        found = as_vectors(rows, name)
        if found.shape[1] != self.n_features_in_:
            raise ShapeError(
                f"{name} has {found.shape[1]} dimensions, but {self.label} was fitted on "
                f"{self.n_features_in_}."
            )
        return found

    @classmethod
    def of(cls, parameters: Values) -> Self:
        """Return a scorer with parameters by name."""
        return cls(**parameters)

    def plain_params(self) -> dict[str, Any]:
        """Return all parameters by name."""
        return dict(self.get_params(deep=False))

    def save(self, path: str | Path) -> Path:
        """Write parameters and fitted state to an ``.npz`` that holds no pickle.

        The file appears whole or not at all. :func:`anisoalign_core.scoring.load_scorer` reads it.
        """
        from anisoalign_core.scoring.saved import write_scorer

        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet, so there is nothing to save.")
        return write_scorer(self, Path(path))

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = [(name, str(value)) for name, value in self.plain_params().items()]
        fitted = "nothing yet"
        if hasattr(self, "n_features_in_"):
            fitted = (
                f"{self.n_queries_:,} queries and {self.n_gallery_:,} gallery rows of "
                f"{self.n_features_in_} dimensions"
            )
        return Card(self.label, [*rows, ("fitted on", fitted)], notes=[self.summary])


def check_neighbours(k: int, available: int, of: str, label: str) -> None:
    """Refuse a number of neighbours that is not to be had.

    Raises
    ------
    ParameterError
    """
    if isinstance(k, bool) or int(k) != k or not 1 <= k <= available:
        raise ParameterError(
            f"k is {k}, but {label} has {available} {of} to find neighbours among. Choose a whole "
            f"number from 1 to {available}, or give more of them."
        )


def check_positive(value: float, name: str) -> None:
    """Refuse a number that is not finite and above zero.

    Raises
    ------
    ParameterError
    """
    if not (np.isfinite(value) and value > 0):
        raise ParameterError(f"{name} is {value}; give a finite number above 0.")
