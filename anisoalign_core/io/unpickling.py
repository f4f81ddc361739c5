"""Pickled lists of records, read without running anything that the file asks for.

A pickle is a small program: it may name any importable function and call it. Here every name
becomes a stand-in of ours or is refused, so arrays, numbers and text are all that can come out.

What a file can still do is waste resources; :mod:`anisoalign_core.io.opcodes` refuses the worst
before it is loaded. Left to a hostile file are memory in proportion to its size (empty dictionaries
take 64 times the byte that makes one) and tuples nested so deep that hashing them as a dictionary's
key takes for ever or ends the process: so this is for files of a person's own folder, not for
uploads.
"""

from __future__ import annotations

import gc
import io
import math
import mmap
import pickle
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import MIB, Limits, check_bytes
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, looks_like, malformed, printable, wrong_kind
from anisoalign_core.io.opcodes import KIND, check_opcodes

Record = dict[Any, Any]

NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
BUFFER_BYTES = MIB
PREFIX_BYTES = (MIB // 4, 8 * MIB)
"""How much of a file is read to find its first record, before all of it is."""

_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    BufferError,
    SystemError,
)


def load_records(source: Source, limits: Limits) -> list[Record]:
    """Load a pickled list of dictionaries.

    Values are :class:`Array`, numpy scalars, str, bytes, bool, int, float, None, and lists,
    tuples and dictionaries of these. Arrays keep the bytes that were read, uncopied, so the list
    takes little more memory than the file.

    Parameters
    ----------
    source : Source
    limits : Limits
        Files above ``max_bytes`` are refused.

    Returns
    -------
    list of dict
        At least one.

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
        raw: Any = stream
        if source.path is not None and is_local(source.path):
            check_opcodes(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), name)
        else:
            raw = io.BytesIO(stream.read())
            check_opcodes(raw.getvalue(), name)
        # Without a buffer to look ahead in, the C reader asks for every opcode by itself.
        with io.BufferedReader(raw, BUFFER_BYTES) as buffered:
            loaded = _load(_Unpickler(buffered), name)
    if type(loaded) is not list or not loaded:
        what = "an empty list" if type(loaded) is list else f"a {type(loaded).__name__}"
        raise FormatError(
            f"{name} holds {what}, not a list of records. Write a list of dictionaries, one for "
            "each row."
        )
    _check_values(loaded, name)
    return loaded


def first_record(source: Source, limits: Limits) -> Record:
    """Return the first dictionary of a pickled list, reading no more than it takes.

    Raises
    ------
    FormatError, LimitError
        As :func:`load_records`, for what was read.
    """
    for size in PREFIX_BYTES:
        if source.size <= size:
            break
        with source.open() as stream:
            prefix = stream.read(size)
        # The prefix ends amid a record, but those before it are complete and in the memo, where
        # dictionaries are entered when they are begun and filled when all their values are there.
        memo = memo_of(prefix, source.name)
        record = next((memo[index] for index in sorted(memo) if type(memo[index]) is dict), None)
        if record:
            _check_values([record], source.name)
            return dict(record)
    return load_records(source, limits)[0]


def memo_of(prefix: bytes, name: str) -> dict[int, Any]:
    """Return the memo after the beginning of a file was loaded, as far as it goes.

    Raises
    ------
    FormatError
        If it asks for something else than arrays, numbers and text.
    """
    check_opcodes(prefix, name, whole=False)
    unpickler = _Unpickler(io.BytesIO(prefix))
    try:
        _load(unpickler, name)
    except FormatError as error:
        if not isinstance(error.__cause__, _ERRORS):
            raise
    memo: Any = unpickler.memo.copy()
    return dict(memo)


class _Refused(Exception):
    """Continues the sentence that begins with the name of the file."""


class _Standin:
    """What a name in the file becomes: a class, so that the file cannot set its attributes."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise _Refused("sets the state of something that has none")


