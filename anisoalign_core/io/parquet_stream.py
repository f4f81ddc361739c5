"""Parquet in chunks: some row groups at a time, with every other column kept as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import MIB, Limits, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io import parquet
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.parquet_footer import check_pages
from anisoalign_core.numerics import Integers

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
            return About(*parquet.read_about_rows(self, self.name, limits, first=self.first))

    def take(self, rows: Integers) -> Columns:
        """Return some of the rows."""
        return replace(self, table=self.table.take(rows))


def shard_facts(source: Source, limits: Limits, key: str) -> ShardFacts:
    """Return rows from the footer; the dimension of variable lists from the first row.

    Raises
    ------
    FormatError, LimitError
    """
    with parquet.opened(source, limits) as (file, footer):
        kind = file.schema_arrow.field(key).type
        described = file.schema_arrow.metadata or {}
    dtype = np.dtype(kind.value_type.to_pandas_dtype())
    if hasattr(kind, "list_size"):
        dim = kind.list_size
    else:
        dim = next((c.array.shape[1] for c in read_chunks(source, limits, key, rows=1, stop=1)), 0)
    check_declared(footer.rows, dim, max(dtype.itemsize, 4), source.name, limits)
    model = described.get(b"model")
    words = {} if model is None else {"model": model.decode("utf-8", "replace")}
    return ShardFacts(footer.rows, dim, dtype, words)


def read_chunks(
    source: Source,
    limits: Limits,
    key: str,
    *,
    rows: int,
    start: int = 0,
    stop: int | None = None,
    about: bool = False,
) -> Iterator[Chunk]:
    """Read rows ``start`` to ``stop``, at most ``rows`` at a time, from the row groups they are in.

    Raises
    ------
    FormatError, LimitError, ShapeError
    """
    import pyarrow.parquet as pq

    with parquet.opened(source, limits) as (checked, footer), parquet.target(source) as target:
        stop = footer.rows if stop is None else min(stop, footer.rows)
        groups, first = _groups(checked.metadata, start, stop)
        if not groups:
            return
        if source.path is None or is_local(source.path):  # elsewhere each look is a request
            check_pages(source, footer, range(groups[0], groups[-1] + 1))
        # through a buffer: else the vectors of a whole row group lie in memory at once
        file = pq.ParquetFile(
            target, buffer_size=READ_BUFFER, page_checksum_verification=True, pre_buffer=False
        )
        columns = None if about else [key]
        for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=columns):
            skip, keep = max(start - first, 0), min(stop - first, batch.num_rows)
            if skip < keep:
                yield _chunk(batch.slice(skip, keep - skip), key, source.name, first + skip, about)
            first += batch.num_rows
            if first >= stop:
                return


def write_shard(
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
                texts = [field.name for field in table.schema if parquet.is_text(field.type)]
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


def _chunk(batch: Any, key: str, name: str, first: int, about: bool) -> Chunk:
    import pyarrow as pa

    values, lengths = parquet.flatten(batch.column(key), name, first)
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd):
        raise FormatError(
            f"Row {first + odd[0]} of {name} has {lengths[odd[0]]} numbers in "
            f'"{printable(key, 60)}", row {first} has {lengths[0]}. Every row needs a vector of '
            "one length."
        )
    array: npt.NDArray[Any] = values.reshape(batch.num_rows, int(lengths[0]))
    if not about:
        return Chunk(array)
    table = pa.Table.from_batches([batch])
    return Chunk(array, About(native=Columns(table, key, name, first)))


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
    return parquet.labelled(columns, about.labels, dict(metadata))


def _encoded(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in sorted(metadata.items())}
