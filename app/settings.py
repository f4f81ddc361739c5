"""What a server allows, from environment variables; docs/SECURITY.md has the table."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

from anisoalign_core.files.limits import GIB, from_env

IDLE_CHECK_SECONDS = 30.0


def usable_memory() -> int:
    """Bytes of memory of this machine, or of the container or service it is in, if less."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups = Path("/sys/fs/cgroup")
    own = [line[3:] for line in _lines(Path("/proc/self/cgroup")) if line.startswith("0::")]
    for path in (
        groups / "memory.max",
        groups / "memory" / "memory.limit_in_bytes",
        *(groups / name.lstrip("/") / "memory.max" for name in own),
    ):
        found = min([found, *(int(text) for text in _lines(path) if text.isdecimal())])
    return found


def _lines(path: Path) -> list[str]:
    """Lines of a file of the system's; none where there is no such file."""
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except OSError:
        return []


def _setting(variable: str, words: str, default: int | None = None, least: int = 1) -> int:
    about = {"variable": variable, "words": words, "least": least}
    if default is None:
        return field(default_factory=lambda: usable_memory() // 2, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Settings:
    """Limits of a server; each is read from the environment variable in its metadata."""

    sessions: int = _setting(
        "ANISOALIGN_MAX_SESSIONS", "sessions at once; further visitors are asked to wait", 100
    )
    session_bytes: int = _setting(
        "ANISOALIGN_MAX_SESSION_BYTES", "bytes that one session may hold", 4 * GIB
    )
    server_bytes: int = _setting(
        "ANISOALIGN_MAX_SERVER_BYTES", "bytes that all sessions together may hold"
    )
    jobs: int = _setting(
        "ANISOALIGN_MAX_JOBS",
        "long jobs (training, encoding, comparing) at once, and as many short ones (measuring, "
        "correcting); others wait in a queue",
        2,
    )
    waiting: int = _setting(
        "ANISOALIGN_MAX_WAITING", "jobs that may wait; further ones are refused", 50
    )
    idle_minutes: int = _setting(
        "ANISOALIGN_IDLE_MINUTES", "minutes without a click after which a session is let go", 60
    )
    classes: int = _setting(
        "ANISOALIGN_MAX_CLASSES",
        "classes at once that vote together on the Learn page; 0: none is offered",
        0,
        least=0,
    )
    class_hours: int = _setting(
        "ANISOALIGN_CLASS_HOURS", "hours after which a class is forgotten, with its votes", 4
    )
    kept_hours: int = _setting(
        "ANISOALIGN_SESSION_HOURS",
        "hours after its last use for which a session is kept on disk, to be taken up again; 0 "
        "keeps nothing",
        24,
        least=0,
    )
    kept_session_bytes: int = _setting(
        "ANISOALIGN_SESSION_KEPT_BYTES", "bytes that one session may keep on disk", 2 * GIB
    )
    kept_bytes: int = _setting(
        "ANISOALIGN_SERVER_KEPT_BYTES",
        "bytes that all kept sessions together may take on disk; the oldest make room",
        8 * GIB,
    )

    @classmethod
    def from_env(cls) -> Settings:
        """Return the defaults, changed by environment variables where they are set.

        Raises
        ------
        ParameterError
            If one holds anything but a whole number above zero, or zero where that is allowed.
        """
        plain = cls()
        return cls(
            **{
                each.name: from_env(
                    each.metadata["variable"], getattr(plain, each.name), each.metadata["least"]
                )
                for each in fields(cls)
            }
        )


@cache
def settings() -> Settings:
    """Return the settings of this server: those at its start."""
    return Settings.from_env()
