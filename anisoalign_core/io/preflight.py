"""The check before text-only training: its code notices an id that is missing only in its turn.

What a training file asks for is compared with the rows of :mod:`anisoalign_core.io.revision`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import MIB, Limits, check_bytes
from anisoalign_core.files.places import as_path, source_at
from anisoalign_core.files.source import Source, Texts, malformed, printable
from anisoalign_core.numerics import row_norms
from anisoalign_core.rows import LOOSE_UNIT_TOLERANCE

LOADER_DIM = 1280
"""Hidden size that the public training code has written into it."""
LONGEST_ITEM = 64 * MIB
"""Letters of one object in a training file."""


def training_ids(path: str | Path, *, limits: Limits | None = None) -> list[str]:
    """Return the ids that a training file asks for, in its order.

    Parameters
    ----------
    path : str or Path
        JSON as LLaVA and Bunny have it: a list of objects with ``id``, or one object per line.
        Read object by object, so that only the ids take memory.
    limits : Limits, optional
        Files above ``max_bytes`` are refused. By default those of the environment.

    Returns
    -------
    list of str
        As the training code compares them: ``str(id)``.

    Raises
    ------
    FormatError
        If the file cannot be read, is not JSON of that form, or an object has no id.
    LimitError
    """
    source = source_at(as_path(path))
    name = source.name
    check_bytes(source.size, f"{name} takes", name, limits or Limits.from_env())
    found: list[str] = []
    for number, item in enumerate(_json_items(source)):
        if not isinstance(item, dict):
            raise FormatError(
                f"Item {number} of {name} is not an object with an id. Give a list of objects, as "
                "the training code reads it."
            )
        key = item.get("id")
        if not isinstance(key, str | int | float):
            raise FormatError(
                f'Item {number} of {name} has no "id" that is a text or a number. Give a list of '
                "objects with ids, as the training code reads it."
            )
        found.append(str(key))
    return found


@dataclass(frozen=True)
class Preflight:
    """What a folder of chunks would meet in training, counted before it.

    Attributes
    ----------
    rows, dim : int
    norm_min, norm_max : float
        Of the rows whose numbers are finite; 0 where there are none.
    nonfinite, zero_rows : int
        Rows with numbers that are not finite, and rows of zeros.
    duplicate_ids : int
        Ids that more than one row has.
    wanted : int or None
        Different ids that the training file asks for; None without one.
    missing, extra : int
        Ids that it asks for and no row has, and ids of rows that it does not ask for.
    nonfinite_examples, zero_examples, duplicate_examples, missing_examples, extra_examples : tuple
        The first five ids of each.
    """

    rows: int
    dim: int
    norm_min: float
    norm_max: float
    nonfinite: int = 0
    zero_rows: int = 0
    duplicate_ids: int = 0
    wanted: int | None = None
    missing: int = 0
    extra: int = 0
    nonfinite_examples: tuple[str, ...] = ()
    zero_examples: tuple[str, ...] = ()
    duplicate_examples: tuple[str, ...] = ()
    missing_examples: tuple[str, ...] = ()
    extra_examples: tuple[str, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Why the rows must not be used for training, in a sentence; None if they may."""
        reasons = [
            f"{count:,} {one if count == 1 else many} ({_shown(examples, count)})"
            for count, one, many, examples in (
                (
                    self.nonfinite,
                    "row holds numbers that are not finite",
                    "rows hold numbers that are not finite",
                    self.nonfinite_examples,
                ),
                (self.zero_rows, "row is all zeros", "rows are all zeros", self.zero_examples),
                (
                    self.duplicate_ids,
                    "id belongs to several rows",
                    "ids belong to several rows each",
                    self.duplicate_examples,
                ),
                (
                    self.missing,
                    "id of the training file has no row",
                    "ids of the training file have no row",
                    self.missing_examples,
                ),
            )
            if count
        ]
        if not self.rows:
            reasons.insert(0, "there are no rows")
        if not reasons:
            return None
        return (
            f"Not fit for training: {'; '.join(reasons)}. Mend the input or the training file, "
            "then write the chunks again."
        )

    @property
    def sentences(self) -> list[str]:
        """What a person should know before training, one sentence each."""
        said = [f"{self.rows:,} rows of {self.dim:,} numbers."]
        off = max(abs(self.norm_min - 1.0), abs(self.norm_max - 1.0))
        if off <= LOOSE_UNIT_TOLERANCE:
            said.append(f"Norms are 1 to within {off:.1g}.")
        elif self.rows > self.nonfinite:
            said.append(
                f"Warning: norms lie between {self.norm_min:.3g} and {self.norm_max:.3g}, and the "
                "training code expects 1. Normalise the rows first."
            )
        if self.dim != LOADER_DIM:
            said.append(
                f"Warning: the public loader has {LOADER_DIM} as its hidden size written into it, "
                f"and these rows have {self.dim:,} numbers. Change that number in the loader."
            )
        if self.wanted is not None and not self.missing:
            said.append(f"All {self.wanted:,} ids of the training file have a row.")
        if self.extra:
            said.append(
                f"{self.extra:,} {'row is' if self.extra == 1 else 'ids of rows are'} not in the "
                f"training file ({_shown(self.extra_examples, self.extra)}), which does no harm."
            )
        return [*said, self.refusal] if self.refusal else said

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, with the refusal and the sentences."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**plain, "refusal": self.refusal, "sentences": self.sentences}


