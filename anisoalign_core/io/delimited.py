"""Comma- and tab-separated text: for small sets, and for the TensorBoard projector."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared, check_text_size
from anisoalign_core.files.source import Source, Texts, malformed, printable
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.lines import decode_utf8, refuse_stale

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("columns",)
METADATA_ENDING = ".metadata.tsv"
ID_NAMES = ("id", "ids", "")
CAPTION_NAMES = ("caption", "captions", "text")
LABEL_NAMES = ("label", "labels", "class", "category", "split")


@dataclass(frozen=True)
class Layout:
    """Which column holds what; ``numbers`` are the coordinates, in order."""

    columns: int
    header: bool
    ids: int | None
    captions: int | None
    labels: dict[int, str]
    numbers: tuple[int, ...]


def open_file(source: Source, limits: Limits) -> WholeFile:
    """Offer the numeric columns under one name; they are read when they are asked for."""
    return WholeFile(source.name, KEYS, lambda key: (read(source, limits), {}))


def read(source: Source, limits: Limits) -> Chunk:
    """Read numeric columns as coordinates, and text columns by name.

    A header line is optional. Columns called ``id`` and ``caption`` (or ``text``), and
    ``label``, ``class``, ``category``, ``split`` are text; every other column must be numeric.
    Without a header the first column may hold ids. ``<stem>.metadata.tsv`` beside is read too.

    Raises
    ------
    FormatError
        Naming line and column of a cell that is not a number, or the line with more or fewer
        cells than the first.
    LimitError
    """
    check_text_size(source.size, source.name, limits)
    rows = _rows(source)
    first = next(rows, None)
    if first is None:
        raise FormatError(f"{source.name} is empty. Write it again.")
    layout = _layout(first[1], source.name)
    numbers = array("d")
    ids: list[str] = []
    captions: list[str] = []
    labels: dict[int, list[str]] = {column: [] for column in layout.labels}
    count = 0
    for line, cells in rows if layout.header else _chain(first, rows):
        if len(cells) != layout.columns:
            raise FormatError(
                f"Line {line} of {source.name} has {len(cells)} cells, the first line has "
                f"{layout.columns}. Every line needs as many."
            )
        count += 1
        check_declared(count, len(layout.numbers), 8, source.name, limits)
        numbers.extend(_floats(cells, layout, line, source.name))
        if layout.ids is not None:
            ids.append(cells[layout.ids])
        if layout.captions is not None:
            captions.append(cells[layout.captions])
        for column, values in labels.items():
            values.append(cells[column])
    table = np.frombuffer(numbers, dtype=np.float64) if count else np.empty(0)
    frame = _frame({layout.labels[column]: values for column, values in labels.items()})
    about = About(
        ids=None if layout.ids is None else np.array(ids, dtype=object),
        captions=None if layout.captions is None else np.array(captions, dtype=object),
        labels=frame,
    )
    beside = source.beside(METADATA_ENDING)
    about = about if beside is None else _with_metadata(about, beside, limits)
    return Chunk(table.reshape(count, len(layout.numbers)), about)


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


def _rows(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers, counted from 1, and cells; blank lines are skipped."""
    with source.open() as stream:
        text = decode_utf8(stream.read(), source.name)
    tabs = Path(source.name).suffix.lower() == ".tsv"
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=True,
    )
    with malformed(source.name, "delimited text", csv.Error):
        for cells in reader:
            if cells and any(cell.strip() for cell in cells):
                yield reader.line_num, cells


def _layout(cells: Sequence[str], name: str) -> Layout:
    names = [cell.strip().lower() for cell in cells]
    header = _is_header(names)
    ids = captions = None
    labels: dict[int, str] = {}
    numbers: list[int] = []
    for column, title in enumerate(names):
        if header and ids is None and title in ID_NAMES and (title or column == 0):
            ids = column
        elif header and captions is None and title in CAPTION_NAMES:
            captions = column
        elif header and (title in LABEL_NAMES or title.startswith("label_")):
            labels[column] = cells[column].strip()
        elif not header and column == 0 and not _is_number(title):
            ids = column
        else:
            numbers.append(column)
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
        raise FormatError(
            f"Line 1 of {name} has one cell with other separators inside. Separate cells by "
            "commas in a .csv and by tabs in a .tsv file."
        )
    return Layout(len(cells), header, ids, captions, labels, tuple(numbers))


def _is_header(names: Sequence[str]) -> bool:
    """Tell a line of column names from a line of numbers, even if the names count 0, 1, 2."""
    known = (*ID_NAMES[:2], *CAPTION_NAMES, *LABEL_NAMES)
    if any(name in known for name in names):
        return True
    numeric = [name for name in names if _is_number(name)]
    if not numeric:
        return True
    counted = len(numeric) > 3 and numeric in (
        [str(number) for number in range(len(numeric))],
        [str(number) for number in range(1, len(numeric) + 1)],
    )
    return counted and len(numeric) >= len(names) - 1


def _floats(cells: Sequence[str], layout: Layout, line: int, name: str) -> list[float]:
    try:
        values = [float(cells[column]) for column in layout.numbers]
        if not any("_" in cells[column] for column in layout.numbers):
            return values
    except ValueError:
        pass
    column = next(c for c in layout.numbers if not _is_number(cells[c]))
    raise FormatError(
        f'Line {line}, column {column + 1} of {name} holds "{printable(cells[column], 40)}", not a '
        "number. Text belongs into columns named id, caption or label; the rest must be numbers."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _with_metadata(raw: About, beside: Source, limits: Limits) -> About:
    """Add what ``<stem>.metadata.tsv`` says of the rows."""
    check_text_size(beside.size, beside.name, limits)
    rows = list(_rows(beside))
    if not rows:
        return raw
    width = len(rows[0][1])
    for line, cells in rows:
        if len(cells) != width:
            raise FormatError(
                f"Line {line} of {beside.name} has {len(cells)} cells, the first line has {width}."
            )
    if width == 1:
        return About(_column(rows, 0), raw.captions, raw.labels)
    titles, rows = rows[0][1], rows[1:]
    columns = {title: _column(rows, index) for index, title in enumerate(titles)}
    ids, captions = columns.pop("id", raw.ids), columns.pop("caption", raw.captions)
    frame = _frame({title: values.tolist() for title, values in columns.items()})
    return About(ids, captions, raw.labels if frame is None else frame)


def _column(rows: Sequence[tuple[int, list[str]]], index: int) -> Texts:
    return np.array([cells[index] for _, cells in rows], dtype=object)


def _frame(columns: dict[str, list[str]]) -> pd.DataFrame | None:
    if not columns:
        return None
    import pandas as pd

    return pd.DataFrame(columns)


def _chain(
    first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _cell(value: object) -> str:
    return " ".join(str(value).replace("\t", " ").splitlines())


CSV = Format("csv", (".csv",), "text, read only", open_file)
TSV = Format(
    "tsv",
    (".tsv",),
    "text, for the TensorBoard projector",
    open_file,
    write_tsv,
    metadata_file,
)