class Array(_Standin):
    """The bytes of a numpy array, checked against its shape and type.

    Attributes
    ----------
    data : bytes or memoryview
    dtype : numpy dtype
        Booleans, integers, or float16/32/64, of either byte order.
    shape : tuple of int
    order : {"C", "F"}
    """

    __slots__ = ("data", "dtype", "order", "shape")

    data: bytes | memoryview
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    def array(self) -> npt.NDArray[Any]:
        """Return a real array: native byte order, writable, owning its data."""
        view: npt.NDArray[Any] = np.ndarray(self.shape, self.dtype, self.data, order=self.order)
        return view.astype(self.dtype.newbyteorder("="))

    def __deepcopy__(self, memo: object) -> npt.NDArray[Any]:
        """Return a real array, so that copying a record makes its arrays real."""
        return self.array()


class _Pending(Array):
    """An array whose state is still to come; only then does it become an :class:`Array`."""

    __slots__ = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, "F" if fortran else "C")

    def fill(self, data: Any, dtype: Any, shape: Any, order: Literal["C", "F"]) -> None:
        alike = type(dtype) is _Dtype and type(data) is bytes and len(data) == dtype.length
        if alike and shape == dtype.shape:
            shape = dtype.shape
        else:
            data = self._checked(data, dtype, shape)
        self.data, self.dtype, self.shape, self.order = data, dtype.dtype, shape, order
        self.__class__ = Array  # type: ignore[assignment]

    def _checked(self, data: Any, dtype: Any, shape: Any) -> bytes | memoryview:
        if type(dtype) is not _Dtype or dtype.code not in NUMBERS:
            code = f"{dtype.code}, " if type(dtype) is _Dtype else ""
            raise _Refused(f"holds an array of another type ({code}not plain numbers)")
        if type(shape) is not tuple or any(type(side) is not int or side < 0 for side in shape):
            raise _Refused("holds an array without a proper shape")
        if type(data) not in (bytes, bytearray):
            raise _Refused(f"holds an array whose numbers are a {type(data).__name__}")
        needed = math.prod(shape) * dtype.dtype.itemsize
        if len(data) != needed:
            raise _Refused(
                f"holds an array of {len(data):,} bytes where its shape needs {needed:,}"
            )
        dtype.shape, dtype.length = shape, needed
        # Of a bytearray a view is kept: the file can no longer change its length then.
        return data if isinstance(data, bytes) else memoryview(data)


class _Dtype(_Standin):
    """Stands for ``numpy.dtype``, and remembers what the last array of that type passed with."""

    __slots__ = ("code", "dtype", "length", "shape")

    def __init__(self, code: Any, *_: object) -> None:
        if type(code) is not str or not (code in NUMBERS or re.fullmatch(r"[SU]\d{1,9}", code)):
            shown = printable(code, 20) if type(code) is str else type(code).__name__
            raise _Refused(f"holds numpy data of type {shown}, not plain numbers")
        self.code: str = code
        self.dtype: np.dtype[Any] = np.dtype(code)
        self.shape: tuple[int, ...] | None = None
        self.length = -1

    def __setstate__(self, state: Any) -> None:
        version, order, *inner = state[:5]
        if version != 3 or len(state) != 8 or any(part is not None for part in inner):
            raise _Refused("holds structured numpy data, not plain numbers")
        if order not in ("<", ">", "=", "|"):
            raise _Refused("holds numpy data of an unknown byte order")
        self.dtype = self.dtype.newbyteorder(order)


class _FromBuffer(_Standin):
    """Stands for ``numpy.core.numeric._frombuffer``, which protocol 5 uses."""

    __slots__ = ()

    def __new__(  # type: ignore[misc]
        cls, data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
    ) -> Array:
        array = _Pending()
        array.fill(data, dtype, shape, "F" if order == "F" else "C")
        if axes is not None and len(array.shape) > 1:
            turned = array.array().transpose(axes)
            array.data, array.dtype, array.shape = turned.tobytes(), turned.dtype, turned.shape
        return array


