"""The check before text-only training: its code notices an id that is missing only in its turn.

What a training file asks for is compared with the rows of :mod:`anisoalign_core.io.revision`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import Limits, check_bytes
from anisoalign_core.files.places import as_path, source_at
from anisoalign_core.files.source import Texts, malformed, printable
from anisoalign_core.numerics import row_norms
from anisoalign_core.rows import LOOSE_UNIT_TOLERANCE

LOADER_DIM = 1280
"""Hidden size that the public training code has written into it."""


def training_ids(path: str | Path, *, limits: Limits | None = None) -> list[str]:
    """Return the ids that a training file asks for, in its order.

    Parameters
    ----------
    path : str or Path
        JSON as LLaVA and Bunny have it: a list of objects with ``id``, or one object per line.
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
    with source.open() as stream, malformed(name, "JSON in UTF-8", UnicodeDecodeError):
        text = stream.read().decode("utf-8-sig")
    found: list[str] = []
    for number, item in enumerate(_json_items(text, name)):
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

    ``norm_min`` and ``norm_max`` are of rows whose numbers are finite (0 where there are none);
    ``wanted`` counts the different ids of the training file (None without one), ``missing`` those
    that no row has, ``extra`` the ids of rows that it does not ask for. Examples are the first five
    ids of each.
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
        faults = (
            (
                self.nonfinite,
                self.nonfinite_examples,
                ("row holds", "rows hold"),
                "numbers that are not finite",
            ),
            (self.zero_rows, self.zero_examples, ("row is", "rows are"), "all zeros"),
            (self.duplicate_ids, self.duplicate_examples, ("id", "ids"), "that several rows have"),
            (
                self.missing,
                self.missing_examples,
                ("id", "ids"),
                "of the training file without a row",
            ),
        )
        reasons = [
            f"{count:,} {words[count > 1]} {what} ({_shown(some, count)})"
            for count, some, words, what in faults
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
    """Counts what :class:`Preflight` reports, chunk by chunk."""

    EXAMPLES = 5

    def __init__(self) -> None:
        self._ids: Counter[str] = Counter()
        self._nonfinite: list[str] = []
        self._zero: list[str] = []
        self._low, self._high = np.inf, -np.inf

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
        self._nonfinite += [names[row] for row in np.flatnonzero(~finite)]
        self._zero += [names[row] for row in np.flatnonzero(norms == 0.0)]
        self._low = min(self._low, norms[finite].min(initial=np.inf))
        self._high = max(self._high, norms[finite].max(initial=-np.inf))
        self._ids.update(names)

    def finish(self, wanted: Sequence[str] | None, dim: int) -> Preflight:
        """Return what was counted.

        Parameters
        ----------
        wanted : sequence of str or None
            Ids of the training file: :func:`training_ids`.
        dim : int
        """
        asked = dict.fromkeys(wanted or ())
        repeated = [key for key, count in self._ids.items() if count > 1]
        missing = [key for key in asked if key not in self._ids]
        extra = [] if wanted is None else [key for key in self._ids if key not in asked]
        found = {
            "nonfinite": self._nonfinite,
            "zero": self._zero,
            "duplicate": repeated,
            "missing": missing,
            "extra": extra,
        }
        examples = {f"{k}_examples": tuple(v[: self.EXAMPLES]) for k, v in found.items()}
        return Preflight(
            rows=self._ids.total(),
            dim=dim,
            norm_min=float(self._low) if np.isfinite(self._low) else 0.0,
            norm_max=float(self._high) if np.isfinite(self._high) else 0.0,
            nonfinite=len(self._nonfinite),
            zero_rows=len(self._zero),
            duplicate_ids=len(repeated),
            wanted=None if wanted is None else len(asked),
            missing=len(missing),
            extra=len(extra),
            **examples,
        )


def _shown(examples: Sequence[str], count: int) -> str:
    more = ", …" if count > len(examples) else ""
    return ", ".join(f'"{printable(one, 60)}"' for one in examples) + more


def _json_items(text: str, name: str) -> Iterator[Any]:
    """Yield the items of a JSON list, or JSON objects that follow each other."""
    decode, number = json.JSONDecoder().raw_decode, 0
    begin = _after_space(text, 0)
    listed = text[begin : begin + 1] == "["
    if begin < len(text) and text[begin] not in "[{":
        raise _no_list(name)
    at = _after_space(text, begin + listed)
    closed = listed and text[at : at + 1] == "]"
    while at < len(text) and not closed:
        try:
            item, at = decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _bad_item(number, name, getattr(error, "msg", str(error))) from error
        yield item
        at, number = _after_space(text, at), number + 1
        closed = listed and text[at : at + 1] == "]"
        if listed and not closed and at < len(text):
            if text[at] != ",":
                raise _bad_item(number, name, "there is no comma before it")
            at = _after_space(text, at + 1)
    if begin == len(text) or (listed and not closed):
        raise FormatError(f"{name} ends before its list of objects does. Copy or write it again.")
    if closed and _after_space(text, at + 1) < len(text):
        raise _no_list(name)


def _after_space(text: str, at: int) -> int:
    """Return the place of the next letter that is no space between JSON values."""
    while text[at : at + 1] in _SPACE:
        at += 1
    return at


def _no_list(name: str) -> FormatError:
    return FormatError(
        f"{name} is not a list of JSON objects, nor one object per line. Give the file that the "
        "training code reads."
    )


def _bad_item(number: int, name: str, reason: str) -> FormatError:
    return FormatError(
        f"Item {number} of {name} cannot be read as JSON: {printable(reason)}. Mend the file, or "
        "write it again."
    )


_SPACE = frozenset(" \t\r\n")
