"""How long a comparison takes, said before it begins: counted work at this machine's speed now.

Work is counted in three kinds: products of rows with rows, eigenproblems of the set's dimension,
and small steps in which Python and NumPy do more than BLAS. One product and one eigenproblem are
timed; small steps were timed once, on the machine that :data:`USUAL_PRODUCT` describes, and are
slower or quicker here as products are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align import ALIGNERS
from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.advise import HELD, candidates, priced
from anisoalign_core.compare.entries import Entry, curve_owners, dial_of, entries
from anisoalign_core.compare.purposes import PURPOSES, askable
from anisoalign_core.compare.splits import TAUGHT_ROWS
from anisoalign_core.compare.use.use import Group
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.metrics.evaluate import MAX_ROWS
from anisoalign_core.numerics import generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.threads import eigensystem, one_thread

TILE = 1024
"""Rows on both sides of the product that is timed."""
LARGE = 512
"""Dimensions above which an eigenproblem is not timed itself."""
CALIBRATION_SECONDS = 0.03
"""Each of the two is repeated for about as long."""
BEGIN_SECONDS = 1.0
"""Of any comparison, before its first split is at work: threads, imports, the pair's own sums."""
USUAL_PRODUCT = (2.9e-3, 1.28e-5)
"""Seconds of that product, and more for each dimension, where small steps were timed."""


@dataclass(frozen=True)
class Work:
    """Counted work.

    Attributes
    ----------
    products : float
        Products of 1,024 × d with d × 1,024, in float32.
    eigen : float
        Eigenproblems of a d × d matrix.
    small : float
        Seconds of small steps, on the machine where they were timed.
    """

    products: float = 0.0
    eigen: float = 0.0
    small: float = 0.0

    def __add__(self, other: Work) -> Work:
        """Return both together."""
        return Work(
            self.products + other.products, self.eigen + other.eigen, self.small + other.small
        )

    def __mul__(self, times: float) -> Work:
        """Return the same, several times."""
        return Work(self.products * times, self.eigen * times, self.small * times)

    __rmul__ = __mul__


@dataclass(frozen=True)
class Speed:
    """What one product and one eigenproblem take on one BLAS thread, in seconds."""

    product: float
    eigen: float
    dim: int

    @classmethod
    def measured(cls, dim: int) -> Speed:
        """Time both now, in some 0.1 s; large eigenproblems as the cube of smaller ones."""
        rows = generator(0).standard_normal((TILE, dim)).astype(np.float32)
        some = rows[:, :LARGE].astype(np.float64)
        square = some.T @ some
        with one_thread():
            product = _timed(lambda: rows @ rows.T)
            eigen = _timed(lambda: eigensystem(square)) * (dim / len(square)) ** 3
        return cls(product, eigen, dim)

    def seconds(self, work: Work, times: int = 1, at_once: int = 1) -> float:
        """Return how long work takes, done several times, some at once on a thread each.

        BLAS lets others go on meanwhile; small steps hold Python's lock, and wait for each other.
        """
        usual = USUAL_PRODUCT[0] + USUAL_PRODUCT[1] * self.dim
        small = work.small * self.product / usual
        blas = work.products * self.product + work.eigen * self.eigen
        return math.ceil(times / at_once) * blas + times * small


def _timed(step: Callable[[], object]) -> float:
    """Seconds of a step when nothing came in between: a browser draws the page meanwhile."""
    step()
    begun, least = time.perf_counter(), math.inf
    while (now := time.perf_counter()) - begun < CALIBRATION_SECONDS:
        step()
        least = min(least, time.perf_counter() - now)
    return least


@dataclass(frozen=True)
class Plan:
    """What is about to run.

    Attributes
    ----------
    methods, splits : int
    seconds : float
        An estimate, training included.
    training : tuple of str
        Labels of the methods that train.
    least : float, optional
        Seconds where nothing helps, and nothing has to be measured at other purposes.
    """

    methods: int
    splits: int
    seconds: float
    training: tuple[str, ...] = ()
    least: float | None = None

    @property
    def duration(self) -> str:
        """The estimate in words."""
        words = in_words(self.seconds)
        if self.least is None or 1.5 * self.least > self.seconds:
            return words
        return f"{in_words(self.least)} to {words}"

    def __str__(self) -> str:
        """Say methods, splits, time, and what trains."""
        trains = " and ".join(self.training) + (" trains" if len(self.training) == 1 else " train")
        return (
            f"{self.methods} methods on {self.splits} splits, about {self.duration}; "
            f"{trains if self.training else 'nothing trains'}"
        )


