"""Where files lie: names in the order people give them, and URLs as if they were paths."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

import anisoalign_core as aa
from anisoalign_core.errors import AnisoAlignError, FormatError, PlaceError
from anisoalign_core.files.atomic import atomic_path, atomic_write_text
from anisoalign_core.files.places import as_path, is_local, matching, natural, source_at
from anisoalign_core.io.reading import columns


@pytest.fixture
def store() -> Any:
    """Return an empty store in memory, behind ``memory://``."""
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    found = fsspec.filesystem("memory")
    for name in found.ls("/", detail=False):
        found.rm(name, recursive=True)
    return found


@pytest.mark.parametrize(
    "names",
    [
        ["part_2.npy", "part_10.npy"],
        ["a2b9x", "a2b10", "a10b1"],
        ["9", "10", "a"],
        ["1²2", "2", "²1"],
        ["part_001", "part_01", "part_1"],
    ],
)
def test_numbers_in_names_count_as_numbers(names: list[str]) -> None:
    for given in (names, names[::-1]):
        assert [path.name for path in sorted(map(Path, given), key=natural)] == names


def test_a_pattern_finds_files_of_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("p_10.npy", "p_2.npy", ".p_1.npy", "q.npy", "p_3.txt"):
        (tmp_path / name).touch()
    (tmp_path / "p_folder.npy").mkdir()
    monkeypatch.chdir(tmp_path)
    for pattern in ("p_*.npy", f"{tmp_path}/p_*.npy", "./p_*.npy", "p_[0-9]*.npy"):
        assert [path.name for path in matching(pattern)] == ["p_2.npy", "p_10.npy"]
    assert [path.name for path in matching("?.npy")] == ["q.npy"]
    for pattern in ("absent_*", "absent/*.npy", "p_folder.npy/*"):
        with pytest.raises(FormatError, match="No file matches"):
            matching(pattern)
    with pytest.raises(FormatError, match="Only the last part"):
        matching("*/p_2.npy")


def test_paths_are_paths() -> None:
    assert as_path("a/b.npy") == Path("a/b.npy")
    assert as_path(Path("a")) == Path("a")
    assert source_at(Path("a/b.npy")).name == "b.npy"
    assert source_at(Path("a/b.npy"), "a/b.npy").name == "a/b.npy"


def test_file_urls_are_local_paths(tmp_path: Path) -> None:
    pytest.importorskip("upath")
    path = as_path(f"file://{tmp_path}/a b.npy")
    assert is_local(path) and path == tmp_path / "a b.npy"


def test_other_urls_have_the_methods_of_paths(store: Any) -> None:
    store.pipe("/a/p_10.npy", b"ten")
    store.pipe("/a/p_2.npy", b"two")
    store.pipe("/top.npy", b"top")
    path = as_path("memory://a/p_2.npy")
    assert not is_local(path)
    assert as_path(path) is path
    with source_at(path).open() as stream:
        assert stream.read() == b"two"
    assert source_at(path).size == 3
    assert [each.name for each in matching("memory://a/p_*.npy")] == ["p_2.npy", "p_10.npy"]
    assert [each.name for each in matching("memory://*.npy")] == ["top.npy"]


def test_a_url_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(AnisoAlignError, match=r"anisoalign-studio\[distributed\]"):
        as_path("memory://a")


def test_urls_that_nobody_knows() -> None:
    pytest.importorskip("upath")
    with pytest.raises(FormatError, match="not a place that fsspec knows"):
        as_path("nowhere://a")


def test_a_file_behind_a_url_appears_whole_or_not_at_all(store: Any) -> None:
    path = as_path("memory://new/a.npy")
    path.parent.mkdir(parents=True)
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"part")
        raise RuntimeError
    assert store.find("/") == []
    for data in (b"first", b"second"):
        with atomic_path("memory://new/a.npy") as temporary:
            temporary.write_bytes(data)
        assert store.cat("/new/a.npy") == data
        assert store.find("/") == ["/new/a.npy"]
    assert atomic_write_text(path.with_name("b.txt"), "é\n").read_text(encoding="utf-8") == "é\n"


def test_a_copy_that_fails_leaves_the_file_that_was_there(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe("/a.npy", b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anisoalign_core.files.places.shutil.copyfileobj", full)
    with pytest.raises(PlaceError, match="No space left"):
        atomic_write_text(as_path("memory://a.npy"), "after")
    assert store.cat("/a.npy") == b"before"
    assert store.find("/") == ["/a.npy"]


def test_a_set_behind_a_url_is_loaded_as_from_a_disk(store: Any, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    frame = pd.DataFrame(rows, columns=list("0123")).assign(photo=[f"p/{row}" for row in range(12)])
    writers: dict[str, Callable[[Path], Any]] = {
        ".npy": lambda path: np.save(path, rows),
        ".npz": lambda path: np.savez(path, image=rows, ids=np.arange(12)),
        ".pt": lambda path: torch.save({"image": torch.tensor(rows)}, path),
        ".safetensors": lambda path: save_file({"image": rows}, path),
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".csv.gz": lambda path: frame.to_csv(path, index=False),
        ".parquet": lambda path: frame.to_parquet(path),
    }
    for suffix, write in writers.items():
        path = tmp_path / f"a{suffix}"
        write(path)
        store.pipe(f"/sets/a{suffix}", path.read_bytes())
        here = aa.load(path, modality="image")
        there = aa.load(f"memory://sets/a{suffix}", modality="image")
        np.testing.assert_array_equal(there.vectors, here.vectors)
        assert there.ids.tolist() == here.ids.tolist()
        assert there.provenance == here.provenance
        if ".csv" in suffix:
            assert columns(f"memory://sets/a{suffix}")["photo"] == "id"
    store.pipe("/sets/a.ids.txt", "".join(f"r{row}\n" for row in range(12)).encode())
    assert aa.load("memory://sets/a.npy", modality="image").ids[3] == "r3"
    with pytest.raises(FormatError, match=r'no file or folder "memory://sets/b\.npy"'):
        aa.load("memory://sets/b.npy", modality="image")
