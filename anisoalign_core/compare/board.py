"""Run methods on the same repeated splits: fit, correct, score, teach; keep what is finished."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.compare import published
from anisoalign_core.compare.entries import CEILING, Entry, curve_owners, dial_of, entries
from anisoalign_core.compare.parallel import side_by_side
from anisoalign_core.compare.results import Curve, Leaderboard
from anisoalign_core.compare.setting import Setting
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.gallery import mixed_curve
from anisoalign_core.compare.use.labels import classes_of
from anisoalign_core.compare.use.uses import measured, missing
from anisoalign_core.compare.values import longer
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.geometry.residual import Residual, weighted_sides
from anisoalign_core.geometry.spectrum import effective_dimension, spectral_correlation
from anisoalign_core.geometry.subspace import overlap, overlap_ranks
from anisoalign_core.matrices import eigh
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.registry import Metric, applicable, measure
from anisoalign_core.numerics import Float64, Progress
from anisoalign_core.pairs import EmbeddingPair, check_pair
from anisoalign_core.recipe import InputFacts, versions
from anisoalign_core.splitting import equal_rows

TRAINING_WEIGHT = 30.0
"""How much longer an entry that trains takes than one that does not, for the estimate."""
Numbers = dict[str, float]


def leaderboard(
    pair: EmbeddingPair,
    methods: Sequence[Any] | None = None,
    *,
    splits: int = 5,
    holdout: float = 0.25,
    k: int = 20,
    random_state: int = 0,
    columns: Sequence[str] | None = None,
    keywords: Mapping[str, Sequence[str]] | None = None,
    prompts: EmbeddingSet | None = None,
    curves: bool = True,
    previous: Leaderboard | None = None,
    workers: int | None = None,
    on_split: Callable[[Leaderboard], None] | None = None,
    progress: Progress | None = None,
) -> Leaderboard:
    """Compare methods on the same repeated splits, with floor, ceiling and controls beside them.

    On each split every method is fitted on the fit parts (paired sets: disjoint rows, so that no
    fitted statistic saw a row and its partner), corrects held-out source rows, which are scored,
    and corrects the fitted source rows, on which classifiers are taught that held-out *target*
    rows examine.

    Parameters
    ----------
    pair : EmbeddingPair
        Paired or not; what needs pairs is left out, and said, when it is not.
    methods : sequence, optional
        Names, ``method`` or ``method:parameter=value,…``; estimators of this library, fitted or
        not (their parameters count); or any object with ``fit(source, target)`` and
        ``transform(rows)`` on arrays of unit rows, see :class:`~.given.Given`. Every registered
        method by default. The raw source, ReAlign and the target's own rows are always on the
        board.
    splits : int, default 5
        Split i uses seed ``random_state + i``.
    holdout : float, default 0.25
    k : int, default 20
        Neighbours; at most a tenth of the scored rows.
    random_state : int, default 0
    columns, keywords
        What classifiers are taught; see
        :func:`~anisoalign_core.compare.use.labels.classes_of`.
    prompts : EmbeddingSet, optional
        Vectors of class names, for zero-shot accuracy; see
        :func:`~anisoalign_core.compare.use.zero_shot.prompt_rows`.
    curves : bool, default True
        Whether to turn each method's dial, for the picture of semantics against support.
    previous : Leaderboard, optional
        A board of the same setting whose finished splits are kept, to continue it.
    workers : int, optional
        Splits that run at once, by default one for each core; numbers do not depend on it.
    on_split : callable of a Leaderboard, optional
        Receives the board after each split: what is worth keeping when the run is cancelled.
    progress : callable(fraction, words), optional
        May raise to cancel.

    Returns
    -------
    Leaderboard

    Raises
    ------
    ParameterError
        If there is no split, or ``previous`` was made under another setting.
    ShapeError
        If fewer than 20 rows are held out.
    """
    if splits < 1:
        raise ParameterError(f"splits is {splits}; choose at least 1 (intervals need 2).")
    check_pair(pair, "leaderboard")
    board, notes, given = entries([methods] if isinstance(methods, str) else methods, pair.paired)
    classes = classes_of(pair, columns, keywords)
    notes += missing(pair.paired, classes, prompts)
    grouped = pair.things is not None and not pair.things.are_rows
    if grouped:
        notes.append(
            f"{pair.in_words()}. Splits hold out things; a query finds its thing when any of its "
            "rows is found; in the mixed gallery each thing has one row of each side, drawn at "
            "random."
        )
    notes += [
        f"{side.name} has {equal_rows(side):,} repeated rows and no ids: splits keep equal rows "
        "together."
        for side in (pair.source, pair.target)
        if equal_rows(side)
    ]
    run = Run(pair, holdout, k, random_state, classes, given, prompts)
    first = run.round(0)
    setting = Setting(
        source=_facts(pair.source),
        target=_facts(pair.target),
        paired=pair.paired,
        splits=splits,
        holdout=holdout,
        k=first.reference.k,
        random_state=random_state,
        rows={
            "fit_source": len(first.split.fit_source),
            "fit_target": len(first.split.fit_target),
            "source": len(first.source_rows),
            "target": len(first.target_rows),
        }
        | ({"things": first.things.count} if grouped and first.things else {}),
        classes=None if classes is None else classes.origin,
        columns=() if classes is None else tuple(classes.columns),
        keywords=None if keywords is None else {n: list(w) for n, w in keywords.items()},
        versions=versions(),
        prompts=None if prompts is None else _facts(prompts),
    )
    tell = progress or (lambda fraction, words: None)
    found = Leaderboard(setting, board, {}, {}, notes=tuple(notes))
    if previous is None:
        tell(0.0, "Measuring the gap itself")
        found = replace(found, gap=_gap(pair))
    else:
        found = _continued(previous, found)
    weights = [TRAINING_WEIGHT if one.trains else 1.0 for one in board]
    start, planned = found.splits if found.values else 0, found

    def one_split(number: int, here: Progress) -> _Found:
        return _one_split(
            run.round(number), planned, _Telling(here, number, splits, weights), curves
        )

    def of_all(fraction: float, words: str) -> None:
        tell((start + fraction * (splits - start)) / splits, words)

    for new in side_by_side(range(start, splits), one_split, of_all, workers):
        found = _extended(found, new)
        if on_split is not None:
            on_split(found)
    tell(1.0, "done")
    return found


def _facts(side: EmbeddingSet) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(json.dumps(asdict(InputFacts.of(side))))
    return facts  # as it comes back from a file, so that boards can be compared


def _gap(pair: EmbeddingPair) -> dict[str, float]:
    """Return what is known of the gap itself and was published for another encoder."""
    y, x = pair.source.vectors, pair.target.vectors
    source, target = weighted_sides(y, x, pair.things)
    (values_y, u_y), (values_x, u_x) = eigh(source.covariance), eigh(target.covariance)
    found = {
        "centroid_gap": float(np.linalg.norm(target.mean - source.mean)),
        "spectral_correlation": spectral_correlation(
            np.maximum(values_x, 0), np.maximum(values_y, 0)
        ),
    }
    if pair.paired:
        residual = Residual.of(y, x, pair.things, (source, target))
        found |= {
            "residual_trace": residual.trace,
            "residual_share": residual.share,
            "residual_anisotropy": residual.anisotropy,
            "effective_dimension_ratio": effective_dimension(residual.values) / pair.dim,
        }
    q = published.OVERLAP[0]
    if q in overlap_ranks(pair.dim, min(len(y), len(x))):
        found["subspace_overlap"] = overlap(u_x[:, :q], u_y[:, :q])
    order = (*published.GAP, "subspace_overlap")
    return {name: found[name] for name in order if math.isfinite(found.get(name, math.nan))}


@dataclass(frozen=True)
class _Telling:
    """Progress of one split."""

    tell: Progress
    number: int
    splits: int
    weights: Sequence[float]

    def entry(self, step: int, words: str) -> Progress:
        """Return the callback for one entry's fitting."""
        whole = sum(self.weights)
        begun, weight = sum(self.weights[:step]) / whole, self.weights[step] / whole

        def tell(fraction: float, inner: str) -> None:
            more = f", {inner}" if inner else ""
            said = f"split {self.number + 1} of {self.splits}: {words}{more}"
            self.tell(begun + weight * fraction, said)

        return tell


