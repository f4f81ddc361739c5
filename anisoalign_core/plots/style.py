"""Colours and layout, once: the same for every figure, in light and in dark."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from anisoalign_core.errors import ParameterError

# Okabe–Ito: told apart by colour-blind eyes
TARGET = "#0072B2"
SOURCE = "#D55E00"
CORRECTED = "#009E73"
RESIDUAL = "#CC79A7"
NULL = "#8A8A8A"
GAP = "#56B4E9"
"""What belongs to the two means together: the bias, its coordinates."""
WARNING = "#E69F00"
DARK = {TARGET: "#6AA8FF", GAP: "#A5E1F7"}
"""What stands for the blues on a dark page, where they are too dark to be seen through."""
TRANSLUCENT = 0.55
"""Opacity of bars that others show through."""

GRID = "rgba(138, 138, 138, 0.22)"
AXIS = "rgba(138, 138, 138, 0.55)"
MAX_POINTS = 50_000
"""A browser draws no more points per trace; callers sample, and say so."""
MAX_HOVER_POINTS = 20_000

Points = npt.NDArray[np.floating[Any]]


def layout(figure: go.Figure, *, height: int = 380, legend: bool = True, **more: Any) -> go.Figure:
    """Apply the common layout: transparent, so that it sits on a light or a dark page."""
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 24, "t": 48 if legend else 24, "b": 54},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=legend,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "xanchor": "left",
            "x": 0,
            "itemsizing": "constant",  # dots of clouds are too small to show a colour
        },
        uirevision="keep",
        **more,
    )
    line = {"gridcolor": GRID, "zerolinecolor": AXIS, "linecolor": AXIS, "automargin": True}
    figure.update_xaxes(**line)
    figure.update_yaxes(**line)
    return figure


def points(
    xy: Points,
    *,
    name: str,
    colour: str,
    rows: npt.NDArray[np.integer[Any]] | None = None,
    side: int = 0,
    captions: npt.NDArray[np.object_] | None = None,
    size: float = 5,
    opacity: float = 0.55,
) -> go.Scattergl:
    """Return one WebGL cloud; ``customdata`` holds (row, side) of every point.

    Parameters
    ----------
    xy : (n, 2) array
    rows : (n,) int, optional
        Row numbers in the loaded set; positions by default.
    side : int
        0 target, 1 source, 2 corrected.
    captions : (n,) array of str, optional
        Shown on hover, up to 20,000 points.

    Raises
    ------
    ParameterError
        Above 50,000 points.
    """
    n = len(xy)
    if n > MAX_POINTS:
        raise ParameterError(
            f"{n:,} points are more than the {MAX_POINTS:,} a browser draws; show a sample, or the "
            "density."
        )
    numbers = np.arange(n) if rows is None else np.asarray(rows)
    hover = captions is not None and n <= MAX_HOVER_POINTS
    return go.Scattergl(
        x=np.ascontiguousarray(xy[:, 0], dtype=np.float32),
        y=np.ascontiguousarray(xy[:, 1], dtype=np.float32),
        mode="markers",
        name=as_text(name),
        marker={"color": colour, "size": size, "opacity": opacity},
        customdata=np.column_stack([numbers, np.full(n, side)]).astype(np.int32),
        text=[shorten(str(c)) for c in captions] if hover and captions is not None else None,
        hovertemplate="%{text}<extra></extra>" if hover else "row %{customdata[0]}<extra></extra>",
    )


def in_dark(figure: go.Figure) -> go.Figure:
    """Return a figure as a dark page shows it: its blues as :data:`DARK` says."""
    shown = go.Figure(figure)
    for part in (*shown.data, shown.layout):
        changed = _in_dark(part.to_plotly_json())
        if changed:
            part.update(changed)
    return shown


def _in_dark(value: Any) -> Any:
    """Return what changes of a part of a figure; None where nothing does."""
    if isinstance(value, str):
        return DARK.get(value)
    if isinstance(value, dict):
        found = {key: _in_dark(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None} or None
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        value = value.tolist()
    if isinstance(value, list | tuple):
        new = [_in_dark(each) for each in value]
        if all(each is None for each in new):
            return None
        return [
            old if each is None else ({**old, **each} if isinstance(old, dict) else each)
            for old, each in zip(value, new, strict=True)
        ]
    return None


def span(values: Points) -> tuple[float, float]:
    """Return an axis range that holds all values, with a twentieth to spare at both ends."""
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) + 1e-6
    return low - pad, high + pad


def shorten(text: str, width: int = 80) -> str:
    """Shorten a caption for a hover label, and keep it text."""
    return as_text(text if len(text) <= width else text[: width - 1] + "…")


def as_text(text: str) -> str:
    """Escape what plotly would read as markup or as a template: names and captions are data."""
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "% {")):
        text = text.replace(plain, escaped)
    return text


def line(
    x: npt.ArrayLike, y: npt.ArrayLike, name: str, colour: str, *, dash: str = "solid", **more: Any
) -> go.Scatter:
    """Return one SVG line."""
    return go.Scatter(
        x=np.asarray(x, dtype=np.float32),
        y=np.asarray(y, dtype=np.float32),
        mode=more.pop("mode", "lines"),
        name=as_text(name),
        line={"color": colour, "dash": dash, "width": 2},
        **more,
    )


def dots(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    name: str,
    colour: str | npt.ArrayLike,
    hover: str | None = None,
    *,
    marker: dict[str, Any] | None = None,
    **more: Any,
) -> go.Scatter:
    """Return SVG marks; without ``hover``, a template, they say nothing when pointed at."""
    said = {"hoverinfo": "skip"} if hover is None else {"hovertemplate": f"{hover}<extra></extra>"}
    return go.Scatter(
        x=np.atleast_1d(x),
        y=np.atleast_1d(y),
        mode=more.pop("mode", "markers"),
        name=as_text(name),
        marker={"color": colour, **(marker or {})},
        **said,
        **more,
    )


def shares(values: Points, edges: Points, name: str, colour: str) -> go.Bar:
    """Return a histogram as shares of all values, translucent, so that others show through."""
    counts = np.histogram(values, bins=edges)[0]
    return go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
        y=(counts / max(len(values), 1)).astype(np.float32),
        name=as_text(name),
        marker={"color": colour, "opacity": TRANSLUCENT, "line": {"width": 0}},
        hoverinfo="skip",
    )


def as_page(figure: go.Figure, title: str) -> str:
    """Return a figure as an HTML page of its own, which fetches nothing.

    Parameters
    ----------
    figure : plotly Figure
    title : str
        Of the page; data, never markup.
    """
    import html

    return (
        "<!doctype html><html><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><script>{drawing_script()}</script>"
        "<style>body{margin:1rem;font-family:sans-serif;background:#fff;color:#1b1f24}</style>"
        f"</head><body>{as_div(figure)}<p>{html.escape(title)}</p></body></html>"
    )


def as_div(figure: go.Figure) -> str:
    """Return a figure as HTML that needs :func:`drawing_script` on the page."""
    found: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False}
    )
    return found


def drawing_script() -> str:
    """Return the JavaScript that draws figures, so that a page can hold it and fetch nothing."""
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script
