from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from anisoalign_core.errors import FormatError, PlaceError
from anisoalign_core.files import atomic
from anisoalign_core.files.atomic import (
    atomic_files,
    atomic_path,
    atomic_write_bytes,
    atomic_write_text,
    make_folder,
)


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


def left_over(path: Path) -> Path:
    """Leave what a killed process leaves of a file."""
    found = path.with_name(f".{path.stem}-{'0123456789abcdef'}{path.suffix}")
    found.write_bytes(b"half")
    return found


def test_what_a_killed_process_left_of_the_same_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    mine, others = left_over(path), left_over(tmp_path / "b.npy")
    kept = tmp_path / ".a-notes.npy"
    kept.write_bytes(b"precious")
    atomic_write_bytes(path, b"x")
    assert not mine.exists()
    assert others.exists()
    assert kept.read_bytes() == b"precious"


def test_what_a_living_process_writes_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with atomic_path(path) as first:
        first.write_bytes(b"first")
        atomic_write_bytes(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


def test_a_full_disk_is_said_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")
    with pytest.raises(PlaceError, match=r"^a\.npy cannot be written: No space left on device\. M"):
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


def test_a_folder_without_permission_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PlaceError, match=r"a\.npy cannot be written: Permission denied\. Choose"):
        atomic_write_bytes(tmp_path / "a.npy", b"")
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PlaceError, match="new cannot be written: Permission denied"):
        make_folder(tmp_path / "new")


def test_an_error_in_reading_is_not_taken_for_one_in_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.npy"):
        (tmp_path / "other" / "a.npy").read_bytes()


def test_an_old_file_never_lies_among_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, ids = tmp_path / "a.npy", tmp_path / "a.ids.txt"
    main.write_bytes(b"old")
    ids.write_bytes(b"old")
    seen = []
    rename = Path.replace

    def watched(path: Path, goal: Path) -> Path:
        done = rename(path, goal)
        seen.append([each.read_bytes() if each.exists() else None for each in (main, ids)])
        return done

    monkeypatch.setattr(Path, "replace", watched)
    with atomic_files() as files:
        files.add(main).write_bytes(b"new")
        files.add(ids).write_bytes(b"new")
    assert seen == [[None, b"old"], [None, b"new"], [b"new", b"new"]]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.ids.txt", "a.npy"]


def test_files_that_cannot_all_be_renamed_leave_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, ids = tmp_path / "a.npy", tmp_path / "a.ids.txt"
    main.write_bytes(b"old")
    rename = Path.replace

    def failing(path: Path, goal: Path) -> Path:
        if goal == ids:
            raise OSError(28, "No space left on device", str(path))
        return rename(path, goal)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(PlaceError, match="No space left"), atomic_files() as files:
        files.add(main).write_bytes(b"new")
        files.add(ids).write_bytes(b"new")
    assert main.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


def test_where_files_cannot_be_locked_they_are_whole_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "fcntl", None)
    path = tmp_path / "a.npy"
    left = tmp_path / ".a-0123456789abcdef.npy"
    left.write_bytes(b"left over")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists() and not left.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(PlaceError, match=r"b cannot be written: Not a directory\. Check the place"):
        make_folder(tmp_path / "a" / "b")


def test_a_name_that_was_taken_for_a_left_over_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may remove a temporary file after it was made and before it is locked."""
    lock = atomic.fcntl.flock
    taken: list[Path] = []

    def late(descriptor: int, how: int) -> None:
        if not taken:
            taken.extend(tmp_path.glob(".a-*.npy"))
            taken[0].unlink()
        lock(descriptor, how)

    monkeypatch.setattr(atomic.fcntl, "flock", late)
    with atomic_path(tmp_path / "a.npy") as temporary:
        assert temporary.exists() and temporary not in taken
        temporary.write_bytes(b"new")
    assert len(taken) == 1
    assert (tmp_path / "a.npy").read_bytes() == b"new"