class _Scalar(_Standin):
    """Stands for ``numpy.core.multiarray.scalar``; gives real scalars."""

    __slots__ = ()

    def __new__(cls, dtype: Any, data: Any = b"") -> Any:
        if type(dtype) is not _Dtype or type(data) is not bytes:
            raise _Refused("holds a numpy scalar that is neither a number nor text")
        if len(data) != dtype.dtype.itemsize:
            raise _Refused(f"holds a numpy scalar of {len(data)} bytes, not {dtype.code}")
        value: npt.NDArray[Any] = np.ndarray((), dtype.dtype, data)
        return value[()]


class _Encode(_Standin):
    """Stands for ``_codecs.encode``, with which protocol 2 writes bytes."""

    __slots__ = ()

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if type(text) is not str or encoding != "latin1":
            raise _Refused("encodes something other than bytes")
        return text.encode("latin1")


class _Bytes(_Standin):
    """Stands for ``bytes``, with which protocol 2 writes empty ones."""

    __slots__ = ()

    def __new__(cls) -> Any:
        return b""


_STANDINS: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Pending,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode,
    ("builtins", "bytes"): _Bytes,
    ("__builtin__", "bytes"): _Bytes,
}
for _core in ("numpy.core", "numpy._core"):
    _STANDINS[f"{_core}.multiarray", "_reconstruct"] = _Pending
    _STANDINS[f"{_core}.multiarray", "scalar"] = _Scalar
    _STANDINS[f"{_core}.numeric", "_frombuffer"] = _FromBuffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        standin = _STANDINS.get((module, name))
        if standin is None:
            raise _Refused(
                f"asks for {printable(module, 80)}.{printable(name, 80)}, and loading that could "
                "run code"
            )
        return standin

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise _Refused("asks for objects that lie outside the file")


def _load(unpickler: _Unpickler, name: str) -> Any:
    try:
        with malformed(name, KIND, *_ERRORS), _no_collection():
            return unpickler.load()
    except _Refused as refused:
        raise FormatError(
            f"{name} {refused}; nothing of it was loaded. Only arrays, numbers and text are read: "
            "write the records again, with each vector as a plain float32 numpy array."
        ) from refused


@contextmanager
def _no_collection() -> Iterator[None]:
    """Do without the cyclic collector: it would go over a growing list of records for ever."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_LEAVES = frozenset(
    {Array, str, bytes, bool, int, float, type(None), np.str_, np.bytes_}
    | {np.dtype(code).type for code in NUMBERS}
)
_KEYS = _LEAVES - {Array}


def _check_values(records: list[Any], name: str) -> None:
    """Refuse values of other types; a stand-in that is no array is one of those."""
    odd = next((n for n, record in enumerate(records) if type(record) is not dict), None)
    if odd is not None:
        raise FormatError(
            f"Record {odd} of {name} is a {type(records[odd]).__name__}, not a dictionary. Write a "
            "list of dictionaries, one for each row."
        )
    values = chain.from_iterable(map(dict.values, records))
    if _LEAVES.issuperset(map(type, values)) and _KEYS.issuperset(
        map(type, chain.from_iterable(records))
    ):
        return
    seen: set[int] = set()
    for number, record in enumerate(records):
        waiting: list[Any] = [record]
        while waiting:  # not recursive: what is nested may hold itself
            value = waiting.pop()
            kind, wrong = type(value), set[type]()
            if kind in _LEAVES or id(value) in seen:
                continue
            seen.add(id(value))
            if kind is dict:
                wrong = set(map(type, value)) - _KEYS
                waiting.extend(value.values())
            elif kind is list or kind is tuple:
                waiting.extend(value)
            else:
                wrong = {kind}
            if wrong:
                found = wrong.pop()
                raise FormatError(
                    f"Record {number} of {name} holds a {_CALLED.get(found, found.__name__)}, "
                    "which is none of the arrays, numbers and texts that are read. Leave it out."
                )


_CALLED: dict[type, str] = {
    type: "class",
    _Dtype: "numpy type",
    _Pending: "numpy array without numbers",
}
