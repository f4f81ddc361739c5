"""A walk over the opcodes of a pickle, before anything of it is loaded.

The C reader allocates its memo for whatever index a ``LONG_BINPUT`` or ``PUT`` names, so that
20 bytes could ask for 60 GB. A regular expression skips what strings and arrays hold, and indices
that no pickler reaches are refused; this takes about a quarter of the time of loading.
"""

from __future__ import annotations

import mmap
import re

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import MIB

KIND = "a pickled list of records"


def lengths(width: int) -> bytes:
    """Return a pattern for a length below 256 in ``width`` bytes, and as many bytes after it."""
    zeros = rb"\x00" * (width - 1)
    groups = []
    for first in range(0, 256, 16):  # in groups, so that no length takes 256 comparisons
        each = [rb"\x%02x%b.{%d}" % (n, zeros, n) for n in range(first, first + 16)]
        groups.append(rb"(?=[\x%02x-\x%02x])(?:%b)" % (first, first + 15, b"|".join(each)))
    return b"(?:" + b"|".join(groups) + b")"


_OPCODES = (
    rb"[(01NQRabdelotsu)}\]\x81\x85-\x89\x92-\x94\x97\x98]++",  # without an argument
    rb"[hKq\x80].|M..|[Jj].{4}|G.{8}",  # of a fixed length
    rb"[\x8cCU\x8a]" + lengths(1),
    rb"[XBT\x8b]" + lengths(4),
    rb"r..[\x00-\x3f]\x00",  # LONG_BINPUT of an index below 2²²: 64 MiB
    rb"[SVIFLPg][^\n]*+\n|[ci][^\n]*+\n[^\n]*+\n",
)


def _pattern(*more: bytes) -> re.Pattern[bytes]:
    return re.compile(b"(?:" + b"|".join((*more, *_OPCODES)) + b")*+", re.DOTALL)


_PLAIN = _pattern()


def check_opcodes(data: bytes | mmap.mmap, name: str, *, whole: bool = True) -> None:
    """Refuse a pickle that is cut off or makes the reader allocate what it never fills.

    Runs of opcodes are skipped by a regular expression; only those that it leaves (long strings,
    frames, large memo indices) are looked at one by one. The length that vectors have is learned
    from the first few.

    Parameters
    ----------
    data : bytes or mmap
    name : str
    whole : bool, default True
        False for the beginning of a file: then it may be cut off.

    Raises
    ------
    FormatError
    """
    end = limit = len(data)
    pattern, learned = _PLAIN, False
    seen: dict[bytes, int] = {}
    in_frame = False
    at = 0
    while True:
        found = pattern.match(data, at, limit)
        at = found.end() if found else at
        if in_frame and at == limit:  # exactly: the C reader forgets what an opcode leaves over
            in_frame, limit = False, end
            continue
        start, opcode = at, data[at : at + 1]
        if opcode == b".":
            break
        size = _SIZES.get(opcode, 0)
        head = data[start : start + 1 + size]
        argument = int.from_bytes(head[1:], "little")
        at += 1 + size
        if opcode == b"\x95" and not in_frame and at + argument <= end:
            in_frame, limit = True, at + argument
        elif opcode == b"\x95" and in_frame:
            raise _unexpected(name, start, "a frame within a frame")
        elif opcode in (b"r", b"p"):
            if opcode == b"p":
                line = data[at : data.find(b"\n", at, limit) + 1]
                argument = int(line) if len(line) < 20 and line.strip().isdigit() else end
                at += len(line) or end
            if at <= limit and argument > start // 2:  # every entry takes at least three bytes
                raise FormatError(
                    f"{name} asks for a memo of {argument:,} entries at byte {start:,}, which no "
                    "pickle of its size needs. Write the file again."
                )
        elif size:
            at += argument
            if not learned and argument < MIB and (head in seen or len(seen) < 64):
                seen[head] = seen.get(head, 0) + 1
                if seen[head] == 8:
                    learned, pattern = True, _pattern(re.escape(head) + rb".{%d}" % argument)
        elif opcode and opcode not in _CUT:
            what = "a set" if opcode in _SETS else f"the opcode {opcode.hex()}"
            raise _unexpected(name, start, what)
        else:
            at = end + 1
        if at > limit:
            if whole:
                raise FormatError(
                    f"{name} is cut off or damaged: what begins at byte {start:,} goes on past the "
                    f"end ({end:,} bytes). Copy or write it again."
                )
            return
    if whole and at + 1 < end:
        raise FormatError(
            f"{name} has {end - at - 1:,} bytes after the end of its list. Write one list to a "
            "file."
        )


def _unexpected(name: str, at: int, what: str) -> FormatError:
    return FormatError(
        f"{name} cannot be read as {KIND}: at byte {at:,} stands {what}, which arrays, numbers and "
        "texts never need. The file is damaged or of another kind."
    )


_SETS = (b"\x8f", b"\x90", b"\x91")
_CUT = frozenset(bytes([code]) for code in b"hKq\x80MJjGSVIFLPgci")
"""Opcodes that the pattern leaves only where their argument is cut off."""

_SIZES = {
    b"\x8c": 1,
    b"C": 1,
    b"U": 1,
    b"\x8a": 1,
    b"X": 4,
    b"B": 4,
    b"T": 4,
    b"\x8b": 4,
    b"r": 4,
    b"\x8d": 8,
    b"\x8e": 8,
    b"\x96": 8,
    b"\x95": 8,
}
