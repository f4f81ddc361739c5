"""What holds for every format: names, keys, lines, and bytes that mean nothing."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.io import (
    FORMATS,
    array_keys,
    has_pair,
    has_pair_bytes,
    load,
    load_bytes,
    load_pair_bytes,
    parse_lines,
    to_bytes,
)

SUFFIXES = [suffix for each in FORMATS.values() for suffix in each.suffixes]
HEADS = [
    b"",
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    b"PAR1",
    b"\x80\x02",
    b"\x20\0\0\0\0\0\0\0{",
    b"1,2\n",
]


@settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    suffix=st.sampled_from(SUFFIXES),
    head=st.sampled_from(HEADS),
    body=st.binary(max_size=300),
    tail=st.sampled_from([b"", b"PAR1", b"PK\x05\x06" + bytes(18), b"\xff"]),
)
def test_bytes_that_mean_nothing(suffix: str, head: bytes, body: bytes, tail: bytes) -> None:
    try:
        loaded = load_bytes(head + body + tail, f"noise{suffix}", modality="image")
    except AnisoAlignError as error:
        assert "noise" in str(error)
    else:  # a few bytes can be valid text
        assert suffix in (".csv", ".tsv")
        assert np.isfinite(loaded.vectors).all()


@settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    suffix=st.sampled_from([".npy", ".npz", ".safetensors", ".parquet", ".tsv"]),
    place=st.floats(0, 1, exclude_max=True),
    new=st.binary(min_size=1, max_size=4),
)
def test_damaged_files_either_load_or_say_so(suffix: str, place: float, new: bytes) -> None:
    data = bytearray(_files()[suffix])
    start = int(place * len(data))
    data[start : start + len(new)] = new
    try:
        loaded = load_bytes(bytes(data), f"damaged{suffix}", modality="text")
    except AnisoAlignError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(loaded.vectors).all()


_WRITTEN: dict[str, bytes] = {}


def _files() -> dict[str, bytes]:
    if not _WRITTEN:
        rows = np.random.default_rng(0).normal(size=(6, 4))
        one = EmbeddingSet.from_array(rows, modality="text", ids=list("abcdef"), captions="uvwxyz")
        for suffix in (".npy", ".npz", ".safetensors", ".parquet", ".tsv"):
            _WRITTEN[suffix] = to_bytes(one, suffix)
    return _WRITTEN


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd.npy", "a\nb\x1b[31m.npy", "x" * 5000 + ".npy", "C:\\x\\y.npy", "é漢.NPY"],
)
def test_upload_names_are_data(name: str, array: NDArray[np.float32]) -> None:
    np.save(stream := io.BytesIO(), array)
    try:
        shown = load_bytes(stream.getvalue(), name, modality="image").name
    except FormatError as error:  # a name too long to keep its suffix
        shown = str(error)
    assert shown.isprintable()
    assert "/" not in shown or "suffix" in shown


def test_upload_may_bring_ids_of_its_own(array: NDArray[np.float32]) -> None:
    np.save(stream := io.BytesIO(), array)
    ids = parse_lines("".join(f"x{row}\n" for row in range(12)).encode(), "ids.txt")
    loaded = load_bytes(stream.getvalue(), "a.npy", modality="image", ids=ids, captions=ids)
    assert loaded.ids[2] == "x2"
    assert not loaded.provenance.ids_are_rows


@pytest.mark.parametrize("name", ["a.h5", "a", "", ".npy", "npy", "a.npy.gz"])
def test_unknown_suffixes_list_the_known(name: str) -> None:
    with pytest.raises(FormatError, match=r"Known are \.npy, \.npz"):
        load_bytes(b"x", name, modality="image")


@pytest.mark.parametrize("path", ["nowhere.npy", "no\0where.npy", "\udcff.npy"])
def test_missing_files(tmp_path: Path, path: str) -> None:
    with pytest.raises(FormatError, match="There is no file or folder"):
        load(tmp_path / path, modality="image")


def test_suffix_in_capitals(tmp_path: Path, array: NDArray[np.float32]) -> None:
    np.save(tmp_path / "a.npy", array)
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert len(load(tmp_path / "A.NPY", modality="image")) == 12


def test_has_pair(tmp_path: Path, array: NDArray[np.float32]) -> None:
    np.savez(tmp_path / "both.npz", video=array, text=array)
    np.save(tmp_path / "one.npy", array)
    assert array_keys(tmp_path / "both.npz") == ("video", "text")
    assert not has_pair(tmp_path / "both.npz")
    assert has_pair(tmp_path / "both.npz", target_modality="video")
    assert not has_pair(tmp_path / "one.npy")
    data = (tmp_path / "both.npz").read_bytes()
    assert has_pair_bytes(data, "both.npz", target_modality="video")
    pair = load_pair_bytes(data, "both.npz", target_modality="video")
    assert pair.target.modality == "video"


def test_sides_may_be_called_by_role_under_any_modality(array: NDArray[np.float32]) -> None:
    np.savez(stream := io.BytesIO(), target=array, source=-array)
    pair = load_pair_bytes(
        stream.getvalue(), "a.npz", target_modality="protein", source_modality="description"
    )
    np.testing.assert_array_equal(pair.target.vectors, array)
    assert pair.source.modality == "description"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"\n", [""]),
        (" a \u2028 b\n".encode(), [" a \u2028 b"]),
    ],
)
def test_lines(data: bytes, lines: list[str]) -> None:
    assert parse_lines(data, "ids.txt") == lines


def test_lines_that_are_not_utf8() -> None:
    with pytest.raises(FormatError, match=r"Line 3 of ids\.txt is not UTF-8"):
        parse_lines("a\nb\né\n".encode("latin1"), "ids.txt")


def test_importing_is_cheap() -> None:
    import subprocess

    code = (
        "import sys, anisoalign_core.io;"
        "print([m for m in ('torch', 'pandas', 'pyarrow', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.eye(6, dtype=np.float32))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    made = EmbeddingSet.from_array

    def slow(*arguments: object, **keywords: object) -> EmbeddingSet:
        found: EmbeddingSet = made(*arguments, **keywords)  # type: ignore[arg-type]
        with path.open("r+b") as stream:
            np.save(stream, np.ones((6, 6), dtype=np.float32))
        return found

    monkeypatch.setattr(EmbeddingSet, "from_array", slow)
    with pytest.raises(FormatError, match=r"a\.npy changed while it was read"):
        load(path, modality="text")
