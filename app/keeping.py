"""Sessions that outlive their connection: kept on disk below a random token, for a stated time.

A token has two halves. The key is a cookie of the browser's; the name stands in the address. Both
are needed: a link that is passed on opens nothing without its maker's browser, and a cookie by
itself finds no session. On disk a session is a folder that is called after a digest of both, so
that neither half can be read off there, and no part of a token is ever part of a path.

A folder holds plain files and ``session.json``, which names each with its size and digest, and is
written last: without it nobody reads the others. Nothing in a folder is executed or mapped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.atomic import atomic_path, atomic_write_text
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.source import Source, malformed
from anisoalign_core.plain import from_plain
from app.private import placed

KEY = re.compile(r"[A-Za-z0-9_-]{43}")
"""What is in the cookie: 256 bits."""
NAME = re.compile(r"[A-Za-z0-9_-]{22}")
"""What is in the address: 128 bits."""
MANIFEST = "session.json"
PART = re.compile(r"[a-z]{1,20}-[0-9a-f]{16}\.(npz|zip|json)")
MOST_MANIFEST = 64 * MIB
VERSION = 1
MOST_SESSIONS = 10_000
"""However little each takes: the folder is to stay one that is looked through quickly."""
UNFINISHED_SECONDS = 3600.0
"""A folder without a manifest is being written, or was given up when it is older than this."""


class Elsewhere(Exception):
    """Another window has written this session since it was read here."""


class Forgotten(Exception):
    """A session was forgotten, and is not to come back."""


@dataclass(frozen=True)
class Token:
    """What finds a session: the browser's key and the address's name."""

    key: str
    name: str

    @classmethod
    def of(cls, key: str, name: str) -> Token | None:
        """Return a token of two halves that look like ones of ours, or None."""
        return cls(key, name) if KEY.fullmatch(key) and NAME.fullmatch(name) else None

    @classmethod
    def new(cls, key: str) -> Token:
        """Return a token under a name that nobody else has."""
        return cls(key, secrets.token_urlsafe(16))

    @property
    def place(self) -> str:
        """What the folder is called."""
        return hashlib.sha256(f"{self.key}/{self.name}".encode()).hexdigest()


def new_key() -> str:
    """Return a key for a browser that has none."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Piece:
    """A file to be kept: how it is written to a path, and about how many bytes it takes."""

    write: Callable[[Path], object]
    size: int


@dataclass(frozen=True)
class Part:
    """A file that is kept."""

    size: int
    digest: str


@dataclass(frozen=True)
class Kept:
    """A session on disk: what is said of it, and the files that it names."""

    kept_version: int
    stamp: str
    parts: dict[str, Part]
    session: dict[str, Any]


def source_of(folder: Path, name: str, part: Part) -> Source:
    """Return a kept file whose bytes are those that were written.

    Raises
    ------
    FormatError
        If it is not there, or has changed.
    """
    path = folder / name
    with malformed(name, "a kept file", OSError):
        if path.stat().st_size != part.size or file_digest(path) != part.digest:
            raise FormatError(f"{name} is damaged: it is not what was written.")
    return Source(name, path)


def manifest_of(data: bytes, name: str) -> Kept:
    """Read what is said of a session.

    Raises
    ------
    FormatError
    """
    if len(data) > MOST_MANIFEST:
        raise LimitError(f"{name} has {size_text(len(data))}, more than a session says of itself.")
    with malformed(name, "a session", ValueError, TypeError, RecursionError):
        body = json.loads(data, parse_constant=_refused)
        version = body.get("kept_version") if isinstance(body, dict) else None
        if version != VERSION:
            raise FormatError(f"{name} was written by another version of AnisoAlign Studio.")
        found = from_plain(Kept, body)
        if not all(PART.fullmatch(part) for part in found.parts):
            raise ValueError("it names files that a session has not")
    return found


def manifest_text(stamp: str, parts: Mapping[str, Part], session: Mapping[str, Any]) -> str:
    """Return what :func:`manifest_of` reads."""
    kept = Kept(VERSION, stamp, dict(parts), dict(session))
    return json.dumps(asdict(kept), allow_nan=False)


