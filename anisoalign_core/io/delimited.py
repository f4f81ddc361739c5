"""Comma- and tab-separated text: for small sets, and for the TensorBoard projector."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, Texts, printable
from anisoalign_core.io.cells import cells, is_header, number, read_text
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.columns import SAVED_INDEX, Field, meaning, plain_name, roles
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.lines import refuse_stale
from anisoalign_core.io.wide import Wide

if TYPE_CHECKING:
    import pandas as pd

METADATA_ENDING = ".metadata.tsv"
METADATA_NAME, VECTOR_STEMS = "metadata.tsv", ("vectors", "tensors", "embeddings")
"""The projector's own names, one set to a folder."""
LOOK = 100
"""Rows that tell which columns are numbers."""
LONG = 15
"""Digits from which a whole number may not be one of float64: it is read as text."""


class NoVectors(FormatError):
    """A table without a column of numbers: it may be one of captions, or of ids."""


def open_file(source: Source, limits: Limits) -> WholeFile:
    """Read a table: numeric columns are dimensions unless names or content say otherwise.

    A header line is optional. What the columns are is told by :mod:`anisoalign_core.io.columns`;
    vectors may be spelled out in one column. ``<stem>.metadata.tsv`` beside is read too, or
    ``metadata.tsv`` beside ``vectors.tsv``.

    Raises
    ------
    FormatError
        Naming line and column of a cell that is not a number, or the line with more or fewer
        cells than the first.
    LimitError
    """
    found = read_table(source, limits).sorted_out()
    beside = _beside(source)

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        chunk = found.read(key)
        if beside is None:
            return chunk, {}
        rows = len(chunk.array)
        about = _with_metadata(chunk.about, beside, limits, rows)
        return replace(chunk, about=about), {}

    if not any(found.keys.values()):
        raise NoVectors(
            f"{source.name} has no column of numbers that could be dimensions. Write one number in "
            "each cell, or a list of numbers in one column."
        )
    return WholeFile(
        source.name,
        tuple(found.keys),
        read,
        found.meanings,
        lambda key: (found.shape(key), {}),
    )


