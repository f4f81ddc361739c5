"""A correction under study: fitted on one part of a pair, looked at on another, live.

A study holds the split's arrays and everything that does not depend on the method; a
:class:`Trial` holds one fitted method; a :class:`View` is what a person sees of it: projections
and quick scores of held-out rows. Where a method has live knobs, a view under other values of them
needs no new fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Dial, FixedRows, Knob, Sweep, Turned, Values
from anisoalign_core.compare.splits import local
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.geometry.spectrum import effective_dimension
from anisoalign_core.matrices import eigh, leading
from anisoalign_core.metrics.comparison import Reference
from anisoalign_core.metrics.evaluate import score_rows
from anisoalign_core.metrics.registry import applicable, measure
from anisoalign_core.metrics.scores import Scores
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import (
    Float32,
    Float64,
    Integers,
    Progress,
    fix_signs,
    generator,
)
from anisoalign_core.pairs import EmbeddingPair, fit_rows
from anisoalign_core.splitting import Split
from anisoalign_core.things import Things, numbers
from anisoalign_core.threads import one_thread

PlaneKind = Literal["gap", "target", "joint"]
PLANES: tuple[PlaneKind, ...] = get_args(PlaneKind)
Range = tuple[float, float]
SHOWN_ROWS = 4000
LIVE_ROWS = 800
"""Held-out rows on which the scores that follow a slider are computed."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions (d, 2) to look along, what they are, and ranges that hold the shown rows."""

    directions: Float64
    labels: tuple[str, str]
    caption: str
    ranges: tuple[Range, Range]


