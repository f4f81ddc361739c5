"""What a process asks of the file system within one folder, counted, and acted on at one of them.

An audit hook of the interpreter sees files opened, renamed and removed and folders made; files are
opened through classes of our own that see every block read and written. So a process can be killed
when a file is half written, or a file can be changed between two reads.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUDITED = {
    "os.rename": "rename",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "write",
}
WRITING = os.O_WRONLY | os.O_RDWR
CHANGES = ("create", "write", "fsync", "rename", "remove", "mkdir", "rmdir")
"""Events that change what is on the disk."""


class Events:
    """Counts events by kind, and acts when the chosen one comes.

    Parameters
    ----------
    folder : Path
        What happens elsewhere does not count.
    chosen : (kind, number) or None
        Such as ``("write", 3)``: the third block that is written.
    act : callable
        Without arguments.
    """

    def __init__(
        self, folder: Path, chosen: tuple[str, int] | None, act: Callable[[], None]
    ) -> None:
        self.folder, self.chosen, self.act = str(folder), chosen, act
        self.counts: Counter[str] = Counter()
        self.armed = True

    def comes(self, kind: str) -> bool:
        """Count one event; whether it is the chosen one."""
        self.counts[kind] += 1
        return self.chosen == (kind, self.counts[kind])

    def happens(self, kind: str) -> None:
        """Count one event, and act if it is the chosen one."""
        if self.armed and self.comes(kind):
            self.armed = False
            self.act()

    def inside(self, path: Any) -> bool:
        """Whether a path is in the folder, which is the working directory."""
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.fsdecode(path)
        return not text.startswith("/") or text.startswith(self.folder)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take what the interpreter reports."""
        if event == "open":
            path, _, flags = arguments
            if self.inside(path):
                self.happens("create" if flags & WRITING else "look")
        elif event in AUDITED and self.inside(arguments[0]):
            self.happens(AUDITED[event])

    def install(self) -> None:
        """Watch this process from now on."""
        import numpy.lib._format_impl as npy_format

        npy_format.isfileobj = lambda stream: False  # else blocks are written in C
        opened, fsync = io.open, os.fsync

        def watched_open(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any):  # type: ignore[no-untyped-def]
            kind = {"rb": _Read, "wb": _Written, "xb": _Written}.get(mode)
            if kind is None or not self.inside(file):
                return opened(file, mode, buffering, *rest, **more)
            raw = kind(file, mode[0])
            raw.events = self
            if buffering == 0:
                return raw
            return io.BufferedReader(raw) if mode == "rb" else io.BufferedWriter(raw)

        def watched_fsync(descriptor: int) -> None:
            self.happens("fsync")
            fsync(descriptor)

        io.open = builtins.open = watched_open  # type: ignore[assignment]
        os.fsync = watched_fsync
        sys.addaudithook(self)


class _Read(io.FileIO):
    events: Events

    def readinto(self, buffer: Any) -> int | None:
        self.events.happens("read")
        return super().readinto(buffer)

    def readall(self) -> bytes | None:
        self.events.happens("read")
        return super().readall()


class _Written(io.FileIO):
    events: Events

    def write(self, data: Any) -> int | None:
        if self.events.armed and self.events.comes("write"):
            self.events.armed = False
            half = memoryview(data).cast("B")
            written = super().write(half[: len(half) // 2])
            self.events.act()
            return written
        return super().write(data)


def kill() -> None:
    """End this process at once; nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
