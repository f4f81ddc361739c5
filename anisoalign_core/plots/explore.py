"""Rows on two directions before and after a correction, coloured by what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.plots.style import (
    CORRECTED,
    NULL,
    SOURCE,
    TARGET,
    Points,
    as_text,
    layout,
    points,
    span,
)

Rows = npt.NDArray[np.integer[Any]]
Range = tuple[float, float]

PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#B5A800",
    "#7A5195",
    "#8C6D31",
    "#444E86",
)
"""For values of a label: what is beyond them is drawn grey, as one."""
RING = "#E6007E"
SYMBOLS = ("circle", "diamond", "diamond")
"""Target, source, corrected: the shape says the side where the colour says the label."""


@dataclass(frozen=True, eq=False)
class Layer:
    """The drawn rows of one side.

    Attributes
    ----------
    xy : (n, 2) array
    name : str
    rows : (n,) int
        Their numbers in the loaded set.
    captions : (n,) array of str or None
        Shown on hover.
    groups : (n,) int or None
        Number of each row's label value, in the order of the legend; −1 for all others.
    marked : (k,) int
        Positions of rows to point out.
    """

    xy: Points
    name: str
    rows: Rows
    captions: npt.NDArray[np.object_] | None = None
    groups: Rows | None = None
    marked: Rows | None = None


def linked(
    target: Layer,
    source: Layer,
    corrected: Layer | None = None,
    *,
    axis_labels: tuple[str, str] = ("", ""),
    ranges: tuple[Range, Range] | None = None,
    values: Sequence[str] = (),
) -> go.Figure:
    """Target and source on two directions; beside them target and corrected, on the same axes.

    Colours are those of the modalities, or of a label's values where groups are given; then circles
    are the target's and diamonds the source's. Rings point rows out. Box and lasso give points
    whose ``customdata`` is (row, side), side 0 the target, 1 the source, 2 the corrected source.

    Parameters
    ----------
    target, source, corrected : Layer
        Of at most 50,000 rows each, on one fixed basis.
    axis_labels : (str, str)
    ranges : ((low, high), (low, high)), optional
        By default what all clouds need.
    values : sequence of str
        Names of the groups.
    """
    panels = 1 if corrected is None else 2
    titles = ("Before", "After") if corrected is not None else None
    figure = make_subplots(
        rows=1,
        cols=panels,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.02,
        subplot_titles=titles,
        x_title=as_text(axis_labels[0]),  # once: two would run into each other on a telephone
    )
    by_label = target.groups is not None or source.groups is not None
    layers = [(target, 0, TARGET, range(1, panels + 1)), (source, 1, SOURCE, (1,))]
    if corrected is not None:
        layers.append((corrected, 2, CORRECTED, (2,)))
    for layer, side, colour, where in layers:
        for panel in where:
            cloud = _cloud(layer, side, colour, by_label)
            if by_label:  # what the colours mean is said by traces of its own
                cloud.update(showlegend=False)
            else:
                cloud.update(legendgroup=f"side {side}", showlegend=panel == where[0])
            figure.add_trace(cloud, row=1, col=panel)
    if by_label:
        for trace in _legend(layers, values):
            figure.add_trace(trace, row=1, col=1)
    for layer, _, _, where in layers:
        for panel in where:
            if layer.marked is not None and len(layer.marked):
                figure.add_trace(_rings(layer), row=1, col=panel)
    every = np.concatenate([layer.xy for layer, *_ in layers])
    spans = ranges or tuple(span(every[:, axis]) for axis in (0, 1))
    figure.update_xaxes(range=spans[0])
    figure.update_yaxes(range=spans[1])
    figure.update_yaxes(title=as_text(axis_labels[1]), row=1, col=1)
    figure.update_annotations(font_size=14)
    figure = layout(figure, height=540, dragmode="lasso")
    figure.update_layout(margin={"t": 84 if panels == 2 else 56}, legend={"y": 1.06})
    return figure


def _cloud(layer: Layer, side: int, colour: str, by_label: bool) -> go.Scattergl:
    cloud = points(
        layer.xy,
        name=layer.name,
        colour=colour,
        rows=layer.rows,
        side=side,
        captions=layer.captions,
        size=4 if len(layer.xy) > 2000 else 6,
        opacity=0.6,
    )
    if by_label:
        groups = layer.groups if layer.groups is not None else np.full(len(layer.xy), -1)
        cloud.marker.update(
            color=(groups + 1).astype(np.int8),
            colorscale=_steps(),
            cmin=-0.5,
            cmax=len(PALETTE) + 0.5,
            symbol=SYMBOLS[side],
        )
    return cloud


def _steps() -> list[list[Any]]:
    """Return a colour scale of equal steps: grey, then the palette."""
    colours = (NULL, *PALETTE)
    edges = np.linspace(0, 1, len(colours) + 1)
    return [
        [float(edge), colour]
        for colour, low, high in zip(colours, edges, edges[1:], strict=False)
        for edge in (low, high)
    ]


def _legend(layers: list[Any], values: Sequence[str]) -> list[go.Scatter]:
    """Name the label's values and the sides' shapes: one trace holds all colours of a side."""
    names = list(values)
    grouped = [layer.groups for layer, *_ in layers if layer.groups is not None]
    colours = list(PALETTE[: len(names)])
    if len(grouped) < len(layers) or any((groups < 0).any() for groups in grouped):
        names, colours = [*names, "other"], [*colours, NULL]
    entries = [(name, colour, "square") for name, colour in zip(names, colours, strict=True)]
    shapes = dict.fromkeys((SYMBOLS[side], layer.name) for layer, side, *_ in layers[:2])
    entries += [(name, NULL, f"{symbol}-open") for symbol, name in shapes]
    return [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=as_text(name),
            marker={"color": colour, "size": 10, "symbol": symbol},
            hoverinfo="skip",
        )
        for name, colour, symbol in entries
    ]


def _rings(layer: Layer) -> go.Scattergl:
    assert layer.marked is not None  # noqa: S101  (asked for layers with marked rows only)
    xy = np.asarray(layer.xy)[layer.marked]
    return go.Scattergl(
        x=xy[:, 0].astype(np.float32),
        y=xy[:, 1].astype(np.float32),
        mode="markers",
        marker={"symbol": "circle-open", "size": 8, "color": RING, "line": {"width": 1}},
        showlegend=False,
        hoverinfo="skip",
    )


def coded(
    columns: Sequence[pd.Series | None],
) -> tuple[list[Rows | None], list[str]]:
    """Return numbers for the most frequent values of a label over both sides.

    Parameters
    ----------
    columns : sequence of Series of str, or None
        The label of each side's rows, where it has one.

    Returns
    -------
    codes : list of (n,) int or None
        −1 for values beyond the palette.
    values : list of str
        In the order of the numbers.
    """
    known = pd.concat([column for column in columns if column is not None])
    values = sorted(known.value_counts().index[: len(PALETTE)].tolist())
    numbers = {value: number for number, value in enumerate(values)}
    return [
        None if column is None else column.map(numbers).fillna(-1).to_numpy(np.int64)
        for column in columns
    ], values