@dataclass(frozen=True, eq=False)
class Study:
    """The parts of a pair under one split.

    Attributes
    ----------
    pair : EmbeddingPair
    split : Split
    neighbours : int
        k wanted; :attr:`k` is what the held-out rows allow.
    """

    pair: EmbeddingPair
    split: Split
    neighbours: int = 20

    @cached_property
    def shown(self) -> tuple[Integers, Integers]:
        """Held-out source and target rows that figures show: at most 4000 each, seeded."""
        return self.at_most(SHOWN_ROWS)

    def at_most(self, limit: int) -> tuple[Integers, Integers]:
        """Held-out source and target rows, at most so many each; fewer are the first of more."""
        rng = generator(0)
        things = self.pair.things
        if things is not None:
            held = self.split.holdout_pairs
            return things.rows_of(held[rng.permutation(len(held))[: things.within(limit)]])
        source, target = self.split.holdout_source, self.split.holdout_target
        order, other = rng.permutation(len(source)), rng.permutation(len(target))
        return source[order[:limit]], target[other[:limit]]

    @cached_property
    def things(self) -> Things | None:
        """What the shown rows show; None when the pair is unpaired."""
        every = self.pair.things
        if every is None or every.are_rows:
            return every and Things.rows(len(self.source))
        source, target = (
            numbers(of[rows])
            for of, rows in zip((every.source, every.target), self.shown, strict=True)
        )
        return Things(source, target, int(source.max()) + 1)

    @cached_property
    def source(self) -> Float32:
        """Vectors of the shown source rows."""
        return np.ascontiguousarray(self.pair.source.vectors[self.shown[0]])

    @cached_property
    def target(self) -> Float32:
        """Vectors of the shown target rows."""
        return np.ascontiguousarray(self.pair.target.vectors[self.shown[1]])

    @cached_property
    def live(self) -> tuple[int, int]:
        """How many of the shown source and target rows, from the first, carry the live scores."""
        if self.things is None:
            return (min(LIVE_ROWS, len(self.source), len(self.target)),) * 2
        source, target = self.things.rows_of(np.arange(self.things.within(LIVE_ROWS)))
        return len(source), len(target)

    @cached_property
    def live_things(self) -> Things | None:
        """What the live rows show; None when the pair is unpaired, or rows match one by one."""
        if self.things is None or self.things.are_rows:
            return None
        return self.things.take(*(np.arange(n) for n in self.live))

    @property
    def k(self) -> int:
        """Neighbours of the live scores.

        Raises
        ------
        ShapeError
            If fewer than five rows are held out: below k = 2 mixing is not defined.
        """
        if min(self.live) < 5:
            raise ShapeError(
                f"Only {min(self.live)} rows are held out, too few to speak of neighbours. Hold "
                "out a larger share on the Data page, or load more rows."
            )
        return local(self.neighbours, min(self.live))

    @property
    def live_rows(self) -> tuple[Float32, Float32]:
        """Vectors of the live source and target rows."""
        return self.source[: self.live[0]], self.target[: self.live[1]]

    @cached_property
    def reference(self) -> Reference:
        """What the live scores share between all methods and bounds."""
        return Reference(*self.live_rows, self.k).warm()

    @cached_property
    def uncorrected(self) -> dict[str, float]:
        """Live scores of the source as it is."""
        return self.score(*self.live_rows)

    def score(self, after: Float32, target: Float32) -> dict[str, float]:
        """Quick scores of corrected live rows."""
        return self.judged(after, target)[0]

    def judged(self, after: Float32, target: Float32) -> tuple[dict[str, float], dict[str, float]]:
        """Quick scores of corrected live rows, and the floors that they move."""
        moved = None if np.shares_memory(target, self.target) else target
        paired, live = self.pair.paired, [one for one in applicable(self.pair.paired) if one.live]
        with one_thread():  # of a few hundred rows: a second one waits longer than it works
            both = self.reference.against(after, moved, paired=paired, things=self.live_things)
            floors = {one.floor_name: one.floor(both) for one in live if one.floor_words}
            return measure(both, live)[0], {k: v for k, v in floors.items() if v is not None}

    def plane(self, kind: PlaneKind) -> Plane:
        """Return a plane to look at corrections in, from the fitted rows.

        Parameters
        ----------
        kind : {"gap", "target", "joint"}
            The gap between the means beside the leading residual direction (without pairs, beside
            the leading direction of Σ_x + Σ_y); or the two leading directions of Σ_x, or of both.
        """
        pair, parts = self.pair, self.split
        source = Moments.of(pair.source.vectors[parts.fit_source])
        target = Moments.of(pair.target.vectors[parts.fit_target])
        if kind == "gap":
            spread = target.covariance + source.covariance
            words = "leading direction of Σ_x + Σ_y beside the gap"
            if pair.paired:
                fitted = pair.take(parts.fit_pairs)
                spread = Residual.of(
                    fitted.source.vectors, fitted.target.vectors, fitted.things
                ).moments.covariance
                words = "leading residual direction beside the gap"
            directions = beside(target.mean - source.mean, leading(spread, 2))
            labels = ("gap direction Δ/‖Δ‖", words)
            caption = f"Across: the direction between the fitted means. Up: the {words}."
        else:
            of = "Σ_x" if kind == "target" else "Σ_x + Σ_y"
            total = target.covariance + source.covariance if kind == "joint" else target.covariance
            values, vectors = eigh(total)
            directions = vectors[:, :2]
            labels = (f"leading direction of {of}", f"second direction of {of}")
            caption = (
                f"The two leading eigenvectors of {of} of the fitted rows (effective dimension "
                f"{effective_dimension(values):.3g})."
            )
        both = np.concatenate([self.source @ directions, self.target @ directions])
        low, high = both.min(axis=0), both.max(axis=0)
        pad = 0.15 * (high - low) + 1e-6
        across, up = ((float(a), float(b)) for a, b in zip(low - pad, high + pad, strict=True))
        return Plane(directions, labels, caption, (across, up))

    def fit(
        self,
        method: Aligner,
        progress: Progress | None = None,
        weigh: Literal["row", "thing"] = "row",
    ) -> Trial:
        """Fit a method on the split's fit rows, weighed as :meth:`Aligner.fit_pair` says.

        Raises
        ------
        NeedsPairsError
            If the method learns from pairs and there are none.
        """
        fitted = method.fit_pair(self.pair, self.split, weigh=weigh, progress=progress)
        return Trial(self, fitted, weigh)


