"""Pickled records come in; nothing else does, and nothing runs."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError
from anisoalign_core.files.digests import PassingDigest, file_digest
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io.unpickling import load_records

PROTOCOLS = (2, 3, 4, 5)
VECTOR = np.linspace(-1, 1, 9, dtype=np.float32)


def load(data: bytes) -> list[dict[Any, Any]]:
    return load_records(Source("a.pkl", data=data), Limits())


def with_numpy_1_names(data: bytes) -> bytes:
    """Rename the modules as numpy 1 had them; protocols 2 and 3 have no frames to mend."""
    return data.replace(b"numpy._core.", b"numpy.core.")


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, np.ndarray):
        return (
            type(found) is np.ndarray
            and found.dtype == expected.dtype.newbyteorder("=")
            and found.shape == expected.shape
            and bool((found == expected).all())
        )
    if isinstance(expected, list | tuple):
        return type(found) is type(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(map(same, found.values(), expected.values()))
    return type(found) is type(expected) and bool(found == expected)


RECORDS: list[dict[str, Any]] = [
    {"id": 7, "caption": "a cat", "embed": VECTOR},
    {"id": "8", "caption": "", "embed": VECTOR[::-1].copy()},
    {
        "scalars": [np.int64(5), np.float16(0.5), np.bool_(True), np.str_("é"), np.str_("")],
        "plain": (None, True, -3, 2**80, 0.25, "漢字", b"", b"\x00\xff", "x" * 300, b"y" * 70_000),
        "nested": {"a": [VECTOR, {"b": (VECTOR,)}], 3: {}},
        "half": VECTOR.astype(np.float16),
        "double": VECTOR.astype(np.float64),
        "swapped": VECTOR.astype(">f4"),
        "count": np.arange(4, dtype=np.uint8),
        "mask": np.array([True, False]),
        "table": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "turned": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
        "nothing": np.zeros((0, 3)),
        "one": np.array(3.0),
        "strided": np.arange(10.0)[::2],
    },
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps(RECORDS, protocol)
    assert same(load(data), RECORDS)
    (tmp_path / "a.pkl").write_bytes(data)
    assert same(load_records(Source("a.pkl", tmp_path / "a.pkl"), Limits()), RECORDS)


@pytest.mark.parametrize("protocol", (2, 3))
def test_names_of_numpy_1(protocol: int) -> None:
    data = with_numpy_1_names(pickle.dumps(RECORDS, protocol))
    assert b"numpy.core." in data
    assert same(load(data), RECORDS)


def test_names_of_numpy_1_in_frames() -> None:
    """Protocol 5 by hand: ``numpy.core.numeric._frombuffer`` as numpy 1.26 wrote it."""
    dtype = (
        b"\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94\x89\x88\x87\x94R\x94"
        b"(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b"
    )
    body = (
        b"]\x94}\x94\x8c\x05embed\x94\x8c\x12numpy.core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94"
        b"(\x96\x08\x00\x00\x00\x00\x00\x00\x00" + struct.pack("<2f", 0.6, 0.8) + b"\x94" + dtype
    )
    body += b"K\x02\x85\x94\x8c\x01C\x94t\x94R\x94sa."
    data = b"\x80\x05\x95" + struct.pack("<Q", len(body)) + body
    assert same(load(data), [{"embed": np.array([0.6, 0.8], dtype=np.float32)}])


def test_shared_objects_stay_shared() -> None:
    first, second = load(pickle.dumps([{"embed": VECTOR, "also": VECTOR}] * 2))
    assert first is second and first["embed"] is first["also"]


def test_what_holds_itself_is_read() -> None:
    loop: list[Any] = [VECTOR]
    loop.append(loop)
    (record,) = load(pickle.dumps([{"loop": loop}]))
    assert record["loop"][1] is record["loop"]


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Call(os.system, "exit 1"), rf"{os.system.__module__}\.system"),
        (Call(eval, "1/0"), r"(builtins|__builtin__)\.eval"),
        (Call(pytest.fail, "a pickle was executed"), r"_pytest\.\S+"),
        (Call(getattr, VECTOR, "tofile"), r"(builtins|__builtin__)\.getattr"),
        (collections.OrderedDict(), r"collections\.OrderedDict"),
        (np.ma.masked_array([1.0], [True]), r"numpy\.ma\.core\._mareconstruct"),
        (Path("x"), r"pathlib\.\S*Path"),
        (np.load, r"numpy\.load"),
    ],
)
def test_other_names_are_refused_by_name(protocol: int, value: Any, name: str) -> None:
    for records in ([{"id": value}], [{"id": 1}, {"embed": VECTOR, "x": [(value,)]}], value):
        with pytest.raises(FormatError, match=rf"a\.pkl asks for {name}, and loading"):
            load(pickle.dumps(records, protocol))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"cos\nsystem\n(tR.", r"os\.system"),
        (b"(ios\nsystem\n.", r"os\.system"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(tR.", r"torch\._utils\._rebuild_tensor_v2"),
        (b"\x80\x04\x8c\x08builtins\x8c\x0beval.__call\x93.", r"builtins\.eval\.__call"),
        (b"\x80\x02cnumpy\nndarray.tofile\n.", r"numpy\.ndarray\.tofile"),
        (b"\x80\x02c\x1b[31mos\nsystem\n.", r"�\[31mos\.system"),
    ],
)
def test_names_in_pickles_by_hand(data: bytes, name: str) -> None:
    with pytest.raises(FormatError, match=rf"a\.pkl asks for {name}, and loading"):
        load(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.array([None, 1]), "O8"),
        (np.ones(2, dtype="i4,f4"), "V8"),
        (np.ones(2, dtype=np.complex64), "c8"),
        (np.array(["ab"]), "U2"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "M8"),
        (np.ones(2, dtype=np.longdouble), "f16"),
        (np.dtype("f4"), "numpy type"),
        (np.ndarray, "class"),
        ({(1, 2): 3}, "tuple"),
        ({1, 2}, "(set|opcode|builtins)"),
        (bytearray(b"x"), "bytearray"),
        (1j, "complex"),
    ],
)
def test_other_values_are_refused(protocol: int, value: Any, what: str) -> None:
    with pytest.raises(FormatError, match=rf"a\.pkl .*{what}"):
        load(pickle.dumps([{"id": 1, "x": value}], protocol))


def array_pickle(dtype: bytes, shape: bytes, data: bytes) -> bytes:
    """An array in protocol 3, with parts of one's own."""
    return (
        b"\x80\x03]}X\x01\x00\x00\x00acnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
        + shape
        + b"cnumpy\ndtype\nX"
        + struct.pack("<I", len(dtype))
        + dtype
        + b"\x89\x88\x87R"
        b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"C" + bytes([len(data)]) + data + b"tbsa."
    )