class Store:
    """The folder of kept sessions; safe to use from all threads.

    Parameters
    ----------
    root : Path
        A private folder: :func:`~app.private.private_folder` makes one.
    hours : int
        How long a session is kept after its last use.
    session_bytes, all_bytes : int
        What one session, and all together, may take.
    """

    def __init__(self, root: Path, hours: int, session_bytes: int, all_bytes: int) -> None:
        self.root, self.hours = root, hours
        self.session_bytes, self.all_bytes = session_bytes, all_bytes
        self._forgotten: set[str] = set()
        self._lock = threading.RLock()

    def folder(self, token: Token) -> Path:
        """Where a session's files lie."""
        return self.root / token.place

    def read(self, token: Token) -> Kept | None:
        """Return what is kept under a token, and count it as used; None where nothing is.

        Raises
        ------
        FormatError
            If it cannot be read.
        """
        path = self.folder(token) / MANIFEST
        with malformed("What was kept", "a session", OSError):
            if not self.holds(token):
                return None
            found = manifest_of(path.read_bytes(), "What was kept")
        self.touch(token)
        return found

    def holds(self, token: Token) -> bool:
        """Whether anything is kept under a token."""
        path = self.folder(token) / MANIFEST
        return path.exists() and not self._expired(path, time.time())

    def touch(self, token: Token) -> None:
        """Say that a session is in use: its time begins anew."""
        with suppress(OSError):
            os.utime(self.folder(token) / MANIFEST)

    def write(
        self,
        token: Token,
        session: Mapping[str, Any],
        pieces: Mapping[str, Piece],
        before: str | None,
    ) -> str:
        """Keep a session, whole or not at all; files that are kept already are not written again.

        Parameters
        ----------
        token : Token
        session : mapping
            What is said of it, as JSON has it.
        pieces : mapping of name to Piece
            All its files.
        before : str or None
            The stamp of what was read or written here before.

        Returns
        -------
        str
            The stamp of what is kept now.

        Raises
        ------
        Elsewhere, Forgotten
        LimitError
            If it is larger than a session may be, or there is no room for it.
        PlaceError
        """
        folder, stamp = self.folder(token), secrets.token_hex(8)
        with self._lock, placed(folder.name):
            if folder.name in self._forgotten:
                raise Forgotten
            found = self._found(folder)
            if found is not None and found.stamp != before:
                raise Elsewhere
            self.touch(token)
            known = {} if found is None else found.parts
            new = {name: piece for name, piece in pieces.items() if name not in known}
            parts = {name: known[name] for name in pieces if name in known}
            self._make_room(sum(one.size for one in parts.values()), new, folder)
            folder.mkdir(mode=0o700, exist_ok=True)
            try:
                for name, piece in new.items():
                    with atomic_path(folder / name) as temporary:
                        piece.write(temporary)
                    size = (folder / name).stat().st_size
                    parts[name] = Part(size, file_digest(folder / name))
                if (total := sum(one.size for one in parts.values())) > self.session_bytes:
                    raise self._too_large(total)
                atomic_write_text(folder / MANIFEST, manifest_text(stamp, parts, session))
            except BaseException:
                for name in new:
                    (folder / name).unlink(missing_ok=True)
                if found is None:
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            for path in folder.iterdir():
                if path.name != MANIFEST and path.name not in parts:
                    path.unlink(missing_ok=True)
        return stamp

    def forget(self, token: Token) -> None:
        """Remove a session at once; whoever still has it open keeps it no more.

        Raises
        ------
        PlaceError
            If something of it is left.
        """
        folder = self.folder(token)
        self._forgotten.add(folder.name)
        with self._lock, placed(folder.name):
            if folder.exists():
                shutil.rmtree(folder)

    def clean(self, now: float | None = None) -> None:
        """Remove what has expired, and what was left unfinished."""
        now = time.time() if now is None else now
        with self._lock:
            for folder in self._folders():
                path = folder / MANIFEST
                unfinished = not path.exists() and now - _changed(folder) > UNFINISHED_SECONDS
                if unfinished or self._expired(path, now):
                    shutil.rmtree(folder, ignore_errors=True)

    def size(self) -> int:
        """Bytes that all sessions take."""
        total = 0
        for folder in self._folders():
            with suppress(OSError), os.scandir(folder) as entries:
                total += sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        return total

    def _folders(self) -> list[Path]:
        return [path for path in self.root.iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)]

    def _found(self, folder: Path) -> Kept | None:
        """Return what is kept; None also where it cannot be read, and is written anew."""
        path = folder / MANIFEST
        try:
            return manifest_of(path.read_bytes(), path.name) if path.exists() else None
        except FormatError:
            return None

    def _expired(self, path: Path, now: float) -> bool:
        return path.exists() and now - _changed(path) > 3600 * self.hours

    def _make_room(self, held: int, new: Mapping[str, Piece], folder: Path) -> None:
        """Refuse what is too large, and make room for the rest: the oldest sessions go first."""
        wanted = sum(piece.size for piece in new.values())
        if held + wanted > self.session_bytes:
            raise self._too_large(held + wanted)
        if not new and folder.exists():
            return
        self.clean()
        free = shutil.disk_usage(self.root).free + self.size()
        if held + wanted > min(self.all_bytes, free // 2):  # and nobody makes room for nothing
            raise LimitError(
                f"This session takes {size_text(held + wanted)}, for which this server has no "
                "room on its disk."
            )
        others = sorted((one for one in self._folders() if one != folder), key=_used)
        while others and (len(others) >= MOST_SESSIONS or not self._fits(wanted)):
            shutil.rmtree(others.pop(0), ignore_errors=True)

    def _fits(self, size: int) -> bool:
        """Whether so many bytes more may be kept, and leave half of the disk's room to others."""
        free = shutil.disk_usage(self.root).free
        return self.size() + size <= self.all_bytes and size <= free // 2

    def _too_large(self, size: int) -> LimitError:
        return LimitError(
            f"This session takes {size_text(size)}, and this server keeps at most "
            f"{size_text(self.session_bytes)} of one."
        )


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _used(folder: Path) -> float:
    return _changed(folder / MANIFEST) or _changed(folder)


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")
