"""Parquet: a list column of embeddings beside ids, captions and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, Limits, check_bytes, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, Texts, malformed, printable
from anisoalign_core.io.keys import GENERIC_NAMES, SOURCE_NAMES, TARGET_NAMES, listed
from anisoalign_core.io.parquet_footer import Footer, check_pages, read_footer
from anisoalign_core.io.tables import MAX_LABELS, Payload, RawTable

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMNS = ("id", "ids")
CAPTION_COLUMNS = ("caption", "captions", "text")
BATCH_BYTES = 16 * MIB


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[tuple[Any, Footer]]:
    """Open a ``pyarrow.parquet.ParquetFile`` whose footer is within the limits.

    Text columns are read as dictionaries, so that a repeated text takes memory once.

    Raises
    ------
    FormatError, LimitError
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = source.name
    footer = read_footer(source)
    _check_footer(footer, name, limits)
    errors = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, NotImplementedError)
    with (
        malformed(name, "a .parquet file", *errors, OverflowError, IndexError),
        target(source) as file,
    ):
        schema = pq.ParquetFile(file).schema_arrow
        texts = [field.name for field in schema if is_text(field.type)]
        yield (
            pq.ParquetFile(file, read_dictionary=texts, page_checksum_verification=True),
            footer,
        )


def keys(source: Source, limits: Limits) -> tuple[str, ...]:
    """Return the columns that can be embeddings.

    Raises
    ------
    FormatError
        If a column is named like embeddings but holds something else.
    """
    with opened(source, limits) as (file, _):
        return _embedding_columns(file.schema_arrow, source.name)


def read(source: Source, limits: Limits, key: str) -> RawTable:
    """Read one embedding column with ids, captions and labels.

    Raises
    ------
    FormatError
        If lists differ in length or rows lack an embedding or id, naming the first such row.
    LimitError
    """
    with opened(source, limits) as (file, footer):
        check_pages(source, footer)
        array = _read_embeddings(file, footer, key, source.name, limits)
        ids, captions, labels = read_about_rows(file, source.name, limits)
        described = file.schema_arrow.metadata or {}
        model = described[b"model"].decode("utf-8") if b"model" in described else None
    return RawTable(array, ids, captions, labels, model=model)


def read_about_rows(
    file: Any,
    name: str,
    limits: Limits,
    *,
    id_columns: Sequence[str] = ID_COLUMNS,
    caption_columns: Sequence[str] = CAPTION_COLUMNS,
    first: int = 0,
) -> tuple[Texts | None, Texts | None, pd.DataFrame | None]:
    """Read everything but the embeddings: ids, captions, and labels from other plain columns.

    ``first`` is the number of the first row, for messages.
    """
    schema = file.schema_arrow
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
        ids = _texts(file, id_column, limits.max_id_length, name)
        missing = np.flatnonzero([value is None for value in ids])
        if len(missing):
            raise FormatError(
                f'Row {first + missing[0]} of {name} has no "{id_column}" ({len(missing)} such '
                "rows). Give every row an id, or leave the column out."
            )
    if caption_column is not None:
        captions = _texts(file, caption_column, None, name)
        captions[[value is None for value in captions]] = ""
    others = [column for column in plain if column not in (id_column, caption_column)]
    labels = None
    if others:
        labels = file.read(columns=others[:MAX_LABELS]).to_pandas(ignore_metadata=True)
        labels = labels[[column for column in others if column in labels.columns]]
    return ids, captions, labels


