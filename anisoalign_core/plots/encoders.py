"""Several encoders in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.card import three, within
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.encoders import EncoderComparison
from anisoalign_core.gap.modalities import GapMatrix
from anisoalign_core.numerics import Float64
from anisoalign_core.plots.explore import PALETTE
from anisoalign_core.plots.style import GAP, NULL, RESIDUAL, as_text, dots, layout, line

SMALLEST_SHARE = 1e-8
"""Shares of variance below this are rounding and are left out."""


@dataclass(frozen=True, eq=False)
class NamedSpectra:
    """Eigenvalues of one set's covariances, descending.

    Attributes
    ----------
    name : str
    target, source : (d,) float64
    residual : (d,) float64 or None
        None where the set has no pairs.
    """

    name: str
    target: Float64
    source: Float64
    residual: Float64 | None = None


DASHES = {"target": "solid", "source": "dash", "residual": "dot"}


def encoder_spectra(sets: Sequence[NamedSpectra]) -> go.Figure:
    """Spectra of several sets, each as shares of its own variance, against the rank.

    A colour for each set; solid for the target, dashed for the source, dotted for the residual.
    Shares and not eigenvalues, so that encoders of any dimension and any cone can be compared.

    Parameters
    ----------
    sets : sequence of NamedSpectra
    """
    figure = go.Figure()
    for number, one in enumerate(sets):
        colour = PALETTE[number % len(PALETTE)]
        for side, dash in DASHES.items():
            values: Float64 | None = getattr(one, side)
            if values is None or values.sum() <= 0:
                continue
            shares = values / values.sum()
            keep = shares > SMALLEST_SHARE
            ranks = np.arange(1, len(values) + 1)[keep]
            curve = line(ranks, shares[keep], one.name, colour, dash=dash)
            words = f"{as_text(one.name)}, {side}: rank %{{x}}, %{{y:.3g}}<extra></extra>"
            curve.update(showlegend=side == "target", hovertemplate=words)
            figure.add_trace(curve)
    for side, dash in DASHES.items():
        figure.add_trace(line([np.nan], [np.nan], side, NULL, dash=dash))
    figure.update_xaxes(type="log", title="rank of the direction", dtick=1)
    figure.update_yaxes(type="log", title="share of the variance", exponentformat="power", dtick=1)
    return layout(figure, height=430)


VERDICTS = {
    "shared": "shared meaning",
    "weak": "a little shared",
    "nothing": "nothing shared",
    "unknown": "not judged",
}
COLUMNS = 4
"""Panels of measures beside each other."""


def comparison_figure(comparison: EncoderComparison, kind: str, **options: Any) -> go.Figure:
    """Draw a comparison; see :meth:`EncoderComparison.plot`."""
    kinds = {
        "table": encoder_dots,
        "spectra": _spectra,
        "parts": gap_parts,
        "agreement": agreement_map,
    }
    if kind not in kinds:
        raise ParameterError(f'There is no figure "{kind}"; choose among {", ".join(kinds)}.')
    return kinds[kind](comparison, **options)


def encoder_dots(
    comparison: EncoderComparison, by: str | None = None, baseline: str | None = None
) -> go.Figure:
    """One row per encoder, one panel per measure: a dot, its 95 % interval, and its null.

    Parameters
    ----------
    comparison : EncoderComparison
    by : str, optional
        A measure to sort by, largest on top.
    baseline : str, optional
        An encoder whose value runs through all rows as a line.

    Raises
    ------
    ParameterError
        If there is no such encoder or measure.
    """
    names, measures = comparison.order(by), comparison.measures
    if baseline is not None and baseline not in names:
        raise ParameterError(f'There is no encoder "{baseline}" to read the others against.')
    across = min(COLUMNS, len(measures))
    down = -(-len(measures) // across)
    height = down * (105 + 34 * len(names)) + 50
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        subplot_titles=["<br>".join(wrap(as_text(one.label), 18)) for one in measures],
        horizontal_spacing=0.03,
        vertical_spacing=95 / height if down > 1 else 0,
    )
    for number, measure in enumerate(measures):
        place = {"row": number // across + 1, "col": number % across + 1}
        points = comparison.points[measure.name]
        shown = [name for name in names if name in points]
        found = [points[name] for name in shown]
        values = np.array([point.value for point in found])
        low, high = (
            np.nan_to_num(np.array(ends) - values)
            for ends in ([p.low for p in found], [p.high for p in found])
        )
        labels = [as_text(name) for name in shown]
        nulls = dots(
            [point.null for point in found],
            labels,
            "what chance gives",
            NULL,
            f"%{{y}}: {measure.null_is} %{{x:.3g}}",
            marker={"symbol": "line-ns", "size": 13, "line": {"width": 2, "color": NULL}},
        )
        marks = dots(
            values,
            labels,
            "measured, 95 %",
            [PALETTE[list(comparison.reports).index(name) % len(PALETTE)] for name in shown],
            "%{y}: %{text}",
            marker={"size": 9},
            text=[within(p.value, p.low, p.high) for p in found],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": high,
                "arrayminus": -low,
                "color": NULL,
                "thickness": 1.5,
            },
        )
        figure.add_traces([nulls, marks], [place["row"]] * 2, [place["col"]] * 2)
        if baseline in points:
            figure.add_vline(
                points[baseline].value, line={"dash": "dot", "color": NULL, "width": 1}, **place
            )
    layout(figure, height=height, legend=False)
    figure.update_layout(margin={"t": 50})
    labels = [as_text(name) for name in names]
    levels = [comparison.reports[name].verdict.level for name in names]
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=labels[::-1],
        tickvals=labels,
        ticktext=[
            f"{label}<br><sup>{VERDICTS[level]}</sup>"
            for label, level in zip(labels, levels, strict=True)
        ],
    )
    figure.update_annotations(font={"size": 12.5})
    return figure


def _spectra(comparison: EncoderComparison) -> go.Figure:
    known = {name: r.curves for name, r in comparison.reports.items() if r.curves is not None}
    if not known:
        raise ParameterError(
            "None of these reports holds spectra. Write them with GapReport.save, or measure again."
        )
    return encoder_spectra(
        [NamedSpectra(name, c.target, c.source, c.residual) for name, c in known.items()]
    )


def gap_parts(comparison: EncoderComparison) -> go.Figure:
    """Stack ``G_μ²`` and ``tr Σ_r`` of every encoder with pairs: the mean squared distance."""
    parts = comparison.parts()
    if not parts:
        raise ParameterError("None of these reports has pairs, and the residual needs them.")
    figure = go.Figure()
    for at, (name, colour) in enumerate(
        (
            ("bias: squared gap between the means", GAP),
            ("residual: differs from pair to pair", RESIDUAL),
        )
    ):
        figure.add_trace(
            go.Bar(
                y=[as_text(one) for one in parts],
                x=[both[at] for both in parts.values()],
                name=name,
                orientation="h",
                marker={"color": colour, "line": {"width": 0}},
                text=[
                    f"{both[at] / sum(both):.0%}" if any(both) else "" for both in parts.values()
                ],
                hovertemplate="%{y}: %{x:.3g} (%{text})<extra></extra>",
            )
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title="mean squared distance of partners")
    figure.update_yaxes(autorange="reversed")
    return layout(figure, height=110 + 34 * len(parts))


def agreement_map(comparison: EncoderComparison) -> go.Figure:
    """How far the leading residual directions of every two encoders agree on the same things."""
    if not comparison.agreements:
        raise ParameterError("Directions are compared where rows of at least two are at hand.")
    names = list(dict.fromkeys(n for one in comparison.agreements for n in (one.first, one.second)))
    cells = np.full((len(names), len(names)), np.nan)
    for one in comparison.agreements:
        a, b = names.index(one.first), names.index(one.second)
        cells[a, b] = cells[b, a] = one.value
    return _heat(cells, names, (0.0, 1.0))


def matrix_figure(found: GapMatrix, measure: str) -> go.Figure:
    """Draw one measure of every two modalities; see :meth:`GapMatrix.plot`."""
    table = found.to_frame(measure)
    return _heat(table.to_numpy(dtype=np.float64), list(found.modalities), None)


def _heat(cells: Float64, names: Sequence[str], ends: tuple[float, float] | None) -> go.Figure:
    labels = [as_text(name) for name in names]
    finite = cells[np.isfinite(cells)]
    low, high = ends or (min(float(finite.min(initial=0.0)), 0.0), float(finite.max(initial=1e-9)))
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            x=labels,
            y=labels,
            zmin=low,
            zmax=high,
            colorscale="Cividis",
            text=[["" if np.isnan(v) else three(float(v)) for v in row] for row in cells],
            texttemplate="%{text}",
            hovertemplate="%{y} → %{x}: %{z:.3g}<extra></extra>",
            xgap=2,
            ygap=2,
            hoverongaps=False,
        )
    )
    figure.update_yaxes(autorange="reversed")
    return layout(figure, height=150 + 46 * len(names), legend=False)
