"""Falsifiers of AnisoAlign: what each part adds, against controls and at equal cost in meaning.

A learned correction earns its cost only if it beats the closed form *at the same Ω*: anything can
be gained by giving up neighbours. And a prior earns its name only if a prior that knows nothing
does worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.align import AnisoAlign, BoundedTransport, BoundSweep, Identity, ReAlign
from anisoalign_core.align.base import Aligner
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.metrics.transfer import class_columns, label_transfer
from anisoalign_core.numerics import Float32, Float64, Progress, generator
from anisoalign_core.pairs import EmbeddingPair, Split
from anisoalign_core.recipe import fit_rows

if TYPE_CHECKING:
    import pandas as pd

UNPAIRED = ("psi", "omega", "mixing_penetration", "mixing_coverage", "frechet", "phi", "phi_max")
PAIRED = ("residual_anisotropy", "matched_cosine", "recall_at_10")
MATCHED = (
    "psi",
    "mixing_penetration",
    "mixing_coverage",
    "frechet",
    "label_transfer",
    "matched_cosine",
    "recall_at_10",
)
"""What is compared with BoundedTransport at the same Ω."""
LOSSES = {
    "prior": "L_II",
    "phase": "L_Φ",
    "gram": "Gram",
    "distribution": "sliced Wasserstein",
    "energy": "energy distance",
    "neighbours": "neighbours kept",
    "moments": "moments of V",
    "magnitude": "magnitude",
}
"""Names of the losses in tables."""
RECALL = ("recall_at_10_source_to_target", "recall_at_10_target_to_source")
"""Averaged to ``recall_at_10``: gained support must not cost partners."""
GRID = tuple(round(0.1 * step, 1) for step in range(16))
"""Bounds between which BoundedTransport's curve is interpolated."""
CONTROLS = {
    "ReAlign": "ReAlign",
    "uniform prior": "the same run with the uniform prior",
    "shuffled prior": "the same run with the shuffled prior",
}
RESAMPLES = 2000
OWN_SYMBOLS = {"label_transfer": "label transfer", "recall_at_10": "R@10"}
PUBLISHED_ABLATION = {
    "start only": 43.59,
    "+ refinement": 44.93,
    "+ L_II": 46.56,
    "+ L_Φ": 46.45,
    "full": 47.49,
}
"""[AA Table 4]: mean accuracy over 11 benchmarks of a language model trained on corrected texts."""


@dataclass(frozen=True)
class Interval:
    """A mean over splits with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """+1 or −1 when the interval leaves out zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True, eq=False)
