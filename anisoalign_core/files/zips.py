"""What a zip archive declares, before an object is made of each of its members."""

from __future__ import annotations

import struct
from typing import BinaryIO

from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Source

END_BYTES = 65_536 + 22 + 20
"""The longest comment, the end of the directory, and the pointer to its 64-bit form."""


def declared_directory(stream: BinaryIO, source: Source) -> tuple[int, int]:
    """Return how many members, and how many bytes, an archive's directory declares at most.

    Raises
    ------
    FormatError
        If there is no directory.
    """
    window = min(source.size, END_BYTES)
    stream.seek(source.size - window)
    tail = stream.read(window)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        raise FormatError(
            f"{source.name} is cut off: the directory at the end of the archive is missing. Copy "
            "or write it again."
        )
    members, size = struct.unpack("<HI", tail[end + 10 : end + 16])
    declared = [(members, size)]
    if tail[max(end - 20, 0) : end].startswith(b"PK\x06\x07"):  # a 64-bit record, somewhere
        declared = [(0 if members == 0xFFFF else members, 0 if size == 0xFFFFFFFF else size)]
        pointed = struct.unpack("<Q", tail[end - 12 : end - 4])[0]
        for place in (pointed, source.size - window + end - 20 - 56):
            if 0 <= place <= source.size - 56:
                stream.seek(place)
                record = stream.read(56)
                if record.startswith(b"PK\x06\x06"):
                    declared.append(struct.unpack("<QQ", record[32:48]))
    return max(count for count, _ in declared), max(size for _, size in declared)
