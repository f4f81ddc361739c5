"""A training run as its monitor wrote it, read back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.gap.row import COLUMNS, Row
from anisoalign_core.gap.saved import numbered
from anisoalign_core.plain import from_plain

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
KIND = "a run that a monitor wrote"
BEGIN = b'{"run_version"'
_ERRORS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Settings:
    """How a run was watched.

    Attributes
    ----------
    every : int
        Calls between rows.
    window : int
        Calls before a row that its covariances come from.
    gallery : int
        At most so many pairs of a batch are compared with each other.
    dim : int
        Dimensions d.
    ranks : int
        Processes.
    """

    every: int
    window: int
    gallery: int
    dim: int
    ranks: int


@dataclass(frozen=True)
class _Header:
    run_version: int
    name: str
    settings: Settings


@dataclass(frozen=True, eq=False)
class Run:
    """Rows of a training run by step.

    Attributes
    ----------
    frame : DataFrame
        A line a row, indexed by ``step``, ascending; columns as :class:`Row` has them, NaN where a
        number was not defined.
    name : str
        Of the first segment.
    settings : Settings
        Of the last segment.
    notes : tuple of str
        What a reader should know: torn lines, steps that were written twice.
    """

    frame: pd.DataFrame
    name: str
    settings: Settings
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | Path | Source, *later: str | Path | Source) -> Run:
        """Read a run from the file that :class:`JsonLines` wrote, or from several, oldest first.

        A run that was resumed has several segments, in one file or in more. Where steps go back
        the last writer of a step wins; notes say so, and which rows of a segment that was left
        stay between.

        Raises
        ------
        FormatError
            If a file is no run, is damaged, or is of a later version.
        LimitError
            If a file is too large.
        """
        import pandas as pd

        segments: list[_Segment] = []
        notes: list[str] = []
        for each in (path, *later):
            found, told = _read(each)
            segments += found
            notes += told
        for number, segment in enumerate(segments[1:], 2):
            notes += _differs(segments[number - 2], segment, number)
        rows: dict[int, Row] = {}
        for number, segment in enumerate(segments, 1):
            notes += _goes_back(rows, segment, number)
            rows |= {row.step: row for row in segment.rows}
        table = pd.DataFrame([rows[at].to_dict() for at in sorted(rows)], columns=list(COLUMNS))
        whole = {each.name: "int64" for each in fields(Row) if each.type == "int"}
        table = table.astype({name: whole.get(name, "float64") for name in COLUMNS})
        return cls(
            table.set_index("step"),
            segments[0].header.name,
            segments[-1].header.settings,
            tuple(notes),
        )

    def to_bytes(self) -> bytes:
        """Return the run as one segment, in the form that :meth:`load` reads."""
        header = {"run_version": VERSION, "name": self.name, "settings": asdict(self.settings)}
        rows = self.frame.reset_index().to_dict("records")
        lines = (line_of({str(name): value for name, value in row.items()}) for row in rows)
        return line_of(header) + b"".join(lines)


def line_of(body: Mapping[str, Any]) -> bytes:
    """Return one line of a run; numbers that are not finite are null."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in body.items()
    }
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


@dataclass(frozen=True)
class _Segment:
    header: _Header
    rows: list[Row]


def is_header(line: bytes) -> bool:
    """Whether a line begins as a header does."""
    return line.startswith(BEGIN)


def check_header(line: bytes, name: str) -> None:
    """Refuse a line that is no header of a run that this version reads.

    Raises
    ------
    FormatError
    """
    with malformed(name, KIND, *_ERRORS):
        _header(_parsed(line, 1), name)


def _read(path: str | Path | Source) -> tuple[list[_Segment], list[str]]:
    """Return the segments of a file and what there is to say of it."""
    source = path if isinstance(path, Source) else Source(Path(path).name, Path(path))
    check_text_size(source.size, source.name, Limits.from_env())
    with source.open() as stream:
        lines = stream.read().split(b"\n")
    if not lines[-1]:
        lines.pop()  # the last line ended
    segments: list[_Segment] = []
    notes: list[str] = []
    with malformed(source.name, KIND, *_ERRORS):
        for number, line in enumerate(lines, 1):
            try:
                body = _parsed(line, number)
            except ValueError:
                # nothing follows but the header of who went on
                if number < len(lines) and not is_header(lines[number]):
                    raise
                if not (segments or is_header(line)):
                    raise
                notes.append(f"Line {number} of {source.name} is torn and was left out.")
                continue
            if is_header(line):
                segments.append(_Segment(_header(body, source.name), []))
            elif not segments:
                raise ValueError("its first line says nothing of a run")
            else:
                segments[-1].rows.append(_row(body, number))
        if not segments:
            raise ValueError("it has no header")
    return segments, notes


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        body = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError(f"line {number} is not an object")
    return body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _header(body: dict[str, Any], name: str) -> _Header:
    version = body.get("run_version")
    if type(version) is int and version > VERSION:
        raise FormatError(
            f"{name} has run version {version}, and this version of AnisoAlign reads up to "
            f"{VERSION}. Update AnisoAlign."
        )
    if version != VERSION or type(version) is not int:
        raise ValueError("its header has no version")
    return from_plain(_Header, body)


def _row(body: dict[str, Any], number: int) -> Row:
    try:
        row = from_plain(Row, numbered(Row, body))
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    values = row.to_dict().values()
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        raise ValueError(f"line {number} holds a number that no float can")
    if any(type(value) is int and abs(value) >= 2**53 for value in values):
        raise ValueError(f"line {number} holds a whole number that is too large")
    return row


def _differs(before: _Segment, now: _Segment, number: int) -> list[str]:
    changed = [
        f"{each.name} from {old} to {new}"
        for each in fields(Settings)
        if (old := getattr(before.header.settings, each.name))
        != (new := getattr(now.header.settings, each.name))
    ]
    if now.header.name != before.header.name:
        changed.insert(0, f'its name to "{printable(now.header.name)}"')
    return [f"Segment {number} changed {', '.join(changed)}."] if changed else []


def _goes_back(rows: dict[int, Row], segment: _Segment, number: int) -> list[str]:
    """Say what a segment writes again, and what it leaves of those before."""
    own = [row.step for row in segment.rows]
    if not own or not rows or min(own) > max(rows):
        return []
    again = sorted(set(own) & rows.keys())
    left = sorted(at for at in rows if at >= min(own) and at not in set(own))
    told = [
        f"Segment {number} begins again at step {min(own)}: {len(again)} steps were written "
        "again, and the last writer's rows are shown."
    ]
    if left:
        which = "1 row" if len(left) == 1 else f"{len(left)} rows"
        told.append(
            f"{which} from step {left[0]} to {left[-1]} {'is' if len(left) == 1 else 'are'} of the "
            "segment that was left."
        )
    return told
