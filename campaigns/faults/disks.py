"""Small file systems of their own, to be full or read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def can_mount(base: Path) -> bool:
    """Whether a small file system can be mounted here."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    try:
        with mounted(base / "probe"):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """Mount a small file system on a folder meanwhile."""
    folder.mkdir(exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _call("umount", "-l", str(folder))


def remount(folder: Path, options: str) -> None:
    """Give a mounted file system other options."""
    _call("mount", "-o", f"remount,{options}", str(folder))


def taken(folder: Path) -> int:
    """Return the bytes that are taken of a file system."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
