from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import FormatError, InvalidRowsError, LimitError, ShapeError
from anisoalign_core.files.source import Source
from anisoalign_core.io import Limits, load, load_bytes
from anisoalign_core.io.npy import read_array


def as_bytes(array: NDArray[np.generic], *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def with_header(text: str, body: bytes = b"") -> bytes:
    raw = text.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + body


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f2", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("where", ["disk", "upload"])
def test_every_float_layout_reads_to_the_same_rows(
    tmp_path: Path, array: NDArray[np.float32], dtype: str, order: str, where: str
) -> None:
    data = as_bytes(np.asarray(array, dtype=dtype, order=order))  # type: ignore[call-overload]
    if where == "disk":
        (tmp_path / "a.npy").write_bytes(data)
        loaded = load(tmp_path / "a.npy", modality="image")
    else:
        loaded = load_bytes(data, "a.npy", modality="image")
    tolerance = 2e-3 if dtype.endswith("2") else 1e-6
    np.testing.assert_allclose(loaded.vectors, array, atol=tolerance)
    assert loaded.provenance.original_dtype == np.dtype(dtype).newbyteorder("=").name
    assert loaded.provenance.ids_are_rows


def test_integers_are_normalised() -> None:
    loaded = load_bytes(as_bytes(np.array([[3, 4], [0, 2]])), "a.npy", modality="image")
    np.testing.assert_allclose(loaded.vectors, [[0.6, 0.8], [0, 1]], atol=1e-7)
    assert not loaded.provenance.was_normalised


def test_files_beside_bring_ids_and_captions(tmp_path: Path, array: NDArray[np.float32]) -> None:
    np.save(tmp_path / "set.v1.npy", array)
    (tmp_path / "set.v1.ids.txt").write_bytes(
        b"\xef\xbb\xbf" + "".join(f"é{row}\r\n" for row in range(12)).encode()
    )
    (tmp_path / "set.v1.captions.txt").write_text("\n".join("a b" for _ in range(12)))
    loaded = load(tmp_path / "set.v1.npy", modality="image")
    assert loaded.ids.tolist() == [f"é{row}" for row in range(12)]
    assert loaded.captions is not None
    assert loaded.captions.tolist() == ["a b"] * 12


def test_files_beside_of_another_length_are_refused(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "a.npy", array)
    (tmp_path / "a.ids.txt").write_text("one\ntwo\n")
    with pytest.raises(ShapeError, match=r"12 rows, but its ids\.txt has 2 lines"):
        load(tmp_path / "a.npy", modality="image")


def test_object_arrays_are_never_unpickled() -> None:
    data = as_bytes(np.array([[Trap(), 1]], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match=r"texts.npy holds Python objects \(a pickle\)") as caught:
        load_bytes(data, "texts.npy", modality="text")
    assert 'np.save("texts.npy", array.astype("float32"))' in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_renamed_pickle_is_recognised(protocol: int) -> None:
    data = pickle.dumps(Trap(), protocol=protocol)
    with pytest.raises(FormatError, match="pickle"):
        load_bytes(data, "a.npy", modality="image")


@pytest.mark.parametrize("suffix", [".pkl", ".pickle"])
def test_pickle_suffixes_are_refused(suffix: str) -> None:
    with pytest.raises(FormatError, match="can run code"):
        load_bytes(pickle.dumps(Trap()), f"a{suffix}", modality="image")


@pytest.mark.parametrize(
    ("head", "kind"), [(b"PK\x03\x04zip", "zip archive"), (b"\x89HDF\r\n", "HDF5"), (b"\1", "01")]
)
def test_other_kinds_are_named(head: bytes, kind: str) -> None:
    with pytest.raises(FormatError, match=kind):
        load_bytes(head, "a.npy", modality="image")


def test_truncation_names_expected_and_found_bytes(array: NDArray[np.float32]) -> None:
    data = as_bytes(array)
    with pytest.raises(FormatError, match="512 bytes in all, but 500 bytes were found"):
        load_bytes(data[:500], "a.npy", modality="image")


def test_left_over_bytes_are_refused(array: NDArray[np.float32]) -> None:
    with pytest.raises(FormatError, match="bytes after its array"):
        load_bytes(as_bytes(array) * 2, "a.npy", modality="image")


@pytest.mark.parametrize("cut", [0, 3, 7, 9, 40])
def test_truncated_header(array: NDArray[np.float32], cut: int) -> None:
    with pytest.raises(FormatError):
        load_bytes(as_bytes(array)[:cut], "a.npy", modality="image")


@pytest.mark.parametrize("shape", [(8,), (2, 2, 2), (0, 8), (5, 1), (5, 0), ()])
def test_only_tables_with_rows_are_accepted(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"a\.npy"):
        load_bytes(as_bytes(np.ones(shape, dtype=np.float32)), "a.npy", modality="image")


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 2), dtype=complex),
        np.ones((2, 2), dtype=bool),
        np.array([["a", "b"]]),
        np.zeros(3, dtype=[("x", "f4")]),
        np.zeros((2, 2), dtype="M8[s]"),
    ],
    ids=["complex", "bool", "text", "records", "dates"],
)
def test_other_types_are_refused(array: NDArray[np.generic]) -> None:
    with pytest.raises(FormatError, match="not real numbers"):
        load_bytes(as_bytes(array), "a.npy", modality="image")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}\n",
        "{'descr': '<f4', 'fortran_order': False}\n",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (1, 4)}\n",
        "{'descr': '<f4', 'fortran_order': 3, 'shape': (1, 4)}\n",
        "(" * 5000,
        "-" * 9000 + "1",
        "__import__('os').getcwd()",
        "",
    ],
)
def test_malformed_headers(header: str) -> None:
    with pytest.raises(FormatError, match=r"a\.npy"):
        load_bytes(with_header(header), "a.npy", modality="image")


@pytest.mark.parametrize("shape", [(10**7, 2), (2, 10**5), (5 * 10**6, 16_000), (10**400, 10**400)])
def test_declared_size_is_checked_before_allocation(shape: tuple[int, int]) -> None:
    data = with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n")
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="the limit is"):
            load_bytes(data, "a.npy", modality="image")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e6


def test_limits_argument_wins(array: NDArray[np.float32]) -> None:
    with pytest.raises(LimitError, match="12 rows"):
        load_bytes(as_bytes(array), "a.npy", modality="image", limits=Limits(max_rows=11))


def test_a_file_that_shrinks_after_it_was_read_harms_nobody(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((3000, 256))
    np.save(tmp_path / "big.npy", array)
    found = read_array(Source("big.npy", tmp_path / "big.npy"), Limits())
    (tmp_path / "big.npy").write_bytes(b"")  # a mapped array would end the process now
    np.testing.assert_array_equal(found, array)


def test_loading_holds_the_file_and_the_result_and_little_more(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.ones((20_000, 256), dtype=np.float64))
    load(tmp_path / "big.npy", modality="image")
    tracemalloc.start()
    try:
        load(tmp_path / "big.npy", modality="image")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000 * 256 * (8 + 4) + 10e6


def test_invalid_rows_are_named_or_dropped(array: NDArray[np.float32]) -> None:
    array[3] = 0
    array[5, 2] = np.nan
    with pytest.raises(InvalidRowsError) as caught:
        load_bytes(as_bytes(array), "a.npy", modality="image")
    assert set(caught.value.rows) == {3, 5}
    loaded = load_bytes(as_bytes(array), "a.npy", modality="image", drop_invalid=True)
    assert loaded.provenance.dropped_rows == (3, 5)


class Trap:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))
