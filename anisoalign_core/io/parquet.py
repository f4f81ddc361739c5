"""Parquet: a list column of embeddings beside ids, captions and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.limits import MIB, Limits, check_bytes, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, Texts, malformed, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk, ShardFacts
from anisoalign_core.io.format import Format
from anisoalign_core.io.keys import GENERIC_NAMES, SOURCE_NAMES, TARGET_NAMES, listed
from anisoalign_core.io.parquet_footer import Footer, check_pages, read_footer
from anisoalign_core.numerics import Integers

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMNS = ("id", "ids")
CAPTION_COLUMNS = ("caption", "captions", "text")
ROW_GROUP = 16_384
"""Rows of one row group that is written: its vectors wait in memory until it is full."""
READ_BUFFER = MIB


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

    @property
    def schema_arrow(self) -> Any:
        """Schema, as a Parquet file has it."""
        return self.table.schema

    def read(self, columns: list[str]) -> Any:
        """Return some columns, as a Parquet file does."""
        return self.table.select(columns)

    def plain(self, limits: Limits) -> About:
        """Return ids, captions and labels.

        Raises
        ------
        FormatError, LimitError
        """
        with malformed(self.name, "a .parquet file", UnicodeDecodeError):
            return read_about_rows(self, self.name, limits, first=self.first)

    def take(self, rows: Integers) -> Columns:
        """Return some of the rows."""
        return replace(self, table=self.table.take(rows))


@dataclass(frozen=True)
class ParquetTable:
    """One ``.parquet`` whose footer is within the limits.

    Attributes
    ----------
    source : Source
    limits : Limits
    footer : Footer
    metadata : pyarrow.parquet.FileMetaData
    schema : pyarrow.Schema
    """

    source: Source
    limits: Limits
    footer: Footer
    metadata: Any
    schema: Any

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that can be embeddings."""
        return _embedding_columns(self.schema, self.source.name)

    def facts(self, key: str) -> ShardFacts:
        """Return rows from the footer; the dimension of variable lists from the first row."""
        kind, rows, name = self.schema.field(key).type, self.footer.rows, self.source.name
        dtype = np.dtype(kind.value_type.to_pandas_dtype())
        if hasattr(kind, "list_size"):
            dim = kind.list_size
        else:
            dim = next((c.array.shape[1] for c in self.chunks(key, rows=1, stop=1)), 0)
        itemsize = max(dtype.itemsize, 4) if dtype.kind == "f" else 8
        check_declared(rows, dim, itemsize, name, self.limits)
        model = (self.schema.metadata or {}).get(b"model")
        return ShardFacts(
            rows, dim, dtype, {} if model is None else {"model": model.decode("utf-8", "replace")}
        )

    def chunks(
        self,
        key: str,
        *,
        rows: int,
        start: int = 0,
        stop: int | None = None,
        about: bool = False,
        native: bool = False,
    ) -> Iterator[Chunk]:
        """Read rows ``start`` to ``stop`` from the row groups they are in.

        Natively every other column is given as it is. Else texts are read at once, as
        dictionaries, so that a repeated one takes memory once.

        Raises
        ------
        FormatError
            If lists differ in length or rows lack an embedding or id, naming the first such row.
        LimitError
        """
        source = self.source
        stop = self.footer.rows if stop is None else min(stop, self.footer.rows)
        groups, first = _groups(self.metadata, start, stop)
        if not groups:
            return
        if source.path is None or is_local(source.path):  # elsewhere each look is a request
            check_pages(source, self.footer, range(groups[0], groups[-1] + 1))
        known = self.about() if about and not native else About()
        dim = None
        with self._file(()) as file:
            columns = None if about and native else [key]
            for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=columns):
                skip, keep = max(start - first, 0), min(stop - first, batch.num_rows)
                if skip < keep:
                    part, begin = batch.slice(skip, keep - skip), first + skip
                    array = _vectors(part.column(key), key, source.name, begin, dim)
                    dim = array.shape[1]
                    said = known.take(np.arange(begin, begin + len(array)))
                    if about and native:
                        said = About(native=Columns(_as_table(part), key, source.name, begin))
                    yield Chunk(array, said)
                first += batch.num_rows
                if first >= stop:
                    return
            raise FormatError(
                f"{source.name} declares {stop:,} rows, but {first:,} were found. Write it again."
            )

    def about(
        self,
        id_columns: Sequence[str] = ID_COLUMNS,
        caption_columns: Sequence[str] = CAPTION_COLUMNS,
    ) -> About:
        """Return what is said of all rows."""
        check_pages(self.source, self.footer)
        with self._file([field.name for field in self.schema if is_text(field.type)]) as file:
            return read_about_rows(
                file,
                self.source.name,
                self.limits,
                id_columns=id_columns,
                caption_columns=caption_columns,
            )

    @contextmanager
    def _file(self, dictionaries: Sequence[str]) -> Iterator[Any]:
        import pyarrow.parquet as pq

        with _reading(self.source) as target:
            # through a buffer: else the vectors of a whole row group lie in memory at once
            yield pq.ParquetFile(
                target,
                metadata=self.metadata,
                read_dictionary=dictionaries,
                buffer_size=READ_BUFFER,
                page_checksum_verification=True,
                pre_buffer=False,
            )


