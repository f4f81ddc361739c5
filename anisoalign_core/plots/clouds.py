"""Figures of rows: clouds on two directions, before and after a correction, one direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.plots.style import (
    CORRECTED,
    SOURCE,
    TARGET,
    Points,
    as_text,
    layout,
    points,
    shares,
    span,
)

Rows = npt.NDArray[np.integer[Any]] | None
Range = tuple[float, float] | None
Names = tuple[str, str]
MARGIN_BINS = 64


def clouds(
    target_xy: Points,
    source_xy: Points,
    *,
    names: Names = ("image", "text"),
    axis_labels: tuple[str, str] = ("", ""),
    target_rows: Rows = None,
    source_rows: Rows = None,
    target_captions: npt.NDArray[np.object_] | None = None,
    source_captions: npt.NDArray[np.object_] | None = None,
) -> go.Figure:
    """Both clouds on two directions, with a histogram of each axis at its side.

    Selecting with box or lasso gives points whose ``customdata`` is (row, side), side 0 the
    target and 1 the source.

    Parameters
    ----------
    target_xy, source_xy : (n, 2) arrays
        Coordinates of at most 50,000 rows each.
    """
    figure = make_subplots(
        rows=2,
        cols=2,
        column_widths=[0.86, 0.14],
        row_heights=[0.14, 0.86],
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.01,
        vertical_spacing=0.015,
    )
    sides = (
        (target_xy, names[0], TARGET, target_rows, target_captions),
        (source_xy, names[1], SOURCE, source_rows, source_captions),
    )
    both = np.concatenate([target_xy, source_xy])
    edges = [np.histogram_bin_edges(both[:, axis], bins=MARGIN_BINS) for axis in (0, 1)]
    for side, (xy, name, colour, rows, captions) in enumerate(sides):
        cloud = points(xy, name=name, colour=colour, rows=rows, side=side, captions=captions)
        figure.add_trace(cloud, row=2, col=1)
        for axis, (row, col) in enumerate(((1, 1), (2, 2))):
            figure.add_trace(
                _margin(xy[:, axis], edges[axis], colour, vertical=axis == 0), row=row, col=col
            )
    figure.update_xaxes(title=axis_labels[0], row=2, col=1)
    figure.update_yaxes(title=axis_labels[1], row=2, col=1)
    figure = layout(figure, height=600, dragmode="lasso", barmode="overlay", bargap=0)
    for row, col in ((1, 1), (2, 2), (1, 2)):
        figure.update_xaxes(showticklabels=False, showgrid=False, row=row, col=col)
        figure.update_yaxes(showticklabels=False, showgrid=False, row=row, col=col)
    return figure


def _margin(
    values: Points, edges: npt.NDArray[np.floating[Any]], colour: str, *, vertical: bool
) -> go.Bar:
    counts = np.histogram(values, bins=edges)[0]
    centres = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
    share = (counts / max(counts.sum(), 1)).astype(np.float32)
    place: dict[str, Any] = {"x": centres, "y": share} if vertical else {"x": share, "y": centres}
    return go.Bar(
        **place,
        orientation="v" if vertical else "h",
        width=float(edges[1] - edges[0]),
        marker={"color": colour, "opacity": 0.5, "line": {"width": 0}},
        showlegend=False,
        hoverinfo="skip",
    )


def before_after(
    target_xy: Points,
    source_xy: Points,
    corrected_xy: Points,
    *,
    names: Names = ("image", "text"),
    axis_labels: tuple[str, str] = ("", ""),
    range_x: Range = None,
    range_y: Range = None,
    target_rows: Rows = None,
    source_rows: Rows = None,
) -> go.Figure:
    """Target beside source, and target beside corrected source, under the same axes.

    Crosses mark the means. Zoom and pan move both panels and survive updates.

    Parameters
    ----------
    target_xy, source_xy, corrected_xy : (n, 2) arrays
        Coordinates on one fixed basis.
    range_x, range_y : (low, high), optional
        Fixed axis ranges; by default what all three clouds need.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.02,
        subplot_titles=("Before", "After"),
    )
    sides = (
        (target_xy, names[0], TARGET, target_rows, 0, (1, 2)),
        (source_xy, names[1], SOURCE, source_rows, 1, (1,)),
        (corrected_xy, f"{names[1]}, corrected", CORRECTED, source_rows, 2, (2,)),
    )
    for xy, name, colour, rows, side, panels in sides:
        for panel in panels:
            size = 4 if len(xy) > 2000 else 5
            cloud = points(
                xy, name=name, colour=colour, rows=rows, side=side, size=size, opacity=0.7
            )
            cloud.update(legendgroup=name, showlegend=panel == panels[0])
            figure.add_trace(cloud, row=1, col=panel)
    for xy, name, colour, _, _, panels in sides:
        for panel in panels:
            figure.add_trace(_mean(xy, name, colour), row=1, col=panel)
    every = np.concatenate([target_xy, source_xy, corrected_xy])
    figure.update_xaxes(title=axis_labels[0], range=range_x or span(every[:, 0]))
    figure.update_yaxes(range=range_y or span(every[:, 1]))
    figure.update_yaxes(title=axis_labels[1], row=1, col=1)
    figure = layout(figure, height=460, dragmode="pan")
    figure.update_layout(margin={"t": 74}, legend={"y": 1.08})
    return figure


