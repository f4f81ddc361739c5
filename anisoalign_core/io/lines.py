"""Ids and captions as text, one per line, and the files beside a file that hold them."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import Source, Texts
from anisoalign_core.io.chunks import About

IDS_ENDING = ".ids.txt"
CAPTIONS_ENDING = ".captions.txt"


def parse_lines(data: bytes, name: str) -> list[str]:
    r"""Split UTF-8 text into lines: one id or caption each.

    A byte order mark, ``\r\n`` line ends and a missing last line end are tolerated. Empty lines
    count, so that line i belongs to row i.

    Parameters
    ----------
    data : bytes
    name : str
        For messages.

    Raises
    ------
    FormatError
        If the text is not UTF-8, naming the line.
    """
    lines = decode_utf8(data, name).split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def decode_utf8(data: bytes, name: str) -> str:
    """Decode UTF-8 with or without a byte order mark, or name the line that is not."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"Line {line} of {name} is not UTF-8 text (byte {data[error.start]:#04x}). Save the "
            "file as UTF-8."
        ) from error


def read_sidecar(source: Source, ending: str, limits: Limits) -> Texts | None:
    """Return the lines of the file beside ``source`` with that ending, if there is one.

    Raises
    ------
    FormatError, LimitError
    """
    beside = source.beside(ending)
    if beside is None:
        return None
    check_text_size(beside.size, beside.name, limits)
    with beside.open() as stream:
        return np.array(parse_lines(stream.read(), beside.name), dtype=object)


def sidecars(about: About, path: Path) -> dict[Path, bytes]:
    """Return the files to write beside ``path`` for formats that hold numbers only.

    Line breaks within captions become spaces; within ids they are refused.

    Raises
    ------
    FormatError
        If an id holds a line break, or an old file would be taken for this set's ids.
    """
    files: dict[Path, bytes] = {}
    ids_path, captions_path = path.with_suffix(IDS_ENDING), path.with_suffix(CAPTIONS_ENDING)
    if about.ids is not None:
        for row, key in enumerate(about.ids):
            if "\n" in key or "\r" in key:
                raise FormatError(
                    f"The id of row {row} holds a line break, which {ids_path.name} cannot. Save "
                    "as .parquet, which keeps any id."
                )
        files[ids_path] = _joined(about.ids.tolist())
    else:
        refuse_stale(ids_path, path, "ids")
    if about.captions is not None:
        files[captions_path] = _joined([" ".join(c.splitlines()) for c in about.captions])
    else:
        refuse_stale(captions_path, path, "captions")
    return files


def refuse_stale(beside: Path, path: Path, what: str) -> None:
    """Refuse to write ``path`` next to a file that would be read as its ``what``."""
    if beside.exists():
        raise FormatError(
            f"{beside.name} lies beside {path.name} and would be read as its {what}, but the set "
            f"to save has none. Choose another name, or move {beside.name} away."
        )


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8")