def write(stream: BinaryIO, payload: Payload) -> None:
    """Write ``id``, ``caption``, ``embedding`` (fixed-size lists), labels and projection."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(payload.vectors).reshape(-1))
    columns: dict[str, Any] = {"id": pa.array(payload.ids.tolist(), pa.string())}
    if payload.captions is not None:
        columns["caption"] = pa.array(payload.captions.tolist(), pa.string())
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, payload.vectors.shape[1])
    if payload.projection is not None:
        columns["projection_x"] = pa.array(payload.projection[:, 0])
        columns["projection_y"] = pa.array(payload.projection[:, 1])
    write_columns(stream, columns, payload.labels, payload.metadata)


def write_columns(
    stream: BinaryIO,
    columns: dict[str, Any],
    labels: pd.DataFrame | None,
    metadata: dict[str, str],
) -> None:
    """Write columns and labels; a label named like a column gets ``label_`` before its name."""
    import pyarrow.parquet as pq

    table = labelled(columns, labels, metadata)
    texts = [field.name for field in table.schema if is_text(field.type)]
    pq.write_table(
        table,
        stream,
        compression="zstd",
        use_dictionary=texts,
        row_group_size=65_536,
        write_page_checksum=True,
    )


def labelled(columns: dict[str, Any], labels: pd.DataFrame | None, metadata: dict[str, str]) -> Any:
    """Return an Arrow table of columns, labels and metadata, as :func:`write_columns` writes it."""
    import pyarrow as pa

    columns = dict(columns)
    if labels is not None:
        taken = {*columns, *ID_COLUMNS, *CAPTION_COLUMNS}
        for label in labels.columns:
            free = f"label_{label}" if str(label) in taken else str(label)
            columns[free] = _label_column(labels[label])
    described = {key.encode(): value.encode() for key, value in sorted(metadata.items())}
    return pa.table(columns).replace_schema_metadata(described or None)


@contextmanager
def target(source: Source) -> Iterator[Any]:
    """Yield the input as pyarrow reads it: in C++ where it can, else through our stream."""
    import pyarrow as pa

    if source.path is None:
        yield pa.BufferReader(source.data)
    elif is_local(source.path):
        with pa.OSFile(str(source.path)) as file:
            yield file
    else:
        with source.open() as stream:
            yield stream


def _check_footer(footer: Footer, name: str, limits: Limits) -> None:
    check_declared(footer.rows, 1, 1, name, limits)
    for column, size in footer.sizes.items():
        size = max(size, 4 * footer.values[column])
        check_bytes(size, f"{name}:{printable(column, 60)} declares", name, limits)


def _embedding_columns(schema: Any, name: str) -> tuple[str, ...]:
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


def _read_embeddings(
    file: Any, footer: Footer, key: str, name: str, limits: Limits
) -> npt.NDArray[Any]:
    rows = footer.rows
    kind = file.schema_arrow.field(key).type
    dtype = np.dtype(kind.value_type.to_pandas_dtype())
    itemsize = max(dtype.itemsize, 4) if dtype.kind == "f" else 8
    fixed = kind.list_size if hasattr(kind, "list_size") else None
    if fixed is not None:
        check_declared(rows, fixed, itemsize, name, limits)
    width = fixed or math.ceil(footer.values.get(key, 0) / max(rows, 1))
    batch_rows = min(max(1, BATCH_BYTES // (itemsize * max(width, 1))), 65_536)
    out: npt.NDArray[Any] | None = None
    done = 0
    for batch in file.iter_batches(batch_size=batch_rows, columns=[key]):
        column = batch.column(0)
        if not len(column):
            continue
        values, lengths = flatten(column, name, done)
        if out is None:
            dim = int(lengths[0])
            check_declared(rows, dim, itemsize, name, limits)
            out = np.empty((rows, dim), dtype=dtype if dtype.kind == "f" else np.float64)
        odd = np.flatnonzero(lengths != out.shape[1])
        if len(odd):
            raise FormatError(
                f"Row {done + odd[0]} of {name} has {lengths[odd[0]]} numbers in "
                f'"{printable(key, 60)}", row 0 has {out.shape[1]}. Every row needs a vector of '
                "one length."
            )
        out[done : done + len(column)] = values.reshape(len(column), out.shape[1])
        done += len(column)
    if done != rows:
        raise FormatError(
            f"{name} declares {rows:,} rows, but {done:,} were found. Write it again."
        )
    return np.empty((0, fixed or 0), dtype=np.float32) if out is None else out


def flatten(column: Any, name: str, first: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return all numbers of a list column in order, and how many each row has."""
    import pyarrow.compute as pc

    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise FormatError(
            f"Row {first + row} of {name} has no embedding ({column.null_count} such rows nearby). "
            "Leave such rows out."
        )
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    return column.flatten().to_numpy(zero_copy_only=False), lengths.astype(np.int64)


def _texts(file: Any, column: str, longest: int | None, name: str) -> Texts:
    """Return a column as ``str`` objects (None where null), shared between equal rows."""
    parts: list[Texts] = [np.empty(0, dtype=object)]
    for chunk in file.read(columns=[column]).column(column).chunks:
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
