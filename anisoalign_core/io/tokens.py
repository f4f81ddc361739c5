"""Opcodes of single values in a pickle, and what lies within its frames."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from anisoalign_core.files.limits import MIB
from anisoalign_core.files.source import malformed
from anisoalign_core.io.opcodes import KIND, lengths

PROTOCOL = b"\x80\x04"
READ_BYTES = 4 * MIB


class Unlike(Exception):
    """The bytes are not those of one more record like the others, nor the end of a list."""


def unframed(stream: BinaryIO | io.BytesIO, *, whole: bool = True) -> Iterator[bytes]:
    """Yield what a pickle of protocol 4 or 5 holds, without the frames around it.

    Parameters
    ----------
    stream : binary stream
    whole : bool, default True
        False for the beginning of a file: then the last frame may be cut off.

    Raises
    ------
    Unlike
        If it is of another protocol, something stands outside frames, or a frame is cut off.
    """
    if stream.read(2) not in (PROTOCOL, b"\x80\x05"):
        raise Unlike
    while head := stream.read(9):
        if len(head) < 4:  # too little for a frame
            yield head
            return
        if len(head) < 9 or head[:1] != b"\x95":
            raise Unlike
        left = int.from_bytes(head[1:], "little")
        while left:
            part = stream.read(min(left, READ_BYTES))
            if not part and whole:
                raise Unlike
            if not part:
                return
            yield part
            left -= len(part)


def token_of(value: str | float | None) -> bytes:
    """Return the opcodes of a text, number, truth value or None, as picklers write them."""
    if type(value) is not str:
        return pickle.dumps(value, 2)[2:-1]
    text = value.encode("utf-8", "surrogatepass")
    if len(text) < 256:
        return b"\x8c%c%b\x94" % (len(text), text)
    return b"X%b%b\x94" % (len(text).to_bytes(4, "little"), text)


def value_of(token: bytes) -> Any:
    """Return the value that :func:`token_of` wrote."""
    code = token[0]
    if code == _SHORT:
        return token[2:-1].decode("utf-8", "surrogatepass")
    if code == LONG:
        return token[5:-1].decode("utf-8", "surrogatepass")
    if code in _UNSIGNED:
        return int.from_bytes(token[1:], "little")
    if code == ord("J"):
        return int.from_bytes(token[1:], "little", signed=True)
    if code == 0x8A:
        return int.from_bytes(token[2:], "little", signed=True)
    if code == ord("G"):
        return struct.unpack(">d", token[1:])[0]
    return {ord("N"): None, 0x88: True, 0x89: False}[code]


_SHORT, LONG = 0x8C, ord("X")
_UNSIGNED = frozenset(b"KM")
NUMBER = rb"K.|M..|J.{4}|G.{8}|[\x88\x89]|\x8a(?:%b)" % b"|".join(
    rb"\x%02x.{%d}" % (size, size) for size in range(1, 10)
)
TEXT = rb"\x8c" + lengths(1) + rb"\x94"
"""A text of fewer than 256 bytes, and its entry in the memo."""


def check_texts(tokens: Iterable[bytes], name: str) -> None:
    """Refuse bytes that are no text: the file would be copied, and could not be loaded."""
    with malformed(name, KIND, UnicodeDecodeError):
        for token in tokens:
            text = token[2:-1] if token[0] == _SHORT else token[5:-1]
            text.decode("utf-8", "surrogatepass")
