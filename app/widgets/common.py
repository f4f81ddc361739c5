"""Pieces every page uses: header, numbers, figures with captions, errors in words."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from anisoalign_core import card
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.extras import lacking
from app.session import loaded

LOG = logging.getLogger("anisoalign")
CARD_WIDTH = 186
_CARD = ".stHorizontalBlock > [data-testid=stLayoutWrapper]:has(> .stVerticalBlock > * {})"
_CARDS = ":is({}, {})".format(*map(_CARD.format, (".stMetric", ".stPageLink")))
WIDE = "wide"
STYLE = f"""<style>
:is([data-testid^=stBaseButton-primary]:enabled, [data-tag]) :is(p, span, svg) {{
  color: var(--page-colour);
}}
.stButtonGroup [role=radiogroup] {{ flex-wrap: wrap; }}
@media (max-width: 480px) {{
  .stMarkdown :is(th, td) {{ padding: .25rem .35rem; font-size: .8rem; }}
  {_CARDS} {{ width: calc(50% - .5rem) !important; min-width: 0; flex: none; }}
  {_CARDS} > .stVerticalBlock {{ width: 100% !important; padding: .5rem; gap: .25rem; }}
  {_CARDS}:has(.stPageLink) [data-testid=stCaptionContainer] {{ display: none; }}
  [class*="st-key-{WIDE}_"] {{ overflow-x: auto; }}
  [class*="st-key-{WIDE}_"] > * {{ min-width: 44rem; }}
}}
</style>"""
"""Words on buttons and tags of the leading colour have the page's, which is told from it in light
and in dark. On a telephone cards lie in two columns, those that lead to pages hold their name
alone, and figures of many panels keep their width and are moved sideways. Choices wrap."""
FIGURE_FORMATS = ("svg", "png")
FIGURES = "figures"
"""Key of whether this run has shown a figure."""
ARROWS = {"higher": "↑ better", "lower": "↓ better", "neutral": ""}


@dataclass(frozen=True)
class Number:
    """One number of a page's answer row, with what it is to be read against."""

    label: str
    value: float | None
    beside: str = ""
    help: str = ""
    direction: Literal["higher", "lower", "neutral"] = "neutral"
    percent: bool = False


def three(value: float | None, percent: bool = False) -> str:
    """Return a number to three significant digits, or a percentage; a dash when there is none."""
    if percent and value is not None:
        return f"{card.three(100 * value)} %" if math.isfinite(value) else card.three(value)
    return card.three(value)


def page_colour() -> str:
    """Return what the page is painted with: of the theme that the person has."""
    kind = "dark" if st.context.theme.type == "dark" else "light"
    return str(st.get_option(f"theme.{kind}.backgroundColor"))


def page_header(title: str, question: str) -> None:
    """Open a page: its name and the question it answers."""
    st.html(f"{STYLE}<style>:root {{ --page-colour: {page_colour()}; }}</style>")
    st.title(title, anchor=False)
    st.markdown(f"*{question}*")


def number_row(numbers: list[Number]) -> None:
    """Show at most five numbers, each with its null or floor and which way is better."""
    row = st.container(horizontal=True, gap="small")  # wraps on narrow screens, unlike columns
    for number in numbers:
        with row.container(border=True, height="stretch", width=CARD_WIDTH):
            st.metric(number.label, three(number.value, number.percent), help=number.help or None)
            arrow = ARROWS[number.direction]
            st.caption(" · ".join(part for part in (number.beside, arrow) if part) or "\u00a0")


def figure(
    fig: go.Figure, *, caption: str, alt: str, key: str, select: bool = False, wide: bool = False
) -> object:
    """Show a figure with its caption; returns the selection event when ``select``.

    The camera in its toolbar saves a picture, of the kind that the session prefers; the button
    beside the caption saves a page that can still be moved. One of many panels is ``wide``: it
    keeps its width on a telephone.
    """
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {
            "format": _picture_format(),
            "filename": key,
            "scale": 2,
        },
    }
    shown = fig
    if st.context.theme.type == "dark":
        from app.widgets.drawn import on_dark

        shown = on_dark(fig)
    event: Any
    place = st.container(key=f"{WIDE}_{key}") if wide else st
    if select:
        event = place.plotly_chart(shown, key=key, config=config, alt=alt, on_select="rerun")
    else:
        event = place.plotly_chart(shown, key=key, config=config, alt=alt)
    row = st.container(horizontal=True, vertical_alignment="top", gap="small", wrap=False)
    row.caption(caption, width="stretch")
    row.download_button(
        "HTML",
        lambda: _as_page(fig, alt),
        f"{key}.html",
        "text/html",
        key=f"html_{key}",
        help="This figure as a page, to be moved and zoomed. The camera in its toolbar saves a "
        "picture.",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    st.session_state[FIGURES] = True
    return event


def _as_page(fig: go.Figure, title: str) -> str:
    from anisoalign_core.plots.style import as_page  # Home, which has no figure, paints sooner

    return as_page(fig, title)


def say_what_cameras_save() -> None:
    """Offer what kind of picture the cameras of a page's figures save, where it has figures."""
    if st.session_state.pop(FIGURES, False):
        st.sidebar.segmented_control(
            "Cameras of figures save",
            FIGURE_FORMATS,
            default=_picture_format(),
            required=True,
            format_func=str.upper,
            key="camera",
            on_change=_prefer,
        )


def _picture_format() -> str:
    return str(st.session_state.get("figure_format", FIGURE_FORMATS[0]))


def _prefer() -> None:
    st.session_state["figure_format"] = st.session_state["camera"]


def sidebar_card() -> None:
    """Show which set is loaded: rows × dimensions, encoder, paired or not, short digest."""
    current = loaded()
    with st.sidebar.container(border=True):
        if current is None:
            st.markdown("**Nothing loaded**")
            st.caption("Go to Data to load embeddings.")
            return
        pair = current.pair
        st.markdown(f"**{plain(current.title)}**")
        source, target = pair.source, pair.target
        rows = (
            pair.in_words()
            if pair.paired
            else f"{len(target):,} {target.modality} + {len(source):,} {source.modality} rows"
        )
        model = target.provenance.model or "encoder not named"
        st.caption(
            f"{rows} × {pair.dim} dimensions  \n{plain(model)}  \n"
            f"{'paired' if pair.paired else 'unpaired'} · `{pair.digest[:8]}`"
        )


def plain(text: str) -> str:
    """Return text in one line, Markdown's special characters escaped: names and captions are data.

    Lines of their own could be headings and code. Addresses of pages still become links, which say
    where they lead.
    """
    line = " ".join(text.splitlines())
    return "".join("\\" + char if char in r"\`*_{}[]()#+-.!|<>~$:&" else char for char in line)


def lacks(what: str, extra: str, *packages: str) -> bool:
    """Say in one line what to install where packages are missing; whether any is."""
    words = lacking(what, extra, *packages)
    if words is not None:
        st.info(plain(words), icon=":material/deployed_code_update:")
    return words is not None


@contextmanager
def guard() -> Iterator[None]:
    """Turn errors into sentences. Unexpected ones are logged with their traceback, not shown."""
    try:
        yield
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except MemoryError:
        st.error(
            "There is not enough memory for this. Load fewer rows, or use the command line, "
            "which works in chunks.",
            icon=":material/memory:",
        )
    except Exception:
        LOG.exception("unexpected error on a page")
        st.error(
            "Something unexpected went wrong; your data is still loaded. The server's log holds "
            "the details.",
            icon=":material/bug_report:",
        )