def test_lengths_and_shapes_must_agree() -> None:
    assert same(load(array_pickle(b"f4", b"K\x02\x85", bytes(8)))[0]["a"], np.zeros(2, np.float32))
    for shape, size in ((b"K\x02\x85", 7), (b"K\x03\x85", 8), (b"J\xff\xff\xff\xff\x85", 8)):
        with pytest.raises(FormatError, match="shape"):
            load(array_pickle(b"f4", shape, bytes(size)))
    with pytest.raises(FormatError, match="shape"):
        load(array_pickle(b"f4", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", bytes(8)))
    with pytest.raises(FormatError, match="f400"):
        load(array_pickle(b"f400", b"K\x02\x85", bytes(8)))


def test_the_file_cannot_reach_the_standins() -> None:
    """State set on a class or on a finished array would change what later files become."""
    hook = b"\x80\x02cnumpy\nndarray\n}NX\x04\x00\x00\x00dataK\x01s\x86b."
    slots = b"\x80\x02c_codecs\nencode\nN}X\x07\x00\x00\x00__new__K\x01s\x86b."
    again = array_pickle(b"f4", b"K\x02\x85", bytes(8)).replace(
        b"tbsa.", b"tbN}X\x04\x00\x00\x00dataC\x00s\x86bsa."
    )
    for data in (hook, slots, again):
        with pytest.raises(FormatError):
            load(data)
    assert same(load(pickle.dumps(RECORDS)), RECORDS)


def test_deep_nesting_is_no_crash() -> None:
    deep = b"\x80\x02]" + b"]" * 100_000 + b"a" * 100_000 + b"."
    with pytest.raises(FormatError, match=r"Record 0 of a\.pkl is a list"):
        load(deep)


@pytest.mark.parametrize(
    ("value", "what"), [({}, "a dict"), ([], "an empty list"), ("x", "a str"), ([1], "is a int")]
)
def test_only_lists_of_dictionaries(value: Any, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        load(pickle.dumps(value))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"\x93NUMPY\x01\x00", r"\.npy"),
        (b"PK\x03\x04 and so on", "zip archive"),
        (b"hello", "damaged"),
        (pickle.dumps(RECORDS) + b"more", "more bytes follow"),
        (pickle.dumps([{1: 2}]) * 2, "more bytes follow"),
        (b"\x80\x02]P12\na.", "opcode 50"),
        (b"\x80\x04\x82\x01.", "opcode 82"),
        (b"\x80\x04\x97.", "a.pkl"),
        (b"\x80\x09].", "a.pkl"),
    ],
)
def test_other_files(data: bytes, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        load(data)


def test_large_files_are_refused_before_they_are_read() -> None:
    source = Source("a.pkl", data=pickle.dumps(RECORDS))
    with pytest.raises(LimitError, match="ANISOALIGN_MAX_BYTES"):
        load_records(source, Limits(max_bytes=1000))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x02]p99999999999\n.",
        b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00]r\xff\xff\xff\xff.",
        b"\x80\x04B\xff\xff\xff\xff.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x96\xff\xff\xff\xff\x10\x00\x00\x00.",
        b"\x80\x04\x95\xff\xff\xff\xff\x10\x00\x00\x00].",
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
    ],
)
def test_small_files_take_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"a\.pkl"):
            load(data)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_text_beyond_unicode_is_refused() -> None:
    data = pickle.dumps([{"id": np.str_("ab")}], 3)
    found = data.replace(b"a\x00\x00\x00", b"\x00\x00\x11\x00")
    assert found != data
    with pytest.raises(FormatError, match="beyond Unicode"):
        load(found)


