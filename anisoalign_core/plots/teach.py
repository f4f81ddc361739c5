"""Figures of the sample's story: a caption's pictures, cones, training, residual, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.geometry.spectrum import cumulative_energy
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.plots.ball import WORDS, Names
from anisoalign_core.plots.gap import energy
from anisoalign_core.plots.style import (
    CORRECTED,
    GAP,
    NULL,
    SOURCE,
    TARGET,
    WARNING,
    as_text,
    dots,
    layout,
    line,
    points,
    shares,
)
from anisoalign_core.teach import Bar, Claim, ConeShares

BAR_COLOURS = {
    "measured": GAP,
    "control": WARNING,
    "raw": SOURCE,
    "corrected": CORRECTED,
    "elsewhere": NULL,
    "limit": NULL,
}
RUN_COLOURS = ("#8A8A8A", "#E69F00", "#CC79A7", "#56B4E9")
"""One for each temperature: none of them is a modality's."""
CAPTION_TOP = 0.16


def caption_cosines(cosines: Float32, partner: float, nearest: Float32) -> go.Figure:
    """How near all pictures are to one caption, with its own picture and the nearest marked.

    Parameters
    ----------
    cosines : (n,) float32
        Of the caption with every picture.
    partner : float
        With its own.
    nearest : (k,) float32
        With the pictures shown, nearest first.
    """
    edges = np.linspace(-1.0, 1.0, 101)
    figure = go.Figure(shares(cosines, edges, "all pictures", TARGET))
    level = 0.06 * CAPTION_TOP
    for values, name, colour, symbol in (
        (np.asarray(nearest), "the nearest, shown here", CORRECTED, "line-ns-open"),
        (np.array([partner]), "its own picture", WARNING, "diamond"),
    ):
        figure.add_trace(
            dots(
                values,
                np.full(len(values), level),
                name,
                colour,
                "cosine %{x:.3f}",
                marker={"symbol": symbol, "size": 13, "line": {"width": 2, "color": colour}},
            )
        )
    figure.update_xaxes(title="cosine with the caption", range=[-1, 1])
    figure.update_yaxes(title="share of pictures", range=[0, CAPTION_TOP])
    return layout(figure, height=250, bargap=0)


def cone_histograms(cones: ConeShares, *, names: Names = WORDS) -> go.Figure:
    """Cosines of two different rows of each side, and of arrows that point everywhere.

    Dashed: the means. The axes stay where they are for every checkpoint.
    """
    figure = go.Figure()
    middles = (cones.edges[:-1] + cones.edges[1:]) / 2
    for values, mean, name, colour in (
        (cones.everywhere, 0.0, "arrows that point everywhere", NULL),
        (cones.target, cones.target_mean, f"two different {names[0]}", TARGET),
        (cones.source, cones.source_mean, f"two different {names[1]}", SOURCE),
    ):
        figure.add_trace(line(middles, values, name, colour, fill="tozeroy"))
        figure.add_vline(x=mean, line={"color": colour, "width": 2, "dash": "dash"})
    figure.update_xaxes(title="cosine: 1 same direction, 0 at right angles", range=[-1, 1])
    figure.update_yaxes(title="share of the pairs", range=[0, 0.25])
    return layout(figure, height=400)


