"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, cast

from anisoalign_core.errors import FormatError, PlaceError
from anisoalign_core.files.places import as_path, is_local, upload

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows, where no open file can be removed anyway)
    fcntl = None  # type: ignore[assignment]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class _Waiting:
    """A file that waits under a temporary name, and the descriptor that holds its lock."""

    path: Path
    temporary: Path
    lock: int | None = None


class AtomicFiles:
    """Files that belong together; see :func:`atomic_files`."""

    def __init__(self, clean: bool = True) -> None:
        self._clean = clean
        self._waiting: list[_Waiting] = []
        self._folders = ExitStack()

    def add(self, path: str | Path) -> Path:
        """Return the name under which to write what shall be ``path``.

        Parameters
        ----------
        path : str or Path
            As in :func:`atomic_path`.

        Raises
        ------
        FormatError
            If the folder does not exist, or ``path`` is a folder.
        """
        path = as_path(path)
        if not is_local(path):
            folder = self._folders.enter_context(TemporaryDirectory())
            self._waiting.append(_Waiting(path, Path(folder) / path.name))
            return self._waiting[-1].temporary
        try:
            path = checked(path)
            if self._clean:
                remove_left_over(path)
            self._waiting.append(_Waiting(path, *_locked(path)))
        except OSError as error:
            raise place_error(path.name, error) from error
        return self._waiting[-1].temporary

    def _commit(self) -> None:
        """Give every file its name, the first one last."""
        local = [each for each in self._waiting if is_local(each.path)]
        for each in local:
            with each.temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            if each.lock is not None:  # knows of errors that a flush on the way was told
                os.fsync(each.lock)
        several = len(local) > 1
        with _set_aside(local[0].path) if several else nullcontext():
            while self._waiting:
                each = self._waiting[-1]
                if is_local(each.path):
                    each.temporary.replace(each.path)
                else:
                    upload(each.temporary, each.path)
                _unlock(self._waiting.pop())
        for folder in {each.path.parent for each in local}:
            _sync_folder(folder)

    def _abandon(self) -> None:
        """Take away what did not become a file."""
        for each in self._waiting:
            with suppress(OSError):
                each.temporary.unlink(missing_ok=True)
            _unlock(each)

    def _name(self, error: OSError) -> str | None:
        """Return the file that an error in writing is about; None for errors of another kind."""
        for each in self._waiting:
            if str(error.filename) in (str(each.path), str(each.temporary)):
                return each.path.name
        of_writing = error.errno in NO_ROOM or error.errno == errno.EROFS
        return self._waiting[0].path.name if of_writing and self._waiting else None


@contextmanager
def atomic_files(*, clean: bool = True) -> Iterator[AtomicFiles]:
    """Yield a group of files that get their names when the block succeeds.

    All are flushed to disk before any is renamed, and the first one is renamed last: it is to be
    the one without which nobody reads the others. Where it is there already it is set aside before
    the others are renamed: a process that is killed between two renames leaves it out, and never
    leaves an old one among new ones. On any exception, a keyboard interrupt included, the
    temporaries are removed and what was there stays as it was.

    Parameters
    ----------
    clean : bool
        Remove what killed processes left of the same files; what a living one is writing is
        locked, and stays. A job that looks after its folder does that once.

    Raises
    ------
    PlaceError
        If the disk is full, or the place may not be written to.
    """
    files = AtomicFiles(clean)
    with files._folders:
        try:
            yield files
            files._commit()
        except BaseException as error:
            name = files._name(error) if isinstance(error, OSError) else None
            files._abandon()
            if name is not None:
                raise place_error(name, cast(OSError, error)) from error
            raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes ``path`` when the block succeeds.

    On success the temporary file is flushed to disk and renamed over ``path``, and the folder is
    flushed too. On any exception, a keyboard interrupt included, the temporary is removed and a
    previous file at ``path`` stays as it was. What a killed process left of the same file is
    removed as well; what a living one is writing is locked, and stays.

    Parameters
    ----------
    path : str or Path
        Where the file shall be. A symbolic link is written through, not replaced. A file behind a
        URL is written on this machine first and copied when the block succeeds.

    Yields
    ------
    Path
        The name of an empty file, with the suffix of ``path``.

    Raises
    ------
    FormatError
        If the folder does not exist, or ``path`` is a folder.
    PlaceError
        If the disk is full, or the place may not be written to.
    """
    with atomic_files() as files:
        yield files.add(path)


def atomic_write_bytes(path: str | Path, data: bytes) -> Path:
    """Write ``data`` to ``path``, whole or not at all, and return the path."""
    path = as_path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def atomic_write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` as UTF-8 with its line ends unchanged, whole or not at all."""
    return atomic_write_bytes(path, text.encode("utf-8"))


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, where they are not there yet.

    Raises
    ------
    PlaceError
        If that is not allowed, the disk is full, or a file is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise place_error(path.name, error) from error


