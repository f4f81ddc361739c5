"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from anisoalign_core.errors import FormatError
from anisoalign_core.io.places import as_path, is_local, upload


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes ``path`` when the block succeeds.

    On success the temporary file is flushed to disk and renamed over ``path``, and the folder is
    flushed too. On any exception, a keyboard interrupt included, the temporary is removed and a
    previous file at ``path`` stays as it was.

    Parameters
    ----------
    path : str or Path
        Where the file shall be. A symbolic link is written through, not replaced. A file behind a
        URL is written on this machine first and copied when the block succeeds.

    Yields
    ------
    Path
        A name that does not exist yet, with the suffix of ``path``.

    Raises
    ------
    FormatError
        If the folder does not exist, or ``path`` is a folder.
    """
    path = as_path(path)
    if not is_local(path):
        with TemporaryDirectory() as folder:
            local = Path(folder) / path.name
            yield local
            upload(local, path)
        return
    if path.is_symlink():
        path = path.resolve()
    if not path.parent.is_dir():
        raise FormatError(
            f'There is no folder "{path.parent}" to write {path.name} into. Make it first, or '
            "choose another place."
        )
    if path.is_dir():
        raise FormatError(f"{path.name} is a folder, so no file can be written there.")
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(8)}{path.suffix[:20]}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def atomic_write_bytes(path: str | Path, data: bytes) -> Path:
    """Write ``data`` to ``path``, whole or not at all, and return the path."""
    path = as_path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def atomic_write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` as UTF-8 with its line ends unchanged, whole or not at all."""
    return atomic_write_bytes(path, text.encode("utf-8"))


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is durable itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