def training_time(
    source_xy: Float32,
    target_xy: Float32,
    steps: Sequence[int],
    gaps: Mapping[float, Sequence[float]],
    *,
    scale: float,
    step: int,
    names: Names = WORDS,
) -> go.Figure:
    """Both clouds at one moment of training, beside the gap over time for every temperature.

    Parameters
    ----------
    source_xy, target_xy : (n, 2) float32
        On the gap's direction and one across it.
    steps : sequence of int
    gaps : mapping of logit scale to one gap per step
    scale, step : float, int
        Which checkpoint is shown.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.48, 0.52],
        horizontal_spacing=0.11,
        subplot_titles=("The clouds now", "The gap G_μ over time"),
    )
    for xy, name, colour, side in (
        (target_xy, names[0], TARGET, 0),
        (source_xy, names[1], SOURCE, 1),
    ):
        cloud = points(xy, name=name, colour=colour, side=side, size=5, opacity=0.6)
        figure.add_trace(cloud.update(hoverinfo="skip", hovertemplate=None), row=1, col=1)
    for (each, values), colour in zip(sorted(gaps.items()), RUN_COLOURS, strict=False):
        chosen = each == scale
        trace = line(steps, values, temperature_words(each), colour, mode="lines+markers")
        trace.update(opacity=1.0 if chosen else 0.75, line={"width": 4 if chosen else 2})
        figure.add_trace(trace, row=1, col=2)
    now = float(gaps[scale][list(steps).index(step)])
    figure.add_trace(
        dots(
            step,
            now,
            "now",
            NULL,
            f"step {step}: gap {now:.3g}",
            marker={"size": 17, "symbol": "circle-open", "line": {"width": 3}},
        ),
        row=1,
        col=2,
    )
    figure.update_xaxes(title="along the gap", range=[-1, 1], row=1, col=1)
    figure.update_yaxes(title="across it", range=[-1, 1], row=1, col=1)
    figure.update_xaxes(title="training steps", row=1, col=2)
    figure.update_yaxes(range=[0, 1.3], row=1, col=2)
    figure = layout(figure, height=440)
    return figure.update_layout(margin={"t": 84}, legend={"y": 1.1})


def temperature_words(scale: float) -> str:
    """Name a run by its temperature, the inverse of its logit scale."""
    return f"temperature {1 / scale:.2g}"


def residual_energy(values: Float64, repaired: Float64, count: int) -> go.Figure:
    """E(K) of the residual with its nulls, and what the first ``count`` directions hold.

    Parameters
    ----------
    values, repaired : (d,) float64
        Eigenvalues of Σ_r and of Σ_x + Σ_y, descending.
    count : int
        K, from 1.
    """
    figure = energy(values, repaired)
    held = float(cumulative_energy(values)[count - 1])
    figure.add_vline(x=count, line={"color": NULL, "width": 1, "dash": "dash"})
    figure.add_trace(
        dots(count, held, f"K = {count}", WARNING, f"K = {count}: {held:.1%}", marker={"size": 14})
    )
    figure.update_xaxes(
        title="directions K (logarithmic)",
        tickvals=[k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= len(values)],
    )
    return figure.update_layout(height=400)


def meaning_against_fit(
    kept: Float64,
    covered: Float64,
    *,
    now: tuple[float, float],
    others: Mapping[str, tuple[float, float]],
) -> go.Figure:
    """Draw what a correction keeps of the source against how well it fits the target.

    Parameters
    ----------
    kept, covered : (m,) float64
        Neighbours kept and target covered along the bound, from 0.
    now : (kept, covered)
        At the bound in force.
    others : mapping of method to (kept, covered)
    """
    figure = go.Figure(
        line(kept, covered, "along the bound", CORRECTED, mode="lines+markers", hoverinfo="skip")
    )
    places = ("bottom center", "middle left", "top center")  # from the lowest up
    ordered = sorted(others.items(), key=lambda other: other[1][1])
    for number, (name, at) in enumerate(ordered):
        figure.add_trace(
            dots(
                *at,
                "",
                NULL,
                "%{text}: kept %{x:.3f}, covered %{y:.3f}",
                mode="markers+text",
                text=[as_text(name)],
                textposition=places[min(number, 2)],
                textfont={"color": NULL},
                marker={"size": 10, "symbol": "square"},
                cliponaxis=False,
                showlegend=False,
            )
        )
    figure.add_trace(
        dots(
            *now,
            "the chosen bound",
            WARNING,
            "kept %{x:.3f}, covered %{y:.3f}",
            marker={"size": 17},
        )
    )
    figure.update_xaxes(title="meaning: share of a caption's neighbours kept (Ω)")
    figure.update_yaxes(title="fit: pictures' neighbourhoods covered (M^X)", range=[-0.1, 1.06])
    figure.update_xaxes(range=[float(min(kept.min(), 0.6)) - 0.02, 1.03])
    return layout(figure, height=440)


def claim_bars(claim: Claim) -> go.Figure:
    """Draw the numbers of a claim as bars."""
    return value_bars(claim.bars, claim.axis, claim.top)


def value_bars(bars: Sequence[Bar], axis: str, top: float) -> go.Figure:
    """Draw numbers as bars, each with its value; colours tell what each is of."""
    bars = bars[::-1]
    figure = go.Figure(
        go.Bar(
            x=[bar.value for bar in bars],
            y=[as_text(bar.label) for bar in bars],
            orientation="h",
            marker={
                "color": [BAR_COLOURS[bar.kind] for bar in bars],
                "opacity": [0.55 if bar.kind == "limit" else 0.9 for bar in bars],
            },
            text=[f"{bar.value:.3g}" for bar in bars],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title=as_text(axis), range=[0, top])
    figure.update_yaxes(ticksuffix="  ", showgrid=False)
    figure = layout(figure, height=100 + 36 * len(bars), legend=False)
    return figure.update_layout(margin={"r": 40})