class Falsification:
    """Scores of every variant on every split, and the closed form at the same Ω.

    Attributes
    ----------
    scores : dict of variant → metric → (S,) float64
        Held-out scores; ``label_transfer`` where the sets have labels.
    matched : dict of variant → metric → (S,) float64
        BoundedTransport's scores at the bound where its Ω equals the variant's.
    beyond : dict of variant → int
        Splits on which the variant's Ω lies outside BoundedTransport's whole curve; there the
        nearest end stands in.
    prior : dict of variant → (S,) float64
        Stage-I loss over the uninformed baseline, on target rows it was not trained on.
    rows : (int, int, int)
        Fitted source rows, fitted target rows, held-out rows.
    k : int
    """

    scores: dict[str, dict[str, Float64]]
    matched: dict[str, dict[str, Float64]]
    beyond: dict[str, int]
    prior: dict[str, Float64]
    rows: tuple[int, int, int]
    k: int

    @property
    def splits(self) -> int:
        """Number of splits."""
        return len(next(iter(self.scores.values()))["omega"])

    def mean(self, variant: str, metric: str) -> float:
        """Mean of a metric over the splits."""
        return float(self.scores[variant][metric].mean())

    def gain(self, variant: str, metric: str) -> Interval:
        """Variant minus BoundedTransport at the same Ω."""
        return bootstrap(self.scores[variant][metric] - self.matched[variant][metric])

    def difference(self, variant: str, other: str, metric: str) -> Interval:
        """One variant minus another, split by split."""
        return bootstrap(self.scores[variant][metric] - self.scores[other][metric])

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on and what they say, in sentences."""
        source, target, held = self.rows
        found = [
            f"{source:,} source and {target:,} target rows fitted, {held:,} held out, "
            f"k = {self.k}, {self.splits} splits. Gains are against BoundedTransport at the bound "
            "where its Ω is the variant's; intervals are 95 % bootstraps over the splits, which "
            "share rows."
        ]
        if "+ refinement" in self.scores:
            found.append(
                "No loss is published for “+ refinement” alone: with nothing to minimise the "
                "network stays at zero, so that row is the start by construction."
            )
        ended = [name for name, count in self.beyond.items() if count]
        if ended:
            found.append(
                "† Ω outside BoundedTransport's curve on some splits, where the nearer end stands "
                f"in: {', '.join(ended)}."
            )
        if "full" not in self.scores:
            return found
        for other, words in CONTROLS.items():
            if other not in self.scores:
                continue
            for metric in ("omega", "mixing_coverage", "frechet"):
                gap = self.difference("full", other, metric)
                verdict = "cannot be told from" if gap.sign == 0 else "differs from"
                found.append(
                    f"{_symbol(metric)}: the full method {verdict} {words} "
                    f"({_interval(gap, bold=False)})."
                )
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row per variant: mean scores, and gains over BoundedTransport at the same Ω."""
        import pandas as pd

        rows = {}
        for variant, scores in self.scores.items():
            row: dict[str, float] = {_symbol(m): self.mean(variant, m) for m in scores}
            if variant in self.matched:
                for metric in self.matched[variant]:
                    gain = self.gain(variant, metric)
                    name = f"{_symbol(metric)} at equal Ω"
                    row |= {name: gain.value, f"{name}, low": gain.low, f"{name}, high": gain.high}
            if variant in self.prior:
                row["prior, unseen rows"] = float(self.prior[variant].mean())
            rows[variant] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "rows": self.rows,
            "k": self.k,
            "splits": self.splits,
            "scores": _lists(self.scores),
            "matched": _lists(self.matched),
            "beyond": self.beyond,
            "prior": {name: values.tolist() for name, values in self.prior.items()},
            "notes": self.notes,
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Falsification:
        """Read what :meth:`to_dict` wrote."""
        source, target, held = known["rows"]
        return cls(
            _arrays(known["scores"]),
            _arrays(known["matched"]),
            dict(known["beyond"]),
            {name: np.array(values) for name, values in known["prior"].items()},
            (source, target, held),
            known["k"],
        )

    def to_markdown(self) -> str:
        """Two tables: mean scores, and gains at equal Ω with intervals (bold: leaves out zero)."""
        metrics = list(next(iter(self.scores.values())))
        lines = [_row(["variant", *map(_symbol, metrics), "prior"]), _rule(len(metrics) + 2)]
        for variant in self.scores:
            known = f"{self.prior[variant].mean():.3f}" if variant in self.prior else ""
            cells = [f"{self.mean(variant, m):.3g}" for m in metrics]
            lines.append(_row([variant, *cells, known]))
        compared = list(next(iter(self.matched.values())))
        lines += ["", _row(["at equal Ω", *map(_symbol, compared)]), _rule(len(compared) + 1)]
        for variant in self.matched:
            cells = [_interval(self.gain(variant, m)) for m in compared]
            mark = " †" if self.beyond[variant] else ""
            lines.append(_row([variant + mark, *cells]))
        return "\n".join(lines)


def bootstrap(values: Float64, random_state: int = 0) -> Interval:
    """Mean over splits and the 2.5 % and 97.5 % quantiles of its bootstrap over splits.

    Splits of one set share rows, so the interval says how firmly these rows support the mean, not
    how another set would behave.
    """
    rng = generator(random_state)
    drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def variants(method: AnisoAlign, ranks: Sequence[int] = ()) -> dict[str, AnisoAlign]:
    """Return the learned method in parts, under priors that know nothing, and at other ranks."""

    def changed(**parameters: Any) -> AnisoAlign:
        return AnisoAlign(**(method.get_params() | parameters))

    weights = vars(method.weights)
    none = {f"{name}_weight": 0.0 for name in weights}
    found = {"start only": changed(refine=False), "+ refinement": changed(**none)}
    for name in method.weights.active:
        alone = none | {f"{name}_weight": weights[name]}
        found[f"+ {LOSSES[name]}"] = changed(**alone)
    found["full"] = changed()
    if method.weights.prior:
        found["uniform prior"] = changed(prior="uniform")
        found["shuffled prior"] = changed(prior="shuffled")
    return found | {f"full, rank {rank}": changed(rank=rank) for rank in ranks}


