"""Bytes travel to the disk on the way, and an error of the disk is not lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anisoalign_core.files import flushing
from anisoalign_core.files.flushing import flushing as opened


def test_a_file_is_flushed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "FLUSH_BYTES", 4)
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with opened(tmp_path / "a.bin") as stream:
        number = stream.fileno()
        for data in (b"12", b"34", b"5"):
            assert stream.write(data) == len(data)
        assert stream.tell() == 5
    assert (tmp_path / "a.bin").read_bytes() == b"12345"
    assert flushed == [number]


def test_an_error_in_flushing_stops_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flushing, "FLUSH_BYTES", 4)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), opened(tmp_path / "a.bin") as stream:
        for _ in range(10_000):  # until the thread has tried
            stream.write(b"1234")
