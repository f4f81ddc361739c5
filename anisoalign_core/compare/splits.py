"""One split of a repeated comparison: what is fitted, and how corrected rows are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.compare.use.at_work import AtWork, Learnt
from anisoalign_core.compare.use.labels import Classes
from anisoalign_core.compare.use.zero_shot import directions, named_rows, prototypes
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
    prompts : EmbeddingSet or None
        Vectors of class names, of the source's side.
    """

    pair: EmbeddingPair
    holdout: float
    k: int
    random_state: int
    classes: Classes | None = None
    given: Mapping[str, Aligner] = field(default_factory=dict)
    prompts: EmbeddingSet | None = None

    @cached_property
    def named(self) -> Mapping[str, Mapping[str, Integers]]:
        """Which class vectors name which class of which column."""
        if self.prompts is None or self.classes is None:
            return {}
        return named_rows(self.prompts, self.classes)

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
        return self._rounds(number, 1)[0]

    def halves(self, number: int) -> tuple[Round, Round]:
        """Return two rounds of a numbered split: fitted alike, with other held-out rows each.

        What is chosen on the rows of the first is scored on those of the second, which neither a
        fit nor the choice has seen. Halves are of things where pairs are known.
        """
        first, second = self._rounds(number, 2)
        return first, second

    def _rounds(self, number: int, parts: int) -> list[Round]:
        split, things = self.split(number), self.pair.things
        rng = generator(self.random_state + number)
        if things is None:
            rows = list(
                zip(
                    _parts(parts, split.holdout_source, MAX_ROWS, rng),
                    _parts(parts, split.holdout_target, MAX_ROWS, rng),
                    strict=True,
                )
            )
        else:
            held = _parts(parts, split.holdout_pairs, things.within(MAX_ROWS), rng)
            rows = [things.rows_of(one) for one in held]
        return [self._round(split, source, target) for source, target in rows]

    def _round(self, split: Split, source_rows: Integers, target_rows: Integers) -> Round:
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

    def moved(self, method: Aligner) -> tuple[Float32, Float32 | None]:
        """Return the scored source rows, corrected, and target rows where a method moves them."""
        after = method.transform(self.reference.before, self.partners)
        moves = method.moves_target
        return after, method.transform_target(self.reference.target) if moves else None

    def measure(
        self, after: Float32, metrics: Iterable[str], target: Float32 | None = None
    ) -> dict[str, float]:
        """Score corrected held-out rows."""
        comparison = self.comparison(after, target)
        return measure(comparison, applicable(comparison.paired, metrics))[0]

    def learnt(self, rows: Float32, bank: Float32 | None = None, **more: Any) -> Learnt:
        """Return what corrected fitted source rows know, in their order.

        Parameters
        ----------
        rows : (n, d) float32
        bank : (m, d) float32, optional
            The fitted target rows where a method moved them.
        **more
            Further fields of :class:`~.use.at_work.Learnt`.
        """
        if bank is None:
            bank = self.fitted[1].vectors
        rows, bank = rows[:TAUGHT_ROWS], bank[:TAUGHT_ROWS]
        return Learnt(rows, self.split.fit_source[: len(rows)], bank, self.run.classes, **more)

    def learnt_by(self, method: Aligner) -> Learnt:
        """Return what the fitted source rows know once a fitted method has corrected them."""
        most = len(self.split.fit_target) if method.is_control else TAUGHT_ROWS
        rows = self.corrected(method, self.split.fit_source[: min(most, TAUGHT_ROWS)])
        bank = self.fitted[1].vectors[:TAUGHT_ROWS]
        moved = method.transform_target(bank) if method.moves_target else bank
        return self.learnt(rows, moved, prompts=self._prompts(method))

    def _prompts(self, method: Aligner) -> Mapping[str, Mapping[str, Float32]]:
        """Directions of class vectors, corrected; partners are the classes' target rows."""
        run, classes = self.run, self.run.classes
        if run.prompts is None or classes is None:
            return {}
        fitted = self.split.fit_target
        labels = {column: classes.of_target(column, fitted) for column in run.named}
        rows = run.prompts.vectors
        partners = prototypes(self.run.pair.target.vectors[fitted], labels, run.named, rows)
        return directions(method.transform(rows, partners), run.named)

    def at_work(
        self, after: Float32, learnt: Learnt | None = None, target: Float32 | None = None
    ) -> AtWork:
        """Put corrected scored rows to use.

        Parameters
        ----------
        after : (n, d) float32
        learnt : Learnt, optional
            Nothing by default.
        target : (m, d) float32, optional
            The scored target rows where a method moved them.
        """
        if learnt is None:
            learnt = Learnt(after[:0], self.source_rows[:0], after[:0])
        goal = self.reference.target if target is None else target
        rows = self.source_rows, self.target_rows
        return AtWork(learnt, after, goal, *rows, self.things, self.run.random_state)

    @property
    def ceiling(self) -> AtWork:
        """Fitted target rows in the place of corrected ones, with the target's classes."""
        classes, rows = self.run.classes, self.fitted[1].vectors
        numbers, n = self.split.fit_target, len(self.reference.before)
        both = None if classes is None else Classes(classes.target, classes.target, "")
        taught = rows[:TAUGHT_ROWS]
        learnt = Learnt(taught, numbers[:TAUGHT_ROWS], taught, both)
        goal, asked = self.reference.target, self.target_rows
        return AtWork(learnt, rows[:n], goal, numbers[:n], asked, None, self.run.random_state)


def local(k: int, rows: int) -> int:
    """Return k, at most a tenth of the rows, so that neighbourhoods stay local, and at least 2."""
    return max(2, min(k, rows // 10))


def _parts(count: int, rows: Integers, limit: int, rng: np.random.Generator) -> list[Integers]:
    """Return disjoint sorted parts of some rows, of at most ``limit`` rows each."""
    if count == 1 and len(rows) <= limit:
        return [rows]
    size = min(limit, len(rows) // count)
    drawn = rng.choice(rows, size * count, replace=False)
    return [np.sort(drawn[size * part : size * (part + 1)]) for part in range(count)]
