"""Arrow tables: which columns hold vectors, what the others say of the rows, and tables of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.arrays import listed_rows
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source, Texts, malformed, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk
from anisoalign_core.io.columns import (
    GENERIC_NAMES,
    NAMES,
    SOURCE_NAMES,
    TARGET_NAMES,
    Field,
    Meaning,
    Roles,
    first_texts,
    meaning,
    more_captions,
    number_text,
    plain_name,
)
from anisoalign_core.io.keys import listed
from anisoalign_core.io.wide import Wide
from anisoalign_core.numerics import Integers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Columns:
    """All columns of some rows as Arrow holds them, and which of them the vectors are.

    Attributes
    ----------
    table : pyarrow.Table
    key : str
    name : str
        Of the file, for messages.
    first : int
        Number of the first row in the file.
    roles : Roles
        What the columns are, decided once for the file.
    """

    form: ClassVar[str] = "parquet"

    table: Any
    key: str
    name: str
    first: int
    roles: Roles

    def plain(self, limits: Limits) -> About:
        """Return ids, captions and labels.

        Raises
        ------
        FormatError, LimitError
        """
        with malformed(self.name, "a .parquet file", UnicodeDecodeError):
            return about_of(self.table.select, self.name, limits, self.roles, first=self.first)

    def take(self, rows: Integers) -> Columns:
        """Return some of the rows."""
        return replace(self, table=self.table.take(rows))


def columns(batch: Any, key: str, name: str, first: int, found: Roles) -> Columns:
    """Return all columns of a batch."""
    import pyarrow as pa

    return Columns(pa.Table.from_batches([batch]), key, name, first, found)


def fields_of(schema: Any, head: Callable[[list[str]], Any]) -> list[Field]:
    """Return the columns that can say something of the rows; ``head`` reads the first rows."""
    found = []
    for field in schema:
        kind = _plain_kind(field.type)
        if kind is not None:
            values = partial(_values, head, field.name)
            found.append(Field(field.name, kind, values))
    return found


def _values(head: Callable[[list[str]], Any], name: str) -> Any:
    return head([name]).column(0).to_pylist()


def about_of(
    read: Callable[[list[str]], Any], name: str, limits: Limits, found: Roles, *, first: int = 0
) -> About:
    """Return all but the embeddings: ids, captions, and labels from other plain columns.

    ``read`` gives the table of some columns; ``first`` numbers the first row, for messages.
    """
    ids = captions = None
    notes = found.notes
    if found.id is not None:
        ids = _texts(read([found.id]), limits.max_id_length, name)
        missing = np.flatnonzero([value is None for value in ids])
        if len(missing):
            raise FormatError(
                f'Row {first + missing[0]} of {name} has no "{found.id}" ({len(missing)} such '
                "rows). Give every row an id, or leave the column out."
            )
    if found.caption is not None:
        table = read([found.caption])
        if _plain_kind(table.schema.field(0).type) == "texts":
            captions, more = first_texts(table.column(0).to_pylist())
            if more:
                notes = (*notes, more_captions(more, name))
        else:
            captions = _texts(table, None, name)
            captions[[value is None for value in captions]] = ""
    labels = None
    if found.labels:
        wanted = list(found.labels[:MAX_LABELS])
        labels = read(wanted).to_pandas(ignore_metadata=True)
        labels = labels[[column for column in wanted if column in labels.columns]]
    return About(ids, captions, labels, notes=notes)


def meanings(schema: Any, keys: Sequence[str], found: Roles) -> dict[str, Meaning]:
    """Return what each column is, by its name."""
    said: dict[str, Meaning] = dict.fromkeys(schema.names, "left out")
    said.update(dict.fromkeys(keys, "vectors"))
    said.update(dict.fromkeys(found.labels, "label"))
    said.update({found.id: "id"} if found.id else {})
    said.update({found.caption: "caption"} if found.caption else {})
    return said


def table_of(chunk: Chunk, first: int, metadata: Mapping[str, str]) -> Any:
    """Arrow table of a chunk: the columns it came with, or the ones we give."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(chunk.array).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, chunk.array.shape[1])
    native, about = chunk.about.native, chunk.about
    if isinstance(native, Columns):
        place = native.table.schema.get_field_index(native.key)
        table = native.table.set_column(place, native.key, vectors)
        described = {**(native.table.schema.metadata or {}), **_encoded(metadata)}
        described.pop(b"digest", None)  # of other vectors
        return table.replace_schema_metadata(described)
    ids = range(first, first + len(chunk.array)) if about.ids is None else about.ids
    columns: dict[str, Any] = {"id": pa.array([str(one) for one in ids], pa.string())}
    if about.captions is not None:
        columns["caption"] = pa.array(about.captions.tolist(), pa.string())
    columns["embedding"] = vectors
    if about.projection is not None:
        columns["projection_x"] = pa.array(about.projection[:, 0])
        columns["projection_y"] = pa.array(about.projection[:, 1])
    return labelled(columns, about.labels, metadata)


