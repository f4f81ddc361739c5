"""Anything that can fit and transform, as a method that a board compares."""

from __future__ import annotations

from typing import Any

from anisoalign_core.align.base import Aligner
from anisoalign_core.embeddings import as_vectors
from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Progress


class Given(Aligner):
    """An object of another library, or of your own, beside the methods of this one.

    Parameters
    ----------
    estimator : object
        ``fit(source, target)`` of two (n, d) float32 arrays of unit rows returns anything;
        ``transform(rows)`` returns (n, d) rows, which are placed on the unit sphere. It is copied
        (``sklearn.base.clone``, which keeps parameters and forgets fits) before every fit.
        ``needs_pairs = True`` on it says that row i of both sides belong together.
    """

    name = "given"
    summary = "An object with fit and transform, given to the board."
    reference = "given"

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def label(self) -> str:  # type: ignore[override]
        """Name of its class."""
        return type(self.estimator).__name__

    @property
    def needs_pairs(self) -> bool:  # type: ignore[override]
        """Whether it says that it learns from pairs."""
        return bool(getattr(self.estimator, "needs_pairs", False))

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        from sklearn.base import clone

        self.fitted_ = clone(self.estimator, safe=False)
        self.fitted_.fit(y, x)

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """See :meth:`Aligner.correct`."""
        found = as_vectors(self.fitted_.transform(rows), f"what {self.label} made")
        if found.shape != rows.shape:
            raise ShapeError(f"{self.label} made rows of shape {found.shape} of {rows.shape}.")
        return found