def _mean(xy: Points, name: str, colour: str) -> go.Scattergl:
    centre = np.asarray(xy).mean(axis=0)
    return go.Scattergl(  # not SVG: the browser would draw it below the clouds
        x=[float(centre[0])],
        y=[float(centre[1])],
        mode="markers",
        marker={
            "symbol": "x",
            "size": 15,
            "color": colour,
            "line": {"color": "white", "width": 2},
        },
        legendgroup=name,
        showlegend=False,
        hovertemplate=f"mean of {as_text(name)}<extra></extra>",
    )


def histogram_1d(
    target_values: Points,
    source_values: Points,
    corrected: Points | None = None,
    *,
    names: Names = ("image", "text"),
    axis_label: str = "",
) -> go.Figure:
    """Distributions of both modalities along one direction, with their means.

    Parameters
    ----------
    target_values, source_values, corrected : (n,) arrays
    """
    sides = [(target_values, names[0], TARGET), (source_values, names[1], SOURCE)]
    if corrected is not None:
        sides.append((corrected, f"{names[1]}, corrected", CORRECTED))
    every = np.concatenate([values for values, _, _ in sides])
    edges = np.linspace(float(every.min()), float(every.max()) + 1e-9, 81)
    figure = go.Figure()
    for values, name, colour in sides:
        figure.add_trace(shares(values, edges, name, colour))
        mean = float(np.mean(values))
        figure.add_vline(x=mean, line={"color": colour, "width": 2, "dash": "dash"})
    figure.update_xaxes(title=axis_label)
    figure.update_yaxes(title="share of rows")
    return layout(figure, height=280, barmode="overlay", bargap=0)


def density(
    target_xy: Points,
    source_xy: Points,
    *,
    names: Names = ("image", "text"),
    axis_labels: tuple[str, str] = ("", ""),
    bins: int = 90,
) -> go.Figure:
    """Binned density of all rows of both clouds side by side: for sets too large to draw.

    Parameters
    ----------
    target_xy, source_xy : (n, 2) arrays of any length
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=[as_text(name) for name in names],
    )
    every = np.concatenate([target_xy, source_xy])
    edges = [np.linspace(every[:, a].min(), every[:, a].max() + 1e-9, bins + 1) for a in (0, 1)]
    for panel, (xy, colour) in enumerate(((target_xy, TARGET), (source_xy, SOURCE)), start=1):
        counts = np.histogram2d(xy[:, 0], xy[:, 1], bins=edges)[0].T
        figure.add_trace(
            go.Heatmap(
                x=edges[0].astype(np.float32),
                y=edges[1].astype(np.float32),
                z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).astype(np.float32),
                colorscale=[[0, "rgba(138,138,138,0.25)"], [1, colour]],
                showscale=False,
                hoverinfo="skip",
            ),
            row=1,
            col=panel,
        )
    figure.update_xaxes(title=axis_labels[0])
    figure.update_yaxes(title=axis_labels[1], row=1, col=1)
    return layout(figure, height=460, legend=False)