def in_words(seconds: float) -> str:
    """Say a duration as roughly as it is known."""
    if seconds < 10:
        return f"{max(math.ceil(seconds), 1)} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} minutes"


def plan_board(
    pair: EmbeddingPair,
    methods: Sequence[Any] | None,
    splits: int,
    *,
    holdout: float = 0.25,
    questions: int = 0,
    already: int = 0,
    speed: Speed | None = None,
) -> Plan:
    """Return the plan of :func:`~anisoalign_core.compare.leaderboard`.

    Parameters
    ----------
    pair, methods, splits, holdout
        As there.
    questions : int
        Columns of labels that classifiers are taught; one for keywords.
    already : int
        Finished splits, which are not run again.
    speed : Speed, optional
        Measured now by default.
    """
    chosen = entries(methods, pair.paired)[0]
    left = max(splits - already, 0)
    seconds = planned_seconds(
        pair, chosen, left, held=holdout, questions=questions, curves=True, speed=speed
    )
    return Plan(len(chosen), left, BEGIN_SECONDS * (left > 0) + seconds, _training(chosen))


def plan_advice(
    pair: EmbeddingPair,
    purposes: Collection[str],
    methods: Sequence[Any] | None,
    splits: int,
    *,
    questions: int = 0,
    speed: Speed | None = None,
) -> Plan:
    """Return the plan of :func:`~anisoalign_core.compare.advise`; parameters as above."""
    speed = Speed.measured(pair.dim) if speed is None else speed
    wanted = candidates(pair.paired) if methods is None else methods
    board = entries(wanted, pair.paired)[0]
    chosen = tuple(one for one in board if one.role in ("floor", "method", "reference"))
    seconds = BEGIN_SECONDS + planned_seconds(
        pair,
        chosen,
        splits,
        held=HELD / 2,
        parts=2,
        questions=questions,
        purposes=purposes,
        speed=speed,
    )
    least = seconds
    others = [
        one for one in askable(pair.paired, questions or None, None)[0] if one not in purposes
    ]
    if others:  # what is advised is then measured at the other purposes
        seconds += planned_seconds(
            pair,
            [one for one in chosen if not one.trains][: priced(len(chosen), len(purposes))],
            splits,
            held=HELD / 2,
            questions=questions,
            purposes=others,
            speed=speed,
        )
    return Plan(len(chosen), splits, seconds, _training(chosen), least)


