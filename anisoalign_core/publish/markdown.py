"""A leaderboard as Markdown: one table per group of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anisoalign_core.compare import published
from anisoalign_core.compare.results import GROUPS, Leaderboard, markdown_table
from anisoalign_core.compare.use.gallery import SHARES
from anisoalign_core.publish.tables import (
    GROUP_WORDS,
    LEGEND,
    beside_published,
    checks,
    needs_line,
    table,
    three,
)

if TYPE_CHECKING:
    from anisoalign_core.compare.captions import CaptionBoard


def to_markdown(board: Leaderboard, captions: CaptionBoard | None = None, level: int = 3) -> str:
    """Return one Markdown table per group, then what the checks say and what it all rests on."""
    mark = "#" * level
    parts = []
    for group in GROUPS:
        if not board.metrics(group):
            continue
        parts.append(f"{mark} {GROUP_WORDS[group]}\n\n{needs_line(board, group)}\n")
        parts.append(markdown_table(*table(board, group)) + "\n")
    parts.append(f"{LEGEND}\n")
    parts.append(f"{mark} Floor, ceiling and control\n\n" + "\n".join(checks(board)) + "\n")
    if board.mixed:
        parts.append(f"{mark} Retrieval over a mixed gallery\n\n{_mixed_table(board)}\n")
    if captions is not None:
        parts.append(f"{mark} Captions\n\n{captions.to_markdown()}\n")
    parts.append(f"{mark} Published figures, of another encoder\n\n{published.ENCODER}.\n")
    parts.append(markdown_table(*beside_published(board)))
    parts.append("\n" + "\n".join(f"* {_plain(text)}" for text in board.sentences))
    return "\n".join(parts) + "\n"


def _mixed_table(board: Leaderboard) -> str:
    rows = [
        [board.named(name).label, *(three(v) for v in curve.mean(axis=0))]
        for name, curve in board.mixed.items()
    ]
    return (
        "nDCG@10 of the true target row; columns: share of the other items shown as target rows."
        "\n\n" + markdown_table(["method", *(f"{share:g}" for share in SHARES)], rows)
    )


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("\n", " ")
