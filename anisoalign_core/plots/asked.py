"""Figures by name, as things give them: ``report.plot(kind)``, ``board.plot``, ``method.plot``.

The pages' figures with nothing worked out by hand; each ``plot`` asks here, the one way up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.compare.results import Leaderboard
from anisoalign_core.compare.study import PLANES, PlaneKind, Trial, trial_on
from anisoalign_core.errors import NeedsPairsError, ParameterError
from anisoalign_core.gap.facts import Curves
from anisoalign_core.gap.report import GapReport
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.pairs import EmbeddingPair, check_pair
from anisoalign_core.plots import gap
from anisoalign_core.plots.clouds import before_after
from anisoalign_core.plots.correction import stretches, tradeoff
from anisoalign_core.plots.encoders import comparison_figure, matrix_figure
from anisoalign_core.plots.leaderboard import answers, mixed_gallery, tradeoff_board
from anisoalign_core.plots.pair_budget import pair_budget_figure

if TYPE_CHECKING:
    from anisoalign_core.align import Aligner

__all__ = [
    "board_figure",
    "comparison_figure",
    "matrix_figure",
    "method_figure",
    "pair_budget_figure",
    "report_figure",
]

NEED_PAIRS = ("bias", "energy", "ratio")


def _spectra(report: GapReport, known: Curves) -> go.Figure:
    return gap.spectra(
        known.target,
        known.source,
        known.residual,
        repaired_values=known.repaired,
        names=known.names,
    )


def _overlap(report: GapReport, known: Curves) -> go.Figure:
    figure = gap.overlap(known.overlaps, ceiling=known.ceiling, names=known.names)
    return gap.add_random_overlap(figure, report.dim, len(known.overlaps))


REPORT: dict[str, Callable[[GapReport, Curves], go.Figure]] = {
    "spectra": _spectra,
    "bias": lambda report, known: gap.bias_and_residual(report),
    "energy": lambda report, known: gap.energy(np.asarray(known.residual), known.repaired),
    "ratio": lambda report, known: gap.directional_ratio(known.ratios),
    "overlap": _overlap,
    "angles": lambda report, known: gap.angles(known.angles),
    "few": lambda report, known: gap.few_coordinates(report.bias.top_coordinates),
}


def report_figure(report: GapReport, kind: str) -> go.Figure:
    """See :meth:`GapReport.plot`."""
    draw = _one_of("figure of a report", kind, REPORT)
    known = report.curves
    if known is None:
        raise ParameterError(
            "This report holds numbers, and no curves: it was read from a file. Diagnose the pair "
            "again to draw it."
        )
    if kind in NEED_PAIRS and report.residual is None:
        if not report.paired:
            raise NeedsPairsError(f'"{kind}" compares partners, and this pair is unpaired.')
        raise ParameterError(f'"{kind}" needs the part "residual", which was left out.')
    if kind in ("overlap", "angles") and not len(known.angles):
        raise ParameterError(f'"{kind}" needs the part "subspaces", which was left out.')
    if kind == "few" and not report.bias.top_coordinates:
        raise ParameterError("The means are equal: no coordinate carries a gap.")
    return draw(report, known)


def board_figure(
    board: Leaderboard,
    kind: str,
    semantics: str,
    support: str,
    metric: str | None,
    names: Iterable[str] | None,
) -> go.Figure:
    """See :meth:`Leaderboard.plot`."""
    have = board.metrics()
    if kind == "tradeoff":
        _one_of("measure on this board", semantics, have)
        _one_of("measure on this board", support, have)
        return tradeoff_board(board, semantics, support)
    if kind == "answers":
        if metric is None:
            metric = next(m for m in ("label_transfer", "mixing_coverage", *have) if m in have)
        _one_of("measure on this board", metric, have)
        return answers(board, metric)
    _one_of("figure of a board", kind, ("tradeoff", "answers", "gallery"))
    if not board.mixed:
        raise NeedsPairsError("The mixed gallery compares partners, and this pair is unpaired.")
    chosen = list(board.mixed if names is None else names)
    for name in chosen:
        _one_of("entry in the mixed gallery", name, board.mixed)
    return mixed_gallery(board, chosen)


def method_figure(method: Aligner, pair: EmbeddingPair, kind: str, plane: str) -> go.Figure:
    """See :meth:`Aligner.plot`."""
    check_pair(pair, f"{type(method).__name__}.plot")
    draw = _one_of("figure of a method", kind, METHOD)
    look: PlaneKind = _one_of("plane", plane, PLANES)
    return draw(trial_on(method, pair), look)


def _clouds(trial: Trial, plane: PlaneKind) -> go.Figure:
    study, method = trial.study, trial.method
    look, names = study.plane(plane), (study.pair.target.modality, study.pair.source.modality)
    along = look.directions.astype(np.float32)
    after = method.transform(study.source, study.pair.partners(study.shown[0]))
    return before_after(
        method.transform_target(study.target) @ along,
        study.source @ along,
        after @ along,
        names=names,
        axis_labels=look.labels,
        target_rows=study.shown[1],
        source_rows=study.shown[0],
    )


def _tradeoff(trial: Trial, plane: PlaneKind) -> go.Figure:
    dial, method = trial.dial(), trial.method
    if dial is None:
        raise ParameterError(f'{method.label} has no dial to turn after fitting: choose "clouds".')
    lines = trial.curve(dial=dial)
    at = 1.0 if dial.shares else method.resolved_params()[dial.name]
    shown = {name: lines[name] for name in lines if name in METRICS and METRICS[name].curve}
    figure = tradeoff(lines[dial.name], shown, current=float(at))
    return figure.update_xaxes(title=dial.label)


def _stretches(trial: Trial, plane: PlaneKind) -> go.Figure:
    known = trial.view().moved.stretches
    if known is None:
        raise ParameterError(
            f'{trial.method.label} does more than stretch directions: choose "clouds".'
        )
    return stretches(known.raw, known.held, known.scale, known.bound, known.rank)


METHOD = {"clouds": _clouds, "tradeoff": _tradeoff, "stretches": _stretches}


def _one_of(what: str, name: str, known: Any) -> Any:
    """Return what is known by a name, or refuse a name that is not."""
    if name not in known:
        raise ParameterError(f'There is no {what} "{name}". Choose among: {", ".join(known)}.')
    return known[name] if isinstance(known, dict) else name
