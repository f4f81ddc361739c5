"""Damage to files: blind, and by what is known of how they are built."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

Edit = Callable[[random.Random, bytes], bytes]

LONGEST = 1 << 16
"""Inputs are kept below this, so that many can be tried."""

INTERESTING = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31)
INTERESTING += (2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
NUMBERS = (b"0", b"1", b"2", b"-1", b"nan", b"inf", b"-0.0", b"1e309", b"1e-320", b"True", b"65536")
NUMBERS += (b"9" * 19, b"9" * 400, b"0x10", b"1_0", b"1e400", b"4294967296", b"")

VALUES: tuple[Any, ...] = (None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308)
VALUES += (float("nan"), float("inf"), "", "x", "\ud800", "\0", "é" * 300, [], {}, [[]], [0], ["x"])
VALUES += ({"": 0}, [None] * 3, {"a": {"a": {}}})


def blind(rng: random.Random, data: bytes) -> bytes:
    """Return random bytes, sometimes behind the beginning of the file."""
    head = data[: rng.choice((0, 0, 2, 4, 6, 8, 10, 16))]
    return head + rng.randbytes(rng.choice((0, 1, 3, 10, 100, 1000)))


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = _place(rng, out)
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_bytes(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 4))):
        out[_place(rng, out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(out)


def cut(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] if rng.random() < 0.7 else data[at:]


def leave_out(rng: random.Random, data: bytes) -> bytes:
    at, size = _place(rng, data), _size(rng, data)
    return data[:at] + data[at + size :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    at, size = _place(rng, data), _size(rng, data)
    part = data[at : at + size] * rng.choice((1, 1, 2, 8, 64))
    return data[:at] + part + data[at:]


def move(rng: random.Random, data: bytes) -> bytes:
    at, size, to = _place(rng, data), _size(rng, data), _place(rng, data)
    part = data[at : at + size]
    return data[:to] + part + data[to + len(part) :]


def edit_length(rng: random.Random, data: bytes) -> bytes:
    """Change a number of 1 to 8 bytes wherever it may lie: sizes and offsets are such numbers."""
    code = rng.choice("BHIQ")
    order = rng.choice("<<<>")
    width = struct.calcsize(order + code)
    if len(data) < width:
        return data
    at = min(_place(rng, data), len(data) - width)
    (value,) = struct.unpack_from(order + code, data, at)
    near = value + rng.choice((-256, -8, -2, -1, 1, 2, 8, 256))
    new = near if rng.random() < 0.5 else rng.choice(INTERESTING)
    out = bytearray(data)
    struct.pack_into(order + code, out, at, new % (1 << (8 * width)))
    return bytes(out)


def edit_number(rng: random.Random, data: bytes) -> bytes:
    """Change one number that is written in digits."""
    found = list(re.finditer(rb"-?[0-9]+(?:\.[0-9]+)?", data[:4096]))
    if not found:
        return edit_length(rng, data)
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS) + data[one.end() :]


PLAIN: tuple[Edit, ...] = (
    flip_bits,
    flip_bits,
    set_bytes,
    cut,
    leave_out,
    repeat,
    move,
    edit_length,
    edit_length,
    edit_number,
)


def edit_json(rng: random.Random, data: bytes) -> bytes:
    """Change one place in JSON: its value, its key, or whether it is there."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return rng.choice(PLAIN)(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2))):
        body = _changed(rng, body)
    return json.dumps(body).encode("utf-8", "surrogatepass")


def edit_json_lines(rng: random.Random, data: bytes) -> bytes:
    """Change one of several JSON objects, one per line."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = edit_json(rng, lines[at])
    return b"\n".join(lines)


def edit_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Change the header of a safetensors file and mend its length."""
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= len(data) - 8:
        return rng.choice(PLAIN)(rng, data)
    head = edit_json(rng, data[8 : 8 + size])
    return len(head).to_bytes(8, "little") + head + data[8 + size :]


