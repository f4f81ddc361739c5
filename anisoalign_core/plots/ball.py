"""Figures of the toys: a ball with clouds of arrows' ends on it, and their means as arrows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.metrics.cosines import mean_rows
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.plots.style import CORRECTED, GAP, NULL, SOURCE, TARGET, as_text, layout
from anisoalign_core.teach import Cones, Moved

Names = tuple[str, str]
WORDS = ("pictures", "captions")
HIDDEN_AXIS = {"visible": False, "range": [-1.12, 1.12]}
ZOOM = 2.0
"""The ball's size in its frame; the camera looks from infinitely far."""
SHOWN_STRETCH = 0.2
"""Length of an axis on the ball that is stretched by 1."""


def cones_on_ball(cones: Cones, *, names: Names = WORDS, gap: bool = True) -> go.Figure:
    """Two cones of rows on the ball, their means as arrows, and the gap between the means."""
    sides = ((cones.target, names[0], TARGET), (cones.source, names[1], SOURCE))
    figure = go.Figure([*_ball(), *(_rows(*side) for side in sides)])
    means = [_arrow(figure, *side) for side in sides]
    if gap:
        _between(figure, means[0], means[1])
    return _scene(figure)


def moved_on_ball(
    moved: Moved, *, names: Names = WORDS, axes: Sequence[tuple[str, str, Float64]] = ()
) -> go.Figure:
    """Two clouds on the ball and the corrected source, with the mean of each as an arrow.

    Parameters
    ----------
    moved : Moved
    names : (str, str)
    axes : sequence of (name, colour, (3, 3) float64), optional
        Stretched axes to draw at the target's mean, one per column.
    """
    sides = (
        (moved.target, names[0], TARGET),
        (moved.source, names[1], SOURCE),
        (moved.after, f"{names[1]}, corrected", CORRECTED),
    )
    figure = go.Figure([*_ball(), *(_rows(*side) for side in sides)])
    means = [_arrow(figure, *side) for side in sides]
    _between(figure, means[0], means[2])
    for name, colour, columns in axes:
        ends = np.full((3 * columns.shape[1], 3), np.nan)
        centre = means[0] / max(float(np.linalg.norm(means[0])), 1e-9)
        ends[0::3], ends[1::3] = centre - columns.T, centre + columns.T
        figure.add_trace(_line3d(ends, name, colour, width=9))
    return _scene(figure)


def stretched_axes(basis: Float64, stretch: Float64) -> Float64:
    """Axes of a stretch as they are drawn: columns of ``basis``, as long as they are stretched."""
    return np.asarray(SHOWN_STRETCH * basis * stretch)


def _ball() -> list[go.Surface | go.Scatter3d]:
    turn, rise = np.meshgrid(np.linspace(0, 2 * math.pi, 49), np.linspace(0, math.pi, 25))
    ball = go.Surface(
        x=np.sin(rise) * np.cos(turn),
        y=np.sin(rise) * np.sin(turn),
        z=np.cos(rise),
        colorscale=[[0, NULL], [1, NULL]],
        opacity=0.16,
        showscale=False,
        hoverinfo="skip",
        contours={axis: {"highlight": False} for axis in ("x", "y", "z")},
        lighting={"ambient": 0.9, "diffuse": 0.2, "specular": 0.0},
    )
    angle = np.linspace(0, 2 * math.pi, 73)
    flat = np.zeros_like(angle)
    circles = (
        np.column_stack([np.cos(angle), np.sin(angle), flat]),
        np.column_stack([np.cos(angle), flat, np.sin(angle)]),
        np.column_stack([flat, np.cos(angle), np.sin(angle)]),
    )
    return [ball, *(_line3d(circle, "", NULL, width=1, legend=False) for circle in circles)]


def _rows(rows: Float32, name: str, colour: str) -> go.Scatter3d:
    return go.Scatter3d(
        x=rows[:, 0],
        y=rows[:, 1],
        z=rows[:, 2],
        mode="markers",
        name=as_text(name),
        legendgroup=name,
        marker={"size": 3, "color": colour, "opacity": 0.85},
        hovertemplate=f"{as_text(name)} %{{pointNumber}}<extra></extra>",
    )


def _arrow(figure: go.Figure, rows: Float32, name: str, colour: str) -> Float64:
    """Draw the mean of a cloud as an arrow from the middle of the ball, and return it."""
    mean = mean_rows(rows)
    shaft = _line3d(np.stack([np.zeros(3), mean]), name, colour, width=7, legend=False)
    figure.add_trace(shaft.update(legendgroup=name))
    figure.add_trace(
        go.Scatter3d(
            x=mean[:1],
            y=mean[1:2],
            z=mean[2:],
            mode="markers",
            marker={"size": 6, "color": colour, "symbol": "diamond"},
            legendgroup=name,
            showlegend=False,
            hovertemplate=f"mean of the {as_text(name)}, {np.linalg.norm(mean):.3g} long"
            "<extra></extra>",
        )
    )
    return mean


def _between(figure: go.Figure, first: Float64, second: Float64) -> None:
    figure.add_trace(_line3d(np.stack([first, second]), "gap between the means", GAP, width=9))


def _line3d(
    xyz: Float64, name: str, colour: str, *, width: float, legend: bool = True
) -> go.Scatter3d:
    return go.Scatter3d(
        x=xyz[:, 0],
        y=xyz[:, 1],
        z=xyz[:, 2],
        mode="lines",
        name=as_text(name),
        line={"color": colour, "width": width},
        showlegend=legend,
        hoverinfo="skip",
    )


def _scene(figure: go.Figure) -> go.Figure:
    figure = layout(figure, height=500)
    eye = {"x": 1.15, "y": 0.75, "z": 0.55}
    figure.update_layout(
        margin={"l": 0, "r": 0, "b": 0},
        legend={"itemsizing": "constant"},
        scene={
            "xaxis": HIDDEN_AXIS,
            "yaxis": HIDDEN_AXIS,
            "zaxis": HIDDEN_AXIS,
            "aspectmode": "manual",
            "aspectratio": {"x": ZOOM, "y": ZOOM, "z": ZOOM},
            "camera": {"eye": eye, "projection": {"type": "orthographic"}},
            "dragmode": "turntable",
            "uirevision": "keep",
        },
    )
    return figure
