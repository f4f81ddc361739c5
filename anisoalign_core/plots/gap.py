"""Figures of the gap itself: spectra, the split into bias and residual, overlap, angles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.gap.report import GapReport
from anisoalign_core.geometry.spectrum import EIGENVALUE_FLOOR, cumulative_energy
from anisoalign_core.numerics import Float64
from anisoalign_core.plots.style import (
    GAP,
    NULL,
    RESIDUAL,
    SOURCE,
    TARGET,
    layout,
    line,
)

Names = tuple[str, str]


def spectra(
    target_values: Float64,
    source_values: Float64,
    residual_values: Float64 | None = None,
    *,
    repaired_values: Float64 | None = None,
    names: Names = ("image", "text"),
) -> go.Figure:
    """Eigenvalues of Σ_x, Σ_y and Σ_r against their rank, both logarithmic.

    Dashed grey: the residual under random re-pairing, and its isotropic level. Eigenvalues at or
    below 1e-10 are rounding and are left out.

    Parameters
    ----------
    target_values, source_values, residual_values, repaired_values : (d,) float64
        Descending.
    names : (str, str)
        Target and source modality.
    """
    figure = go.Figure()
    curves: list[tuple[Float64 | None, str, str, str]] = [
        (target_values, names[0], TARGET, "solid"),
        (source_values, names[1], SOURCE, "solid"),
        (residual_values, "residual of pairs", RESIDUAL, "solid"),
        (repaired_values, "residual, re-paired at random", NULL, "dash"),
    ]
    for values, name, colour, dash in curves:
        if values is None:
            continue
        keep = values > EIGENVALUE_FLOOR
        ranks = np.arange(1, len(values) + 1)[keep]
        figure.add_trace(line(ranks, values[keep], name, colour, dash=dash))
    level = residual_values if residual_values is not None else target_values
    what = "residual" if residual_values is not None else names[0]
    figure.add_trace(
        line([1, len(level)], [level.mean()] * 2, f"{what}, if isotropic", NULL, dash="dot")
    )
    figure.update_xaxes(type="log", title="rank of the direction", dtick=1)
    figure.update_yaxes(type="log", title="variance (eigenvalue)", exponentformat="power", dtick=1)
    return layout(figure, height=430)


def bias_and_residual(report: GapReport) -> go.Figure:
    """One bar: the mean squared distance of partners, split into ``G_μ²`` and ``tr Σ_r``.

    Raises
    ------
    ValueError
        If the report is of an unpaired set, which has no residual.
    """
    if report.residual is None:
        raise ValueError("An unpaired set has no residual to draw.")
    bias, rest = report.bias.centroid_gap.value**2, report.residual.trace
    figure = go.Figure()
    for value, name, colour in (
        (bias, "bias: squared gap between the means", GAP),
        (rest, "residual: differs from pair to pair", RESIDUAL),
    ):
        figure.add_trace(
            go.Bar(
                x=[value],
                y=[""],
                name=name,
                orientation="h",
                marker={"color": colour},
                text=[f"{value:.3g}  ({value / (bias + rest):.0%})"],
                textposition="inside",
                insidetextanchor="middle",
                textfont={"color": "#1b1f24", "size": 15},
                hoverinfo="name+x",
            )
        )
    figure.update_yaxes(visible=False)
    figure.update_xaxes(title="mean squared distance between partners")
    figure = layout(figure, height=190, barmode="stack")
    return figure.update_layout(legend_traceorder="normal")


def energy(residual_values: Float64, repaired_values: Float64) -> go.Figure:
    """E(K), the share of the residual's variance in its K leading directions, with both nulls."""
    d = len(residual_values)
    ranks = np.arange(1, d + 1)
    figure = go.Figure(
        [
            line(ranks, cumulative_energy(residual_values), "residual of pairs", RESIDUAL),
            line(
                ranks, cumulative_energy(repaired_values), "re-paired at random", NULL, dash="dash"
            ),
            line(ranks, ranks / d, "isotropic", NULL, dash="dot"),
        ]
    )
    figure.update_xaxes(title="directions K", type="log")
    figure.update_yaxes(title="share of variance E(K)", range=[0, 1.02])
    return layout(figure)


def overlap(
    values: Float64,
    *,
    ceiling: tuple[Sequence[int], Sequence[float]],
    names: Names = ("image", "text"),
) -> go.Figure:
    """O_q of the leading q directions of both modalities, between chance and ceiling.

    Parameters
    ----------
    values : (k,) float64
        O_q for q = 1 … k.
    ceiling : (ranks, values)
        O_q between two halves of one modality, at a few q.
    """
    d_ranks = np.arange(1, len(values) + 1)
    figure = go.Figure([line(d_ranks, values, f"{names[0]} and {names[1]}", RESIDUAL)])
    figure.add_trace(
        line(ceiling[0], ceiling[1], "two halves of one modality", NULL, mode="lines+markers")
    )
    figure.update_xaxes(title="leading directions q")
    figure.update_yaxes(title="overlap O_q", range=[0, 1.02])
    return layout(figure)


def add_random_overlap(figure: go.Figure, dim: int, last: int) -> go.Figure:
    """Add the line q/d that random frames of ``dim`` dimensions would give."""
    figure.add_trace(line([1, last], [1 / dim, last / dim], "random frames", NULL, dash="dot"))
    return figure


def angles(radians: Float64) -> go.Figure:
    """Principal angles between the leading subspaces, in degrees, smallest first."""
    figure = go.Figure(
        go.Bar(
            x=np.arange(1, len(radians) + 1),
            y=np.degrees(radians),
            marker={"color": RESIDUAL},
            hovertemplate="angle %{x}: %{y:.1f}°<extra></extra>",
        )
    )
    figure.update_xaxes(title="angle number")
    figure.update_yaxes(title="degrees", range=[0, 92], tickvals=[0, 30, 60, 90])
    return layout(figure, legend=False)


def few_coordinates(shares: Sequence[float]) -> go.Figure:
    """Cumulative share of ``‖Δ‖²`` in the k largest raw coordinates [TE]."""
    figure = go.Figure(
        go.Bar(
            x=np.arange(1, len(shares) + 1),
            y=np.asarray(shares),
            marker={"color": GAP},
            text=[f"{share:.0%}" for share in shares],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="largest raw coordinates of the gap", dtick=1)
    figure.update_yaxes(title="share of the squared gap", range=[0, 1.12])
    return layout(figure, legend=False)


def directional_ratio(ratios: Float64) -> go.Figure:
    """ν per direction: below 1 the modalities share it, at 1 they ignore, above they oppose.

    Parameters
    ----------
    ratios : (r,) float64
        Ascending.
    """
    figure = go.Figure(
        go.Bar(
            x=np.arange(1, len(ratios) + 1),
            y=ratios - 1.0,
            base=1.0,
            marker={"color": np.where(ratios < 1, GAP, RESIDUAL)},
            hovertemplate="direction %{x}: ν = %{customdata:.3f}<extra></extra>",
            customdata=ratios,
        )
    )
    figure.add_hline(y=1.0, line={"color": NULL, "dash": "dash"})
    top = max(1.25, float(ratios.max()) * 1.05)
    figure.update_xaxes(title="direction, most shared first")
    figure.update_yaxes(title="ν: shared < 1 < opposed", range=[0, top])
    return layout(figure, legend=False)
