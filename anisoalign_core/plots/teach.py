"""Figures of the sample's story: a caption's pictures, cones, training, residual, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.numerics import Float32
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
from anisoalign_core.teach import Bar, Claim

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


def temperature_words(scale: float) -> str:
    """Name a run by its temperature, the inverse of its logit scale."""
    return f"temperature {1 / scale:.2g}"


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


def landing_in_plane(
    pictures: Float32,
    captions: Float32,
    caption: tuple[Float32, Float32],
    nearest: Float32,
    *,
    axis_labels: tuple[str, str],
) -> go.Figure:
    """One caption before and after a correction, among pictures and captions, on two directions.

    Parameters
    ----------
    pictures, captions : (n, 2) float32
    caption : ((2,), (2,)) float32
        The caption before and after.
    nearest : (k, 2) float32
        The pictures nearest to it after the correction.
    axis_labels : (str, str)
    """
    before, after = caption
    figure = go.Figure(
        [
            points(pictures, name="pictures", colour=TARGET, opacity=0.25),
            points(captions, name="captions", colour=SOURCE, opacity=0.25),
            line([before[0], after[0]], [before[1], after[1]], "its way", NULL, hoverinfo="skip"),
            dots(
                nearest[:, 0],
                nearest[:, 1],
                "nearest pictures",
                TARGET,
                marker={"symbol": "circle-open", "size": 13, "line": {"width": 2}},
            ),
        ]
    )
    for at, name, colour in ((before, "yours", SOURCE), (after, "yours, corrected", CORRECTED)):
        figure.add_trace(
            dots(
                at[0],
                at[1],
                name,
                colour,
                marker={
                    "symbol": "diamond",
                    "size": 16,
                    "line": {"width": 2, "color": "#ffffff"},
                },
            )
        )
    figure.update_xaxes(title=axis_labels[0])
    figure.update_yaxes(title=axis_labels[1])
    return layout(figure, height=420)


def vote_bars(options: Sequence[str], counts: Sequence[int], found: int | None = None) -> go.Figure:
    """Draw how many chose each option.

    Parameters
    ----------
    options : sequence of str
    counts : sequence of int
    found : int, optional
        The option that holds, or is nearest to what is: drawn in full.
    """
    filled = [0.9 if number == found else 0.4 for number in range(len(options))]
    figure = go.Figure(
        go.Bar(
            x=[as_text(option) for option in options],
            y=list(counts),
            marker={"color": GAP, "opacity": filled},
            text=[str(count) if count else "" for count in counts],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(type="category")
    most = max(*counts, 1)
    figure.update_yaxes(title="votes", range=[0, 1.2 * most], dtick=max(1, round(most / 4)))
    return layout(figure, height=230, legend=False)


def gap_over_time(
    steps: Sequence[int], gaps: Mapping[float, Sequence[float]], *, scale: float
) -> go.Figure:
    """Draw the gap over training time for every temperature.

    Parameters
    ----------
    steps : sequence of int
    gaps : mapping of logit scale to one gap per step
    scale : float
        Which run is emphasised.
    """
    figure = go.Figure()
    for (each, values), colour in zip(sorted(gaps.items()), RUN_COLOURS, strict=False):
        chosen = each == scale
        trace = line(steps, values, temperature_words(each), colour, mode="lines+markers")
        figure.add_trace(
            trace.update(opacity=1.0 if chosen else 0.75, line={"width": 4 if chosen else 2})
        )
    figure.update_xaxes(title="training steps")
    figure.update_yaxes(title="gap G_μ", range=[0, 1.3])
    return layout(figure, height=340)