@dataclass(frozen=True, eq=False)
class Trial:
    """One method fitted within a study."""

    study: Study
    method: Aligner
    weigh: Literal["row", "thing"] = "row"
    _last: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def sweep(self) -> Sweep | None:
        """What moving the method's live knobs needs; None where nothing moves."""
        if not self.method.live():
            return None
        return self.swept(self.study.source)

    def swept(self, rows: Float32) -> Sweep | None:
        """Return what moving the live knobs needs about other source rows."""
        fitted, _, weights = fit_rows(self.study.pair, False, self.study.split, self.weigh)
        of_source = weights[:1] if isinstance(weights, tuple) else ()
        return self.method.sweep(rows, fitted.vectors, *of_source)

    @property
    def moves(self) -> tuple[Knob, ...]:
        """The knobs that move without another fit."""
        return () if self.sweep is None else self.method.live()

    def view(self, values: float | Values | None = None) -> View:
        """Show what the correction does to the held-out rows; the last view is kept.

        Parameters
        ----------
        values : mapping or float, optional
            Values of live knobs by parameter, or that of the only one; by default as fitted.
        """
        if values is not None and not isinstance(values, Mapping):
            values = {knob.parameter: values for knob in self.moves}
        asked = dict(values or {})
        last: tuple[Values, View] | None = self._last.get("view")
        if last is None or last[0] != asked:
            last = self._last["view"] = asked, self._view(asked)  # whole: others may look at it too
        return last[1]

    def _view(self, values: Values) -> View:
        study = self.study
        if self.sweep is not None:
            return View(study, study.target, self.sweep.at(**values))
        after = self.method.transform(study.source, study.pair.partners(study.shown[0]))
        return View(study, self.method.transform_target(study.target), FixedRows(after))

    def dial(self, values: Values | None = None) -> Dial | None:
        """One number that moves the correction through ``values``; None where nothing moves."""
        if self.sweep is None:
            return None
        fitted = self.method.plain_params()
        return Dial.of(self.moves, self.study.pair.dim, fitted | dict(values or {}))

    def curve(
        self,
        values: Sequence[float] | None = None,
        progress: Progress | None = None,
        dial: Dial | None = None,
        floors: bool = False,
    ) -> dict[str, Float64]:
        """Live scores along the method's dial: name → one value each, the dial's first.

        With ``floors``, also those of :attr:`View.floors`.
        """
        dial = dial or self.dial()
        if dial is None:
            raise ParameterError(f"{self.method.label} has nothing that moves after fitting.")
        values = dial.along() if values is None else values
        found: dict[str, list[float]] = {dial.name: list(values)}
        for step, value in enumerate(values):
            view = self._view(dial.settings(value))
            for name, score in (view.scores | (view.floors if floors else {})).items():
                found.setdefault(name, []).append(score)
            if progress is not None:
                progress((step + 1) / len(values), f"{dial.name} {value:g}")
        return {name: np.array(along) for name, along in found.items()}


@dataclass(frozen=True, eq=False)
class View:
    """Held-out rows under one correction.

    Attributes
    ----------
    target : (m, d) float32
        Target rows, moved only by methods that move both sides.
    moved : Turned
        The corrected rows: projections, vectors, and what is promised of them.
    """

    study: Study
    target: Float32
    moved: Turned

    def project(self, directions: Float64) -> Float32:
        """Coordinates of the corrected rows on (d, k) unit columns."""
        return self.moved.project(directions)

    @cached_property
    def live_rows(self) -> Float32:
        """Corrected vectors of the live rows."""
        return self.moved.rows(slice(self.study.live[0]))

    @cached_property
    def _judged(self) -> tuple[dict[str, float], dict[str, float]]:
        return self.study.judged(self.live_rows, self.target[: self.study.live[1]])

    @property
    def scores(self) -> dict[str, float]:
        """Quick scores on the live rows."""
        return self._judged[0]

    @property
    def floors(self) -> dict[str, float]:
        """What scores would be by chance, where a correction moves that, by floor's name."""
        return self._judged[1]

    def evaluate(self, progress: Progress | None = None) -> Scores:
        """Every metric that applies, with intervals, on the shown rows (at most 2000)."""
        return score_rows(
            self.study.source,
            self.moved.rows(),
            self.target,
            paired=self.study.pair.paired,
            k=self.study.k,
            things=self.study.things,
            progress=progress,
        )


def trial_on(
    method: Aligner,
    pair: EmbeddingPair,
    *,
    holdout: float = 0.2,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Trial:
    """Look at a method on a pair: on all rows as it is, where it is fitted.

    One that is not fitted yet is fitted on one part of the pair, and looked at on the rows that no
    fit saw; the method itself stays as it is.

    Raises
    ------
    NeedsPairsError, ShapeError
        As fitting it does, and splitting the pair.
    """
    if not hasattr(method, "n_features_in_"):
        study = Study(pair, pair.split(random_state, holdout))
        return study.fit(type(method)(**method.get_params(deep=False)), progress)
    things = pair.things
    every = np.arange(len(pair.source)), np.arange(len(pair.target))
    units = np.arange(things.count) if things is not None else np.empty(0, dtype=np.intp)
    return Trial(Study(pair, Split(*every, *every, units, units)), method)


def beside(gap: Float64, directions: Float64) -> Float64:
    """Return the gap's direction, and the leading of the other directions beside it, (d, 2).

    Of the two leading ones that which the gap does not already show, made orthogonal to it.
    """
    first = gap / max(float(np.linalg.norm(gap)), 1e-12)
    rest = directions - np.outer(first, first @ directions)
    top = rest[:, int(np.argmax(np.linalg.norm(rest[:, :2], axis=0)))]
    return np.column_stack([first, fix_signs((top / np.linalg.norm(top))[:, None])[:, 0]])