class PreflightCounter:
    """Counts what :class:`Preflight` reports, chunk by chunk.

    Ids are kept as one text and compared by their 64-bit hashes: 12 bytes and the letters for each,
    with about one chance in a million of a wrong count among five million ids.
    """

    EXAMPLES = 5

    def __init__(self) -> None:
        self._rows = 0
        self._range = (np.inf, -np.inf)
        self._hashes: list[npt.NDArray[np.int64]] = []
        self._lengths: list[npt.NDArray[np.int32]] = []
        self._texts: list[str] = []
        self._odd: dict[str, list[str]] = {"nonfinite": [], "zero": []}
        self._counts = {"nonfinite": 0, "zero": 0}

    def add(self, array: npt.NDArray[np.floating[Any]], ids: Sequence[object] | Texts) -> None:
        """Count some rows.

        Parameters
        ----------
        array : (m, d) array of floats
        ids : sequence of length m

        Raises
        ------
        ShapeError
            If there is not one id for each row.
        """
        names = [str(one) for one in ids]
        if len(names) != len(array):
            raise ShapeError(f"{len(array):,} rows came with {len(names):,} ids. Give one each.")
        norms = row_norms(array)
        finite = np.isfinite(norms)
        for what, which in (("nonfinite", ~finite), ("zero", norms == 0.0)):
            found = np.flatnonzero(which)
            self._counts[what] += len(found)
            room = self.EXAMPLES - len(self._odd[what])
            self._odd[what] += [names[row] for row in found[:room]]
        low, high = self._range
        kept = norms[finite]
        self._range = min(low, kept.min(initial=np.inf)), max(high, kept.max(initial=-np.inf))
        self._rows += len(names)
        self._hashes.append(_hashes(names))
        self._lengths.append(np.fromiter(map(len, names), dtype=np.int32, count=len(names)))
        self._texts.append("".join(names))

    def finish(self, wanted: Sequence[str] | None, dim: int) -> Preflight:
        """Return what was counted.

        Parameters
        ----------
        wanted : sequence of str or None
            Ids of the training file: :func:`training_ids`.
        dim : int
        """
        hashes = np.concatenate([np.empty(0, dtype=np.int64), *self._hashes])
        own, places, counts = np.unique(hashes, return_index=True, return_counts=True)
        repeated = np.sort(places[counts > 1])
        found: dict[str, Any] = {}
        if wanted is not None:
            asked, asked_at = np.unique(_hashes(wanted), return_index=True)
            missing = np.sort(asked_at[np.isin(asked, own, invert=True, assume_unique=True)])
            extra = np.sort(places[np.isin(own, asked, invert=True, assume_unique=True)])
            found = {
                "wanted": len(asked),
                "missing": len(missing),
                "extra": len(extra),
                "missing_examples": tuple(str(wanted[i]) for i in missing[: self.EXAMPLES]),
                "extra_examples": self._named(extra),
            }
        low, high = self._range
        return Preflight(
            rows=self._rows,
            dim=dim,
            norm_min=float(low) if np.isfinite(low) else 0.0,
            norm_max=float(high) if np.isfinite(high) else 0.0,
            nonfinite=self._counts["nonfinite"],
            zero_rows=self._counts["zero"],
            duplicate_ids=len(repeated),
            nonfinite_examples=tuple(self._odd["nonfinite"]),
            zero_examples=tuple(self._odd["zero"]),
            duplicate_examples=self._named(repeated),
            **found,
        )

    def _named(self, rows: npt.NDArray[np.intp]) -> tuple[str, ...]:
        """Return the ids of the first few of some rows."""
        starts = np.cumsum([0, *map(len, self._lengths)])
        names = []
        for row in rows[: self.EXAMPLES]:
            part = int(np.searchsorted(starts, row, side="right")) - 1
            lengths = self._lengths[part]
            begin = int(lengths[: row - starts[part]].sum(dtype=np.int64))
            names.append(self._texts[part][begin : begin + int(lengths[row - starts[part]])])
        return tuple(names)


