"""Figures of a bench: small clouds side by side, trade-offs over each other, runs along steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.bench.views import SmallCloud
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.plots.explore import PALETTE, RING
from anisoalign_core.plots.style import (
    CORRECTED,
    NULL,
    SOURCE,
    TARGET,
    as_text,
    dots,
    layout,
    line,
    points,
    span,
)

MOST_EMPHASISED = 5
"""Lines in colour; all others are grey."""
ACROSS = 4
RUN_COLUMNS = {
    "centroid_gap": ("Gap between the means", "centroid_gap_floor"),
    "distribution_gap": ("Distribution gap", "distribution_gap_floor"),
    "residual_share": ("Residual share", None),
    "residual_anisotropy": ("Residual anisotropy", "residual_anisotropy_repaired"),
    "overlap_between": ("Overlap of leading directions", "overlap_random"),
    "recall_at_1_source_to_target": ("R@1 in the batch", "recall_chance"),
    "matched_cosine": ("Partners' cosine", None),
    "logit_scale": ("Logit scale", None),
}
"""Columns of a run that are drawn, each with its name and the column of its null."""


def small_clouds(
    clouds: Sequence[SmallCloud], *, marked: Sequence[str] = (), corrected: bool = False
) -> go.Figure:
    """Clouds of several encoders on their own axes, the same things in all.

    Parameters
    ----------
    clouds : sequence of SmallCloud
        At least one.
    marked : sequence of str
        Ids to point out in every panel.
    corrected : bool
        Whether the source rows are corrected.

    Notes
    -----
    ``customdata`` of a point is (row of its panel's cloud, panel).
    """
    across = min(ACROSS, len(clouds))
    down = -(-len(clouds) // across)
    figure = make_subplots(
        rows=down,
        cols=across,
        subplot_titles=[as_text(cloud.name) for cloud in clouds],
        horizontal_spacing=0.02,
        vertical_spacing=0.12 if down > 1 else 0,
    )
    wanted = set(marked)
    for number, cloud in enumerate(clouds):
        place = {"row": number // across + 1, "col": number % across + 1}
        words = np.array(cloud.captions, dtype=object)
        other = ("corrected source", CORRECTED) if corrected else ("source", SOURCE)
        for xy, (name, colour) in (
            (cloud.target, ("target", TARGET)),
            (cloud.source, other),
        ):
            trace = points(xy, name=name, colour=colour, side=number, captions=words, size=5)
            trace.update(legendgroup=name, showlegend=number == 0)
            figure.add_trace(trace, **place)
        rows = [row for row, one in enumerate(cloud.ids) if one in wanted]
        if rows:
            figure.add_trace(_marks(cloud, rows), **place)
        every = np.concatenate([cloud.target, cloud.source])
        figure.update_xaxes(range=span(every[:, 0]), showticklabels=False, **place)
        figure.update_yaxes(range=span(every[:, 1]), showticklabels=False, **place)
    layout(figure, height=60 + 250 * down, dragmode="lasso")
    _legend_above(figure)
    figure.update_layout(margin={"l": 20})
    figure.update_annotations(font={"size": 12.5})
    return figure


def _legend_above(figure: go.Figure) -> None:
    """Put the legend above the titles of panels."""
    figure.update_layout(margin={"t": 76})
    inner = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    figure.update_layout(legend={"y": 1 + 28 / inner})


def _marks(cloud: SmallCloud, rows: Sequence[int]) -> go.Scatter:
    """Return lines between partners that are pointed out, with rings at both ends."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row in rows:
        xs += [float(cloud.target[row, 0]), float(cloud.source[row, 0]), None]
        ys += [float(cloud.target[row, 1]), float(cloud.source[row, 1]), None]
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines+markers",
        line={"color": RING, "width": 1},
        marker={"symbol": "circle-open", "size": 9, "color": RING, "line": {"width": 1.5}},
        showlegend=False,
        hoverinfo="skip",
    )


