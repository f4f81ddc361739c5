"""The figure of a training: its losses, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.numerics import Float64
from anisoalign_core.plots.style import (
    CORRECTED,
    GAP,
    NULL,
    RESIDUAL,
    SOURCE,
    TARGET,
    WARNING,
    layout,
    line,
)

LOSS_POINTS = 150
"""Points drawn of one loss curve; each is the mean over its share of the steps."""
LOSS_STEPS, LOSS_ALONE = 5, 50
"""Steps that a point holds at least, once there are more than the second."""
STAGE_II = {  # loss: words, colour
    "phase": ("relations between phases, L_Φ", GAP),
    "gram": ("cosines between rows", SOURCE),
    "distribution": ("sliced distance to the target", RESIDUAL),
    "energy": ("energy distance to the target", TARGET),
    "neighbours": ("neighbours lost", SOURCE),
    "moments": ("moments outside the blocks", WARNING),
    "magnitude": ("size of the steps", NULL),
}


def losses(
    values: Mapping[str, Sequence[float]], steps: tuple[int, int], *, check_every: int = 50
) -> go.Figure:
    """Losses of both stages: against knowing nothing (left), and the others of Stage II (right).

    Without Stage I there is no prior, and only the right panel.

    Parameters
    ----------
    values : mapping of name to one value per step
        ``AnisoAlign.losses_``, also while it grows.
    steps : (int, int)
        Steps of Stage I and of Stage II, so that the axes stay put while training.
    check_every : int, default 50
        Steps between two values of ``stage_1_unseen``; the last belongs to the last step.
    """
    has_prior = steps[0] > 0 or "prior" in values
    titles: tuple[str, ...] = ("Losses of the refinement",)
    if has_prior:
        titles = ("Phases (1: knows nothing)", "Other losses")
    figure = make_subplots(rows=1, cols=len(titles), horizontal_spacing=0.14, subplot_titles=titles)
    if has_prior:
        _phase_losses(figure, values, steps, check_every)
    place = {"row": 1, "col": len(titles)}
    figure.add_trace(line([], [], "", NULL, showlegend=False), **place)  # axes from the start
    for name, (words, colour) in STAGE_II.items():
        if name in values:
            at, mean = _thinned(values[name])
            figure.add_trace(line(at + steps[0], mean, words, colour), **place)
    figure.update_xaxes(title="step", range=[steps[0], sum(steps)], **place)
    figure.update_yaxes(title="loss", rangemode="tozero", **place)
    figure = layout(figure, height=360)
    figure.update_layout(margin={"t": 40, "b": 110}, legend={"y": -0.24, "yanchor": "top"})
    return figure


def _phase_losses(
    figure: go.Figure,
    values: Mapping[str, Sequence[float]],
    steps: tuple[int, int],
    check_every: int,
) -> None:
    """Draw what is measured against an uninformed baseline, in the first panel."""
    place = {"row": 1, "col": 1}
    if "stage_1" in values:
        at, mean = _thinned(values["stage_1"])
        figure.add_trace(line(at, mean, "Stage I, the prior", TARGET), **place)
    if "stage_1_unseen" in values:
        unseen = values["stage_1_unseen"]
        done = len(values.get("stage_1", unseen))
        at = np.minimum(np.arange(len(unseen)) * check_every + 1.0, max(done, 1))
        name = "the prior, on rows it has not seen"
        figure.add_trace(line(at, unseen, name, TARGET, dash="dot", mode="lines+markers"), **place)
    if "prior" in values:
        at, mean = _thinned(values["prior"])
        name = "Stage II, corrected rows, L_II"
        figure.add_trace(line(at + steps[0], mean, name, CORRECTED), **place)
    figure.add_hline(y=1.0, line={"color": NULL, "dash": "dot", "width": 1}, **place)
    figure.add_vline(x=steps[0], line={"color": NULL, "dash": "dash", "width": 1}, **place)
    figure.update_xaxes(title="step", range=[0, sum(steps)], **place)
    figure.update_yaxes(title="loss over its baseline", rangemode="tozero", **place)


def _thinned(values: Sequence[float]) -> tuple[Float64, Float64]:
    """Return the last step of equal shares of the steps, and means over them: batches are noisy."""
    every = np.asarray(values, dtype=np.float64)
    count = min(LOSS_POINTS, len(every) // LOSS_STEPS)
    parts = np.array_split(every, count if len(every) > LOSS_ALONE else max(len(every), 1))
    ends = np.cumsum([len(part) for part in parts], dtype=np.float64)
    return ends, np.array([part.mean() if len(part) else np.nan for part in parts])