def read_table(source: Source, limits: Limits) -> Wide:
    """Read all cells: columns of numbers, and columns of text.

    Raises
    ------
    FormatError, LimitError
    """
    name = source.name
    rows, separator = cells(read_text(source, limits), source)
    comma = separator != ","
    begin = list(islice(rows, LOOK + 1))
    if not begin:
        raise FormatError(f"{name} is empty. Write it again.")
    first = begin[0][1]
    header = is_header(first, begin[1][1] if len(begin) > 1 else None, comma)
    titles = _titles(first, header)
    body = begin[1:] if header else begin
    text = {c for c in range(len(first)) if _is_text(c, titles, header, body, source, comma)}
    numeric = [c for c in range(len(first)) if c not in text]
    numbers, texts = array("d"), {c: list[str | None]() for c in sorted(text)}
    holes: dict[int, tuple[int, int]] = {}
    for line, row in chain(body, rows):
        if len(row) != len(first):
            raise FormatError(
                f"Line {line} of {name} has {len(row)} cells, the first line has {len(first)}. "
                "Every line needs as many."
            )
        numbers.extend(_floats(row, numeric, line, name, comma, titles, holes))
        for column, values in texts.items():
            values.append(row[column])
        if numeric:
            check_declared(len(numbers) // len(numeric), len(numeric), 8, name, limits)
    table = np.frombuffer(numbers, dtype=np.float64) if len(numbers) else np.empty(0)
    table = table.reshape(-1, max(len(numeric), 1))
    columns = {column: table[:, place] for place, column in enumerate(numeric)}
    return Wide(name, titles, header, columns, texts, source.choice, limits, holes=holes)


def _titles(first: Sequence[str], header: bool) -> tuple[str, ...]:
    if not header:
        return tuple(str(column) for column in range(1, len(first) + 1))
    found: list[str] = []
    for cell in first:
        title, again = cell.strip(), 1
        while title in found:
            again += 1
            title = f"{cell.strip()}.{again}"
        found.append(title)
    return tuple(found)


def _is_text(
    column: int,
    titles: Sequence[str],
    header: bool,
    body: Sequence[tuple[int, list[str]]],
    source: Source,
    comma: bool,
) -> bool:
    """Whether a column is read as text: by its name, by choice, or by its first cell."""
    if titles[column] == source.choice.id_column or titles[column] in source.choice.drop_columns:
        return True
    named = meaning(titles[column]) is not None or SAVED_INDEX.fullmatch(plain_name(titles[column]))
    if header and named:
        return True
    cell = next((row[column] for _, row in body if len(row) > column and row[column].strip()), "")
    value = number(cell, comma)
    return bool(cell) and (value is None or (cell.strip().isdigit() and len(cell.strip()) > LONG))


def write_tsv(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write the vectors alone, tab-separated, with as many digits as their type carries."""
    count = 0
    for chunk in chunks:
        digits = "%.5g" if chunk.array.dtype == np.float16 else "%.9g"
        line = "\t".join([digits] * chunk.array.shape[1]) + "\n"
        for row in chunk.array:
            stream.write((line % tuple(row.tolist())).encode("ascii"))
        count += len(chunk.array)
    return count


def metadata_file(about: About, path: Path) -> dict[Path, bytes]:
    """Return ``<stem>.metadata.tsv``: id, caption and labels, as the projector reads them.

    The projector wants no header on a single column, and knows no quoting: tabs and line breaks
    within a cell become spaces.
    """
    beside = path.with_suffix(METADATA_ENDING)
    given = [each for each in (about.ids, about.captions, about.labels) if each is not None]
    if not given:
        refuse_stale(beside, path, "ids")
        return {}
    ids = range(len(given[0])) if about.ids is None else about.ids.tolist()
    columns: dict[str, Sequence[object]] = {"id": ids}
    if about.captions is not None:
        columns["caption"] = about.captions.tolist()
    if about.labels is not None:
        for label in about.labels.columns:
            free = f"label_{label}" if str(label) in columns else str(label)
            columns[free] = about.labels[label].tolist()
    lines = ["\t".join(_cell(name) for name in columns)] if len(columns) > 1 else []
    lines += ["\t".join(map(_cell, cells)) for cells in zip(*columns.values(), strict=True)]
    return {beside: "".join(f"{line}\n" for line in lines).encode("utf-8")}


def _floats(
    row: Sequence[str],
    columns: Sequence[int],
    line: int,
    name: str,
    comma: bool,
    titles: Sequence[str],
    holes: dict[int, tuple[int, int]],
) -> list[float]:
    """Return the numbers of a line, and count its empty cells, which are numbers that lack."""
    try:
        values = [float(row[column]) for column in columns]
        if not any("_" in row[column] for column in columns):
            return values
    except ValueError:
        pass
    found = [number(row[column], comma) if row[column].strip() else np.nan for column in columns]
    for column in columns:
        if not row[column].strip():
            first, count = holes.get(column, (line, 0))
            holes[column] = first, count + 1
    if None not in found:
        return [value for value in found if value is not None]
    column = columns[found.index(None)]
    raise FormatError(
        f'Line {line}, column {column + 1} of {name} holds "{printable(row[column], 40)}", not a '
        "number. Text belongs into columns named id, caption or label; the rest must be numbers. "
        f'Mend it, or leave the column out: drop_columns=["{printable(titles[column], 60)}"].'
    )


def _beside(source: Source) -> Source | None:
    """Return the file that says what the rows of a projector's vectors are, if there is one."""
    own = source.beside(METADATA_ENDING)
    if own is not None or source.path is None or source.path.suffix.lower() != ".tsv":
        return own
    path = source.path.with_name(METADATA_NAME)
    known = source.path.stem.lower() in VECTOR_STEMS and path.is_file()
    return Source(path.name, path) if known else None


def projector_in(folder: Path) -> list[Path]:
    """Return the vectors of a folder as the projector takes it; none where it is no such folder."""
    if not (folder / METADATA_NAME).is_file():
        return []
    found = (folder / f"{stem}.tsv" for stem in VECTOR_STEMS)
    return [path for path in found if path.is_file()][:1]


def _with_metadata(raw: About, beside: Source, limits: Limits, count: int) -> About:
    """Add what the file beside says of the rows."""
    rows = list(cells(read_text(beside, limits), beside)[0])
    if not rows:
        return raw
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise FormatError(
                f"Line {line} of {beside.name} has {len(row)} cells, the first line has {width}."
            )
    header = width > 1 or (len(rows) == count + 1 and meaning(rows[0][1][0]) is not None)
    titles = _titles(rows[0][1], header)
    rows = rows[header:]
    if len(rows) != count:
        raise ShapeError(
            f"{beside.name} has {len(rows):,} lines"
            f"{' below its header' if header else ''}, and there are {count:,} rows. Give one line "
            "per row."
        )
    if not header:
        return About(_column(rows, 0), raw.captions, raw.labels, notes=raw.notes)
    columns = {title: _column(rows, index) for index, title in enumerate(titles)}
    fields = [Field(title, "text", values.tolist) for title, values in columns.items()]
    found = roles(fields, beside.name, beside.choice)
    frame = _frame({title: columns[title].tolist() for title in found.labels})
    return About(
        raw.ids if found.id is None else columns[found.id],
        raw.captions if found.caption is None else columns[found.caption],
        raw.labels if frame is None else frame,
        notes=(*raw.notes, *found.notes),
    )


def _column(rows: Sequence[tuple[int, list[str]]], index: int) -> Texts:
    return np.array([row[index] for _, row in rows], dtype=object)


def _frame(columns: dict[str, list[str]]) -> pd.DataFrame | None:
    if not columns:
        return None
    import pandas as pd

    return pd.DataFrame(columns)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("\t", " ").splitlines())


CSV = Format("csv", (".csv", ".csv.gz"), "text, read only", open_file)
TSV = Format(
    "tsv",
    (".tsv", ".tsv.gz"),
    "text, for the TensorBoard projector",
    open_file,
    write_tsv,
    metadata_file,
    inside=projector_in,
)
