"""Figures of a correction: what a bound buys and costs, and where it holds back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.numerics import Float64
from anisoalign_core.plots.style import CORRECTED, NULL, SOURCE, TARGET, WARNING, dots, layout, line

STYLES = {
    "psi": (SOURCE, "solid"),
    "omega": (SOURCE, "dash"),
    "mixing_penetration": (TARGET, "dash"),
    "mixing_coverage": (TARGET, "solid"),
}


def tradeoff(
    bounds: Float64,
    curves: Mapping[str, Float64],
    *,
    current: float,
    auto: float | None = None,
) -> go.Figure:
    """Metrics along the bound: meaning (vermilion) falls while support (blue) rises.

    Parameters
    ----------
    bounds : (m,) float64
    curves : mapping of metric name to (m,) float64
    current : float
        The bound in force, marked by a line.
    auto : float, optional
        The automatic bound, marked by a diamond.
    """
    figure = go.Figure()
    for name, values in curves.items():
        colour, dash = STYLES.get(name, (NULL, "solid"))
        metric = METRICS[name]
        figure.add_trace(line(bounds, values, f"{metric.symbol}", colour, dash=dash))
    figure.add_vline(x=current, line={"color": CORRECTED, "width": 3})
    if auto is not None:
        figure.add_trace(
            dots(
                auto,
                0.0,
                "auto",
                WARNING,
                f"auto: α = {auto:.2f}",
                marker={"symbol": "diamond", "size": 12},
                cliponaxis=False,
            )
        )
    figure.update_xaxes(title="bound α", range=[0, float(bounds[-1])])
    figure.update_yaxes(title="score", range=[0, 1.05])
    return layout(figure)


def pareto(
    semantics: Float64,
    support: Float64,
    bounds: Float64,
    *,
    current: float,
    labels: tuple[str, str],
) -> go.Figure:
    """Support against semantics along the bound, the point in force marked.

    Parameters
    ----------
    semantics, support, bounds : (m,) float64
    labels : (str, str)
        What the axes show.
    """
    figure = go.Figure(
        line(
            semantics,
            support,
            "along the bound",
            CORRECTED,
            mode="lines+markers",
            customdata=bounds,
            hovertemplate="α = %{customdata:.2f}<extra></extra>",
        )
    )
    at = (float(np.interp(current, bounds, semantics)), float(np.interp(current, bounds, support)))
    figure.add_trace(
        dots(*at, f"α = {current:.2f}", WARNING, "%{x:.3g}, %{y:.3g}", marker={"size": 14})
    )
    figure.update_xaxes(title=labels[0])
    figure.update_yaxes(title=labels[1])
    return layout(figure)


def stretches(raw: Float64, bounded: Float64, scale: float, bound: float, rank: int) -> go.Figure:
    """Raw and bounded stretches w/s of each direction, with the band e^±α.

    Parameters
    ----------
    raw, bounded : (d,) float64
        Eigenvalues of the transport map before and after the bound.
    scale : float
        s.
    bound : float
        α.
    rank : int
        Directions inside the frame; the rest share one stretch.
    """
    d = len(raw)
    ranks = np.arange(1, d + 1)
    floor = scale * 1e-3
    figure = go.Figure()
    shown = min(bound, 10.0)
    figure.add_hrect(
        y0=math.exp(-shown),
        y1=math.exp(shown),
        fillcolor=CORRECTED,
        opacity=0.12,
        line={"width": 0},
    )
    figure.add_hline(y=1.0, line={"color": NULL, "dash": "dot", "width": 1})
    figure.add_trace(line(ranks, np.maximum(raw, floor) / scale, "asked for", NULL, dash="dash"))
    figure.add_trace(line(ranks, np.maximum(bounded, floor) / scale, "let through", CORRECTED))
    if rank < d:
        figure.add_vline(x=rank + 0.5, line={"color": WARNING, "dash": "dash"})
    figure.update_xaxes(title="direction, most stretched first")
    low, high = float(max(raw.min(), floor) / scale), float(raw.max() / scale)
    span = [math.log10(min(low, 0.5)) - 0.05, math.log10(max(high, 2.0)) + 0.05]
    figure.update_yaxes(
        title="stretch relative to s",
        type="log",
        range=span,
        tickvals=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20],
    )
    return layout(figure)
