"""Figure of a budget of pairs: what few pairs give, against what none gives."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anisoalign_core.compare.pair_budget import SCORES, PairBudget
from anisoalign_core.plots.leaderboard import axis_title
from anisoalign_core.plots.style import CORRECTED, GAP, RESIDUAL, WARNING, layout, line

COLOURS = (RESIDUAL, WARNING, GAP)
DASHES = ("solid", "dash", "dot")


def pair_budget_figure(budget: PairBudget) -> go.Figure:
    """One panel per score over the number of pairs; see :meth:`PairBudget.plot`.

    Lines are means over the splits with 95 % intervals; the green line is the method that was
    given no pairs, and its band its interval.
    """
    figure = make_subplots(
        rows=1,
        cols=len(SCORES),
        subplot_titles=[axis_title(metric) for metric in SCORES],
        horizontal_spacing=0.07,
    )
    for column, metric in enumerate(SCORES, start=1):
        base = budget.baseline_score(metric)
        low, high = base.limits
        ends = [budget.sizes[0], budget.sizes[-1]]
        named = f"{budget.baseline.label}, no pairs"
        level = line(
            ends,
            [base.value] * 2,
            named,
            CORRECTED,
            mode="lines+markers" if ends[0] == ends[1] else "lines",
            legendgroup="baseline",
            showlegend=column == 1,
        )
        figure.add_trace(level, row=1, col=column)
        for number, one in enumerate(budget.methods):
            found = budget.scores(one.name, metric)
            colour = COLOURS[number % len(COLOURS)]
            curve = line(
                budget.sizes,
                [score.value for score in found],
                one.label,
                colour,
                dash=DASHES[number // len(COLOURS) % len(DASHES)],
                mode="lines+markers",
                legendgroup=one.name,
                showlegend=column == 1,
                error_y={
                    "array": [score.limits[1] - score.value for score in found],
                    "arrayminus": [score.value - score.limits[0] for score in found],
                    "color": colour,
                    "thickness": 1,
                },
                hovertemplate="%{x:,} pairs: %{y:.3g}<extra></extra>",
            )
            figure.add_trace(curve, row=1, col=column)
        figure.add_hrect(  # after the lines: an empty panel would get none
            y0=low,
            y1=high,
            fillcolor=CORRECTED,
            opacity=0.12,
            line={"width": 0},
            row=1,
            col=column,
        )
    figure.update_xaxes(
        type="log", title="pairs fitted", tickvals=budget.sizes, tickformat=",", minor={"ticks": ""}
    )
    figure.update_annotations(font={"size": 12}, yshift=2)
    layout(figure, height=400)
    return figure.update_layout(margin={"t": 84}, legend={"y": 1.12})
