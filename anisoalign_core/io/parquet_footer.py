"""What a Parquet file declares, read from its footer without opening the file.

A library that trusts a damaged footer can end the whole process, so rows and sizes are taken from
here first. The footer is a Thrift struct in the compact protocol; of it we need four numbers:
``FileMetaData.num_rows`` (field 3) and, for every ``ColumnChunk.meta_data`` of every row group
(4 → 1 → 3), ``path_in_schema`` (3), ``num_values`` (5) and ``total_uncompressed_size`` (6).
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.source import Source, malformed, printable, wrong_kind

MAX_FOOTER = 16_000_000
MAX_ENTRIES = 1_000_000
MAX_DEPTH = 16
HEAD_BYTES = (1024, 1_000_000)
"""Of the header of a page, with its statistics: usually, and at most."""
LEAST = 16 * MIB
"""Pages up to this are never refused: some writers count their columns wrongly."""

Struct = dict[int, Any]


@dataclass(frozen=True)
class Footer:
    """Declared sizes of a Parquet file.

    Attributes
    ----------
    rows : int
    values : dict of str to int
        Numbers (or texts) in each column, nested ones under the name of their top column.
    sizes : dict of str to int
        Bytes of each column before compression.
    chunks : tuple of ColumnChunk
    """

    rows: int
    values: dict[str, int]
    sizes: dict[str, int]
    chunks: tuple[ColumnChunk, ...] = ()


@dataclass(frozen=True)
class ColumnChunk:
    """Where the pages of one column of one row group lie, and what they hold in all.

    Attributes
    ----------
    group : int
    begin, end : int
        Bytes of the file.
    size : int
        Bytes before compression.
    """

    group: int
    begin: int
    end: int
    size: int


def check_pages(source: Source, footer: Footer, groups: Collection[int] | None = None) -> None:
    """Refuse pages that declare to hold more than their column does: memory would go to each.

    Parameters
    ----------
    source : Source
    footer : Footer
    groups : collection of int, optional
        The row groups to look at; all by default.

    Raises
    ------
    FormatError
        Also if a page goes on past the end of the file, or its header is damaged.
    """
    end = source.size
    with source.open() as stream:
        for chunk in footer.chunks:
            at = chunk.begin
            while at < chunk.end and (groups is None or chunk.group in groups):
                size, stored = _page_sizes(stream, at, source.name)
                if size > max(chunk.size, LEAST):
                    raise FormatError(
                        f"{source.name} has a page that declares {size_text(size)} in a column of "
                        f"{size_text(chunk.size)}. Write it again."
                    )
                at += stored
                if at > end:
                    raise FormatError(
                        f"{source.name} has a page that ends {at - end:,} bytes after the file. "
                        "Copy or write it again."
                    )


def _page_sizes(stream: BinaryIO, at: int, name: str) -> tuple[int, int]:
    """Bytes of a page before compression, and of it and its header in the file."""
    reason = ""
    for room in HEAD_BYTES:
        stream.seek(at)
        head = _Compact(stream.read(room), name)
        try:
            page = head.read_struct(0)
            return _count(page[2]), head.at + _count(page[3])
        except (ValueError, LookupError, TypeError, struct.error) as error:
            reason = str(error)
    raise FormatError(
        f"{name} cannot be read as a .parquet file: the header of the page at byte {at:,} is "
        f"damaged ({printable(reason, 60)}). Write it again."
    )


def read_footer(source: Source) -> Footer:
    """Read what a file declares.

    Raises
    ------
    FormatError
        If this is not a Parquet file, or its footer is damaged.
    LimitError
        If the footer itself is enormous.
    """
    name, size = source.name, source.size
    with source.open() as stream:
        head = stream.read(16)
        if not head.startswith(b"PAR1"):
            raise wrong_kind(name, "a .parquet file", head)
        stream.seek(max(size - 8, 0))
        tail = stream.read(8)
        length = int.from_bytes(tail[:4], "little")
        if len(tail) < 8 or tail[4:] != b"PAR1" or length > size - 12:
            raise FormatError(
                f"{name} is cut off: the footer that a .parquet file ends with is missing. Copy "
                "or write it again."
            )
        if length > MAX_FOOTER:
            raise LimitError(
                f"{name} declares a footer of {size_text(length)}; the limit is "
                f"{size_text(MAX_FOOTER)}. Write it with larger row groups."
            )
        stream.seek(size - 8 - length)
        footer = stream.read(length)
    errors = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error)
    with malformed(name, "a .parquet file", *errors):
        return _summary(_Compact(footer, name).read_struct(0))


def _summary(footer: Struct) -> Footer:
    values: dict[str, int] = {}
    sizes: dict[str, int] = {}
    chunks: list[ColumnChunk] = []
    rows = 0
    for number, group in enumerate(footer.get(4, [])):
        rows += _count(group[3])
        for chunk in group[1]:
            column = chunk[3]
            top = column[3][0].decode("utf-8")
            values[top] = values.get(top, 0) + _count(column[5])
            sizes[top] = sizes.get(top, 0) + _count(column[6])
            offsets = [each for each in (column.get(9), column.get(11)) if each]
            begin = _count(min(offsets, default=0))
            chunks.append(ColumnChunk(number, begin, begin + _count(column[7]), column[6]))
    if rows != _count(footer[3]):
        raise ValueError(f"{footer[3]:,} rows are declared and its groups hold {rows:,}")
    return Footer(rows, values, sizes, tuple(chunks))


def _count(value: int) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a declared size is negative")
    return value


class _Compact:
    """Thrift's compact protocol, as far as footers use it."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.at = 0
        self.entries = 0

    def read_struct(self, depth: int) -> Struct:
        """Return fields by number."""
        fields: Struct = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else _unzigzag(self._varint())
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("its footer is nested too deeply")
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise LimitError(
                f"{self.name} declares more than {MAX_ENTRIES:,} entries in its footer. Write it "
                "with larger row groups."
            )
        if kind in (1, 2, 3):  # booleans within lists, and bytes
            return self._byte()
        if kind in (4, 5, 6):  # 16, 32 and 64 bits
            return _unzigzag(self._varint())
        if kind == 7:
            return struct.unpack("<d", self._bytes(8))[0]
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = head >> 4 if head >> 4 != 15 else self._varint()
            if size > len(self.data) - self.at:
                raise ValueError("a list in its footer is longer than the footer")
            return [
                self.read_struct(depth + 1)
                if head & 15 == 12
                else self._value(head & 15, depth + 1)
                for _ in range(size)
            ]
        if kind == 12:
            return self.read_struct(depth + 1)
        raise ValueError(f"it has a field of unknown kind {kind}")

    def _byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def _bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("a text in its footer is longer than the footer")
        self.at += size
        return self.data[self.at - size : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number in its footer is too long")


def _unzigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
