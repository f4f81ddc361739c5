"""Ids and captions of rows from files that lie beside their vectors, or come along with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source, Texts, printable
from anisoalign_core.io.captions import TABLES, Captions, captions_for, read_captions
from anisoalign_core.io.cells import cells, is_header, read_text
from anisoalign_core.io.chunks import About
from anisoalign_core.io.columns import Field, meaning, roles
from anisoalign_core.io.lines import CAPTIONS_ENDING, IDS_ENDING, parse_lines, read_sidecar

NAMED_CAPTIONS = (".captions.jsonl", ".captions.json", ".captions.csv", ".captions.tsv")
"""Files beside whose captions are found by the ids of the rows."""
ENDINGS = (IDS_ENDING, CAPTIONS_ENDING, *NAMED_CAPTIONS)


def read_beside(source: Source, rows: int, limits: Limits, inside: About | None = None) -> About:
    """Return what the files beside say about all rows, and what they leave to the file itself.

    Raises
    ------
    ShapeError
        If a file of lines does not have one for each row.
    FormatError, LimitError
    """
    about = inside or About()
    ids = read_sidecar(source, IDS_ENDING, limits)
    if ids is not None:
        ids, note = one_a_row(ids, rows, f"its {IDS_ENDING[1:]}", source.name)
        about = replace(about, ids=ids, notes=(*about.notes, *note))
    captions = captions_beside(source, limits)
    if captions is not None:
        about = with_captions(about, captions, rows, source.name)
    return about


def captions_beside(source: Source, limits: Limits) -> Captions | None:
    """Return the captions in a file beside, if there is one."""
    lines = read_sidecar(source, CAPTIONS_ENDING, limits)
    if lines is not None and not (len(lines) and all(line.startswith("{") for line in lines)):
        return Captions(f"its {CAPTIONS_ENDING[1:]}", None, tuple(lines))
    endings = NAMED_CAPTIONS if lines is None else (CAPTIONS_ENDING,)
    found = next((beside for end in endings if (beside := source.beside(end)) is not None), None)
    return None if found is None else read_captions(found, limits)


def with_captions(about: About, captions: Captions, rows: int, name: str) -> About:
    """Add captions: by the ids of the rows where they have names, else in order.

    Raises
    ------
    ShapeError, FormatError
    """
    notes: tuple[str, ...]
    if captions.names is None:
        given = np.array(captions.texts, dtype=object)
        texts, notes = one_a_row(given, rows, captions.name, name)
    else:
        if about.ids is None:
            raise FormatError(
                f"{captions.name} names the rows of its captions, and {name} has no ids. Give ids, "
                "or one caption per line in the order of the rows."
            )
        found, notes = captions_for(captions, about.ids.tolist(), name)
        texts = np.array(found, dtype=object)
    return replace(about, captions=texts, notes=(*about.notes, *notes))


def one_a_row(texts: Texts, rows: int, called: str, name: str) -> tuple[Texts, tuple[str, ...]]:
    """Return lines as one for each row; a header above them is left out, which is said.

    Raises
    ------
    ShapeError
    """
    if len(texts) == rows + 1 and meaning(str(texts[0])) is not None:
        words = f'The first line of {called}, "{printable(str(texts[0]), 40)}", is its header.'
        return texts[1:], (words,)
    if len(texts) != rows:
        raise ShapeError(
            f"{name} has {rows:,} rows, but {called} has {len(texts):,} lines. Give one line per "
            "row."
        )
    return texts, ()


def read_ids(source: Source, limits: Limits | None = None) -> list[str]:
    """Read ids: one per line, or the column of ids of a table.

    Raises
    ------
    FormatError, LimitError
    """
    limits = limits or Limits.from_env()
    text = read_text(source, limits)
    if Path(source.called.lower().removesuffix(".gz")).suffix not in TABLES:
        return parse_lines(text.encode(), source.name)
    rows = [row for _, row in cells(text, source)[0]]
    if len(rows) < 2 or len(rows[0]) == 1:
        return [row[0] for row in rows]
    if not is_header(rows[0], rows[1]):
        raise FormatError(
            f"{source.name} has {len(rows[0])} columns and no header. Name the column of ids, or "
            "give one id per line."
        )
    titles: Sequence[str] = [cell.strip() for cell in rows[0]]
    columns = {title: [row[i] for row in rows[1:]] for i, title in enumerate(titles)}
    fields = [Field(title, "text", list(values).copy) for title, values in columns.items()]
    found = roles(fields, source.name, source.choice).id
    if found is None:
        raise FormatError(f"{source.name} has no column of ids. Name it id.")
    return columns[found]
