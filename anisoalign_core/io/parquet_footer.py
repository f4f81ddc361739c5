"""What a Parquet file declares, read from its footer without opening the file.

A library that trusts a damaged footer can end the whole process, so rows and sizes are taken from
here first. The footer is a Thrift struct in the compact protocol; of it we need four numbers:
``FileMetaData.num_rows`` (field 3) and, for every ``ColumnChunk.meta_data`` of every row group
(4 → 1 → 3), ``path_in_schema`` (3), ``num_values`` (5) and ``total_uncompressed_size`` (6).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.io.limits import size_text
from anisoalign_core.io.source import Source, malformed, wrong_kind

MAX_FOOTER = 16_000_000
MAX_ENTRIES = 1_000_000
MAX_DEPTH = 16

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
    """

    rows: int
    values: dict[str, int]
    sizes: dict[str, int]


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
    rows = 0
    for group in footer.get(4, []):
        rows += _count(group[3])
        for chunk in group[1]:
            column = chunk[3]
            top = column[3][0].decode("utf-8")
            values[top] = values.get(top, 0) + _count(column[5])
            sizes[top] = sizes.get(top, 0) + _count(column[6])
    if rows != _count(footer[3]):
        raise ValueError(f"{footer[3]:,} rows are declared and its groups hold {rows:,}")
    return Footer(rows, values, sizes)


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
        if depth > MAX_DEPTH:
            raise ValueError("its footer is nested too deeply")
        fields: Struct = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else _unzigzag(self._varint())
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
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
        raise ValueError(f"its footer has a field of unknown kind {kind}")

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
