"""Arrow tables: which columns hold vectors, what the others say of the rows, and tables of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Texts, malformed, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk
from anisoalign_core.io.keys import GENERIC_NAMES, SOURCE_NAMES, TARGET_NAMES, listed
from anisoalign_core.numerics import Integers

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMNS = ("id", "ids")
CAPTION_COLUMNS = ("caption", "captions", "text")


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
    """

    form: ClassVar[str] = "parquet"

    table: Any
    key: str
    name: str
    first: int

    def plain(self, limits: Limits) -> About:
        """Return ids, captions and labels.

        Raises
        ------
        FormatError, LimitError
        """
        with malformed(self.name, "a .parquet file", UnicodeDecodeError):
            return about_of(
                self.table.schema, self.table.select, self.name, limits, first=self.first
            )

    def take(self, rows: Integers) -> Columns:
        """Return some of the rows."""
        return replace(self, table=self.table.take(rows))


def columns(batch: Any, key: str, name: str, first: int) -> Columns:
    """Return all columns of a batch."""
    import pyarrow as pa

    return Columns(pa.Table.from_batches([batch]), key, name, first)


def about_of(
    schema: Any,
    read: Callable[[list[str]], Any],
    name: str,
    limits: Limits,
    *,
    id_columns: Sequence[str] = ID_COLUMNS,
    caption_columns: Sequence[str] = CAPTION_COLUMNS,
    first: int = 0,
) -> About:
    """Return all but the embeddings: ids, captions, and labels from other plain columns.

    ``read`` gives the table of some columns; ``first`` numbers the first row, for messages.
    """
    plain = [
        field.name
        for field in schema
        if _is_plain(field.type)
        and field.name not in ("projection_x", "projection_y")
        and not field.name.startswith("__index_level_")
    ]
    id_column = next((column for column in id_columns if column in plain), None)
    caption_column = next((column for column in caption_columns if column in plain), None)
    ids = captions = None
    if id_column is not None:
        ids = _texts(read([id_column]), limits.max_id_length, name)
        missing = np.flatnonzero([value is None for value in ids])
        if len(missing):
            raise FormatError(
                f'Row {first + missing[0]} of {name} has no "{id_column}" ({len(missing)} such '
                "rows). Give every row an id, or leave the column out."
            )
    if caption_column is not None:
        captions = _texts(read([caption_column]), None, name)
        captions[[value is None for value in captions]] = ""
    others = [column for column in plain if column not in (id_column, caption_column)]
    labels = None
    if others:
        labels = read(others[:MAX_LABELS]).to_pandas(ignore_metadata=True)
        labels = labels[[column for column in others if column in labels.columns]]
    return About(ids, captions, labels)


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
        taken = {*columns, *ID_COLUMNS, *CAPTION_COLUMNS}
        for label in labels.columns:
            free = f"label_{label}" if str(label) in taken else str(label)
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
    known = (*GENERIC_NAMES, *TARGET_NAMES, *SOURCE_NAMES)
    wrong = next((f for f in schema if f.name in known and f.name not in CAPTION_COLUMNS), None)
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


def vectors(column: Any, key: str, name: str, first: int, dim: int | None) -> npt.NDArray[Any]:
    """Return the rows of a list column, which must be of one length."""
    import pyarrow.compute as pc

    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise FormatError(
            f"Row {first + row} of {name} has no embedding ({column.null_count} such rows nearby). "
            "Leave such rows out."
        )
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    wanted = lengths[0] if dim is None else dim
    odd = np.flatnonzero(lengths != wanted)
    if len(odd):
        raise FormatError(
            f"Row {first + odd[0]} of {name} has {lengths[odd[0]]} numbers in "
            f'"{printable(key, 60)}", those before it have {wanted}. Every row needs a vector of '
            "one length."
        )
    values: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), int(wanted))


def _texts(table: Any, longest: int | None, name: str) -> Texts:
    """Return the one column as ``str`` objects (None where null), shared between equal rows."""
    parts: list[Texts] = [np.empty(0, dtype=object)]
    for chunk in table.column(0).chunks:
        if not hasattr(chunk, "dictionary"):
            values = chunk.to_pylist()
            part = np.empty(len(values), dtype=object)
            part[:] = [None if value is None else str(value) for value in values]
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


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(number or is_text(kind))


def _is_vector(kind: Any) -> bool:
    import pyarrow.types as types

    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))
