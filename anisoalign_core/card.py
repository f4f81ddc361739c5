"""What a thing says of itself: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 300
"""Characters of a cell; names and captions are data, and may be of any length."""


@dataclass(frozen=True)
class Card:
    """A title, a table, and sentences below it; all of it is data, none of it markup.

    Attributes
    ----------
    title : str
    rows : sequence of sequences of str
        Labels first.
    header : sequence of str
        Of the columns; empty for a list of labels and values.
    notes : sequence of str
    """

    title: str
    rows: Sequence[Sequence[str]]
    header: Sequence[str] = ()
    notes: Sequence[str] = ()

    def to_html(self) -> str:
        """Return the card as HTML: escaped, without scripts, in the colours of what is around."""
        head = f"<thead>{_row(self.header, 'th')}</thead>" if self.header else ""
        body = "".join(_row(cells, "td") for cells in self.rows)
        table = f"<table>{head}<tbody>{body}</tbody></table>" if body else ""
        notes = "".join(
            f"<div dir='auto'><small>{_text(note)}</small></div>" for note in self.notes
        )
        return f"<div><div dir='auto'><b>{_text(self.title)}</b></div>{table}{notes}</div>"


def _row(cells: Sequence[str], tag: str) -> str:
    look = "style='text-align:left' dir='auto'"
    return f"<tr>{''.join(f'<{tag} {look}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(cell: str) -> str:
    return html.escape(cell if len(cell) <= LONGEST else cell[: LONGEST - 1] + "…")


class Carded:
    """Has a card, which notebooks show; its subclasses write :meth:`card`."""

    def card(self) -> Card:
        """Return what a notebook shows."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.card().to_html()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class Shown(Carded):
    """Has a card, and a line of its own in a terminal: its subclasses write :meth:`in_short`."""

    def in_short(self) -> str:
        """Return one line that tells this from others."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the class and :meth:`in_short`; arrays stay out of it."""
        line = " ".join(self.in_short().split())
        line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
        return f"<{type(self).__name__}: {line}>"


def three(value: float | None, *, nothing: float = 1e-12) -> str:
    """Return a number to three significant digits; a dash when there is none, 0 for nothing."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) < nothing:
        return "0"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:,.0f}"


def within(value: float, low: float | None, high: float | None, **nothing: float) -> str:
    """Return a number with its interval, where there is one."""
    if low is None or high is None or not math.isfinite(low + high):
        return three(value, **nothing)
    ends = f"{three(low, **nothing)} … {three(high, **nothing)}"
    return f"{three(value, **nothing)} ({ends})"
