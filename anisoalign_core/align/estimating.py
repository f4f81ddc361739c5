"""What scikit-learn asks of a transformer, beside fitting and transforming."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from anisoalign_core.arrays import as_array
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ShapeError

Rows = EmbeddingSet | npt.ArrayLike


def in_numpy(rows: Rows, name: str) -> Rows:
    """Return rows of any library as an array, once; sets and tables with names stay what they are.

    Raises
    ------
    FormatError, ShapeError
        As :func:`anisoalign_core.arrays.as_array`.
    """
    if isinstance(rows, EmbeddingSet):
        return rows
    array = as_array(rows, name)
    names = getattr(rows, "columns", ())
    return rows if len(names) and array.shape[1:] == (len(names),) else array


class Estimating(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The number of dimensions and their names, remembered by a fit and asked of every row."""

    name: ClassVar[str]
    label: ClassVar[str]
    n_features_in_: int

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:
        """Return names of the d dimensions of corrected rows, for ``set_output``."""
        return np.asarray([f"{self.name}{i}" for i in range(self.n_features_in_)], dtype=object)

    def _know(self, rows: Rows, *, reset: bool = False) -> None:
        """Remember the dimensions and names of rows, or refuse rows that have others."""
        if isinstance(rows, EmbeddingSet):  # its columns have no names to compare
            d, known = rows.dim, rows.dim if reset else self.n_features_in_
            if d != known:
                raise ShapeError(
                    f"X has {d} features, but {type(self).__name__} is expecting {known} features "
                    f"as input: {self.label} was fitted on {known} dimensions."
                )
        elif as_array(rows, "rows").ndim == 2:  # otherwise the gate of all rows says what is wrong
            try:
                validate_data(self, rows, reset=reset, skip_check_array=True)
            except ValueError as error:
                raise ShapeError(
                    f"{str(error).strip()} {self.label} was fitted on {self.n_features_in_} "
                    "dimensions."
                ) from None

    def __sklearn_tags__(self) -> Tags:
        """Say that rows come out as float32, whatever goes in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
