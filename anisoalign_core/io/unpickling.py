"""Pickled lists of records, read without running anything that the file asks for.

A pickle is a small program: it may name any importable function and call it. Here only the
instructions that lists of records need are known, every name is one of ours or refused, and so
arrays, numbers and text are all that can come out. Python's own reader is used, whose memo is a
dictionary: the C one would allocate gigabytes for a memo index that a file of 20 bytes names.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Never

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_bytes
from anisoalign_core.files.source import Source, looks_like, malformed, printable, wrong_kind

Record = dict[Any, Any]

KIND = "a pickled list of records"
_ERRORS = (
    *(pickle.UnpicklingError, struct.error, EOFError, ValueError, TypeError, LookupError),
    *(AttributeError, OverflowError, MemoryError, RecursionError, SystemError, BufferError),
)
_NUMBERS = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
_KEYS = frozenset({str, bytes, bool, int, float, type(None), np.str_, np.bytes_}) | {
    np.dtype(code).type for code in _NUMBERS
}
_OPCODES = frozenset(
    getattr(pickle, name)[0]
    for name in """
        PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG
        LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES
        SHORT_BINBYTES BINBYTES8 EMPTY_DICT EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1
        TUPLE2 TUPLE3 GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL INST
        REDUCE
    """.split()
)


def load_records(source: Source, limits: Limits) -> list[Record]:
    """Load a pickled list of dictionaries.

    Values are numpy arrays of numbers, numpy scalars, str, bytes, bool, int, float, None, and
    lists, tuples and dictionaries of these.

    Parameters
    ----------
    source : Source
    limits : Limits
        Files above ``max_bytes`` are refused.

    Raises
    ------
    FormatError
        If the file asks for anything else, by name and before anything runs; or is damaged.
    LimitError
    """
    name = source.name
    check_bytes(source.size, f"{name} takes", name, limits)
    with source.open() as stream:
        head = stream.read(16)
        if not head or looks_like(head) not in (None, "a Python pickle"):
            raise wrong_kind(name, KIND, head)
        stream.seek(0)
        try:
            with malformed(name, KIND, *_ERRORS):
                loaded = _Unpickler(_Whole(stream, source.size)).load()
                if stream.read(1):
                    raise ValueError("more bytes follow after its end")
        except _Refused as refused:
            raise FormatError(
                f"{name} {refused}; nothing of it was loaded. Only arrays, numbers and text are "
                "read: write the records again, with each vector as a plain float32 numpy array."
            ) from refused
    if type(loaded) is not list or not loaded:
        what = "an empty list" if type(loaded) is list else f"a {type(loaded).__name__}"
        raise FormatError(f"{name} holds {what}, not a list of records. {_WRITE}")
    _check_values(loaded, name)
    return loaded


_WRITE = "Write a list of dictionaries, one for each row."


def _check_values(records: list[Any], name: str) -> None:
    """Refuse values of other types: what stands for a name in the file must not stay."""
    seen: set[int] = set()
    for number, record in enumerate(records):
        if type(record) is not dict:
            what = type(record).__name__
            raise FormatError(f"Record {number} of {name} is a {what}, not a dictionary. {_WRITE}")
        waiting: list[Any] = [record]
        while waiting:  # not recursive: what is nested may hold itself
            value = waiting.pop()
            kind = type(value)
            if kind in _KEYS or kind is np.ndarray or id(value) in seen:
                continue
            seen.add(id(value))
            if kind not in (dict, list, tuple):
                raise FormatError(
                    f"Record {number} of {name} holds a {_CALLED.get(kind, kind.__name__)}, which "
                    "is none of the arrays, numbers and texts that are read. Leave it out."
                )
            waiting.extend(value.values() if kind is dict else value)


class _Refused(Exception):
    """Continues the sentence that begins with the name of the file."""


class _Whole:
    """A stream that gives all that is asked for, and allocates no more than the file has."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.readline, self._read, self._size = stream.readline, stream.read, size

    def read(self, count: int) -> bytes:
        data = self._read(min(count, self._size))
        if len(data) < count:
            raise EOFError("it is cut off")
        return data


