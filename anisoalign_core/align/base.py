"""What every aligner is: an estimator with a fitted map, saved without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from anisoalign_core.embeddings import EmbeddingSet, as_vectors
from anisoalign_core.errors import (
    AnisoAlignError,
    FormatError,
    InvalidRowsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.lapack import orthogonal_triangular
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import (
    BLOCK_ROWS,
    Float32,
    Float64,
    Integers,
    Progress,
    blocks,
    room_for_tile,
    row_norms,
    tiles,
    triangular_product,
    unit_rows,
)

Rows = EmbeddingSet | npt.ArrayLike
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class AffineMap:
    """``e = μ_t + A (y − μ_s)``, to the sphere, then optionally re-centred once.

    Attributes
    ----------
    source_mean : (d,) float64
        μ_s.
    linear : (), (d,) or (d, d) float64
        A as a multiple of the identity, a diagonal, or in full.
    target_mean : (d,) float64
        μ_t.
    recentring : (d,) float64 or None
        Centroid calibration of [RA]: ``μ_x − μ'`` with μ' the mean of ``Norm(e)`` over the rows
        the map was fitted on; then the result is ``Norm(Norm(e) + μ_x − μ')``.
    """

    source_mean: Float64
    linear: Float64
    target_mean: Float64
    recentring: Float64 | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together, as a damaged model file may hold."""
        d = self.source_mean.shape
        vectors = [self.target_mean] + ([] if self.recentring is None else [self.recentring])
        fits = len(d) == 1 and all(vector.shape == d for vector in vectors)
        if not fits or self.linear.shape not in ((), d, d * 2):
            raise ShapeError("The parts of an affine map have shapes that do not fit together.")

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return len(self.source_mean)

    def before_projection(self, rows: Float32) -> Float32:
        """``e`` for an (n, d) block of rows, not yet on the sphere."""
        mapped: Float32 = rows - self.source_mean.astype(np.float32)
        if self.linear.ndim == 2:
            mapped = mapped @ self.linear.astype(np.float32).T
        else:
            mapped *= self.linear.astype(np.float32)
        mapped += self.target_mean.astype(np.float32)
        return mapped

    def apply(self, rows: Float32, progress: Progress | None = None) -> Float32:
        """Map (n, d) rows to unit rows, block by block.

        Raises
        ------
        InvalidRowsError
            If a row falls on the origin, where no direction is defined.
        """
        if len(rows) <= BLOCK_ROWS:
            return self._apply_block(rows, 0)
        out = np.empty(rows.shape, dtype=np.float32)
        for part in blocks(len(rows)):
            out[part] = self._apply_block(rows[part], part.start)
            if progress is not None:
                progress(part.stop / len(rows), f"{part.stop:,} of {len(rows):,} rows corrected")
        return out

    def _apply_block(self, rows: Float32, first: int) -> Float32:
        is_matrix = self.linear.ndim == 2
        mapped = self.before_projection(rows) if is_matrix else np.empty_like(rows)
        mean, linear, goal = self._float32
        recentring = None if self.recentring is None else self.recentring.astype(np.float32)
        for part in tiles(rows):
            tile = mapped[part]
            if not is_matrix:
                np.subtract(rows[part], mean, out=tile)
                tile *= linear
                tile += goal
            _onto_sphere(tile, first + part.start)
            if recentring is not None:
                tile += recentring
                _onto_sphere(tile, first + part.start)
        return mapped

    def sphere_sum(self, rows: Float32, first: int = 0) -> Float64:
        """``Σ_i Norm(e_i)`` over a block of rows, (d,); ``first`` is the number of its first.

        With ``A = Q R``, ``‖e‖ = ‖R (y − μ_s) + Qᵀ μ_t‖``, and R is triangular: the norms cost
        little more than half of what the rows would, and the weighted sum is mapped once.
        """
        is_matrix = self.linear.ndim == 2
        mean, linear, goal = self._float32
        along, total = np.zeros(self.dim), 0.0
        rooms = [] if is_matrix else [room_for_tile(rows, np.float32) for _ in range(2)]
        for part in [slice(0, len(rows))] if is_matrix else tiles(rows):
            if is_matrix:
                centred = rows - mean
                triangle, offset = self._triangle
                turned = triangular_product(centred, triangle)
                turned += offset
            else:
                centred, turned = (room[: part.stop - part.start] for room in rooms)
                np.subtract(rows[part], mean, out=centred)
                np.multiply(centred, linear, out=turned)
                turned += goal
            inverse = 1.0 / _lengths(turned, first + part.start)
            along += inverse.astype(np.float32) @ centred
            total += float(inverse.sum())
        mapped = self.linear @ along if is_matrix else self.linear * along
        return np.asarray(mapped + total * self.target_mean)

    @property
    def _float32(self) -> tuple[Float32, Float32, Float32]:
        """μ_s, A and μ_t, as rows are mapped with them."""
        parts = (self.source_mean, self.linear, self.target_mean)
        mean, linear, goal = (part.astype(np.float32) for part in parts)
        return mean, linear, goal

    @cached_property
    def _triangle(self) -> tuple[Float32, Float32]:
        """R, and ``Qᵀ μ_t``, of ``A = Q R``."""
        q, r = orthogonal_triangular(self.linear)
        return r.astype(np.float32), (q.T @ self.target_mean).astype(np.float32)

    def sphere_mean(self, rows: Float32) -> Float64:
        """Mean of ``Norm(e)`` over (n, d) rows."""
        parts = blocks(len(rows))
        sums = (self.sphere_sum(rows[part], part.start) for part in parts)
        return sum(sums, np.zeros(self.dim)) / len(rows)

    def recentred(self, sphere_mean: Float64) -> AffineMap:
        """Return the map re-centred so that a mean of ``Norm(e)`` moves to μ_t."""
        return replace(self, recentring=self.target_mean - sphere_mean)

    def calibrated(self, rows: Float32) -> AffineMap:
        """Return the map re-centred so that the mean of ``Norm(e)`` over ``rows`` moves to μ_t."""
        return self.recentred(self.sphere_mean(rows))


def to_sphere(rows: Float32, first: int = 0) -> Float32:
    """Return ``z / ‖z‖``; an error names the row (counted from ``first``) that is the origin."""
    return unit_rows(rows, _lengths(rows, first))


def _onto_sphere(rows: Float32, first: int) -> Float32:
    """:func:`to_sphere` in place, with one more rounding: of the inverse norm to float32."""
    rows *= (1.0 / _lengths(rows, first)).astype(np.float32)[:, None]
    return rows


def _lengths(rows: Float32, first: int) -> Float64:
    norms = row_norms(rows)
    lost = np.flatnonzero(~(norms > 1e-12))
    if len(lost):
        raise InvalidRowsError(
            f"Row {first + int(lost[0])} falls on the origin under this map ({len(lost)} such "
            "rows in the block), so it has no direction. Choose another method or leave it out.",
            (lost + first).tolist(),
        )
    return norms


class Aligner(BaseEstimator):  # type: ignore[misc]
    """Base of every method that turns source embeddings into stand-ins for target embeddings.

    Subclasses declare what they need as class attributes and implement :meth:`_fit`.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    needs_pairs: ClassVar[bool] = False
    """``fit`` reads which source row belongs to which target row."""
    needs_partners: ClassVar[bool] = False
    """``transform`` reads the true partner of each row: a control, never a method."""
    moves_target: ClassVar[bool] = False
    """``transform_target`` is not the identity."""
    has_bounds: ClassVar[bool] = False
    """A bound limits how far a row may move, and can be changed after fitting."""
    is_control: ClassVar[bool] = False
    """Exists to show what a number means, not to be exported."""
    trains: ClassVar[bool] = False
    """Fitting trains a network: it takes a while and reports progress."""
    row_independent: ClassVar[bool] = True
    """The result for a row does not depend on the other rows passed with it."""
    moments: ClassVar[Literal["full", "diagonal"] | None] = None
    """What of each side's moments a fit needs, or None when it needs the rows themselves."""
    recentres: ClassVar[bool] = False
    """A fit from moments ends with the mean of mapped source rows: one more pass over them."""

    parts: ClassVar[dict[str, type]] = {"map_": AffineMap, "target_map_": AffineMap}
    """Fitted attributes that are dataclasses of arrays, and may be None."""

    map_: AffineMap
    target_map_: AffineMap | None

    def fit(self, source: Rows, target: Rows, *, progress: Progress | None = None) -> Self:
        """Fit on source and target rows; a failure or a cancellation changes nothing.

        Parameters
        ----------
        source : EmbeddingSet or (n_y, d) array
            Rows to be corrected; arrays are L2-normalised first.
        target : EmbeddingSet or (n_x, d) array
            Rows to stand in for. Row i belongs to source row i only if ``needs_pairs``.
        progress : callable(fraction, words), optional
            Called between the steps of methods that train; an exception it raises stops the work.

        Raises
        ------
        ShapeError
            If the dimensions differ, there are fewer than two rows on a side, or pairs are
            needed and the row counts differ.
        """
        y, x = as_vectors(source, "source"), as_vectors(target, "target")
        return self._fitted(lambda: self._fit(y, x, progress), y.shape, x.shape)

    def fit_sums(
        self,
        source: Moments,
        target: Moments,
        rows: Sequence[Float32],
        sphere_mean: Callable[[AffineMap], Float64],
    ) -> Self:
        """Fit from sums over rows that are too many to hold; equals :meth:`fit` on the rows.

        Parameters
        ----------
        source, target : Moments
            Of unit rows; their diagonals suffice where ``moments`` says so.
        rows : sequence of (m, d) float32
            The source rows that :meth:`wanted_rows` asked for, group by group.
        sphere_mean : callable (AffineMap) -> (d,) float64
            Mean of ``Norm(e)`` over the source rows; called once by methods that ``recentres``.

        Raises
        ------
        ParameterError
            If the method needs the rows themselves.
        ShapeError
            As :meth:`fit`.
        """
        return self._fitted(
            lambda: self._fit_sums(source, target, rows, sphere_mean),
            (source.n, source.dim),
            (target.n, target.dim),
        )

    def check_parameters(self, dim: int) -> None:
        """Refuse parameters outside their range, before any row is read.

        Raises
        ------
        ParameterError
        """

    def wanted_rows(self, n: int) -> tuple[Integers, ...]:
        """Return the row numbers, of n source rows, that a fit from moments looks at besides."""
        return ()

    def _fitted(
        self, fit: Callable[[], None], source: tuple[int, ...], target: tuple[int, ...]
    ) -> Self:
        """Run a fit; a failure or a cancellation changes nothing."""
        if source[1] != target[1]:
            raise ShapeError(
                f"Source rows have {source[1]} dimensions, target rows {target[1]}; both must "
                "come from one shared space."
            )
        if min(source[0], target[0]) < 2:
            raise ShapeError(
                f"{self.label} needs at least two rows on each side to fit; there are {source[0]} "
                f"source and {target[0]} target rows."
            )
        if self.needs_pairs and source[0] != target[0]:
            raise ShapeError(
                f"{self.label} learns from pairs: row i of the source must belong to row i of "
                f"the target, but there are {source[0]} and {target[0]} rows."
            )
        self.check_parameters(source[1])
        before = dict(vars(self))
        try:
            self.target_map_ = None
            fit()
            self.n_features_in_ = int(source[1])
            self.n_source_, self.n_target_ = source[0], target[0]
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        diagonal = self.moments == "diagonal"
        self._fit_sums(
            Moments.of(y, diagonal=diagonal),
            Moments.of(x, diagonal=diagonal),
            [y[group] for group in self.wanted_rows(len(y))],
            lambda affine: affine.sphere_mean(y),
        )

    def _fit_sums(
        self,
        source: Moments,
        target: Moments,
        rows: Sequence[Float32],
        sphere_mean: Callable[[AffineMap], Float64],
    ) -> None:
        if self.moments is None:
            raise ParameterError(
                f"{self.label} learns from the rows themselves, not from their moments. Fit it on "
                "rows in memory, for example on a sample of them."
            )
        self._fit_moments(source, target, rows)
        if self.recentres:
            self.map_ = self.map_.recentred(sphere_mean(self.map_))

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        raise TypeError(f"{type(self).__name__} defines neither _fit nor _fit_moments")

    def transform(
        self, source: Rows, partners: Rows | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Correct rows.

        Parameters
        ----------
        source : EmbeddingSet or (n, d) array
        partners : EmbeddingSet or (n, d) array, optional
            Read only by controls that declare ``needs_partners``.
        progress : callable(fraction, words), optional
            Called between blocks; an exception it raises stops the work.

        Returns
        -------
        (n, d) float32
            Unit rows.
        """
        others = None if partners is None else self._checked(partners)
        return self.correct(self._checked(source), others, progress=progress)

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Correct rows that are unit and finite already: :meth:`transform` without its checks."""
        return self.map_.apply(rows, progress)

    def transform_target(self, target: Rows) -> Float32:
        """Correct target rows: the identity unless ``moves_target``."""
        x = self._checked(target)
        return x if self.target_map_ is None else self.target_map_.apply(x)

    def _checked(self, rows: Rows) -> Float32:
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet. Call fit(source, target) first.")
        vectors = as_vectors(rows, "rows")
        if vectors.shape[1] != self.n_features_in_:
            raise ShapeError(
                f"The rows have {vectors.shape[1]} dimensions; {self.label} was fitted on "
                f"{self.n_features_in_}."
            )
        return vectors

    def to_torch(self) -> Any:
        """Return the fitted map as a scriptable ``torch.nn.Module`` with the same output.

        Returns
        -------
        torch.nn.Module
            Takes (n, d) rows, normalises them, applies the map. Buffers are float32; move them
            with ``.to(device, dtype)``.

        Raises
        ------
        AnisoAlignError
            If the method is not an affine map of the row alone.
        """
        from anisoalign_core.align.torch_module import affine_module

        if not self.row_independent or self.needs_partners or not hasattr(self, "map_"):
            raise AnisoAlignError(
                f"{self.label} is not an affine map of the row alone (or is not fitted), so it "
                "has no torch module. Apply it with transform and train on the result."
            )
        return affine_module(self.map_)

    def save(self, path: str | Path) -> Path:
        """Write parameters and fitted state to an ``.npz`` that holds no pickle.

        The file appears whole or not at all. :func:`load_aligner` reads it back.
        """
        from anisoalign_core.io.atomic import atomic_path

        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet, so there is nothing to save.")
        scalars: dict[str, Any] = {}
        arrays: dict[str, npt.NDArray[Any]] = {}
        for key, value in sorted(vars(self).items()):
            if not key.endswith("_"):
                continue
            if key in self.parts and value is not None:
                for part in fields(value):
                    entry = getattr(value, part.name)
                    if entry is not None:
                        arrays[f"{key}.{part.name}"] = entry
            elif isinstance(value, np.ndarray):
                arrays[key] = value
            else:
                scalars[key] = value
        header = {
            "format": "anisoalign",
            "format_version": FORMAT_VERSION,
            "method": self.name,
            "parameters": self.get_params(),
            "fitted": scalars,
        }
        text = json.dumps(header, sort_keys=True).encode()
        path = Path(path)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, header=np.frombuffer(text, dtype=np.uint8), **arrays)  # type: ignore[arg-type]
        return path


def load_aligner(path: str | Path) -> Aligner:
    """Read a fitted aligner that :meth:`Aligner.save` wrote. Nothing in the file is executed.

    Raises
    ------
    FormatError
        If the file is not such a model.
    """
    from anisoalign_core.align import ALIGNERS

    path = Path(path)
    if not path.is_file():
        raise FormatError(f"There is no model file at {path.name}. Check the path.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(bytes(stored["header"]))
            arrays = {key: stored[key] for key in stored.files if key != "header"}
        if header["format"] != "anisoalign" or header["format_version"] != FORMAT_VERSION:
            raise FormatError(f"{path.name} was written by another version of this library.")
        method = ALIGNERS[header["method"]](**header["parameters"])
        parts: dict[str, dict[str, Any]] = {}
        for key, value in arrays.items():
            owner, dot, part = key.partition(".")
            if dot:
                parts.setdefault(owner, {})[part] = value
            else:
                setattr(method, key, value)
        for owner, entries in parts.items():
            setattr(method, owner, method.parts[owner](**entries))
        for key, value in header["fitted"].items():
            setattr(method, key, value)
        if any(
            getattr(vars(method)[owner], "dim", method.n_features_in_) != method.n_features_in_
            for owner in parts
        ):
            raise FormatError(f"{path.name} holds a map of another dimension than it declares.")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path.name} is not a model saved by this library ({type(error).__name__}). Fit one "
            "with anisoalign fit, or with method.save."
        ) from error
    return method
