"""Falsifiers of AnisoAlign: what each part adds, against controls and at equal cost in meaning.

A learned correction earns its cost only if it beats the closed form *at the same Ω*: anything can
be gained by giving up neighbours. And a prior earns its name only if a prior that knows nothing
does worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align import AnisoAlign, BoundedTransport, Identity, ReAlign
from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.falsification import Falsification
from anisoalign_core.compare.parallel import side_by_side
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.labels import classes_of
from anisoalign_core.compare.use.training import accuracies
from anisoalign_core.compare.values import arrays
from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float32, Float64, Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.splitting import Split

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
PUBLISHED_ABLATION = {
    "start only": 43.59,
    "+ refinement": 44.93,
    "+ L_II": 46.56,
    "+ L_Φ": 46.45,
    "full": 47.49,
}
"""[AA Table 4]: mean accuracy over 11 benchmarks of a language model trained on corrected texts."""
UNPAIRED = ("psi", "omega", "mixing_penetration", "mixing_coverage", "frechet", "phi", "phi_max")
PAIRED = ("residual_anisotropy", "matched_cosine")
RECALL = ("recall_at_10_source_to_target", "recall_at_10_target_to_source")
"""Averaged to ``recall_at_10``: gained support must not cost partners."""
GRID = tuple(round(0.1 * step, 1) for step in range(16))
"""Bounds between which BoundedTransport's curve is interpolated."""


def variants(method: AnisoAlign, ranks: Sequence[int] = ()) -> dict[str, AnisoAlign]:
    """Return the learned method in parts, under priors that know nothing, and at other ranks."""

    def changed(**parameters: Any) -> AnisoAlign:
        return AnisoAlign.of(method.plain_params() | parameters)

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
    workers: int | None = None,
    progress: Progress | None = None,
) -> Falsification:
    """Take AnisoAlign apart, on repeated splits, against controls and at matched Ω.

    Parameters
    ----------
    pair : EmbeddingPair
    splits, holdout, k, random_state, workers, progress
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
        ranks = _ranks(method, pair, Run(pair, holdout, k, random_state).split(0))
    jobs = {"ReAlign": ReAlign()} | variants(method, ranks)
    return measure(
        pair,
        jobs,
        splits=splits,
        holdout=holdout,
        k=k,
        random_state=random_state,
        workers=workers,
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
    workers: int | None = None,
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
    workers : int, optional
        Splits that run at once, by default one for each core; numbers do not depend on it.
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
    run = Run(pair, holdout, k, random_state, classes_of(pair))
    first = run.split(0)
    jobs: dict[str, Aligner] = {"no correction": Identity(), **methods}
    found: dict[str, dict[str, list[float]]] = {}
    matched: dict[str, dict[str, list[float]]] = {}
    beyond = dict.fromkeys(jobs, 0)
    prior: dict[str, list[float]] = {}
    tell = progress or (lambda fraction, words: None)

    def one_split(number: int, here: Progress) -> list[_Scored]:
        return _one_split(run.round(number), jobs, here, f"split {number + 1} of {splits}")

    for scored in side_by_side(range(splits), one_split, tell, workers):
        for name, one in zip(jobs, scored, strict=True):
            _append(found, name, one.scores)
            if one.unseen is not None:
                prior.setdefault(name, []).append(one.unseen)
            if name != "no correction":
                _append(matched, name, {m: one.same[m] for m in MATCHED if m in one.same})
                beyond[name] += one.outside
    tell(1.0, "done")
    held = len(first.holdout_source), len(first.holdout_target)
    return Falsification(
        arrays(found),
        arrays(matched),
        {name: count for name, count in beyond.items() if name in matched},
        {name: np.array(values) for name, values in prior.items() if len(values) == splits},
        (len(first.fit_source), len(first.fit_target), min(held)),
        run.neighbours(min(held)),
    )


@dataclass(frozen=True)
class _Scored:
    """One method on one split: its scores, BoundedTransport's at its Ω, and its prior's loss."""

    scores: dict[str, float]
    same: dict[str, float]
    outside: bool
    unseen: float | None


def _one_split(
    trial: Round, jobs: Mapping[str, Aligner], tell: Progress, where: str
) -> list[_Scored]:
    total = len(jobs) + 1
    tell(0.0, f"{where}: BoundedTransport along its bound")
    closed_form, found = curve(trial), []
    for step, (name, blank) in enumerate(jobs.items(), 1):
        words = f"{where}: {name}"
        tell(step / total, words)
        fitted = trial.fit(blank, _nested(tell, step / total, total, words))
        scores = score(
            trial, fitted.transform(trial.reference.before), fitted.transform(trial.fitted[0])
        )
        losses = vars(fitted).get("losses_", {}).get("stage_1_unseen")
        same = at_omega(closed_form, scores["omega"])
        found.append(_Scored(scores, *same, losses[-1] if losses else None))
    return found


def _ranks(method: AnisoAlign, pair: EmbeddingPair, split: Split) -> tuple[int, ...]:
    start = AnisoAlign.of(method.plain_params() | {"refine": False})
    rank = start.fit_pair(pair, split).frame_.rank
    most = pair.dim // 2 * 2
    wanted = (max(rank // 2 // 2 * 2, 2), min(rank * 2, most))
    return tuple(sorted({other for other in wanted if other != rank}))


def _nested(tell: Progress, start: float, total: int, words: str) -> Progress:
    return lambda fraction, inner: tell(start + fraction / total, f"{words}, {inner}")


def _append(found: dict[str, dict[str, list[float]]], name: str, scores: dict[str, float]) -> None:
    for metric, value in scores.items():
        found.setdefault(name, {}).setdefault(metric, []).append(value)


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


def score(one: Round, held: Float32, taught: Float32) -> dict[str, float]:
    """Score corrected held-out rows, and corrected fitted rows by what they teach."""
    paired = one.run.pair.paired
    scores = one.measure(held, UNPAIRED + (PAIRED + RECALL if paired else ()))
    if paired:
        scores["recall_at_10"] = float(np.mean([scores.pop(name) for name in RECALL]))
    found = accuracies(one.at_work(held, one.learnt(taught)))
    if found:
        scores["label_transfer"] = float(np.mean(list(found.values())))
    return scores


def curve(one: Round) -> dict[str, Float64]:
    """Scores of BoundedTransport along the grid of bounds."""
    method = BoundedTransport(bound=0.0).fit(*one.fitted)
    held, fitted = one.reference.before, one.fitted[0].vectors
    sweep = method.sweep(np.concatenate([held, fitted]), fitted)
    found: dict[str, list[float]] = {}
    for bound in GRID:
        after = sweep.at(bound).rows()
        for name, value in score(one, after[: len(held)], after[len(held) :]).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
