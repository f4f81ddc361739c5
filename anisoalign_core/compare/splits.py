"""One split of a repeated comparison: what is fitted, and how corrected rows are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.compare.use.labels import Classes, Model, label_transfer
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ShapeError
from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.evaluate import MAX_ROWS
from anisoalign_core.metrics.registry import applicable, measure
from anisoalign_core.numerics import Float32, Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair, fit_rows
from anisoalign_core.splitting import Split
from anisoalign_core.things import Things

FEWEST_HELD = 20
TAUGHT_ROWS = 10_000
"""Corrected fitted rows that classifiers learn from, at most."""


@dataclass(frozen=True, eq=False)
class Run:
    """What every split of one repeated comparison shares.

    Attributes
    ----------
    pair : EmbeddingPair
    holdout : float
        Share of the rows held out.
    k : int
        Neighbours wanted; at most a tenth of the scored rows.
    random_state : int
        Split i is drawn with seed ``random_state + i``.
    classes : Classes or None
        What classifiers are taught.
    given : mapping of entry to Aligner
        Estimators that people gave in place of names.
    """

    pair: EmbeddingPair
    holdout: float
    k: int
    random_state: int
    classes: Classes | None = None
    given: Mapping[str, Aligner] = field(default_factory=dict)

    def split(self, number: int) -> Split:
        """Return a numbered split."""
        return self.pair.split(self.random_state + number, self.holdout)

    def neighbours(self, held: int) -> int:
        """Return k, at most a tenth of the held-out rows; fewer than 20 of them are refused."""
        if held < FEWEST_HELD:
            raise ShapeError(
                f"Only {held} rows are held out; a comparison needs at least {FEWEST_HELD}. Load "
                "more rows or hold out a larger share."
            )
        return local(self.k, held)

    def round(self, number: int) -> Round:
        """Return what is fitted and scored on a numbered split."""
        split = self.split(number)
        rng, things = generator(self.random_state + number), self.pair.things
        if things is None:
            source_rows = _at_most(MAX_ROWS, split.holdout_source, rng)
            target_rows = _at_most(MAX_ROWS, split.holdout_target, rng)
        else:
            held_things = _at_most(things.within(MAX_ROWS), split.holdout_pairs, rng)
            source_rows, target_rows = things.rows_of(held_things)
        held = self.pair.source.vectors[source_rows]
        goal = self.pair.target.vectors[target_rows]
        k = self.neighbours(min(len(held), len(goal)))
        return Round(self, split, source_rows, target_rows, Reference(held, goal, k))


@dataclass(frozen=True, eq=False)
class Round:
    """One split: fitted sets, scored rows, and how a correction is scored on them.

    Attributes
    ----------
    run : Run
    split : Split
    source_rows, target_rows : arrays of row numbers
        Held-out rows that are scored: at most 2000 of each side, of the same things when paired.
    reference : Reference
        Those rows, uncorrected, and what all methods share about them.
    """

    run: Run
    split: Split
    source_rows: Integers
    target_rows: Integers
    reference: Reference

    @cached_property
    def fitted(self) -> tuple[EmbeddingSet, EmbeddingSet]:
        """Source and target sets for methods that read no pairs."""
        source, target, _ = fit_rows(self.run.pair, False, self.split)
        return source, target

    @cached_property
    def things(self) -> Things | None:
        """What the scored rows show; None when the pair is unpaired."""
        every = self.run.pair.things
        return every and every.take(self.source_rows, self.target_rows)

    @cached_property
    def partners(self) -> Float32 | None:
        """What stands for the partners of the scored source rows."""
        return self.run.pair.partners(self.source_rows)

    def fit(self, method: Aligner, progress: Progress | None = None) -> Aligner:
        """Fit a fresh copy of a method on what it may see."""
        fresh = type(method)(**method.get_params(deep=False))
        if method.needs_pairs:
            return fresh.fit_pair(self.run.pair, self.split, progress=progress)
        return fresh.fit(*self.fitted, progress=progress)

    def along(self, fitted: Aligner, knob: Knob, curve: Curve) -> Iterator[tuple[float, Float32]]:
        """Yield the values of a curve, each with the scored rows as they are corrected there.

        A live knob is moved; any other takes a new fit per value.
        """
        now, before = fitted.plain_params(), self.reference.before
        swept = fitted.sweep(before, self.fitted[0].vectors) if knob.live else None
        for value in curve.values:
            turned = {name: value * now[name] for name in curve.shares} or {knob.parameter: value}
            if swept is not None:
                yield value, swept.at(**turned).rows()
            else:
                again = self.fit(type(fitted).of(now | turned))
                yield value, again.transform(before, self.partners)

    def corrected(self, method: Aligner, rows: Integers) -> Float32:
        """Return source rows of the pair by number, corrected; controls see their partners."""
        pair = self.run.pair
        return method.transform(pair.source.vectors[rows], pair.partners(rows))

    def comparison(self, after: Float32, target: Float32 | None = None) -> Comparison:
        """Compare corrected scored rows with the target, or with a target that was moved too."""
        return self.reference.against(
            after, target, paired=self.run.pair.paired, things=self.things
        )

    def measure(
        self, after: Float32, metrics: Iterable[str], target: Float32 | None = None
    ) -> dict[str, float]:
        """Score corrected held-out rows."""
        comparison = self.comparison(after, target)
        return measure(comparison, applicable(comparison.paired, metrics))[0]

    def teach(
        self,
        rows: Float32,
        *,
        model: Model = "linear",
        by_target: bool = False,
        target: Float32 | None = None,
    ) -> dict[str, float]:
        """Teach classifiers on corrected fitted rows and ask them about held-out target rows.

        Parameters
        ----------
        rows : (n, d) float32
            The fitted source rows, corrected, in order; or, ``by_target``, the fitted target rows.
        model : {"linear", "mlp"}
        by_target : bool
            Whether ``rows`` are target rows with the target's labels: the ceiling.
        target : (m, d) float32, optional
            Scored target rows when a method moved them.

        Returns
        -------
        dict of column to accuracy
            Empty without labels.
        """
        classes = self.run.classes
        if classes is None:
            return {}
        fitted = self.split.fit_target if by_target else self.split.fit_source
        asked = self.reference.target if target is None else target
        found = {}
        taught = Classes(classes.target, classes.target, "") if by_target else classes
        for name in classes.columns:
            keep, labels, test, wanted = taught.lesson(name, fitted[:TAUGHT_ROWS], self.target_rows)
            found[name] = label_transfer(rows[keep], labels, asked[test], wanted, model=model)
        return found

    def most_frequent(self) -> dict[str, float]:
        """Accuracy of naming the most frequent class of the scored target rows, per column."""
        classes = self.run.classes
        if classes is None:
            return {}
        found = {}
        for name in classes.columns:
            asked = classes.lesson(name, self.source_rows, self.target_rows)[3]
            found[name] = float(np.unique(asked, return_counts=True)[1].max() / len(asked))
        return found


def local(k: int, rows: int) -> int:
    """Return k, at most a tenth of the rows, so that neighbourhoods stay local, and at least 2."""
    return max(2, min(k, rows // 10))


def _at_most(limit: int, rows: Integers, rng: np.random.Generator) -> Integers:
    return rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False))
