from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from anisoalign_core.errors import FormatError
from anisoalign_core.io import atomic_path, atomic_write_bytes, atomic_write_text


def test_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npz"
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.bin"]


def test_failure_before_anything_was_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.bin"):
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == []


def test_nested_files_both_fail_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with pytest.raises(OSError), atomic_path(one) as first, atomic_path(two) as second:
        first.write_bytes(b"1")
        second.write_bytes(b"2")
        raise OSError("disk full")
    assert [each.name for each in tmp_path.iterdir()] == []


def test_writes_through_a_symbolic_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    atomic_write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_very_long_names_still_fit(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".npy")
    assert atomic_write_bytes(path, b"x").read_bytes() == b"x"


def test_others_may_read_the_file_as_the_mask_allows(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        path = atomic_write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    assert atomic_write_text(tmp_path / "a", "é\r\n\n").read_bytes() == "é\r\n\n".encode()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r'no folder ".*nowhere"'):
        atomic_write_bytes(tmp_path / "nowhere" / "a.npy", b"")


def test_folder_cannot_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FormatError, match="a is a folder"):
        atomic_write_bytes(tmp_path / "a", b"")
