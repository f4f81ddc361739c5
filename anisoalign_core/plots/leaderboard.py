"""Figures of a leaderboard: what methods buy and cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.compare.entries import BASELINE, CEILING, Entry
from anisoalign_core.compare.results import Leaderboard
from anisoalign_core.compare.use.gallery import SHARES, chance_ndcg
from anisoalign_core.compare.use.uses import described
from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.plots.style import (
    CORRECTED,
    GAP,
    NULL,
    RESIDUAL,
    SOURCE,
    TARGET,
    WARNING,
    as_text,
    dots,
    layout,
    line,
)

COLOURS = (CORRECTED, TARGET, RESIDUAL, WARNING, GAP, NULL)
PLOT_PIXELS = np.array([480.0, 360.0])
"""A cautious guess of the area between the axes, in which names must not cover each other."""
CHARACTER_PIXELS = 6.5
TITLE_LINE = 44
"""Letters in a line of an axis' title."""
DASHES = ("solid", "dash", "dot", "dashdot")
ROLE_MARKS = {
    "floor": ("square", SOURCE),
    "method": ("circle", CORRECTED),
    "reference": ("diamond", RESIDUAL),
    "control": ("x", NULL),
    "ceiling": ("star", TARGET),
}
ROLE_WORDS = {
    "floor": "floor",
    "method": "reads no pairs",
    "reference": "learns from pairs",
    "control": "control",
    "ceiling": "ceiling",
}


def axis_title(metric: str) -> str:
    """Words, symbol, and which way is better; in lines that fit a telephone."""
    shown = described(metric)
    arrow = {"higher": " ↑", "lower": " ↓", "neutral": ""}[shown.direction]
    symbol = "" if shown.symbol.lower() in shown.label.lower() else f" ({shown.symbol})"
    lines = wrap(f"{shown.label}{symbol}{arrow}", TITLE_LINE)
    return "<br>".join(map(as_text, lines))


def tradeoff_board(
    board: Leaderboard, semantics: str = "omega", support: str = "mixing_coverage"
) -> go.Figure:
    """Support against semantics: one mark per method, one curve per method that has a dial.

    Parameters
    ----------
    board : Leaderboard
    semantics, support : str
        Metrics on the axes. Curves are drawn for the metrics that they hold.
    """
    figure = go.Figure()
    for number, (name, curve) in enumerate(board.curves.items()):
        if semantics not in curve.scores or support not in curve.scores:
            continue
        figure.add_trace(
            line(
                curve.scores[semantics].mean(axis=0),
                curve.scores[support].mean(axis=0),
                f"{_family(board.named(name))}, {curve.label}",
                COLOURS[number % len(COLOURS)],
                dash=DASHES[number % len(DASHES)],
                mode="lines+markers",
                marker={"size": 4},
                customdata=curve.values,
                hovertemplate=as_text(curve.label) + " %{customdata:.3g}<extra></extra>",
            )
        )
    places = _label_places(board, semantics, support)
    for role, (symbol, colour) in ROLE_MARKS.items():
        shown = [
            one
            for one in board.ranked
            if one.role == role and board.has(one.name, semantics) and board.has(one.name, support)
        ]
        if not shown:
            continue
        across = [board.score(one.name, semantics) for one in shown]
        up = [board.score(one.name, support) for one in shown]
        figure.add_trace(
            dots(
                [found.value for found in across],
                [found.value for found in up],
                ROLE_WORDS[role],
                colour,
                "%{customdata}: %{x:.3g}, %{y:.3g}",
                error_x=_bars(across, colour),
                error_y=_bars(up, colour),
                mode="markers+text",
                text=[_short(one) if one.name in places else "" for one in shown],
                customdata=[as_text(one.label) for one in shown],
                textposition=[places.get(one.name, "top center") for one in shown],
                textfont={"size": 11},
                marker={"symbol": symbol, "size": 11},
            )
        )
    if board.has(CEILING, support):
        figure.add_hline(
            y=board.score(CEILING, support).value,
            line={"color": TARGET, "dash": "dot", "width": 1},
            annotation={"text": "target's own rows", "font": {"size": 11}},
            annotation_position="bottom right",
        )
    figure.update_xaxes(title=axis_title(semantics))
    figure.update_yaxes(title=axis_title(support))
    layout(figure, height=560)
    figure.update_layout(legend={"y": -0.16, "yanchor": "top"}, margin={"t": 24, "b": 120})
    return figure