def _encoded(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in sorted(metadata.items())}


def labelled(
    columns: dict[str, Any], labels: pd.DataFrame | None, metadata: Mapping[str, str]
) -> Any:
    """Return a table; a label named like a column gets ``label_`` before its name."""
    import pyarrow as pa

    columns = dict(columns)
    if labels is not None:
        for label in labels.columns:
            known = str(label) in columns or meaning(str(label)) in ("id", "caption")
            free = f"label_{label}" if known else str(label)
            columns[free] = _label_column(labels[label])
    return pa.table(columns).replace_schema_metadata(_encoded(metadata) or None)


def embedding_columns(schema: Any, name: str) -> tuple[str, ...]:
    """Return the columns that can be embeddings.

    Raises
    ------
    FormatError
        If a column is named like embeddings but holds something else.
    """
    columns = tuple(field.name for field in schema if _is_vector(field.type))
    if columns:
        return columns
    known = {*GENERIC_NAMES, *TARGET_NAMES, *SOURCE_NAMES} - {*NAMES["id"], *NAMES["caption"]}
    wrong = next((f for f in schema if plain_name(f.name) in known), None)
    if wrong is not None:
        of = getattr(wrong.type, "value_type", wrong.type)  # of a text read as a dictionary
        kind = printable(str(of), 60)
        raise FormatError(
            f'Column "{wrong.name}" of {name} holds {kind} values, not lists of numbers. Write it '
            "as a list column of float32."
        )
    raise FormatError(
        f"{name} has no column of number lists; it has {listed(schema.names) or 'no columns'}. "
        'Write the vectors as a list column named "embedding".'
    )


def has_vectors(schema: Any) -> bool:
    """Whether a table has a column of number lists."""
    return any(_is_vector(field.type) for field in schema)


def vectors(column: Any, key: str, name: str, first: int, dim: int | None) -> npt.NDArray[Any]:
    """Return the rows of a list column; see :func:`anisoalign_core.arrays.listed_rows`."""
    return listed_rows(column, name, key=printable(key, 60), first=first, dim=dim)


def _texts(table: Any, longest: int | None, name: str) -> Texts:
    """Return the one column as ``str`` objects (None where null), shared between equal rows."""
    parts: list[Texts] = [np.empty(0, dtype=object)]
    for chunk in table.column(0).chunks:
        if not hasattr(chunk, "dictionary"):
            values = chunk.to_pylist()
            part = np.empty(len(values), dtype=object)
            part[:] = [None if value is None else number_text(value) for value in values]
        else:
            words = [None if word is None else str(word) for word in chunk.dictionary.to_pylist()]
            longer = next((w for w in words if longest and w and len(w) > longest), None)
            if longer is not None:
                raise LimitError(
                    f"{name} holds an id of {len(longer):,} characters "
                    f'("{printable(longer, 40)}"); '
                    f"the limit is {longest:,}. Check which column holds the ids."
                )
            lookup = np.empty(len(words) + 1, dtype=object)  # the last entry stands for null
            lookup[:-1] = words
            part = lookup[chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        parts.append(part)
    return np.concatenate(parts)


def _label_column(column: pd.Series[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa

    if column.dtype == object:
        texts = [None if pd.isna(value) else str(value) for value in column]
        return pa.array(texts, pa.string())
    return pa.array(column, from_pandas=True)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text."""
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _plain_kind(kind: Any) -> Literal["text", "texts", "number"] | None:
    """Return how a column says something of the rows, if it can."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return "number"
    listed = types.is_list(kind) or types.is_large_list(kind)
    return "texts" if listed and is_text(kind.value_type) else None


def wide(table: Any, source: Source, limits: Limits) -> Wide:
    """Return a table without list columns as one of numbers and texts."""
    numbers, texts = {}, {}
    plain = [field.name for field in table.schema if _plain_kind(field.type) in ("number", "text")]
    table = table.select(plain)  # what is neither says nothing of the rows
    titles = tuple(plain)
    for column, field in enumerate(table.schema):
        kind = _plain_kind(field.type)
        if kind == "number":
            values = table.column(column).to_numpy()
            numbers[column] = np.asarray(values, dtype=np.float64)
        else:
            texts[column] = table.column(column).to_pylist()
    return Wide(source.name, titles, True, numbers, texts, source.choice, limits, counted_only=True)


def _is_vector(kind: Any) -> bool:
    import pyarrow.types as types

    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))