def falsify(
    pair: EmbeddingPair,
    *,
    splits: int = 10,
    method: AnisoAlign | None = None,
    ranks: Sequence[int] | None = None,
    holdout: float = 0.25,
    k: int = 20,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Falsification:
    """Take AnisoAlign apart, on repeated splits, against controls and at matched Ω.

    Parameters
    ----------
    pair : EmbeddingPair
    splits, holdout, k, random_state, progress
        As in :func:`measure`.
    method : AnisoAlign, optional
        Default parameters when left out.
    ranks : sequence of int, optional
        Frame ranks of the sweep; by default half and twice the rank in force.

    Raises
    ------
    ParameterError
        If there are fewer than two splits.
    ShapeError
        If too few rows are held out.
    """
    method = method or AnisoAlign()
    if ranks is None:
        ranks = _ranks(method, pair, _Run(pair, holdout, k, random_state).split(0))
    jobs = {"ReAlign": ReAlign()} | variants(method, ranks)
    return measure(
        pair,
        jobs,
        splits=splits,
        holdout=holdout,
        k=k,
        random_state=random_state,
        progress=progress,
    )


def measure(
    pair: EmbeddingPair,
    methods: Mapping[str, Aligner],
    *,
    splits: int = 10,
    holdout: float = 0.25,
    k: int = 20,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Falsification:
    """Score methods on repeated splits, and BoundedTransport where its Ω is theirs.

    Parameters
    ----------
    pair : EmbeddingPair
    methods : mapping of name to Aligner
        Not fitted; a fresh copy is fitted on each split. "no correction" is added.
    splits : int, default 10
        Seeded splits; split i uses seed ``random_state + i``.
    holdout : float, default 0.25
        Share of the rows that is held out; the rest is fitted, half on each side when paired.
    k : int, default 20
        Neighbours; at most a tenth of the held-out rows.
    random_state : int, default 0
    progress : callable(fraction, words), optional
        May raise to cancel.

    Raises
    ------
    ParameterError
        If there are fewer than two splits.
    ShapeError
        If too few rows are held out.
    """
    if splits < 2:
        raise ParameterError(f"splits is {splits}; an interval needs at least two.")
    run = _Run(pair, holdout, k, random_state)
    first = run.split(0)
    jobs: dict[str, Aligner] = {"no correction": Identity(), **methods}
    found: dict[str, dict[str, list[float]]] = {}
    matched: dict[str, dict[str, list[float]]] = {}
    beyond = dict.fromkeys(jobs, 0)
    prior: dict[str, list[float]] = {}
    tell = progress or (lambda fraction, words: None)
    total = splits * (len(jobs) + 1)
    for number in range(splits):
        trial = run.trial(number)
        done = number * (len(jobs) + 1)
        tell(done / total, f"split {number + 1} of {splits}: BoundedTransport along its bound")
        curve = trial.curve()
        for step, (name, blank) in enumerate(jobs.items()):
            words = f"split {number + 1} of {splits}: {name}"
            tell((done + step + 1) / total, words)
            fitted = type(blank)(**blank.get_params())
            fitted.fit(*trial.rows, progress=_nested(tell, (done + step + 1) / total, total, words))
            scores = trial.score(
                fitted.transform(trial.reference.before), fitted.transform(trial.rows[0])
            )
            _append(found, name, scores)
            unseen = vars(fitted).get("losses_", {}).get("stage_1_unseen")
            if unseen:
                prior.setdefault(name, []).append(unseen[-1])
            if name != "no correction":
                same, outside = at_omega(curve, scores["omega"])
                _append(matched, name, {m: same[m] for m in MATCHED if m in same})
                beyond[name] += outside
    tell(1.0, "done")
    held = len(first.holdout_source), len(first.holdout_target)
    return Falsification(
        _arrays(found),
        _arrays(matched),
        {name: count for name, count in beyond.items() if name in matched},
        {name: np.array(values) for name, values in prior.items() if len(values) == splits},
        (len(first.fit_source), len(first.fit_target), min(held)),
        run.neighbours(min(held)),
    )


def at_omega(curve: dict[str, Float64], omega: float) -> tuple[dict[str, float], bool]:
    """Read BoundedTransport's curve where its Ω equals the one given.

    Between the two neighbouring bounds whose Ω bracket it, from the largest bound down, every
    score is interpolated linearly. Outside the curve the nearer end is returned, and True.

    Parameters
    ----------
    curve : dict of metric to (B,) float64
        Along rising bounds.
    omega : float
    """
    values = curve["omega"]
    for low in range(len(values) - 2, -1, -1):
        a, b = values[low], values[low + 1]
        if min(a, b) <= omega <= max(a, b):
            part = 0.0 if a == b else (omega - a) / (b - a)
            return {
                m: float(v[low] + part * (v[low + 1] - v[low])) for m, v in curve.items()
            }, False
    end = int(np.argmin(np.abs(values - omega)))
    return {m: float(v[end]) for m, v in curve.items()}, True


@dataclass(frozen=True, eq=False)
class _Run:
    """What every split of one falsification shares."""

    pair: EmbeddingPair
    holdout: float
    k: int
    random_state: int

    def split(self, number: int) -> Split:
        return self.pair.split(self.random_state + number, self.holdout)

    def neighbours(self, held: int) -> int:
        if held < 20:
            raise ShapeError(
                f"Only {held} rows are held out; falsifiers need at least 20. Load more rows or "
                "hold out a larger share."
            )
        return max(2, min(self.k, held // 10))

    def trial(self, number: int) -> _Trial:
        split = self.split(number)
        held = self.pair.source.vectors[split.holdout_source]
        goal = self.pair.target.vectors[split.holdout_target]
        k = self.neighbours(min(len(held), len(goal)))
        fitted = fit_rows(self.pair, False, split)
        return _Trial(self.pair, split, fitted, Reference(held, goal, k))


@dataclass(frozen=True, eq=False)
class _Trial:
    """One split: fitted sets, held-out rows, and how a correction is scored on them."""

    pair: EmbeddingPair
    split: Split
    rows: tuple[Any, Any]
    reference: Reference

    def score(self, held: Float32, taught: Float32) -> dict[str, float]:
        """Score corrected held-out rows, and corrected fitted rows by what they teach."""
        scores = self._measure(held)
        columns = self._columns()
        if columns:
            source, target = self.pair.source.labels, self.pair.target.labels
            assert source is not None and target is not None  # they have columns
            accuracies = [
                label_transfer(
                    taught,
                    source[name].to_numpy()[self.split.fit_source],
                    self.reference.target,
                    target[name].to_numpy()[self.split.holdout_target],
                )
                for name in columns
            ]
            scores["label_transfer"] = float(np.mean(accuracies))
        return scores

    def curve(self) -> dict[str, Float64]:
        """Scores of BoundedTransport along the grid of bounds."""
        method = BoundedTransport(bound=0.0).fit(*self.rows)
        held, fitted = self.reference.before, self.rows[0].vectors
        sweep = BoundSweep(method, np.concatenate([held, fitted]), fitted)
        found: dict[str, list[float]] = {}
        for bound in GRID:
            after = sweep.at(bound).rows()
            for name, value in self.score(after[: len(held)], after[len(held) :]).items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in found.items()}

    def _columns(self) -> list[str]:
        source, target = self.pair.source.labels, self.pair.target.labels
        if source is None or target is None:
            return []
        return [name for name in class_columns(source) if name in target.columns]

    def _measure(self, after: Float32) -> dict[str, float]:
        comparison = Comparison(
            self.reference.before,
            after,
            self.reference.target,
            self.pair.paired,
            self.reference.k,
            0,
            self.reference,
        )
        names = UNPAIRED + (PAIRED if self.pair.paired else ())
        found = {}
        for name in names:
            parts = RECALL if name == "recall_at_10" else (name,)
            values = [float(np.mean(METRICS[part].function(comparison))) for part in parts]
            found[name] = float(np.mean(values))
        return found


def _ranks(method: AnisoAlign, pair: EmbeddingPair, split: Split) -> tuple[int, ...]:
    start = AnisoAlign(**(method.get_params() | {"refine": False}))
    rank = start.fit(*fit_rows(pair, False, split)).frame_.rank
    most = pair.dim // 2 * 2
    wanted = (max(rank // 2 // 2 * 2, 2), min(rank * 2, most))
    return tuple(sorted({other for other in wanted if other != rank}))


def _nested(tell: Progress, start: float, total: int, words: str) -> Progress:
    return lambda fraction, inner: tell(start + fraction / total, f"{words}, {inner}")


def _symbol(metric: str) -> str:
    return METRICS[metric].symbol if metric in METRICS else OWN_SYMBOLS[metric]


def _interval(found: Interval, bold: bool = True) -> str:
    text = f"{found.value:+.3g} ({found.low:+.3g} … {found.high:+.3g})"
    return f"**{text}**" if bold and found.sign else text


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns


def _append(found: dict[str, dict[str, list[float]]], name: str, scores: dict[str, float]) -> None:
    for metric, value in scores.items():
        found.setdefault(name, {}).setdefault(metric, []).append(value)


def _arrays(found: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, Float64]]:
    return {v: {m: np.array(x) for m, x in metrics.items()} for v, metrics in found.items()}


def _lists(found: dict[str, dict[str, Float64]]) -> dict[str, dict[str, list[float]]]:
    return {v: {m: x.tolist() for m, x in metrics.items()} for v, metrics in found.items()}