@dataclass
class _Found:
    """What one split found."""

    values: dict[str, Numbers] = field(default_factory=dict)
    floors: dict[str, Numbers] = field(default_factory=dict)
    curves: dict[str, tuple[str, tuple[float, ...], dict[str, list[float]]]] = field(
        default_factory=dict
    )
    mixed: dict[str, Float64] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def _one_split(one: Round, board: Leaderboard, telling: _Telling, curves: bool) -> _Found:
    found = _Found()
    owners = {entry.name for entry in curve_owners(board.entries)} if curves else set()
    for step, entry in enumerate(board.entries):
        if entry.name in board.failures:
            continue
        tell = telling.entry(step, entry.label)
        tell(0.0, "")
        try:
            if entry.method == CEILING:
                _ceiling(one, entry, found)
            else:
                begun = time.perf_counter()
                method = one.fit(one.run.given.get(entry.name) or entry.build(), tell)
                found.seconds[entry.name] = time.perf_counter() - begun
                _score(one, entry, method, found)
                if entry.name in owners:
                    _curve(one, entry, method, found, tell)
        except AnisoAlignError as error:
            found.values.pop(entry.name, None)
            found.failures[entry.name] = str(error)
    return found


def _score(one: Round, entry: Entry, method: Aligner, found: _Found) -> None:
    after, target = one.moved(method)
    scores, floors = _measured(one.comparison(after, target), applicable(one.run.pair.paired))
    work = one.at_work(after, one.learnt_by(method), target)
    _put_to_use(work, entry, scores, floors, found)
    if work.things is not None:
        found.mixed[entry.name] = mixed_curve(work)


