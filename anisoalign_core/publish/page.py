"""A leaderboard as one HTML file that fetches nothing: figures, tables, recipe, digests."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anisoalign_core.compare import published
from anisoalign_core.compare.entries import ROLES
from anisoalign_core.compare.results import GROUPS, Leaderboard
from anisoalign_core.compare.use.uses import described
from anisoalign_core.publish.tables import (
    GROUP_WORDS,
    LEGEND,
    beside_published,
    checks,
    command,
    needs_line,
    table,
)

if TYPE_CHECKING:
    from anisoalign_core.compare.captions import CaptionBoard

PICTURES = 12
"""Target rows shown with their captions in the report."""


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#222;
background:#fff}table{border-collapse:collapse;margin:.5rem 0;font-size:13px}
th,td{border-bottom:1px solid #ddd;padding:.25rem .6rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
.wide{overflow-x:auto}.note{color:#555;font-size:14px}code,pre{background:#f4f4f4;
padding:.1rem .3rem;white-space:pre-wrap;word-break:break-all}
td.text{text-align:left;white-space:normal;min-width:9em}
img{width:64px;height:64px;image-rendering:pixelated}
"""


def to_html(board: Leaderboard, captions: CaptionBoard | None = None) -> str:
    """Return a report in one file: figures, tables, checks, recipe and digests.

    Names and captions are data and are escaped; the file fetches nothing.
    """
    from anisoalign_core.plots.leaderboard import answers, mixed_gallery, tradeoff_board
    from anisoalign_core.plots.style import as_div

    figures = [("Support against semantics", tradeoff_board(board))]
    for metric in ("mixing_coverage", "label_transfer", "matched_cosine"):
        if metric in board.metrics() and board.splits > 1:
            figures.append(
                (f"Better than ReAlign? {described(metric).label}", answers(board, metric))
            )
    if board.mixed:
        figures.append(("A mixed gallery", mixed_gallery(board, list(board.mixed))))
    drawn = "".join(f"<h3>{html.escape(title)}</h3>" + as_div(figure) for title, figure in figures)
    tables = "".join(
        f"<h3>{html.escape(GROUP_WORDS[group])}</h3><p class=note>"
        f"{html.escape(needs_line(board, group))}</p>{html_table(*table(board, group))}"
        for group in GROUPS
        if board.metrics(group)
    )
    roles = "; ".join(ROLES[role] for role in ROLES)
    body = [
        "<h1>Which correction is worth having?</h1>",
        *(f"<p class=note>{html.escape(text)}</p>" for text in board.sentences),
        f"<h2>Figures</h2>{drawn}",
        f"<h2>Tables</h2><p class=note>{html.escape(LEGEND)} {html.escape(roles)}.</p>{tables}",
        "<h2>Floor, ceiling and control</h2><ul>"
        + "".join(f"<li>{html.escape(text.lstrip('* '))}</li>" for text in checks(board))
        + "</ul>",
        *([] if captions is None else [_html_captions(captions)]),
        f"<h2>Published figures, of another encoder</h2><p class=note>"
        f"{html.escape(published.ENCODER)}.</p>{html_table(*beside_published(board))}",
        "<h2>Recipe and digests</h2>",
        f"<pre>{html.escape(command(board))}</pre>",
        f"<pre>{html.escape(json.dumps(board.to_dict()['setting'], indent=1, ensure_ascii=False))}"
        "</pre>",
    ]
    return whole_page("AnisoAlign leaderboard", body)


def whole_page(title: str, body: Sequence[str]) -> str:
    """Return markup as a page of its own, with what draws its figures; it fetches nothing."""
    from anisoalign_core.plots.style import drawing_script

    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<script>{drawing_script()}</script></head><body>" + "\n".join(body) + "</body></html>\n"
    )


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose cells are data, never markup."""
    top = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text.strip('*'))}</td>" for text in row) + "</tr>"
        for row in rows
    )
    return f"<div class=wide><table><tr>{top}</tr>{lines}</table></div>"


def _html_captions(captions: CaptionBoard) -> str:
    header = ["", "its own caption", *(one.label for one in captions.entries)]
    lines = []
    for row in range(min(PICTURES, len(captions.references))):
        picture = ""
        if captions.thumbnails is not None:
            picture = f'<img alt="" src="{_png(captions.thumbnails[row])}">'
        texts = [captions.references[row]]
        texts += [captions.scores[one.name].captions[row] for one in captions.entries]
        cells = "".join(f"<td class=text>{html.escape(text)}</td>" for text in texts)
        lines.append(f"<tr><td>{picture}</td>{cells}</tr>")
    top = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    notes = "".join(f"<p class=note>{html.escape(text)}</p>" for text in captions.sentences)
    return (
        f"<h2>Captions</h2>{notes}{html_table(*captions.table())}"
        f"<div class=wide><table><tr>{top}</tr>{''.join(lines)}</table></div>"
    )


def _png(pixels: np.typing.NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
