"""Lines of delimited text as cells: by commas, semicolons, tabs or bars, perhaps in gzip."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import PurePosixPath

from anisoalign_core.errors import LimitError
from anisoalign_core.files.limits import MIB, Limits, check_text_size, size_text
from anisoalign_core.files.source import Source, malformed
from anisoalign_core.io.lines import decode_utf8

MAX_CELL = 4_000_000
SEPARATORS = "\t;,|"
"""In the order in which they are believed."""
LOOK = 20
"""Lines that tell the separator."""
Rows = Iterator[tuple[int, list[str]]]


def read_text(source: Source, limits: Limits) -> str:
    """Return a text file, unpacked where its name ends in ``.gz``.

    Raises
    ------
    FormatError, LimitError
    """
    check_text_size(source.size, source.name, limits)
    with source.open() as stream:
        data = stream.read()
    if source.called.lower().endswith(".gz"):
        with (
            malformed(source.name, "a gzip file", OSError, EOFError, zlib.error),
            gzip.open(io.BytesIO(data)) as packed,
        ):
            parts, size = [], 0
            while size <= limits.max_text_bytes and (part := packed.read(MIB)):
                parts.append(part)
                size += len(part)
            data = b"".join(parts)
        if len(data) > limits.max_text_bytes:
            raise LimitError(
                f"{source.name} unpacks to more than {size_text(limits.max_text_bytes)} of text, "
                "the limit. Text is for small sets: save a .npy or a .parquet file instead."
            )
    return decode_utf8(data, source.name)


def cells(text: str, source: Source) -> tuple[Rows, str]:
    """Return the lines of a table, numbered from 1 and cut into cells, and their separator.

    Blank lines are skipped. The separator is the first of :data:`SEPARATORS` that cuts the first
    lines into as many cells each; in a ``.tsv`` it is the tab, and quotes mean nothing.

    Raises
    ------
    FormatError
        While the lines are read: if quotes do not fit together.
    """
    plain = PurePosixPath(source.called.lower().removesuffix(".gz")).suffix == ".tsv"
    separator = "\t" if plain else _separator(text)
    return _cut(text, source.name, separator, plain), separator


def _separator(text: str) -> str:
    for each in SEPARATORS:
        try:
            widths = {len(row) for _, row in islice(_cut(text, "", each, False), LOOK)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths != {1}:
            return each
    return ","


def _cut(text: str, name: str, separator: str, plain: bool) -> Rows:
    before = csv.field_size_limit(MAX_CELL)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        strict=True,
        skipinitialspace=separator == "|",
    )
    try:
        with malformed(name, "delimited text", *([csv.Error] if name else [])):
            for row in reader:
                if row and any(cell.strip() for cell in row):
                    yield reader.line_num, row
    finally:
        csv.field_size_limit(before)


def number(cell: str, comma: bool = False) -> float | None:
    """Return the number in a cell, also with a decimal comma; None where there is none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        if comma and "," in cell:
            return number(cell.replace(",", "."))
        return None


def is_whole(cell: str) -> bool:
    """Whether a cell is a whole number, however it is written."""
    value = number(cell)
    return value is not None and value.is_integer()


def is_header(first: Sequence[str], second: Sequence[str] | None, comma: bool = False) -> bool:
    """Tell a line of column names from a line of values, also where the names are numbers.

    Numbers are names if they are at least four different whole ones and count up in equal steps,
    or the next line holds mostly other numbers.
    """
    numbers = [number(cell, comma) for cell in first]
    known = [value for value in numbers if value is not None]
    if not known:
        return True
    if second is not None and any(
        value is None and cell.strip() and number(below, comma) is not None
        for value, cell, below in zip(numbers, first, second, strict=False)
    ):
        return True
    whole = all(value.is_integer() for value in known)
    if len(known) < 4 or not whole or len(set(known)) < len(known):
        return False
    steps = {after - before for before, after in pairwise(known)}
    if len(steps) == 1 and min(steps) > 0 and len(known) >= len(first) - 1:
        return True
    below = [number(cell, comma) for cell in second or ()]
    broken = sum(value is not None and not value.is_integer() for value in below)
    return 2 * broken > len(known)