class _Dtype:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: Any, *_: object) -> None:
        if type(code) is not str or not (code in _NUMBERS or re.fullmatch(r"[SU]\d{1,9}", code)):
            shown = printable(code, 20) if type(code) is str else type(code).__name__
            raise _Refused(f"holds numpy data of type {shown}, not plain numbers")
        self.code: str = code
        self.dtype: np.dtype[Any] = np.dtype(code)

    def set(self, state: Any) -> None:
        version, order, *inner = state[:5]
        if version != 3 or len(state) != 8 or order not in ("<", ">", "=", "|") or any(inner):
            raise _Refused("holds structured numpy data, not plain numbers")
        self.dtype = self.dtype.newbyteorder(order)


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """Return a view of the bytes of an array, checked against its shape and type."""
    if type(dtype) is not _Dtype or dtype.code not in _NUMBERS:
        code = f"{dtype.code}, " if type(dtype) is _Dtype else ""
        raise _Refused(f"holds an array of another type ({code}not plain numbers)")
    if type(shape) is not tuple or any(type(side) is not int or side < 0 for side in shape):
        raise _Refused("holds an array without a proper shape")
    if type(data) not in (bytes, bytearray):
        raise _Refused(f"holds an array whose numbers are a {type(data).__name__}")
    needed = math.prod(shape) * dtype.dtype.itemsize
    if len(data) != needed:
        raise _Refused(f"holds an array of {len(data):,} bytes where its shape needs {needed:,}")
    return np.ndarray(shape, dtype.dtype, data, order="F" if order == "F" else "C")


def _unfilled(*_: object) -> npt.NDArray[Any]:
    """Stand for ``ndarray`` and ``_reconstruct``: an array whose state is still to come."""
    return np.empty(0, np.uint8)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    """Stand for ``_frombuffer``, which protocol 5 uses."""
    view = _array(data, dtype, shape, order)
    view = view if axes is None else view.transpose(axes)
    return view.astype(view.dtype.newbyteorder("="))


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """Stand for ``numpy.core.multiarray.scalar``."""
    if type(dtype) is not _Dtype or type(data) is not bytes:
        raise _Refused("holds a numpy scalar that is neither a number nor text")
    if len(data) != dtype.dtype.itemsize:
        raise _Refused(f"holds a numpy scalar of {len(data)} bytes, not {dtype.code}")
    value: npt.NDArray[Any] = np.ndarray((), dtype.dtype, data)
    if value.dtype.kind == "U":
        codes = np.frombuffer(data, value.dtype.str[0] + "u4")
        if codes.max(initial=0) > sys.maxunicode:  # NumPy would make a text that breaks later
            raise _Refused("holds text with characters beyond Unicode")
    return value[()]


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand for ``_codecs.encode``, with which protocol 2 writes bytes."""
    if type(text) is not str or encoding != "latin1":
        raise _Refused("encodes something other than bytes")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stand for ``bytes``, with which protocol 2 writes empty ones."""
    return b""


_CALLED: dict[type, str] = {type(_encode): "class or function", _Dtype: "numpy type"}
_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _unfilled,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _unfilled
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Dispatch(dict[int, Callable[[Any], None]]):
    def __missing__(self, opcode: int) -> Never:
        raise _Refused(f"uses the pickle opcode {opcode:02x}, for which records have no need")


class _Unpickler(pickle._Unpickler):
    dispatch = _Dispatch({c: f for c, f in pickle._Unpickler.dispatch.items() if c in _OPCODES})
    stack: list[Any]  # these are Python's, whose types do not say so
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def find_class(self, module: str, name: str) -> Any:
        found = _NAMES.get((module, name))
        if found is None:
            raise _Refused(
                f"asks for {printable(module, 80)}.{printable(name, 80)}, and loading that could "
                "run code"
            )
        return found

    def _set_one(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(key, value)

    def _set_all(self) -> None:
        self._set(*self.pop_mark())

    def _set(self, *items: Any) -> None:
        record = self.stack[-1]
        if type(record) is not dict:
            raise _Refused("sets items of something other than a dictionary")
        odd = {type(key) for key in items[::2]} - _KEYS  # hashing those may take for ever
        if odd:
            raise _Refused(f"has a {odd.pop().__name__} for a key")
        record.update(zip(items[::2], items[1::2], strict=True))

    def _bytearray(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    def _build(self) -> None:
        """Give an array or a type its state; nothing else has one."""
        state, value = self.stack.pop(), self.stack[-1]
        if type(value) is _Dtype:
            value.set(state)
        elif type(value) is np.ndarray:
            _, shape, dtype, fortran, data = state
            view = _array(data, dtype, shape, "F" if fortran else "C")
            checked: Any = (1, shape, view.dtype, bool(fortran), bytes(data))
            value.__setstate__(checked)
        else:
            raise _Refused("sets the state of something that has none")

    dispatch |= {
        pickle.SETITEM[0]: _set_one,
        pickle.SETITEMS[0]: _set_all,
        pickle.BYTEARRAY8[0]: _bytearray,
        pickle.BUILD[0]: _build,
    }