def remove_left_over(path: Path) -> None:
    """Remove what killed processes left of a file under temporary names, where none is at work."""
    begin, end = re.escape(f".{path.stem[:40]}-"), re.escape(path.suffix[:20])
    pattern = re.compile(f"{begin}[0-9a-f]{{16}}{end}")
    with suppress(OSError), os.scandir(path.parent) as found:
        for name in [each.name for each in found if pattern.fullmatch(each.name)]:
            remove_unlocked(path.with_name(name))


def remove_unlocked(temporary: Path) -> None:
    """Remove a temporary file unless a living process holds its lock."""
    with suppress(OSError):
        if fcntl is None:
            temporary.unlink()
            return
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), temporary.stat()):
                temporary.unlink()
        finally:
            os.close(descriptor)


class PlainStream:
    """A binary stream that NumPy does not take for a file.

    NumPy writes files through a buffer in C, and does not see that its last part finds no room on
    a full disk: the file would be cut off and nobody would know.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self._stream, name)


def checked(path: Path) -> Path:
    """Return where a file really goes.

    Raises
    ------
    FormatError
        If the folder does not exist, or ``path`` is a folder.
    """
    if path.is_symlink():
        path = path.resolve()
    if not path.parent.is_dir():
        raise FormatError(
            f'There is no folder "{path.parent}" to write {path.name} into. Make it first, or '
            "choose another place."
        )
    if path.is_dir():
        raise FormatError(f"{path.name} is a folder, so no file can be written there.")
    return path


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem[:40]}-{os.urandom(8).hex()}{path.suffix[:20]}")


@contextmanager
def _set_aside(path: Path) -> Iterator[None]:
    """Let an old file have a temporary name meanwhile, and its own again if there is an error."""
    if not path.exists():
        yield
        return
    aside = _temporary(path)
    path.replace(aside)
    try:
        yield
    except BaseException:
        if not path.exists():
            aside.replace(path)
        raise
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _locked(path: Path) -> tuple[Path, int | None]:
    """Make an empty temporary file beside ``path`` and lock it while this process lives."""
    while True:
        temporary = _temporary(path)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl is None:
            os.close(descriptor)
            return temporary, None
        with suppress(OSError):  # not every file system has locks; nothing is removed there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)  # it was taken for a left-over before it was locked


def _unlock(waiting: _Waiting) -> None:
    if waiting.lock is not None:
        os.close(waiting.lock)


def place_error(name: str, error: OSError) -> PlaceError:
    """Return the error for a file that the system would not let be written."""
    reason = error.strerror or str(error)
    if error.errno in NO_ROOM:
        what_next = "Make room there, or choose another place."
    elif error.errno in NO_RIGHT:
        what_next = "Choose a folder that may be written to."
    else:
        what_next = "Check the place, or choose another."
    return PlaceError(f"{name} cannot be written: {reason}. {what_next}")


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # pragma: no cover  (there no folder opens; renaming is durable)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
