"""A correction under study: fitted on one part of a pair, looked at on another, live.

A study holds the split's arrays and everything that does not depend on the method; a
:class:`Trial` holds one fitted method; a :class:`View` is what a person sees of it: projections
and quick scores of held-out rows. For bounded methods a view under another bound costs
matrix–vector products, not a new fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anisoalign_core.align.anisoalign import AnisoAlign, Bounds, Prepared
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.bounded import BoundedTransport, BoundSweep, BoundView
from anisoalign_core.errors import NeedsPairsError, ShapeError
from anisoalign_core.metrics.comparison import Reference
from anisoalign_core.metrics.evaluate import compare, quick_scores
from anisoalign_core.metrics.scores import Scores
from anisoalign_core.numerics import Float32, Float64, Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair, Split
from anisoalign_core.recipe import fit_rows

SHOWN_ROWS = 4000
LIVE_ROWS = 800
"""Held-out rows on which the scores that follow a slider are computed."""
CALIBRATION_ROWS = 10_000
LOCAL = 10
"""Neighbours are at most this fraction of the rows, so that neighbourhoods stay local."""
CURVE_BOUNDS = tuple(round(0.1 * step, 1) for step in range(16))


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
        rng = generator(0)
        source, target = self.split.holdout_source, self.split.holdout_target
        order = rng.permutation(len(source))[:SHOWN_ROWS]
        other = order if self.pair.paired else rng.permutation(len(target))[:SHOWN_ROWS]
        return source[order], target[other]

    @cached_property
    def source(self) -> Float32:
        """Vectors of the shown source rows."""
        return np.ascontiguousarray(self.pair.source.vectors[self.shown[0]])

    @cached_property
    def target(self) -> Float32:
        """Vectors of the shown target rows."""
        return np.ascontiguousarray(self.pair.target.vectors[self.shown[1]])

    @property
    def live(self) -> int:
        """How many of the shown rows, from the first, carry the live scores."""
        return min(LIVE_ROWS, len(self.source), len(self.target))

    @property
    def k(self) -> int:
        """Neighbours of the live scores.

        Raises
        ------
        ShapeError
            If fewer than five rows are held out: below k = 2 mixing is not defined.
        """
        if self.live < 5:
            raise ShapeError(
                f"Only {self.live} rows are held out, too few to speak of neighbours. Hold out a "
                "larger share on the Data page, or load more rows."
            )
        return max(min(self.neighbours, self.live // LOCAL), 2)

    @cached_property
    def reference(self) -> Reference:
        """What the live scores share between all methods and bounds."""
        return Reference(self.source[: self.live], self.target[: self.live], self.k).warm()

    @cached_property
    def uncorrected(self) -> dict[str, float]:
        """Live scores of the source as it is."""
        return self.score(self.source[: self.live], self.target[: self.live])

    def score(self, after: Float32, target: Float32) -> dict[str, float]:
        """Quick scores of corrected live rows."""
        same = target is self.target or np.shares_memory(target, self.target)
        return quick_scores(
            self.source[: self.live],
            after,
            target,
            paired=self.pair.paired,
            k=self.k,
            reference=self.reference if same else None,
        )

    def fit(self, method: Aligner, progress: Progress | None = None) -> Trial:
        """Fit a method on the split's fit rows.

        Raises
        ------
        NeedsPairsError
            If the method learns from pairs and there are none.
        """
        if (method.needs_pairs or method.needs_partners) and not self.pair.paired:
            raise NeedsPairsError(
                f"{method.label} needs to know which rows belong together; this pair is unpaired."
            )
        method.fit(*fit_rows(self.pair, method.needs_pairs, self.split), progress=progress)
        return Trial(self, method)


@dataclass(frozen=True, eq=False)
class Trial:
    """One method fitted within a study."""

    study: Study
    method: Aligner

    @cached_property
    def sweep(self) -> BoundSweep | None:
        """For bounded methods, what a change of bound needs; None for the others."""
        if not isinstance(self.method, BoundedTransport):
            return None
        fitted = self.study.pair.source.vectors[self.study.split.fit_source]
        return BoundSweep(self.method, self.study.source, fitted)

    @cached_property
    def prepared(self) -> tuple[Prepared, Prepared] | None:
        """For AnisoAlign, what a change of its bounds needs: of the shown and of fitted rows.

        The calibration is taken over at most 10,000 fitted rows.
        """
        if not isinstance(self.method, AnisoAlign):
            return None
        fitted = self.study.split.fit_source[:CALIBRATION_ROWS]
        return (
            self.method.prepare(self.study.source),
            self.method.prepare(self.study.pair.source.vectors[fitted]),
        )

    def view(self, bound: float | Bounds | None = None) -> View:
        """Show what the correction does to the held-out rows, under another bound if given."""
        study = self.study
        if self.prepared is not None:
            shown, fitted = self.prepared
            method = self.method
            assert isinstance(method, AnisoAlign)  # noqa: S101  (else nothing is prepared)
            bounds = bound if isinstance(bound, Bounds) else method.bounds
            after = shown.corrected(bounds, method.recentring(fitted, bounds))
            return View(study, study.target, after=after)
        if self.sweep is not None:
            method = self.method
            assert isinstance(method, BoundedTransport)  # noqa: S101  (the sweep is only its)
            one = bound if isinstance(bound, int | float) else method.bound_
            return View(study, study.target, at=self.sweep.at(one))
        after = self.method.transform(study.source, study.target)
        target = self.method.transform_target(study.target)
        return View(study, target, after=after)

    def curve(
        self, bounds: Sequence[float] = CURVE_BOUNDS, progress: Progress | None = None
    ) -> dict[str, Float64]:
        """Live scores along the bound: name → one value per bound, and ``bound`` itself."""
        found: dict[str, list[float]] = {}
        for step, bound in enumerate(bounds):
            for name, value in self.view(bound).scores.items():
                found.setdefault(name, []).append(value)
            if progress is not None:
                progress((step + 1) / len(bounds), f"bound {bound:g}")
        return {"bound": np.array(bounds)} | {name: np.array(v) for name, v in found.items()}


@dataclass(frozen=True, eq=False)
class View:
    """Held-out rows under one correction.

    Attributes
    ----------
    target : (m, d) float32
        Target rows, moved only by methods that move both sides.
    """

    study: Study
    target: Float32
    at: BoundView | None = None
    after: Float32 | None = None

    def project(self, directions: Float64) -> Float32:
        """Coordinates of the corrected rows on (d, k) unit columns."""
        if self.at is not None:
            return self.at.project(directions)
        assert self.after is not None  # noqa: S101  (at or after is given)
        return np.asarray(self.after @ directions.astype(np.float32))

    @cached_property
    def live_rows(self) -> Float32:
        """Corrected vectors of the live rows."""
        live = slice(self.study.live)
        if self.at is not None:
            return self.at.rows(live)
        assert self.after is not None  # noqa: S101  (at or after is given)
        return self.after[live]

    @cached_property
    def scores(self) -> dict[str, float]:
        """Quick scores on the live rows."""
        return self.study.score(self.live_rows, self.target[: self.study.live])

    def evaluate(self, progress: Progress | None = None) -> Scores:
        """Every metric that applies, with intervals, on the shown rows (at most 2000)."""
        study = self.study
        after = self.at.rows() if self.at is not None else self.after
        assert after is not None  # noqa: S101  (at or after is given)
        return compare(
            study.source, after, self.target, paired=study.pair.paired, k=study.k, progress=progress
        )
