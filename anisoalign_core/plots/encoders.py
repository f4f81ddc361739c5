"""Several encoders in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.numerics import Float64
from anisoalign_core.plots.explore import PALETTE
from anisoalign_core.plots.style import NULL, as_text, layout, line

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
