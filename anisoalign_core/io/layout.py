"""How records that are all alike are written in a pickle: learned from the first two of them."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anisoalign_core.io.tokens import NUMBER, TEXT, token_of
from anisoalign_core.io.unpickling import Array, Record


@dataclass(frozen=True)
class Layout:
    """What all records of a pickle have in common.

    Attributes
    ----------
    key : str
        Under which the vector lies.
    slots : dict of str to bool
        Keys in order; whether the value is a text, for all but the vector.
    pieces : tuple of bytes
        What stands before, between and after the slots: one more than there are slots.
    pattern : re.Pattern
        Of one record, with a group for each slot.
    begin : int
        Where the second record begins, frames not counted.
    first : dict
        The first record.
    """

    key: str
    slots: dict[str, bool]
    pieces: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    begin: int
    first: Record

    @property
    def vector(self) -> Array:
        """The first record's vector."""
        found: Array = self.first[self.key]
        return found

    @property
    def group(self) -> int:
        """Group of the vector in :attr:`pattern`."""
        return list(self.slots).index(self.key) + 1

    @property
    def kind(self) -> tuple[tuple[str, bool], ...]:
        """Keys besides the vector's, and whether they hold texts."""
        return tuple(slot for slot in self.slots.items() if slot[0] != self.key)


def layout_of(beginning: bytes, memo: Mapping[int, Any], key: str) -> Layout | None:
    """Return the layout of the second record of a list that has at least three.

    Parameters
    ----------
    beginning : bytes
        Opcodes without frames, up to the third record at least.
    memo : mapping
        What unpickling the same bytes put into the memo.
    key : str
        Of the vector.
    """
    ops: list[tuple[str, Any, int]] = []
    starts: list[int] = []
    entries: list[int] = []
    memoized = 0
    try:
        for op, argument, at in pickletools.genops(beginning):
            if op.name == "EMPTY_DICT":
                starts.append(len(ops))
                entries.append(memoized)
            ops.append((op.name, argument, at or 0))
            memoized += op.name == "MEMOIZE"
            if len(starts) == 3:
                break
    except ValueError:  # cut off
        return None
    if len(starts) < 3 or ops[starts[1] - 1][0] != "SETITEMS":
        return None
    first, second = (memo.get(entry) for entry in entries[:2])
    if type(first) is not dict or type(second) is not dict or not _are_alike(first, second, key):
        return None
    found = _slots_of(ops[starts[1] :], second, memo, beginning)
    if found is None:
        return None
    slots, pieces = found
    pattern = re.compile(_pattern_of(slots, pieces, key, len(second[key].data)), re.DOTALL)
    return Layout(key, slots, pieces, pattern, ops[starts[1]][2], first)


def _are_alike(first: Record, second: Record, key: str) -> bool:
    """Whether two records have the same keys and kinds of values, and an id."""
    if list(first) != list(second) or key not in first or first.get("id") is None:
        return False
    vectors = first[key], second[key]
    if not all(type(vector) is Array and len(vector.shape) == 1 for vector in vectors):
        return False
    one, other = vectors
    return (
        (one.shape, one.dtype) == (other.shape, other.dtype)
        and one.shape[0] > 0
        and one.dtype.kind in "fiu"
        and all((type(first[k]) is str) == (type(second[k]) is str) for k in first)
        and all(type(v) in _VALUES for k, v in first.items() if k != key)
        and len(token_of(first["id"])) < 256
    )


_VALUES = (str, int, float, bool, type(None))


def _slots_of(
    ops: list[tuple[str, Any, int]], record: Record, memo: Mapping[int, Any], data: bytes
) -> tuple[dict[str, bool], tuple[bytes, ...]] | None:
    """Hold a record against its opcodes; return its slots and what stands around them."""
    if [name for name, _, _ in ops[:3]] != ["EMPTY_DICT", "MEMOIZE", "MARK"]:
        return None
    slots: dict[str, bool] = {}
    pieces: list[bytes] = []
    at, done = 3, ops[0][2]
    for key, value in record.items():
        name, argument, _ = ops[at]
        if name not in ("BINGET", "LONG_BINGET") or memo.get(argument) != key:
            return None
        at += 1
        names = [name for name, _, _ in ops[at:]]
        if type(value) is Array:
            if "BUILD" not in names:
                return None
            where = names.index("BUILD")
            long = [n for n in range(at, at + where) if ops[n][0] in ("SHORT_BINBYTES", "BINBYTES")]
            if len(long) != 1 or ops[long[0]][1] != value.data:
                return None
            end = ops[long[0] + 1][2]
            begin, at = end - len(value.data), at + where + 1
        elif type(value) is str:
            if names[0] not in ("SHORT_BINUNICODE", "BINUNICODE") or names[1] != "MEMOIZE":
                return None
            begin, end, at = ops[at][2], ops[at + 2][2], at + 2
        else:
            begin, end, at = ops[at][2], ops[at + 1][2], at + 1
        if type(value) is not Array and token_of(value) != data[begin:end]:
            return None
        slots[key] = type(value) is str
        pieces.append(data[done:begin])
        done = end
    if ops[at][0] != "SETITEMS":
        return None
    return slots, (*pieces, data[done : ops[at + 1][2]])


def _pattern_of(slots: dict[str, bool], pieces: tuple[bytes, ...], vector: str, size: int) -> bytes:
    pattern = rb"(?:e\()?+"  # lists grow by a thousand items at a time
    for (key, is_text), before, after in zip(slots.items(), pieces, pieces[1:], strict=False):
        number = NUMBER if key == "id" else NUMBER + b"|N"
        # a long text ends where what follows it begins, and its length is looked at afterwards
        longer = rb"|X..\x00\x00.{0,65535}?\x94(?=%b)" % re.escape(after)
        text = TEXT if key == "id" else rb"(?>%b%b)" % (TEXT, longer)
        value = b".{%d}" % size if key == vector else text if is_text else number
        pattern += re.escape(before) + b"(" + value + b")"
    return pattern + re.escape(pieces[-1])