def _hashes(names: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(hash, names), dtype=np.int64, count=len(names))


def _shown(examples: Sequence[str], count: int) -> str:
    more = ", …" if count > len(examples) else ""
    return ", ".join(f'"{printable(one, 60)}"' for one in examples) + more


def _json_items(source: Source) -> Iterator[Any]:
    """Yield the items of a JSON list, or JSON objects that follow each other, one at a time."""
    name, decode = source.name, json.JSONDecoder().raw_decode
    text, at, number = "", 0, 0
    ended = closed = comma = False
    listed: bool | None = None
    with source.open() as raw, malformed(name, "JSON in UTF-8", UnicodeDecodeError):
        stream = io.TextIOWrapper(cast(Any, raw), encoding="utf-8-sig")
        while True:
            space = _SPACE.match(text, at)
            at = space.end() if space else at
            if at == len(text) and not ended:
                text, at = stream.read(MIB), 0
                ended = not text
                continue
            mark = text[at : at + 1]
            if not mark:
                if listed is None or (listed and not closed):
                    raise FormatError(
                        f"{name} ends before its list of objects does. Copy or write it again."
                    )
                return
            if listed is None and mark in "[{":
                listed, comma = mark == "[", True
                at += listed
            elif listed is None or closed:
                raise FormatError(
                    f"{name} is not a list of JSON objects, nor one object per line. Give the file "
                    "that the training code reads."
                )
            elif listed and mark == "]" and (number == 0 or not comma):
                closed, at = True, at + 1
            elif listed and not comma:
                if mark != ",":
                    raise _bad_item(number, name, "there is no comma before it")
                comma, at = True, at + 1
            else:
                try:
                    item, at = decode(text, at)
                except (ValueError, RecursionError) as error:
                    if ended or len(text) - at > LONGEST_ITEM:
                        raise _bad_item(number, name, getattr(error, "msg", str(error))) from error
                    more = stream.read(max(MIB, len(text) - at))  # the rest may be to come
                    text, at, ended = text[at:] + more, 0, not more
                    continue
                yield item
                number, comma = number + 1, False


def _bad_item(number: int, name: str, reason: str) -> FormatError:
    return FormatError(
        f"Item {number} of {name} cannot be read as JSON: {printable(reason)}. Mend the file, or "
        "write it again."
    )


_SPACE = re.compile(r"[ \t\r\n]*")
