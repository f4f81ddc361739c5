"""Figures of blockwise phases: histograms, couplings and their graph, one block's arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.numerics import Float64
from anisoalign_core.plots.style import (
    CORRECTED,
    NULL,
    SOURCE,
    TARGET,
    Points,
    as_text,
    dots,
    layout,
    line,
)

PHASE_BINS = 24
PHASE_COLUMNS = 4
EDGE_WIDTHS = 5
LABELLED_BLOCKS = 48
ARROW_ROOM = 1.15


def phase_histograms(
    phases: Sequence[tuple[str, Points]], blocks: Sequence[int], *, bins: int = PHASE_BINS
) -> go.Figure:
    """Histograms of the phases of some blocks, one panel each, under one scale.

    Parameters
    ----------
    phases : three (name, (n, m) array) pairs
        Target, start and corrected, in this order: it fixes their colours.
    blocks : sequence of int
        Blocks to draw, from 0.
    bins : int, default 24
    """
    columns = min(PHASE_COLUMNS, len(blocks))
    rows = -(-len(blocks) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=min(0.14, 0.3 / rows),
        subplot_titles=[f"block {block + 1}" for block in blocks],
    )
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    highest = 0.0
    for panel, block in enumerate(blocks):
        place = {"row": panel // columns + 1, "col": panel % columns + 1}
        for (name, values), colour in zip(phases, (TARGET, SOURCE, CORRECTED), strict=True):
            counts = np.histogram(values[:, block], bins=edges)[0]
            share = counts / max(counts.sum(), 1)
            highest = max(highest, float(share.max()))
            figure.add_trace(
                line(
                    centres,
                    share,
                    name,
                    colour,
                    legendgroup=name,
                    showlegend=panel == 0,
                    line_shape="hvh",
                    hovertemplate="%{x:.2f} rad: %{y:.3f}<extra></extra>",
                ),
                **place,
            )
        figure.add_hline(y=1 / bins, line={"color": NULL, "dash": "dot", "width": 1}, **place)
    figure.update_xaxes(
        range=[-np.pi, np.pi], tickvals=[-np.pi, 0, np.pi], ticktext=["−π", "0", "π"]
    )
    # not left to plotly: it finds no range for matched axes that also hold a reference line
    figure.update_yaxes(range=[0, 1.08 * max(highest, 1.2 / bins)], nticks=4)
    figure.update_yaxes(title="share", col=1)
    figure = layout(figure, height=120 + 150 * rows)
    figure.update_layout(margin={"t": 74}, legend={"y": 1 + 34 / (150 * rows)})
    return figure


def coupling_graph(statistics: PhaseStatistics) -> go.Figure:
    """Blocks on a circle, joined where a coupling is kept; the wider, the stronger.

    Parameters
    ----------
    statistics : PhaseStatistics
        Edges are drawn by ``|A_kl|``, from the weakest kept to the strongest.
    """
    m = statistics.blocks
    turn = np.pi / 2 - 2 * np.pi * np.arange(m) / m
    places = np.column_stack([np.cos(turn), np.sin(turn)])
    edges = statistics.edges
    strength = np.abs(statistics.graph[edges[:, 0], edges[:, 1]])
    figure = go.Figure()
    if len(edges):
        low, high = float(strength.min()), float(strength.max())
        share = (strength - low) / (high - low) if high > low else np.ones(len(edges))
        group = np.minimum((share * EDGE_WIDTHS).astype(int), EDGE_WIDTHS - 1)
        for number in np.unique(group):
            some = edges[group == number]
            path = _segments(places[some[:, 0]], places[some[:, 1]])
            words = f"couplings of about {strength[group == number].mean():.2g}"
            trace = line(path[:, 0], path[:, 1], words, TARGET, hoverinfo="skip")
            trace.update(
                line={"width": 0.8 + 1.3 * float(number)}, opacity=0.35 + 0.13 * float(number)
            )
            figure.add_trace(trace)
    partners = np.bincount(edges.ravel(), minlength=m)
    energy = statistics.weight / statistics.weight.max()
    figure.add_trace(
        dots(
            places[:, 0],
            places[:, 1],
            "",
            TARGET,
            "block %{customdata[0]}: length of its mean %{customdata[1]:.3g}, "
            "%{customdata[2]} partners",
            marker={"size": 8 + 12 * np.sqrt(energy), "opacity": 1.0},
            customdata=np.column_stack([np.arange(1, m + 1), np.abs(statistics.mean), partners]),
            showlegend=False,
        )
    )
    if m <= LABELLED_BLOCKS:
        figure.add_trace(
            dots(
                1.16 * places[:, 0],
                1.16 * places[:, 1],
                "",
                NULL,
                mode="text",
                text=[str(k + 1) for k in range(m)],
                showlegend=False,
            )
        )
    hidden: dict[str, Any] = {"visible": False, "range": [-1.3, 1.3], "constrain": "domain"}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    return layout(figure, height=440, legend=False, dragmode=False)


def _segments(start: Points, end: Points) -> Float64:
    """Points of separate segments, with a gap after each, (3n, 2)."""
    gap = np.full(start.shape, np.nan)
    return np.stack([start, end, gap], axis=1).reshape(-1, 2)


def couplings(statistics: PhaseStatistics) -> go.Figure:
    """Uncentred couplings against the means alone, and centred ones against their null.

    A point is a pair of blocks. On the dotted line of the left panel a coupling says nothing that
    the two means do not; above that of the right panel it exceeds three standard deviations of
    independent phases.
    """
    upper = np.triu_indices(statistics.blocks, 1)
    kept = np.zeros((statistics.blocks, statistics.blocks), dtype=bool)
    kept[statistics.edges[:, 0], statistics.edges[:, 1]] = True
    length = np.abs(statistics.mean)
    panels = (
        (np.outer(length, length)[upper], np.abs(statistics.coupling)[upper]),
        (statistics.null[upper], np.abs(statistics.centred_coupling)[upper]),
    )
    figure = make_subplots(
        rows=1,
        cols=2,
        horizontal_spacing=0.16,
        subplot_titles=("As published: uncentred", "Centred"),
    )
    groups = (("in the graph", kept[upper], TARGET), ("left out", ~kept[upper], NULL))
    for column, (x, y) in enumerate(panels, start=1):
        for name, chosen, colour in groups:
            figure.add_trace(
                dots(
                    x[chosen],
                    y[chosen],
                    name,
                    colour,
                    "blocks %{customdata[0]} and %{customdata[1]}: %{y:.3g}, against %{x:.3g}",
                    legendgroup=name,
                    showlegend=column == 1,
                    marker={"size": 6, "opacity": 0.7},
                    customdata=np.column_stack(upper)[chosen] + 1,
                ),
                row=1,
                col=column,
            )
        top = 1.05 * float(max(x.max(initial=0.0), 1e-3))
        figure.add_trace(
            line([0, top], [0, top], "equal", NULL, dash="dot", showlegend=column == 1),
            row=1,
            col=column,
        )
        figure.update_xaxes(rangemode="tozero", row=1, col=column)
        figure.update_yaxes(rangemode="tozero", row=1, col=column)
    figure.update_xaxes(title="from means, |m_k||m_l|", row=1, col=1)
    figure.update_yaxes(title="coupling |M_kl|", row=1, col=1)
    figure.update_xaxes(title="by chance, 3σ", row=1, col=2)
    figure.update_yaxes(title="centred coupling |C_kl|", row=1, col=2)
    figure = layout(figure, height=400)
    figure.update_layout(margin={"t": 74}, legend={"y": 1.1})
    return figure


def block_arrows(
    start: Points,
    corrected: Points,
    target: Points,
    *,
    names: tuple[str, str] = ("image", "text"),
    anchor: complex | None = None,
    rows: npt.NDArray[np.integer[Any]] | None = None,
) -> go.Figure:
    """Arrows from start to corrected in the plane of one block, over the target's rows.

    Parameters
    ----------
    start, corrected : (n, 2) arrays
        The same rows in coordinates ``(a_k, b_k)``.
    target : (m, 2) array
        Target rows in the same coordinates.
    names : (str, str)
        Target and source.
    anchor : complex, optional
        ``m_k``, the target's mean phase: drawn as a line of length ``|m_k|`` times the largest
        target radius.
    rows : (n,) int, optional
        Row numbers of the source, for hovering.
    """
    figure = go.Figure(
        go.Scatter(
            x=target[:, 0].astype(np.float32),
            y=target[:, 1].astype(np.float32),
            mode="markers",
            name=as_text(names[0]),
            marker={"color": TARGET, "size": 5, "opacity": 0.35},
            hoverinfo="skip",
        )
    )
    numbers = np.arange(len(start)) if rows is None else np.asarray(rows)
    sizes = np.tile([5.0, 8.0, 0.0], len(start))
    path = _segments(start, corrected)
    figure.add_trace(
        go.Scatter(
            x=path[:, 0].astype(np.float32),
            y=path[:, 1].astype(np.float32),
            mode="lines+markers",
            name=f"{as_text(names[1])}, corrected",
            line={"color": CORRECTED, "width": 1},
            marker={
                "color": CORRECTED,
                "size": sizes,
                "symbol": np.tile(["circle", "arrow", "circle"], len(start)),
                "angleref": "previous",
            },
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        dots(
            start[:, 0],
            start[:, 1],
            f"{names[1]}, start",
            SOURCE,
            "row %{customdata[0]}",
            marker={"size": 4, "opacity": 0.7},
            customdata=numbers[:, None],
        )
    )
    radius = float(np.linalg.norm(np.concatenate([start, target]), axis=1).max(initial=1e-6))
    if anchor is not None:
        largest = float(np.linalg.norm(target, axis=1).max(initial=1e-6))
        figure.add_trace(
            line(
                [0, largest * anchor.real],
                [0, largest * anchor.imag],
                f"mean phase of {names[0]}",
                TARGET,
                mode="lines",
            ).update(line={"width": 4})
        )
    moved = float(np.linalg.norm(corrected, axis=1).max(initial=0.0))
    reach = ARROW_ROOM * max(radius, moved)
    figure.update_xaxes(title="first coordinate of the block, a", range=[-reach, reach])
    figure.update_yaxes(
        title="second coordinate, b", range=[-reach, reach], scaleanchor="x", constrain="domain"
    )
    figure = layout(figure, height=520)
    figure.update_xaxes(constrain="domain")
    return figure
