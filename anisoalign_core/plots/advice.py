"""The figure of an advice: what a choice gains over doing nothing and over ReAlign, how surely."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from anisoalign_core.compare.advice import Advice
from anisoalign_core.compare.answer import Candidate
from anisoalign_core.compare.entries import BASELINE, FLOOR
from anisoalign_core.compare.purposes import PURPOSES
from anisoalign_core.compare.use.uses import described
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.plots.style import CORRECTED, NULL, TARGET, as_text, dots, layout

AS_CHOSEN = "chosen on other rows"
OVER = (
    ("over doing nothing", FLOOR, CORRECTED, "circle", 0.14),
    ("over ReAlign", BASELINE, TARGET, "diamond", -0.14),
)
"""Words, entry, colour, mark, and how far above its row a mark stands."""
LONGEST = 34


def gains(advice: Advice, purpose: str) -> go.Figure:
    """Gain of the choice, of the best and of the runner-up for one purpose, with intervals.

    The first row is that of choosing on other rows, split by split, which the advice tells; the
    others are of single candidates, named after all scores were seen.

    Parameters
    ----------
    advice : Advice
        With two finished splits at least.
    purpose : str
        One of its purposes.
    """
    answer, measure = advice.answer(purpose), PURPOSES[purpose].measures[0]
    two = [one for one in (answer.best, answer.runner_up) if one != Candidate(FLOOR, measure)]
    names = [AS_CHOSEN, *(_named(advice, one) for one in two)]
    figure = go.Figure()
    for number, (words, rival, colour, symbol, above) in enumerate(OVER):
        found = [
            (answer.over_nothing, answer.over_baseline)[number],
            *(candidate_gain(advice, purpose, one, rival) for one in two),
        ]
        figure.add_trace(
            dots(
                [gain.value for gain in found],
                [above - row for row in range(len(found))],
                words,
                colour,
                "%{customdata}",
                marker={"symbol": symbol, "size": 10},
                customdata=[
                    _said(name, words, gain) for name, gain in zip(names, found, strict=True)
                ],
                error_x=_bars(found, colour),
            )
        )
    figure.add_vline(x=0.0, line={"color": NULL, "width": 1})
    shown = described(measure)
    figure.update_xaxes(title=as_text(f"gain in {shown.symbol}"), tickformat="+.3~f", nticks=6)
    figure.update_yaxes(
        tickvals=[-row for row in range(len(names))],
        ticktext=[as_text(name) for name in names],
        range=[0.5 - len(names), 0.5],
        zeroline=False,
    )
    layout(figure, height=118 + 40 * len(names))
    return figure.update_layout(margin={"l": 8, "r": 12, "t": 34, "b": 46})


def candidate_gain(advice: Advice, purpose: str, one: Candidate, rival: str) -> Interval:
    """Return the mean gain of a candidate over an entry's plain rows, on the scored rows.

    Parameters
    ----------
    advice : Advice
    purpose : str
    one : Candidate
    rival : str
        Name of an entry.

    Returns
    -------
    Interval
        Positive is better.
    """
    measure = PURPOSES[purpose].measures[0]
    gap = advice.scored_on[one.entry][one.measure] - advice.scored_on[rival][measure]
    sign = 1.0 if described(measure).direction == "higher" else -1.0
    return over_splits(sign * gap, advice.held)


def _named(advice: Advice, one: Candidate) -> str:
    """Return a candidate in few words: a scorer by its name, long parameters cut."""
    words = advice.named(one.entry).label
    if one.scorer:
        words = f"{one.scorer} scores" if one.entry == FLOOR else f"{words}, {one.scorer} scores"
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip(" ,(") + "…"


def _said(name: str, words: str, gain: Interval) -> str:
    low, high = gain.limits
    return as_text(f"{name}, {words}: {gain.value:+.3f} ({low:+.3f} … {high:+.3f})")


def _bars(found: Sequence[Interval], colour: str) -> dict[str, object]:
    limits = [gain.limits for gain in found]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - gain.value for gain, (_, high) in zip(found, limits, strict=True)],
        "arrayminus": [gain.value - low for gain, (low, _) in zip(found, limits, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }
