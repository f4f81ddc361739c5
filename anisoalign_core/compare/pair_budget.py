"""How many known pairs are worth as much as none: methods that learn from pairs, on few of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.align import USUAL
from anisoalign_core.align.base import Aligner
from anisoalign_core.card import Card, Shown, within
from anisoalign_core.compare.entries import Entry, entry, given_entry
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.errors import NeedsPairsError, ParameterError
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.numerics import Float64, Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair, check_pair

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("recall_at_1_source_to_target", "recall_at_1_target_to_source", "matched_cosine")
"""What is asked of held-out pairs; more is better in each."""
FEWEST, STEPS = 10, 8
"""The smallest size and the number of sizes, unless told otherwise."""


@dataclass(frozen=True, eq=False, repr=False)
class PairBudget(Shown):
    """Scores of methods along the number of pairs they were given, beside one that was given none.

    Attributes
    ----------
    sizes : tuple of int
        Pairs (things, where several rows show one) that were fitted, ascending: B of them.
    methods : tuple of Entry
    baseline : Entry
    values : dict of entry → metric → (S, B) float64
        Held-out scores, one row per split.
    without_pairs : dict of metric → (S,) float64
        Those of the baseline.
    holdout : float
        Share held out.
    rows : dict of str to int
        ``source`` and ``target`` rows that the baseline was fitted on, ``held`` pairs scored.
    random_state : int
        Seed of the first split.
    """

    sizes: tuple[int, ...]
    methods: tuple[Entry, ...]
    baseline: Entry
    values: dict[str, dict[str, Float64]]
    without_pairs: dict[str, Float64]
    holdout: float
    rows: dict[str, int]
    random_state: int

    @property
    def splits(self) -> int:
        """Number of splits."""
        return len(self.without_pairs[SCORES[0]])

    def scores(self, name: str, metric: str) -> list[Interval]:
        """Mean over the splits at each size, with the interval of :func:`over_splits`."""
        limits = METRICS[metric].range
        return [over_splits(at, self.holdout, limits) for at in self.values[name][metric].T]

    def baseline_score(self, metric: str) -> Interval:
        """Mean over the splits of the method that was given no pairs, with its interval."""
        return over_splits(self.without_pairs[metric], self.holdout, METRICS[metric].range)

    def differences(self, name: str, metric: str) -> list[Interval]:
        """Subtract the baseline from a method at each size, split by split."""
        gaps = self.values[name][metric] - self.without_pairs[metric][:, None]
        return [over_splits(at, self.holdout) for at in gaps.T]

    def better_from(self, name: str, metric: str) -> int | None:
        """Return the size from which on a method is better than the baseline, to the last.

        Better means that the interval of the difference lies above zero. None where that is not
        so at the last size: more pairs are needed than there were.
        """
        above = [gap.sign > 0 for gap in self.differences(name, metric)]
        if not above[-1]:
            return None
        behind = [number for number, better in enumerate(above) if not better]
        return self.sizes[behind[-1] + 1 if behind else 0]

    @property
    def sentences(self) -> list[str]:
        """What was found, and what it rests on."""
        found = []
        for one in self.methods:
            words = [f"{_short(m)} {self._from(self.better_from(one.name, m))}" for m in SCORES]
            found.append(f"{one.label} is better than {self.baseline.label}: {'; '.join(words)}.")
        first, last = self.random_state, self.random_state + self.splits - 1
        found.append(
            f"Mean of {self.splits} splits (seeds {first} to {last}), {self.rows['held']:,} pairs "
            f"held out; {self.baseline.label} was fitted on {self.rows['source']:,} source and "
            f"{self.rows['target']:,} target rows that are no partners. Fewer pairs are part of "
            "more. Better means that the 95 % corrected resampled t interval of the difference "
            "(Nadeau & Bengio 2003), split by split, lies above zero at that size and all larger "
            "ones."
        )
        return found

    def _from(self, size: int | None) -> str:
        return f"not with {self.sizes[-1]:,} pairs" if size is None else f"from {size:,} pairs on"

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        names = " and ".join(one.label for one in self.methods)
        sizes = f"{self.sizes[0]:,} to {self.sizes[-1]:,} pairs"
        return f"{names} on {sizes} against {self.baseline.label} on none"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""

        def cells(found: Sequence[Interval]) -> list[str]:
            return [within(one.value, one.low, one.high) for one in found]

        base = cells([self.baseline_score(m) for m in SCORES])
        rows: list[tuple[str, ...]] = [(self.baseline.label, "0", *base)]
        for one in self.methods:
            columns = zip(*(cells(self.scores(one.name, m)) for m in SCORES), strict=True)
            sizes = zip(self.sizes, columns, strict=True)
            rows += [(one.label, f"{size:,}", *found) for size, found in sizes]
        header = ("method", "pairs", *map(_short, SCORES))
        return Card(self.in_short(), rows, header, self.sentences)

    def plot(self) -> Any:
        """Draw the scores along the number of pairs, one panel per score.

        Returns
        -------
        plotly.graph_objects.Figure
        """
        from anisoalign_core.plots.asked import pair_budget_figure

        return pair_budget_figure(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per method, size and score; the baseline stands at 0 pairs."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for metric in SCORES:
            base = self.baseline_score(metric)
            rows.append(_row(self.baseline, 0, metric, base))
            for one in self.methods:
                both = zip(
                    self.sizes,
                    self.scores(one.name, metric),
                    self.differences(one.name, metric),
                    strict=True,
                )
                rows += [
                    _row(one, size, metric, score)
                    | {
                        "minus_baseline": gap.value,
                        "minus_baseline_low": gap.low,
                        "minus_baseline_high": gap.high,
                        "better": gap.sign > 0,
                    }
                    for size, score, gap in both
                ]
        return pd.DataFrame(rows)


def pair_budget(
    pair: EmbeddingPair,
    sizes: Sequence[int] | None = None,
    methods: Sequence[Any] = ("procrustes", "ridge"),
    baseline: Any = USUAL,
    *,
    splits: int = 4,
    holdout: float = 0.25,
    random_state: int = 0,
    progress: Progress | None = None,
) -> PairBudget:
    """Fit methods that learn from pairs on few to many of them, against one that is given none.

    On each split the baseline is fitted on the fit parts, which hold no partners, and each method
    on the first of the fitted pairs in a random order; all correct the same held-out rows.

    Parameters
    ----------
    pair : EmbeddingPair
        Paired.
    sizes : sequence of int, optional
        Numbers of pairs; by default eight from 10 to all that are fitted, evenly on a log scale.
    methods : sequence of names or estimators
        Methods that need pairs.
    baseline : name or estimator, default "bounded"
        A method that needs none.
    splits : int, default 4
        Split i uses seed ``random_state + i``.
    holdout : float, default 0.25
    random_state : int, default 0
    progress : callable(fraction, words), optional
        May raise to cancel.

    Returns
    -------
    PairBudget

    Raises
    ------
    NeedsPairsError
        If the pair is unpaired.
    ParameterError
        If there are fewer than two splits, a size is out of range, a method needs no pairs, or
        the baseline does.
    ShapeError
        If fewer than 20 rows are held out.
    """
    check_pair(pair, "pair_budget")
    if not pair.paired:
        raise NeedsPairsError(
            "A budget of pairs needs to know which rows belong together; this pair is unpaired."
        )
    if splits < 2:
        raise ParameterError(f"splits is {splits}; choose at least 2, or there are no intervals.")
    base, *contest = (_known(one) for one in (baseline, *_listed(methods)))
    _check(base, contest)
    run = Run(pair, holdout, 10, random_state)
    rounds = [run.round(number) for number in range(splits)]
    steps = _sizes(sizes, min(len(one.split.fit_pairs) for one in rounds))
    values = {one.name: {m: np.empty((splits, len(steps))) for m in SCORES} for one, _ in contest}
    without = {m: np.empty(splits) for m in SCORES}
    tell = progress or (lambda fraction, words: None)
    jobs, done = splits * (1 + len(contest) * len(steps)), 0
    for number, one in enumerate(rounds):
        tell(done / jobs, f"split {number + 1} of {splits}: {base[0].label}")
        for metric, value in _scored(one, one.fit(base[1])).items():
            without[metric][number] = value
        done += 1
        order = generator(random_state + number).permutation(one.split.fit_pairs)
        for made, method in contest:
            for at, size in enumerate(steps):
                words = f"{made.label} on {size:,} pairs"
                tell(done / jobs, f"split {number + 1} of {splits}: {words}")
                fitted = _fitted(one, method, order[:size])
                for metric, value in _scored(one, fitted).items():
                    values[made.name][metric][number, at] = value
                done += 1
    tell(1.0, "done")
    first = rounds[0]
    rows = {
        "source": len(first.split.fit_source),
        "target": len(first.split.fit_target),
        "held": len(first.split.holdout_pairs) if first.things is None else first.things.count,
    }
    entries = tuple(made for made, _ in contest)
    return PairBudget(steps, entries, base[0], values, without, holdout, rows, random_state)


def _known(one: Any) -> tuple[Entry, Aligner]:
    if isinstance(one, str):
        made = entry(one)
        return made, made.build()
    return given_entry(one)


def _listed(methods: Any) -> Sequence[Any]:
    return [methods] if isinstance(methods, str) else methods


def _check(base: tuple[Entry, Aligner], contest: Sequence[tuple[Entry, Aligner]]) -> None:
    control = next((made for made, _ in (base, *contest) if made.role == "control"), None)
    if control is not None:
        raise ParameterError(f"{control.label} is a control, and stands in no race. Leave it out.")
    if base[0].needs == "paired":
        raise ParameterError(
            f"{base[0].label} cannot be the baseline, which is given no pairs. Choose a method "
            f'that reads both sets alone, such as "{USUAL}".'
        )
    for made, _ in contest:
        if made.role != "reference":
            raise ParameterError(
                f"{made.label} learns nothing from pairs, so more of them change nothing. Choose "
                '"procrustes", "ridge" or another method that needs pairs.'
            )
    names = [made.name for made, _ in contest]
    if not names:
        raise ParameterError('methods is empty. Choose at least one, such as "procrustes".')
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f'"{twice}" is named twice; each curve is one method.')


def _sizes(given: Sequence[int] | None, most: int) -> tuple[int, ...]:
    """Return ascending sizes, or refuse those that no split has."""
    if given is None:
        spaced = np.geomspace(min(FEWEST, most), most, STEPS)
        return tuple(sorted({round(float(size)) for size in spaced}))
    found = tuple(sorted(set(given)))
    if not found:
        raise ParameterError("sizes is empty. Leave it out, or name how many pairs to fit.")
    for size in found:
        if not (isinstance(size, int | np.integer) and 2 <= size <= most):
            raise ParameterError(
                f"sizes holds {size}; choose whole numbers from 2 to {most:,}, the pairs that "
                "every split fits."
            )
    return tuple(int(size) for size in found)


def _fitted(one: Round, method: Aligner, chosen: Integers) -> Aligner:
    fresh = type(method)(**method.get_params(deep=False))
    return fresh.fit_pair(one.run.pair, replace(one.split, fit_pairs=np.sort(chosen)))


def _scored(one: Round, method: Aligner) -> dict[str, float]:
    after = method.transform(one.reference.before)
    target = method.transform_target(one.reference.target) if method.moves_target else None
    return one.measure(after, SCORES, target)


def _short(metric: str) -> str:
    """Words for a score in a heading."""
    _, _, way = metric.partition("recall_at_1_")
    return f"R@1 {way.replace('_to_', ' → ')}" if way else METRICS[metric].label.lower()


def _row(one: Entry, size: int, metric: str, score: Interval) -> dict[str, Any]:
    return {
        "entry": one.name,
        "label": one.label,
        "pairs": size,
        "metric": metric,
        "value": score.value,
        "low": score.low,
        "high": score.high,
    }