def tradeoff_lines(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    emphasised: Sequence[str] = (),
    meaning: str = "psi",
    support: str = "mixing_coverage",
) -> go.Figure:
    """Support against meaning along the bound, a line for each encoder.

    Parameters
    ----------
    curves : mapping of name to (mapping of metric to values)
        As a bench keeps them: ``"bound"`` and live scores.
    emphasised : sequence of str
        At most five in colour, in the order of the palette; all others are grey.
    meaning, support : str
        Metrics across and up.
    """
    figure = go.Figure()
    bright = list(emphasised)[:MOST_EMPHASISED]
    for name in sorted(curves, key=lambda one: one in bright):  # colours lie above grey
        curve = curves[name]
        if meaning not in curve or support not in curve:
            continue
        shown = name in bright
        colour = PALETTE[bright.index(name) % len(PALETTE)] if shown else NULL
        trace = line(
            curve[meaning],
            curve[support],
            name,
            colour,
            mode="lines+markers",
            customdata=list(curve["bound"]),
            hovertemplate=f"{as_text(name)}: α = %{{customdata:.2f}}, %{{x:.3f}}, %{{y:.3f}}"
            "<extra></extra>",
            showlegend=shown,
            opacity=1.0 if shown else 0.5,
        )
        trace.update(marker={"size": 6 if shown else 4}, line={"width": 2.5 if shown else 1})
        figure.add_trace(trace)
    figure.update_xaxes(title=METRICS[meaning].label)
    figure.update_yaxes(title=METRICS[support].label)
    return layout(figure, height=420)


def run_lines(
    runs: Mapping[str, pd.DataFrame],
    columns: Sequence[str] | None = None,
    *,
    step: int | None = None,
) -> go.Figure:
    """Numbers of training runs along their steps, one panel a number, one colour a run.

    Parameters
    ----------
    runs : mapping of name to DataFrame
        As :class:`~anisoalign_core.gap.run.Run` holds them.
    columns : sequence of str, optional
        Of ``RUN_COLUMNS``; by default all that some run has.
    step : int, optional
        Marked by a line in every panel, and by a dot on every run.
    """
    wanted = [
        name
        for name in (columns or RUN_COLUMNS)
        if any(np.isfinite(frame[name]).any() for frame in runs.values())
    ]
    across = min(ACROSS, max(len(wanted), 1))
    down = max(-(-len(wanted) // across), 1)
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_xaxes="all",
        subplot_titles=[RUN_COLUMNS[name][0] for name in wanted],
        horizontal_spacing=0.05,
        vertical_spacing=0.14 if down > 1 else 0,
    )
    for number, name in enumerate(wanted):
        place = {"row": number // across + 1, "col": number % across + 1}
        null = RUN_COLUMNS[name][1]
        for at, (run, frame) in enumerate(runs.items()):
            colour = PALETTE[at % len(PALETTE)]
            values = frame[name].to_numpy(dtype=np.float64)
            trace = line(
                frame.index,
                values,
                run,
                colour,
                legendgroup=run,
                showlegend=number == 0,
                hovertemplate=f"{as_text(run)}, step %{{x}}: %{{y:.3g}}<extra></extra>",
            )
            figure.add_trace(trace, **place)
            if null is not None:
                under = line(
                    frame.index,
                    frame[null],
                    "null",
                    colour,
                    dash="dot",
                    legendgroup=run,
                    showlegend=False,
                    opacity=0.6,
                    hoverinfo="skip",
                )
                under.update(line={"width": 1})
                figure.add_trace(under, **place)
            if step is not None and len(frame):
                nearest = int(np.abs(frame.index.to_numpy() - step).argmin())
                figure.add_trace(
                    dots(
                        frame.index[nearest],
                        values[nearest],
                        run,
                        colour,
                        marker={"size": 8},
                        legendgroup=run,
                        showlegend=False,
                    ),
                    **place,
                )
        if step is not None:
            figure.add_vline(x=step, line={"color": NULL, "width": 1}, **place)
    figure.update_xaxes(title="step", row=down)
    layout(figure, height=90 + 210 * down)
    _legend_above(figure)
    figure.update_annotations(font={"size": 12.5})
    return figure
