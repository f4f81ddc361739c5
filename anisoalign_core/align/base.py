"""What every aligner is: an estimator with a fitted map, saved without pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.embeddings import EmbeddingSet, as_vectors
from anisoalign_core.errors import (
    AnisoAlignError,
    FormatError,
    InvalidRowsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import (
    Float32,
    Float64,
    Integers,
    Progress,
)

Rows = EmbeddingSet | npt.ArrayLike
FORMAT_VERSION = 1
UNLIMITED = 2**62


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

    def _check_loaded(self) -> None:
        """Refuse fitted state from a file that one row would not show to be wrong."""

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
        from anisoalign_core.files.atomic import atomic_path

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
    LimitError
        If it declares more bytes than the limits allow.
    ShapeError, ParameterError
        If its parts do not fit together, or a parameter is outside its range.
    """
    from anisoalign_core.align import ALIGNERS
    from anisoalign_core.files.limits import Limits
    from anisoalign_core.files.source import Source, printable
    from anisoalign_core.io.npz import read_members

    path = Path(path)
    if not path.is_file():
        raise FormatError(f"There is no model file at {path.name}. Check the path.")
    limits = replace(Limits.from_env(), max_rows=UNLIMITED, max_dim=UNLIMITED)  # bytes count
    try:
        arrays = read_members(Source(printable(path.name), path), limits, "header")
    except FormatError as error:
        raise FormatError(f"{path.name} is not a model saved by this library. {error}") from error
    try:
        header = json.loads(arrays.pop("header").tobytes())
        if header["format"] != "anisoalign" or header["format_version"] != FORMAT_VERSION:
            raise FormatError(f"{path.name} was written by another version of this library.")
        method = ALIGNERS[header["method"]](**header["parameters"])
        _fill(method, arrays, header["fitted"])
        _try(method)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise FormatError(_no_model(path.name, type(error).__name__)) from error
    except RecursionError as error:
        raise FormatError(_no_model(path.name, "it is nested too deeply")) from error
    return method


def _fill(method: Aligner, arrays: dict[str, npt.NDArray[Any]], scalars: dict[str, Any]) -> None:
    """Set fitted attributes, and nothing else, to what a file says."""
    parts: dict[str, dict[str, Any]] = {}
    for key, value in arrays.items():
        owner, dot, part = key.partition(".")
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{key} holds no numbers")
        if dot:
            if not np.isfinite(value).all():
                raise ValueError(f"{key} is not finite")
            parts.setdefault(owner, {})[part] = value
    whole = {key: value for key, value in arrays.items() if "." not in key}
    made = {owner: method.parts[owner](**entries) for owner, entries in parts.items()}
    for key, value in (scalars | whole | made).items():
        if not key.isidentifier() or not key.endswith("_") or key.startswith("_"):
            raise KeyError(key)
        if callable(getattr(type(method), key, None)):
            raise KeyError(key)
        if key in method.parts and key not in made and value is not None:
            raise TypeError(f"{key} is not whole")
        setattr(method, key, value)
    if scalars.get("fitted_on_") is not None:
        _ = [str(scalars["fitted_on_"][side]["name"]) for side in ("source", "target")]
    for key in ("n_features_in_", "n_source_", "n_target_"):
        if type(getattr(method, key)) is not int or getattr(method, key) < 2:
            raise ValueError(f"{key} is no number of at least 2")
    dim = method.n_features_in_
    if any(getattr(part, "dim", dim) != dim for part in made.values()):
        raise FormatError("This model holds a map of another dimension than it declares.")


def _try(method: Aligner) -> None:
    """Correct one row: what does not fit together is found now and not when it is used."""
    d = method.n_features_in_
    method.check_parameters(d)
    method._check_loaded()
    row = np.full((1, d), d**-0.5, dtype=np.float32)
    with np.errstate(all="ignore"):
        try:
            corrected = method.transform(row, row if method.needs_partners else None)
            method.transform_target(row)
        except InvalidRowsError:  # this row has no place under the map; others may
            return
    if corrected.shape != row.shape or not abs(np.linalg.norm(corrected) - 1.0) < 1e-5:
        raise ValueError("it does not give unit rows")


def _no_model(name: str, why: str) -> str:
    return (
        f"{name} is not a model saved by this library ({why}). Fit one with anisoalign fit, or "
        "with method.save."
    )