def edit_npy(rng: random.Random, data: bytes) -> bytes:
    """Change the header of a .npy file and mend its length."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return rng.choice(PLAIN)(rng, data)
    size = int.from_bytes(data[8:10], "little")
    head, body = data[10 : 10 + size], data[10 + size :]
    old = rng.choice((rb"'<f4'", rb"\([^)]*\)", rb"False|True", rb"\d+", rb"'[a-z_]+'"))
    found = list(re.finditer(old, head))
    if found:
        one = rng.choice(found)
        head = head[: one.start()] + rng.choice(NPY_WORDS) + head[one.end() :]
    else:
        head = rng.choice(PLAIN)(rng, head)
    head = head[:65_535]
    return data[:8] + len(head).to_bytes(2, "little") + head + body


NPY_WORDS = (
    *(
        b"'%b'" % kind
        for kind in b"<f2 >f4 <f8 <i8 |u1 |b1 <c8 |O |S4 <U4 <m8 |V4 <f16 |S0".split()
    ),
    *(b"(%b)" % shape for shape in (b"", b"0,", b"3, 0", b"-1, 4", b"3, 4", b"1, 2, 6", b"12,")),
    b"(9999999999, 9999999999)",
    b"[('a', '<f4')]",
    b"'" + b"(" * 200,
    b"True",
    b"None",
    b"1L",
    b"((3, 4))",
    b"(True, 4)",
    b"'shape'",
    b"0",
    b"12",
    b"99999",
)


def edit_zip(inside: Edit) -> Edit:
    """Return an edit that changes one member of an archive and writes sizes and checksums anew."""

    def edit(rng: random.Random, data: bytes) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [(info.filename, archive.read(info)) for info in archive.infolist()]
            if not members:
                return rng.choice(PLAIN)(rng, data)
            at = rng.randrange(len(members))
            name, body = members[at]
            what = rng.random()
            if what < 0.7:
                members[at] = (name, inside(rng, body))
            elif what < 0.8:
                members[at] = (
                    rng.choice((name[:-1], "../" + name, name.upper(), "é.npy", "")),
                    body,
                )
            elif what < 0.9:
                del members[at]
            else:
                members[at] = (name, rng.choice(members)[1])
            out = io.BytesIO()
            method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            with zipfile.ZipFile(out, "w", method) as archive:
                for member, bytes_ in members:
                    archive.writestr(zipfile.ZipInfo(member), bytes_, method)
            return out.getvalue()
        except Exception:
            return rng.choice(PLAIN)(rng, data)

    return edit


def edit_member(rng: random.Random, data: bytes) -> bytes:
    """Change a member of an archive by what it looks like."""
    if data[:6] == b"\x93NUMPY":
        return edit_npy(rng, data) if rng.random() < 0.5 else rng.choice(PLAIN)(rng, data)
    return edit_json(rng, data) if data[:1] == b"{" else rng.choice(PLAIN)(rng, data)


def edit_model(rng: random.Random, data: bytes) -> bytes:
    """Change a member of a model: the JSON in its header array, or an array."""
    start = data.find(b"{", 128 - 16)
    if data[:6] == b"\x93NUMPY" and b"|u1" in data[:128] and start > 0 and rng.random() < 0.8:
        text = edit_json(rng, data[start:])
        stream = io.BytesIO()
        head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % len(text)
        head += b" " * (-(len(head) + 11) % 64) + b"\n"
        stream.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + text)
        return stream.getvalue()
    return edit_member(rng, data)


def edit_footer(rng: random.Random, data: bytes) -> bytes:
    """Change the footer that ends a Parquet file, and keep its length."""
    size = int.from_bytes(data[-8:-4], "little")
    if not 0 < size <= len(data) - 12:
        return rng.choice(PLAIN)(rng, data)
    begin = len(data) - 8 - size
    kind = rng.choice((flip_bits, set_bytes, edit_length))
    return data[:begin] + kind(rng, data[begin:-8]) + data[-8:]


class Mutator:
    """Makes new inputs from known ones.

    Parameters
    ----------
    rng : random.Random
    tokens : sequence of bytes
        Words of the format.
    edits : sequence of Edit
        What is known of how it is built.
    """

    def __init__(
        self, rng: random.Random, tokens: Sequence[bytes] = (), edits: Sequence[Edit] = ()
    ) -> None:
        self._rng, self._tokens, self._edits = rng, tuple(tokens), tuple(edits)

    def __call__(self, data: bytes, other: bytes) -> bytes:
        """Return a damaged copy of one input, perhaps with a part of another."""
        rng = self._rng
        if rng.random() < 0.02:
            return blind(rng, data)
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            data = self._once(data or b"\0", other)[:LONGEST]
        return data

    def _once(self, data: bytes, other: bytes) -> bytes:
        rng, kind = self._rng, self._rng.random()
        if self._edits and kind < 0.4:
            return rng.choice(self._edits)(rng, data)
        if self._tokens and kind < 0.55:
            token, at = rng.choice(self._tokens), _place(rng, data)
            return data[:at] + token + data[at + (len(token) if rng.random() < 0.5 else 0) :]
        if kind < 0.65:
            return data[: _place(rng, data)] + other[_place(rng, other or b"\0") :]
        return rng.choice(PLAIN)(rng, data)


def _place(rng: random.Random, data: bytes | bytearray) -> int:
    """Return a place in the data: anywhere, or near one of its ends, where headers lie."""
    size = len(data)
    if not size:
        return 0
    kind = rng.random()
    if kind < 0.4:
        return rng.randrange(min(size, 256))
    if kind < 0.6:
        return size - 1 - rng.randrange(min(size, 256))
    return rng.randrange(size)


def _size(rng: random.Random, data: bytes) -> int:
    return rng.randrange(1, rng.choice((2, 5, 17, 65, max(len(data), 2))))


def _changed(rng: random.Random, body: Any) -> Any:
    if isinstance(body, dict) and body and rng.random() < 0.9:
        key = rng.choice(list(body))
        kind = rng.random()
        if kind < 0.08:
            return {k: v for k, v in body.items() if k != key}
        if kind < 0.14:
            return {**body, rng.choice(("", "x", key + "_", "__class__")): rng.choice(VALUES)}
        return {**body, key: _changed(rng, body[key])}
    if isinstance(body, list) and body and rng.random() < 0.8:
        at = rng.randrange(len(body))
        kind = rng.random()
        if kind < 0.1:
            return body[:at] + body[at + 1 :]
        if kind < 0.2:
            return body + [body[at]] * rng.choice((1, 1, 100))
        return [*body[:at], _changed(rng, body[at]), *body[at + 1 :]]
    return rng.choice(VALUES)