def answers(board: Leaderboard, metric: str) -> go.Figure:
    """Difference of every entry to ReAlign on one metric, with its interval.

    Parameters
    ----------
    board : Leaderboard
    metric : str
    """
    shown = [one for one in board.ranked if one.name != BASELINE and board.has(one.name, metric)]
    gaps = [board.difference(one.name, metric) for one in shown]
    figure = go.Figure()
    for answer, colour, words in (
        ("better", CORRECTED, "better than ReAlign"),
        ("worse", SOURCE, "worse"),
        ("cannot tell", NULL, "cannot be told apart"),
        (None, NULL, "a control, or no better side"),
    ):
        rows = [n for n, one in enumerate(shown) if board.race(one.name, metric) == answer]
        if not rows:
            continue
        figure.add_trace(
            go.Scatter(
                x=[gaps[n].value for n in rows],
                y=[as_text(shown[n].label) for n in rows],
                error_x=_bars([gaps[n] for n in rows], colour),
                mode="markers",
                name=words,
                marker={"color": colour, "size": 10, "symbol": _symbol(answer)},
                hovertemplate="%{y}: %{x:+.3g}<extra></extra>",
            )
        )
    figure.add_vline(x=0.0, line={"color": NULL, "width": 1})
    figure.update_xaxes(title=f"{axis_title(metric)}<br>minus ReAlign's")
    figure.update_yaxes(
        categoryorder="array", categoryarray=[as_text(one.label) for one in shown][::-1]
    )
    return layout(figure, height=140 + 26 * len(shown))


def mixed_gallery(board: Leaderboard, names: Sequence[str]) -> go.Figure:
    """nDCG@10 of the true target row while the share of target rows in the gallery grows.

    Parameters
    ----------
    board : Leaderboard
    names : sequence of str
        Entries to draw.
    """
    figure = go.Figure()
    drawn = [name for name in names if name in board.mixed]
    for number, name in enumerate(drawn):
        one = board.named(name)
        colour = SOURCE if one.role == "floor" else COLOURS[number % len(COLOURS)]
        figure.add_trace(
            line(
                np.array(SHARES),
                board.mixed[name].mean(axis=0),
                one.label,
                colour,
                dash=DASHES[number // len(COLOURS) % len(DASHES)],
                mode="lines+markers",
            )
        )
    figure.add_trace(
        line(
            np.array(SHARES[1:]),
            chance_ndcg(board.setting.rows["source"])[1:],
            "telling modalities apart, no more",
            NULL,
            dash="dash",
        )
    )
    figure.update_xaxes(title="share of target rows in the gallery", range=[-0.02, 1.02])
    figure.update_yaxes(title="nDCG@10 of the true target row", rangemode="tozero")
    return layout(figure, height=420)


def _bars(found: Sequence[Interval], colour: str) -> dict[str, object] | None:
    if any(one.low is None or one.high is None for one in found):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [(one.high or 0.0) - one.value for one in found],
        "arrayminus": [one.value - (one.low or 0.0) for one in found],
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def _label_places(board: Leaderboard, semantics: str, support: str) -> dict[str, str]:
    """Where each name fits beside its mark without covering another; crowded ones stay on hover."""
    shown = [o for o in board.ranked if board.has(o.name, semantics) and board.has(o.name, support)]
    if not shown:
        return {}
    at = np.array([[board.score(o.name, m).value for m in (semantics, support)] for o in shown])
    span = np.maximum(np.ptp(at, axis=0), 1e-9)
    pixels = (at - at.min(axis=0)) / span * PLOT_PIXELS
    taken = [np.array([x - 7, y - 7, x + 7, y + 7]) for x, y in pixels]
    found: dict[str, str] = {}
    for one, (x, y) in zip(shown, pixels, strict=True):
        width = CHARACTER_PIXELS * len(_short(one))
        boxes = {
            "top center": (x - width / 2, y + 8, x + width / 2, y + 22),
            "bottom center": (x - width / 2, y - 22, x + width / 2, y - 8),
            "middle left": (x - width - 9, y - 6, x - 9, y + 7),
            "middle right": (x + 9, y - 6, x + width + 9, y + 7),
        }
        for place, box in boxes.items():
            inside = box[0] > -30 and box[2] < PLOT_PIXELS[0] + 30
            clear = all(
                box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in taken
            )
            if inside and clear:
                found[one.name] = place
                taken.append(np.array(box))
                break
    return found


def _symbol(answer: str | None) -> str:
    return {"better": "triangle-right", "worse": "triangle-left"}.get(answer or "", "circle")


def _family(one: Entry) -> str:
    """Name of a method without the parameters that its curve runs over."""
    return one.label if one.parameters.get("variant") else one.label.partition(" (")[0]


def _short(one: Entry) -> str:
    known = {"Gaussian optimal transport": "Gaussian OT", "BoundedTransport": "Bounded"}
    label = one.label
    for long, short in known.items():
        label = label.replace(long, short)
    return as_text(label)
