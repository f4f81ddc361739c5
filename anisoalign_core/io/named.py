"""Files of arrays by name: which are vectors, and which say what the rows are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, Texts, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk, table_shape
from anisoalign_core.io.columns import (
    NAMES,
    Field,
    Meaning,
    check_choice,
    first_texts,
    more_captions,
    number_text,
    plain_name,
    roles,
)

if TYPE_CHECKING:
    import pandas as pd

BY_ID = "vectors"
"""The key of a file that holds one array for each id."""
LABEL_PREFIX = "label_"
KNOWN = frozenset(name for names in NAMES.values() for name in names)


@dataclass(frozen=True)
class Entry:
    """One array of a file.

    Attributes
    ----------
    name : str
    shape : tuple of int
    kind : {"number", "text", "texts"}
    read : callable () -> array or list
    """

    name: str
    shape: tuple[int, ...]
    kind: Literal["number", "text", "texts"]
    read: Callable[[], Any] = field(repr=False)


def holds_ids(entries: Sequence[Entry]) -> bool:
    """Whether a file is a dictionary from ids to vectors: arrays of one shape, by no known name."""
    numbers = [each for each in entries if each.kind == "number"]
    shapes = {each.shape for each in numbers}
    if len(shapes) != 1 or any(plain_name(each.name) in KNOWN for each in numbers):
        return False
    shape = shapes.pop()
    single = len(shape) == 1 and len(numbers) > 1
    batched = len(shape) == 2 and shape[0] == 1 and len(numbers) > 2
    return (single or batched) and shape[-1] > 1


def keys_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the names of the arrays that can be embeddings: tables, if there are any."""
    if holds_ids(entries):
        return (BY_ID,)
    numbers = [each for each in entries if each.kind == "number" and not _is_said(each)]
    tables = [each.name for each in numbers if table_shape(each.shape) is not None]
    return tuple(tables or (each.name for each in numbers))


def shape_of(entries: Sequence[Entry], key: str) -> tuple[int, ...]:
    """Return the shape of one of :func:`keys_of`, which is not read for it."""
    shapes = {each.name: each.shape for each in entries if each.kind == "number"}
    if holds_ids(entries):
        return len(shapes), next(iter(shapes.values()))[-1]
    return shapes[key]


def stacked(entries: Sequence[Entry], name: str, limits: Limits) -> Chunk:
    """Return the vectors of a dictionary from ids to vectors.

    Raises
    ------
    LimitError
    """
    numbers = [each for each in entries if each.kind == "number"]
    check_declared(len(numbers), numbers[0].shape[-1], 8, name, limits)
    ids = np.empty(len(numbers), dtype=object)
    ids[:] = [each.name for each in numbers]
    return Chunk(np.stack([np.asarray(each.read()).reshape(-1) for each in numbers]), About(ids))


def said(entries: Sequence[Entry], key: str, rows: int, source: Source) -> About:
    """Return what the other arrays say of the rows of one.

    Those named after the key first (``image_ids`` beside ``image``); what belongs to another array
    of vectors is left out.

    Raises
    ------
    FormatError
        If a column was chosen that is not there.
    """
    name = source.name
    check_choice(source.choice, [each.name for each in entries], name)
    if holds_ids(entries):
        return About()
    others = [f"{plain_name(other)}_" for other in keys_of(entries) if other != key]
    own = f"{plain_name(key)}_"
    mine = {
        each.name: each
        for each in entries
        if each.name != key
        and (
            plain_name(each.name).startswith(own)
            or not plain_name(each.name).startswith(tuple(others))
        )
        and (each.shape == (rows,) or plain_name(each.name) in _own(key))
    }
    fields = [Field(each.name, each.kind, _values(each)) for each in mine.values()]
    found = roles(fields, name, source.choice, key=key)
    ids = captions = None
    notes = found.notes
    if found.id is not None:
        ids = _texts(mine[found.id])
    if found.caption is not None:
        entry = mine[found.caption]
        if entry.kind == "texts":
            captions, more = first_texts(entry.read())
            notes = (*notes, more_captions(more, name)) if more else notes
        else:
            captions = _texts(entry)
    labels = [mine[label] for label in found.labels if not _is_said(mine[label])]
    return About(ids, captions, _labels(labels[:MAX_LABELS], rows), notes=notes)


def meanings(entries: Sequence[Entry], source: Source) -> dict[str, Meaning]:
    """Return what each array is, by its name, as for the first one that holds vectors."""
    keys = keys_of(entries)
    by_name = {each.name: each for each in entries}
    found: dict[str, Meaning] = dict.fromkeys(by_name, "left out")
    if not keys or keys == (BY_ID,):
        return found
    found.update(dict.fromkeys(keys, "vectors"))
    shape = table_shape(by_name[keys[0]].shape)
    fields = [
        Field(each.name, each.kind, _values(each))
        for each in entries
        if shape is not None and each.shape == shape[:1]
    ]
    told = roles(fields, source.name, source.choice, key=keys[0])
    found.update(dict.fromkeys(told.labels, "label"))
    found.update({told.id: "id"} if told.id else {})
    found.update({told.caption: "caption"} if told.caption else {})
    return found


def _own(key: str) -> tuple[str, ...]:
    """Names that are the key's ids and captions whatever their length, which is then refused."""
    return tuple(
        f"{before}{what}" for before in (f"{plain_name(key)}_", "") for what in ("ids", "captions")
    )


def _is_said(entry: Entry) -> bool:
    plain = plain_name(entry.name)
    return plain in ("ids", "captions") or plain.endswith(("_ids", "_captions"))


def _values(entry: Entry) -> Callable[[], Sequence[Any]]:
    return lambda: [number_text(value) for value in np.asarray(entry.read(), dtype=object).tolist()]


def _texts(entry: Entry) -> Texts:
    values = entry.read()
    items = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = [number_text(item) for item in items]
    return out


def _labels(entries: Sequence[Entry], rows: int) -> pd.DataFrame | None:
    found = [entry for entry in entries if entry.shape == (rows,) and entry.kind != "texts"]
    if not found:
        return None
    import pandas as pd

    values: dict[str, npt.NDArray[Any]] = {}
    for entry in found:
        array = _texts(entry) if entry.kind == "text" else np.asarray(entry.read())
        if array.dtype != object:
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
        values[entry.name.removeprefix(LABEL_PREFIX)] = array
    return pd.DataFrame(values)


def objects_note(names: Sequence[str], name: str) -> tuple[str, ...]:
    """Say which arrays hold Python objects and were left alone."""
    return tuple(
        f'The array "{printable(each, 60)}" of {name} holds Python objects, which are never loaded '
        "because they can run code. Save texts as text: names.astype(str)."
        for each in names
    )