def test_keys_that_take_for_ever_to_hash() -> None:
    deep = b"\x80\x02]}(" + b")" + b"\x85" * 100_000 + b"K\x01ua."
    with pytest.raises(FormatError, match="has a tuple for a key"):
        load(deep)


SMALL = [{"id": 1, "caption": "c", "embed": np.ones(3, np.float32), "n": [np.int8(1), (None,)]}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cut_anywhere(protocol: int) -> None:
    data = pickle.dumps(SMALL, protocol)
    for size in range(len(data)):
        with pytest.raises(FormatError):
            load(data[:size])


def refused_or_checked(data: bytes) -> None:
    """Loading gives allowed values or an error of ours, never anything else."""
    try:
        records = load(data)
    except AnisoAlignError:
        return
    for record in records:
        for value in record.values():
            assert not isinstance(value, np.ndarray) or value.dtype.kind in "biuf"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes(protocol: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(pickle.dumps(SMALL, protocol))
    for place, value in changes:
        data[place % len(data)] = value
    refused_or_checked(bytes(data))


OPCODES = [bytes([code]) for code in b"(01NR)]}abdeltsuo\x81\x85\x86\x87\x94\x93"]
PARTS = [
    *(b"K\x01", b"h\x00", b"C\x01x", b"\x8c\x01x", b"\x8c\x02f4", b"\x96" + bytes(8)),
    *(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c_codecs\nencode\n"),
    b"cnumpy.core.multiarray\nscalar\n",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(OPCODES + PARTS), max_size=30))
def test_made_up_programs(parts: list[bytes]) -> None:
    refused_or_checked(b"\x80\x04]" + b"".join(parts) + b".")


def test_a_digest_sees_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([{"id": i, "embed": VECTOR} for i in range(5000)], 4))
    digest = PassingDigest()
    load_records(Source("a.pkl", path, digest=digest), Limits())
    assert digest.of(path) == file_digest(path)
    assert digest._valid  # taken in passing, not by reading again