def _ceiling(one: Round, entry: Entry, found: _Found) -> None:
    """Score other target rows in the corrected rows' place; semantics and pairs do not apply."""
    work = one.ceiling
    stand_in = Comparison.between(work.target, work.after, k=one.reference.k)
    support = [metric for metric in applicable(paired=False) if metric.group == "support"]
    scores, floors = _measured(stand_in, support)
    _put_to_use(work, entry, scores, floors, found)


def _measured(comparison: Comparison, metrics: Sequence[Metric]) -> tuple[Numbers, Numbers]:
    floors = {one.name: one.floor(comparison) for one in metrics}
    known = {name: floor for name, floor in floors.items() if floor is not None}
    return measure(comparison, metrics)[0], known


def _put_to_use(
    work: AtWork, entry: Entry, scores: Numbers, floors: Numbers, found: _Found
) -> None:
    uses, by_chance = measured(work)
    found.values[entry.name], found.floors[entry.name] = scores | uses, floors | by_chance


def _curve(one: Round, entry: Entry, method: Aligner, found: _Found, tell: Progress) -> None:
    dial = dial_of(entry)
    assert dial is not None  # noqa: S101  (it owns a curve)
    knob, curve = dial
    followed = [metric.name for metric in applicable(one.run.pair.paired) if metric.curve]
    scores: dict[str, list[float]] = {name: [] for name in followed}
    for value, after in one.along(method, knob, curve):
        tell(1.0, f"{curve.label} {value:g}")
        for name, score in one.measure(after, followed).items():
            scores[name].append(score)
    found.curves[entry.name] = (curve.label, curve.values, scores)


def _extended(board: Leaderboard, new: _Found) -> Leaderboard:
    """Return the board with one more split; an entry that failed leaves it on every split."""
    failures = board.failures | new.failures
    names = [one.name for one in board.entries if one.name not in failures]
    curves = {}
    for name, (label, at, scores) in new.curves.items():
        known = board.curves[name].scores if name in board.curves else {}
        curves[name] = Curve(
            label,
            np.array(at),
            {m: np.vstack([*([known[m]] if m in known else []), v]) for m, v in scores.items()},
        )
    return replace(
        board,
        values=longer(board.values, new.values, failures),
        floors=longer(board.floors, new.floors, failures),
        curves=curves,
        mixed={
            name: np.vstack([*([board.mixed[name]] if name in board.mixed else []), row])
            for name, row in new.mixed.items()
            if name in names
        },
        seconds={
            name: np.append(board.seconds.get(name, np.empty(0)), taken)
            for name, taken in new.seconds.items()
            if name in names
        },
        failures=failures,
    )


def _continued(previous: Leaderboard, planned: Leaderboard) -> Leaderboard:
    """Return the previous board under the new number of splits, if nothing else differs."""
    before = replace(previous.setting, splits=planned.setting.splits)
    if before != planned.setting or previous.entries != planned.entries:
        raise ParameterError(
            "The board to continue was made from other sets, methods or settings; start anew."
        )
    if previous.splits > planned.setting.splits:
        raise ParameterError(
            f"The board to continue has {previous.splits} splits already; ask for more."
        )
    return replace(previous, setting=planned.setting)
