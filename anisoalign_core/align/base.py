"""What every aligner is: an estimator with a fitted map, saved without pickle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.described import Described
from anisoalign_core.align.estimating import Estimating, Rows, in_numpy
from anisoalign_core.align.knobs import Knob, Sweep, Values
from anisoalign_core.align.sketch import seen, sketch
from anisoalign_core.align.weights import SideWeights, Weights, checked
from anisoalign_core.embeddings import as_vectors
from anisoalign_core.errors import (
    AnisoAlignError,
    NeedsPairsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, Progress
from anisoalign_core.pairs import EmbeddingPair, fit_rows
from anisoalign_core.splitting import Split


class Aligner(Described, Estimating):
    """Base of every method that turns source embeddings into stand-ins for target embeddings.

    Subclasses declare themselves as class attributes, from which command lines, boards and screens
    read, and write one of two fits: ``_fit_moments``, or ``_fit`` where rows are needed.
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
    is_control: ClassVar[bool] = False
    """Exists to show what a number means, not to be exported."""
    is_floor: ClassVar[bool] = False
    """Leaves rows as they are: what every other method is measured against."""
    trains: ClassVar[bool] = False
    """Fitting trains a network: it takes a while and reports progress."""
    row_independent: ClassVar[bool] = True
    """The result for a row does not depend on the other rows passed with it."""
    moments: ClassVar[Literal["full", "diagonal"] | None] = None
    """What of each side's moments a fit needs, or None when it needs the rows themselves."""
    recentres: ClassVar[bool] = False
    """A fit from moments ends with the mean of mapped source rows: one more pass over them."""

    knobs: ClassVar[tuple[Knob, ...]] = ()
    """The parameters that people turn: what command lines, boards and screens offer."""
    on_board: ClassVar[tuple[Values, ...]] = ({},)
    """Settings with which a board has the method, unless told otherwise."""
    link: ClassVar[str] = "p_"
    """Before the names of its parameters in links to the screen."""
    parts: ClassVar[dict[str, type]] = {"map_": AffineMap, "target_map_": AffineMap}
    """Fitted attributes that are dataclasses of arrays, and may be None."""

    map_: AffineMap
    target_map_: AffineMap | None
    fitted_on_: dict[str, Any]

    def fit(
        self,
        source: Rows | Moments,
        target: Rows | Moments,
        *,
        sample_weight: Weights | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Fit on source and target rows; a failure or a cancellation changes nothing.

        Parameters
        ----------
        source : EmbeddingSet, (n_y, d) array or Moments
            Rows to be corrected; arrays, of any library that :mod:`anisoalign_core.arrays` knows,
            are L2-normalised first. Moments of unit rows, on both
            sides, where a method needs no more.
        target : EmbeddingSet, (n_x, d) array or Moments
            Rows to stand in for. Row i belongs to source row i only if ``needs_pairs``.
        sample_weight : (n,) array, or (source weights, target weights), optional
            One weight per pair for methods that need pairs; for methods fitted from moments one
            array per side, or None for equal weights. Others take none.
        progress : callable(fraction, words), optional
            Called between the steps of methods that train; an exception it raises stops the work.

        Raises
        ------
        ShapeError
            If the dimensions differ, there are fewer than two rows on a side, pairs are
            needed and the row counts differ, or there is not one weight per row.
        ParameterError
            If the method takes no weights, or one is not positive and finite.
        """
        if isinstance(source, Moments) and isinstance(target, Moments):
            return self._fit_sums_alone(source, target)
        if isinstance(source, Moments) or isinstance(target, Moments):
            raise ParameterError("Give moments of both sides, or rows of both.")
        given = in_numpy(source, "source")
        y = as_vectors(given, "source", borrow=True)  # a fit keeps copies alone
        x = as_vectors(target, "target", borrow=True)
        weights = checked(sample_weight, (len(y), len(x)), self.label, by_pair=self.needs_pairs)
        with self._fitting(y.shape, x.shape):
            if weights is None:
                self._fit(y, x, progress)
            else:
                self._fit_weighted(y, x, weights)
            self._know(given, reset=True)
            self.sketch_ = sketch(y)
        return self

    def saw(self, rows: Float32) -> bool:
        """Whether this object was fitted on (most of) these unit source rows.

        Floors and controls learn nothing that flatters them.
        """
        known = None if self.is_floor or self.is_control else vars(self).get("sketch_")
        return known is not None and seen(known, rows)

    def fit_pair(
        self,
        pair: EmbeddingPair,
        split: Split | None = None,
        *,
        weigh: Literal["row", "thing"] = "row",
        progress: Progress | None = None,
    ) -> Self:
        """Fit on what the method may see of a pair: all of it, or the fit parts of a split.

        A method that needs pairs gets every pair of rows of a thing, each thing with weight one;
        any other gets all source rows and all target rows, and ``weigh`` says whether each row
        counts the same or each thing.

        Raises
        ------
        NeedsPairsError
            If the method learns from pairs, or reads partners, and there are none.
        """
        if (self.needs_pairs or self.needs_partners) and not pair.paired:
            raise NeedsPairsError(
                f"{self.label} needs to know which rows belong together; this pair is unpaired."
            )
        source, target, weights = fit_rows(pair, self.needs_pairs, split, weigh)
        return self.fit(source, target, sample_weight=weights, progress=progress)

    def _fit_sums_alone(self, source: Moments, target: Moments) -> Self:
        if self.moments is None or self.recentres or any(map(len, self.wanted_rows(source.n))):
            raise ParameterError(
                f"{self.label} looks at the rows themselves, so their moments are not enough. Fit "
                "it on rows."
            )
        return self.fit_sums(source, target, [], lambda fitted: fitted.target_mean)

    def partial_fit(self, source: Rows, target: Rows) -> Self:
        """Fit on these rows and those of earlier calls together; refused as moments are."""
        source = in_numpy(source, "source")
        before = vars(self).get("_sums", (0, 0))
        if before[0]:
            self._know(source)
        sums = [Moments.of(as_vectors(rows, "rows", borrow=True)) for rows in (source, target)]
        source_sum, target_sum = (old + new for new, old in zip(sums, before, strict=True))
        self._fit_sums_alone(source_sum, target_sum)
        self._know(source, reset=True)
        self._sums = source_sum, target_sum
        return self

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
        with self._fitting((source.n, source.dim), (target.n, target.dim)):
            self._fit_moments(source, target, rows)
            if self.recentres:
                self.map_ = self.map_.recentred(sphere_mean(self.map_))
        return self

    def check_parameters(self, dim: int) -> None:
        """Refuse parameters outside their range, before any row is read.

        Raises
        ------
        ParameterError
        """

    def wanted_rows(self, n: int) -> tuple[Integers, ...]:
        """Return the row numbers, of n source rows, that a fit from moments looks at besides."""
        return ()

    @contextmanager
    def _fitting(self, source: tuple[int, ...], target: tuple[int, ...]) -> Iterator[None]:
        """Begin and end a fit of rows of these shapes; a failure or a stop changes nothing."""
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
            for key in ("sketch_", "feature_names_in_"):  # of another fit
                self.__dict__.pop(key, None)
            yield
            self.n_features_in_ = int(source[1])
            self.n_source_, self.n_target_ = source[0], target[0]
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        """Fit unit rows: from their moments, unless a method needs the rows themselves."""
        self._fit_sides(y, x, (None, None))

    def _fit_weighted(self, y: Float32, x: Float32, weights: SideWeights) -> None:
        """Fit unit rows that do not all count the same."""
        if self.moments is None:
            raise ParameterError(f"{self.label} takes no sample_weight: every row counts the same.")
        self._fit_sides(y, x, weights)

    def _fit_sides(self, y: Float32, x: Float32, weights: SideWeights) -> None:
        diagonal = self.moments == "diagonal"
        source, target = (
            Moments.of(rows, diagonal=diagonal)
            if weight is None
            else Moments.weighted([(rows, weight)], diagonal=diagonal)
            for rows, weight in zip((y, x), weights, strict=True)
        )
        self._fit_moments(source, target, [y[group] for group in self.wanted_rows(len(y))])
        if self.recentres:
            self.map_ = self.map_.calibrated(y, weights[0])

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        """Fit moments of unit rows, and the rows that were wanted besides."""
        raise ParameterError(
            f"{self.label} learns from the rows themselves, not from their moments. Fit it on "
            "rows in memory, for example on a sample of them."
        )

    @classmethod
    def of(cls, parameters: Values) -> Self:
        """Return a method with parameters as text names them: command lines, recipes, models."""
        return cls(**parameters)

    def plain_params(self) -> dict[str, Any]:
        """Return all parameters as text names them; :meth:`of` takes them back."""
        return dict(self.get_params(deep=False))

    @classmethod
    def live(cls) -> tuple[Knob, ...]:
        """Return the knobs that move without another fit."""
        return tuple(knob for knob in cls.knobs if knob.live)

    @classmethod
    def weighs(cls) -> bool:
        """Whether a fit of rows can count each thing the same in place of each row."""
        return not cls.needs_pairs and cls.moments is not None

    def sweep(self, rows: Float32, fitted: Float32, weights: Float64 | None = None) -> Sweep | None:
        """Return what moving the live knobs needs about some rows; None without live knobs.

        Parameters
        ----------
        rows : (n, d) float32
            Unit source rows to correct.
        fitted : (m, d) float32
            The unit source rows that were fitted, over which calibrations are taken again.
        weights : (m,) float64, optional
            Those of their fit.
        """
        return None

    def moved(self, values: Values) -> dict[str, Any]:
        """Return what to change for a fit to end where live knobs move this correction to."""
        return dict(values)

    @property
    def training_steps(self) -> tuple[int, ...]:
        """Steps of each stage of training; none where nothing is trained."""
        return ()

    def training_seconds(self, dim: int) -> float:
        """Return about how long training takes in ``dim`` dimensions, on two cores."""
        return 0.0

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
        others = None if partners is None else self._checked(partners, borrow=True)
        return self.correct(self._checked(source, borrow=True), others, progress=progress)

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

    def _checked(self, rows: Rows, *, borrow: bool = False) -> Float32:
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet. Call fit(source, target) first.")
        rows = in_numpy(rows, "rows")
        self._know(rows)
        return as_vectors(rows, "rows", borrow=borrow)

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

        The file appears whole or not at all. :func:`anisoalign_core.load_aligner` reads it back.
        """
        from anisoalign_core.align.saved import write_aligner

        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{self.label} is not fitted yet, so there is nothing to save.")
        return write_aligner(self, Path(path))
