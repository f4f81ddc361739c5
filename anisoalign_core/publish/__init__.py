"""A leaderboard on paper: CSV, JSON, LaTeX, Markdown, and a report that needs no other file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from anisoalign_core.compare.results import Leaderboard
from anisoalign_core.errors import ParameterError
from anisoalign_core.publish.latex import to_latex
from anisoalign_core.publish.markdown import to_markdown
from anisoalign_core.publish.page import to_html
from anisoalign_core.publish.tables import command

if TYPE_CHECKING:
    from anisoalign_core.compare.captions import CaptionBoard

FORMATS = {
    ".csv": "every number, one per line",
    ".json": "everything, and what it takes to compute it again",
    ".tex": "tables for a paper",
    ".md": "tables for a page",
    ".html": "report with figures, in one file",
}
"""Suffixes of files that a board can be written to, and what is in each."""


def render(board: Leaderboard, suffix: str, captions: CaptionBoard | None = None) -> bytes:
    """Return a leaderboard as a file of the given kind.

    Parameters
    ----------
    board : Leaderboard
    suffix : str
        One of :data:`FORMATS`.
    captions : CaptionBoard, optional
        Shown as well where the format has room for it.

    Raises
    ------
    ParameterError
        If the format is unknown.
    """
    makers: dict[str, Callable[[], str]] = {
        ".csv": lambda: board.to_frame().to_csv(index=False),
        ".json": lambda: to_json(board, captions),
        ".tex": lambda: to_latex(board),
        ".md": lambda: to_markdown(board, captions),
        ".html": lambda: to_html(board, captions),
    }
    if suffix not in makers:
        raise ParameterError(f"There is no format {suffix}; choose among {', '.join(FORMATS)}.")
    return makers[suffix]().encode("utf-8")


def to_json(board: Leaderboard, captions: CaptionBoard | None = None) -> str:
    """Everything as JSON: values per split, setting, inputs with digests, the line that made it."""
    body = board.to_dict() | {"command": command(board), "sentences": board.sentences}
    if captions is not None:
        body["captions"] = captions.to_dict()
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


__all__ = ["FORMATS", "command", "render", "to_html", "to_json", "to_latex", "to_markdown"]