def open_file(source: Source, limits: Limits) -> ParquetTable:
    """Read the footer.

    Raises
    ------
    FormatError, LimitError
    """
    import pyarrow.parquet as pq

    footer = read_footer(source)
    _check_footer(footer, source.name, limits)
    with _reading(source) as target:
        file = pq.ParquetFile(target)
        return ParquetTable(source, limits, footer, file.metadata, file.schema_arrow)


@contextmanager
def _reading(source: Source) -> Iterator[Any]:
    """Yield the input as pyarrow reads it; its errors become ours."""
    import pyarrow as pa

    errors = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, NotImplementedError)
    with (
        malformed(source.name, "a .parquet file", *errors, OverflowError, IndexError),
        target(source) as file,
    ):
        yield file


def read_about_rows(
    file: Any,
    name: str,
    limits: Limits,
    *,
    id_columns: Sequence[str] = ID_COLUMNS,
    caption_columns: Sequence[str] = CAPTION_COLUMNS,
    first: int = 0,
) -> About:
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
    return About(ids, captions, labels)


def write(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    """Write ``id``, ``caption``, ``embedding`` and labels, or the file's own columns again.

    Raises
    ------
    ShapeError
        If there are no rows, or chunks have different columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    waiting: list[Any] = []
    count = 0

    def flush() -> None:
        nonlocal waiting
        writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP)
        waiting = []

    try:
        for chunk in chunks:
            table = _table(chunk, count, metadata)
            if writer is None:
                texts = [field.name for field in table.schema if is_text(field.type)]
                writer = pq.ParquetWriter(
                    stream,
                    table.schema,
                    compression="zstd",
                    use_dictionary=texts,
                    write_page_checksum=True,
                )
            elif not table.schema.equals(writer.schema):
                raise ShapeError(
                    "Two chunks of rows bring different columns, so they cannot share one "
                    ".parquet file. Make the shards alike first."
                )
            waiting.append(table)
            count += table.num_rows
            if sum(part.num_rows for part in waiting) >= ROW_GROUP:
                flush()
        if writer is None:
            raise ShapeError("There are no rows to write.")
        if waiting:
            flush()
    finally:
        if writer is not None:
            writer.close()
    return count


def _table(chunk: Chunk, first: int, metadata: Mapping[str, str]) -> Any:
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
    return labelled(columns, about.labels, dict(metadata))


def _encoded(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in sorted(metadata.items())}


def _groups(metadata: Any, start: int, stop: int) -> tuple[list[int], int]:
    """Return the row groups that hold rows ``start`` to ``stop``, and the row they begin at."""
    groups: list[int] = []
    first = begin = 0
    for number in range(metadata.num_row_groups):
        size = metadata.row_group(number).num_rows
        if begin < stop and begin + size > start:
            if not groups:
                first = begin
            groups.append(number)
        begin += size
    return groups, first


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


def _as_table(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _vectors(column: Any, key: str, name: str, first: int, dim: int | None) -> npt.NDArray[Any]:
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


FORMAT = Format(
    "parquet",
    (".parquet",),
    "table with ids, captions, labels, a 2-D map",
    open_file,
    write,
    streams=True,
    native=True,
    every_id=True,
    several=True,
    plane=True,
)
