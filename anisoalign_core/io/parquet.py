"""Parquet: a list column of embeddings beside ids, captions and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import MIB, Limits, check_bytes, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io import arrow
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.columns import Meaning, Roles, check_choice, roles
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.parquet_footer import Footer, check_pages, read_footer

ROW_GROUP = 16_384
"""Rows of one row group that is written: its vectors wait in memory until it is full."""
READ_BUFFER = MIB
HEAD_ROWS = 16_384
"""Rows that tell what a column is, where its name does not."""


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
        return arrow.embedding_columns(self.schema, self.source.name)

    def facts(self, key: str) -> ShardFacts:
        """Return rows from the footer; the dimension of variable lists from the first row."""
        kind, rows, name = self.schema.field(key).type, self.footer.rows, self.source.name
        dtype = np.dtype(kind.value_type.to_pandas_dtype())
        dim = self._dim(key)
        itemsize = max(dtype.itemsize, 4) if dtype.kind == "f" else 8
        check_declared(rows, dim, itemsize, name, self.limits)
        model = (self.schema.metadata or {}).get(b"model")
        return ShardFacts(
            rows, dim, dtype, {} if model is None else {"model": model.decode("utf-8", "replace")}
        )

    def head(self, key: str) -> tuple[tuple[int, ...], dict[str, str]]:
        """Return the shape, and what the file says of itself as text."""
        facts, described = self.facts(key), self.schema.metadata or {}
        said = {
            word: described[word.encode()].decode("utf-8", "replace")
            for word in ("model", "modality")
            if word.encode() in described
        }
        return (facts.rows, facts.dim), said

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
        known = self.about(key) if about and not native else About()
        found = self.roles(key) if about and native else Roles()
        dim = self._dim(key) if start else None
        with self._file(()) as file:
            columns = None if about and native else [key]
            for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=columns):
                skip, keep = max(start - first, 0), min(stop - first, batch.num_rows)
                if skip < keep:
                    part, begin = batch.slice(skip, keep - skip), first + skip
                    array = arrow.vectors(part.column(key), key, source.name, begin, dim)
                    if not array.shape[1]:  # all of these rows are missing
                        dim = self._dim(key)
                        array = arrow.vectors(part.column(key), key, source.name, begin, dim)
                    dim = array.shape[1]
                    said = known.take(np.arange(begin, begin + len(array)))
                    if about and native:
                        said = About(native=arrow.columns(part, key, source.name, begin, found))
                    yield Chunk(array, said)
                first += batch.num_rows
                if first >= stop:
                    return
            raise FormatError(
                f"{source.name} declares {stop:,} rows, but {first:,} were found. Write it again."
            )

    def about(self, key: str = "", ids: str | None = None) -> About:
        """Return what is said of all rows; ``ids`` names the column of ids, if there is such."""
        check_pages(self.source, self.footer)
        with self._file([field.name for field in self.schema if arrow.is_text(field.type)]) as file:
            return arrow.about_of(
                lambda columns: file.read(columns=columns),
                self.source.name,
                self.limits,
                self.roles(key, ids),
            )

    def said(self, key: str) -> About:
        """Return what is said of all rows."""
        return self.about(key)

    def roles(self, key: str, ids: str | None = None) -> Roles:
        """Say which columns hold ids, captions and labels."""
        choice = self.source.choice
        check_choice(choice, self.schema.names, self.source.name)
        if ids in self.schema.names and choice.id_column is None:
            choice = replace(choice, id_column=ids)
        return roles(arrow.fields_of(self.schema, self._head), self.source.name, choice, key=key)

    def meanings(self) -> dict[str, Meaning]:
        """Return what each column is, by its name."""
        return arrow.meanings(self.schema, self.keys, self.roles(""))

    def _head(self, columns: list[str]) -> Any:
        """Return some columns of the first rows."""
        import pyarrow as pa

        with self._file(()) as file:
            batch = next(file.iter_batches(batch_size=HEAD_ROWS, columns=columns), None)
            if batch is None:
                return self.schema.empty_table().select(columns)
            return pa.Table.from_batches([batch])

    def _dim(self, key: str) -> int:
        """Return the length of lists; of variable ones that of the first that is not missing."""
        kind = self.schema.field(key).type
        if hasattr(kind, "list_size"):
            return int(kind.list_size)
        for rows in (1, HEAD_ROWS):  # nearly always the first row tells
            with self._file(()) as file:
                for batch in file.iter_batches(batch_size=rows, columns=[key]):
                    array = arrow.vectors(batch.column(key), key, self.source.name, 0, None)
                    if array.shape[1]:
                        return int(array.shape[1])
                    if rows == 1:
                        break
        return 0

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


def open_file(source: Source, limits: Limits) -> ParquetTable | WholeFile:
    """Read the footer; a table without lists of numbers is read whole, if its columns are numbered.

    Raises
    ------
    FormatError, LimitError
    """
    table = open_table(source, limits)
    if arrow.has_vectors(table.schema):
        return table
    bounds = replace(limits, max_bytes=min(limits.max_bytes, Limits.from_env().max_bytes))
    check_declared(table.footer.rows, len(table.schema.names), 8, source.name, bounds)
    check_pages(source, table.footer)
    with _reading(source) as target:
        found = arrow.wide(pq_read(target), source, bounds).sorted_out()
    if not found.keys:
        return table  # which says what it lacks
    return WholeFile(
        source.name,
        tuple(found.keys),
        lambda key: (found.read(key), {}),
        found.meanings,
        lambda key: (found.shape(key), {}),
    )


def pq_read(target: Any) -> Any:
    """Read a whole table."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(target, page_checksum_verification=True).read()


def open_table(source: Source, limits: Limits) -> ParquetTable:
    """Read the footer of a table that need not hold vectors.

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
    """Yield the input as pyarrow reads it, in C++ where it can; its errors become ours."""
    import pyarrow as pa

    errors = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, NotImplementedError)
    with malformed(source.name, "a .parquet file", *errors, OverflowError, IndexError):
        if source.path is None:
            yield pa.BufferReader(source.data)
        elif is_local(source.path):
            with pa.OSFile(str(source.path)) as file:
                yield file
        else:
            with source.open() as stream:
                yield stream


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

    def tables() -> Iterator[Any]:
        first = 0
        for chunk in chunks:
            yield arrow.table_of(chunk, first, metadata)
            first += len(chunk.array)

    return write_tables(stream, tables(), ROW_GROUP)


def write_tables(stream: BinaryIO, tables: Iterable[Any], group: int) -> int:
    """Write Arrow tables of the same columns, ``group`` rows to a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    waiting: list[Any] = []
    count = held = 0
    try:
        for table in tables:
            if writer is None:
                texts = [field.name for field in table.schema if arrow.is_text(field.type)]
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
            count, held = count + table.num_rows, held + table.num_rows
            if held >= group:
                writer.write_table(pa.concat_tables(waiting), row_group_size=group)
                waiting, held = [], 0
        if writer is None:
            raise ShapeError("There are no rows to write.")
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=group)
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


def _check_footer(footer: Footer, name: str, limits: Limits) -> None:
    check_declared(footer.rows, 1, 1, name, limits)
    for column, size in footer.sizes.items():
        size = max(size, 4 * footer.values[column])
        check_bytes(size, f"{name}:{printable(column, 60)} declares", name, limits)


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