def _training(chosen: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(one.label for one in chosen if one.trains)


def planned_seconds(
    pair: EmbeddingPair,
    chosen: Sequence[Entry],
    splits: int,
    *,
    held: float,
    parts: int = 1,
    questions: int = 0,
    purposes: Collection[str] | None = None,
    curves: bool = False,
    workers: int | None = None,
    speed: Speed | None = None,
) -> float:
    """Estimate how long entries take on some splits, from rows, dimensions and questions.

    Parameters
    ----------
    pair : EmbeddingPair
    chosen : sequence of Entry
    splits : int
    held : float
        Share of the rows in each scored part.
    parts : int
        Scored parts of each split.
    questions : int
        Columns of labels.
    purposes : collection of str, optional
        Measures of these alone are taken; every metric and every use by default.
    curves : bool
        Whether dials are turned.
    workers : int, optional
        Splits that run at once, by default one for each core.
    speed : Speed, optional
        Measured now by default.

    Returns
    -------
    float
        Seconds.
    """
    if not splits:
        return 0.0
    speed = Speed.measured(pair.dim) if speed is None else speed
    size = _Size.of(pair, held, parts)
    scored = size.scored(None if purposes is None else set(purposes), questions) * parts
    taught = size.taught(purposes, questions)
    one = Work()
    for entry in chosen:
        one += scored + taught + size.moved
        if entry.method in ALIGNERS:
            one += size.fitted(entry.build())
    if curves:
        for entry in curve_owners(chosen):
            one += size.turned(entry)
    at_once = min(usable_cores() if workers is None else workers, splits)
    training = sum(entry.build().training_seconds(pair.dim) for entry in chosen if entry.trains)
    trained = math.ceil(splits / at_once) * training
    return speed.seconds(one, splits, at_once) + trained


@dataclass(frozen=True)
class _Size:
    """Rows of one split and one scored part, from which the work of an entry is counted.

    Factors were fitted to times of each step at 400 × 64 to 9,000 × 128 and 2,500 × 1,024.
    """

    fitted_rows: float
    held_rows: float
    dim: int

    @classmethod
    def of(cls, pair: EmbeddingPair, held: float, parts: int) -> _Size:
        rows = min(len(pair.source), len(pair.target))
        left = rows * (1 - held * parts)
        return cls(left / 2 if pair.paired else left, min(rows * held, MAX_ROWS), pair.dim)

    def _tiles(self, rows: float, others: float) -> float:
        return rows * others / TILE**2

    @property
    def _taught_rows(self) -> float:
        return min(self.fitted_rows, TAUGHT_ROWS)

    def fitted(self, method: Aligner) -> Work:
        """Fit a method: nothing where variances are enough, eigenproblems elsewhere."""
        if method.moments == "diagonal" or method.is_floor or method.is_control:
            return Work(small=1e-3)
        watches = 12 * ("auto" in method.plain_params().values())
        rows = min(self.fitted_rows, TAUGHT_ROWS)
        few = min(2 * self.fitted_rows / self.dim, 1.0) ** 3  # of what both sides span
        return Work(1.5 * self._tiles(rows, rows), (4 + watches) * few, 1e-3)

    @property
    def moved(self) -> Work:
        """Correct fitted and scored rows; some methods look at all fitted rows for each."""
        rows = self._taught_rows
        return Work(1.4 * self._tiles(rows, rows), 0, 1e-3 + 1e-5 * self.dim)

    def taught(self, purposes: Collection[str] | None, questions: int) -> Work:
        """Teach classifiers: a linear one for each question, on a board a network too."""
        if purposes is not None and "train" not in purposes:
            return Work()
        linear = 3e-3 + 2.7e-6 * self._taught_rows * math.sqrt(self.dim)
        network = 0.0 if purposes is not None else 0.12 + 5.8e-4 * self.dim
        return Work(small=questions * (linear + network))

    def scored(self, purposes: Collection[str] | None, questions: int) -> Work:
        """Measure one scored part."""
        groups = list(USES_WORK) if purposes is None else [PURPOSES[one].name for one in purposes]
        tiles = self._tiles(self.held_rows, self.held_rows)
        found = Work()
        for group in groups:
            small, products = USES_WORK[group]
            found += Work(products * tiles, 0, small)
        clusterings = questions + 1 if purposes is None else questions * ("cluster" in purposes)
        each = 3e-3 + 2.5e-6 * self.held_rows * math.sqrt(self.dim)
        found += Work(small=clusterings * each)
        if purposes is None:
            found += Work(24 * tiles, 0, 8e-3 + 2e-5 * self.dim)  # metrics
        return found

    def turned(self, entry: Entry) -> Work:
        """Turn a dial: scores at each value, and a fit too where the knob is not live."""
        dial = dial_of(entry)
        assert dial is not None  # noqa: S101  (it owns a curve)
        knob, curve = dial
        tiles = self._tiles(self.held_rows, self.held_rows)
        method = entry.build()
        each = Work(5 * tiles, 0, 2e-3)
        return (each if knob.live else each + self.fitted(method)) * len(curve.values)


USES_WORK: dict[Group, tuple[float, float]] = {
    "train": (5e-4, 0.0),
    "search": (5e-3, 19.0),
    "mixed": (1.2e-3, 3.3),
    "cluster": (0.0, 0.0),
    "zero-shot": (1e-3, 0.0),
    "robustness": (2e-3, 5.5),
}
"""Group of measures → seconds of small steps and products for each 1,024² pairs of scored rows;
what questions cost is counted by themselves."""
