"""Where files lie: on this machine's disks, or behind a URL that fsspec knows.

Everything else sees :class:`pathlib.Path` and its methods. A place with ``://`` in it becomes a
``UPath`` of the package universal_pathlib, which has the same methods over fsspec, so that object
stores work with whatever driver the user has installed.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.limits import MIB
from anisoalign_core.files.source import Source, printable, readable

COPY_BYTES = 16 * MIB
Stamp = tuple[int, int]
MAGIC = re.compile(r"[*?\[]")


def as_path(place: str | Path) -> Path:
    """Return a path on disk, also for a ``file://`` URL, or a path behind another URL.

    Raises
    ------
    AnisoAlignError
        If it is a URL and the packages for it are not installed, or no driver knows it.
    """
    if not isinstance(place, str) or "://" not in place:
        return Path(place) if isinstance(place, str) else place
    try:
        from upath import UPath

        path = UPath(place)
        _ = path.fs  # a missing driver is said now
        if path.protocol in ("file", "local"):
            return Path(path.path)
        return path  # type: ignore[return-value]  # it has the methods of Path that are used here
    except ImportError as error:
        raise AnisoAlignError(
            f"{printable(place)} is a URL, which needs more packages ({error}). Run pip install "
            '"anisoalign-studio[distributed]", and install the driver of that store.'
        ) from error
    except ValueError as error:
        raise FormatError(
            f"{printable(place)} is not a place that fsspec knows: {error}"
        ) from error


def is_local(path: Path) -> bool:
    """Whether a path is on this machine's disks, and not behind a URL."""
    return isinstance(path, Path)


def stamp_of(path: Path) -> Stamp | None:
    """Return size and time of the last change of a file; None where there is none, or no disk."""
    if not is_local(path):  # each look is a request there
        return None
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_size, known.st_mtime_ns


def changed(name: str) -> FormatError:
    """Return the error for an input that another program changed, or took away, meanwhile."""
    return FormatError(
        f"{name} changed while it was read, so nothing is made of it. Run this again when no "
        "other program writes to it."
    )


def source_at(path: Path, name: str | None = None) -> Source:
    """Return a file as the readers take it."""
    return Source(printable(path.name if name is None else name), path)


def natural(path: Path) -> tuple[Any, ...]:
    """Key that sorts names with numbers as people do: shard 2 before shard 10."""
    words = re.split(r"(\d+)", path.name)
    key = tuple((0, int(word), "") if word.isdecimal() else (1, 0, word) for word in words)
    return key, path.name  # part_1 and part_01 have one key: no order of a folder's may decide


def matching(pattern: str) -> list[Path]:
    """Return the files that match a glob pattern, naturally sorted within each folder.

    Only the last part of a pattern may hold ``*``, ``?`` or ``[…]``.

    Raises
    ------
    FormatError
        If an earlier part does, or nothing matches.
    """
    folder_text, _, last = pattern.replace("\\", "/").rpartition("/")
    if folder_text.endswith(":/"):
        folder_text += "/"  # the root of a store
    if MAGIC.search(folder_text):
        raise FormatError(
            f'Only the last part of "{printable(pattern)}" may hold * or ?. Give one folder at a '
            "time."
        )
    folder = as_path(folder_text or ("/" if pattern.startswith("/") else "."))
    with readable(printable(pattern)):
        found = [path for path in folder.glob(last) if path.is_file()] if folder.is_dir() else []
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        raise FormatError(f'No file matches "{printable(pattern)}". Check the path.')
    return sorted(found, key=natural)


def upload(local: Path, path: Path) -> None:
    """Copy a local file to a place behind a URL.

    It goes to another name there first and is renamed, so that no reader meets a part of it.
    """
    waiting = path.with_name(f".{os.urandom(8).hex()}-{path.name}")
    try:
        with local.open("rb") as read, waiting.open("wb") as write:
            shutil.copyfileobj(read, write, COPY_BYTES)
        if path.exists():
            path.unlink()  # not every store renames over a file
        waiting.rename(path)
    except BaseException:
        if waiting.exists():
            waiting.unlink()
        raise
