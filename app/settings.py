"""What a server allows, from environment variables; docs/SECURITY.md has the table."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

from anisoalign_core.io.limits import GIB, from_env

IDLE_CHECK_SECONDS = 30.0


def usable_memory() -> int:
    """Bytes of memory of this machine, or of the container it is in, whichever is smaller."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found = min(found, int(text))
    return found


def _setting(variable: str, words: str, default: int | None = None, unit: int = 1) -> int:
    about = {"variable": variable, "words": words, "unit": unit}
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

    @classmethod
    def from_env(cls) -> Settings:
        """Return the defaults, changed by environment variables where they are set.

        Raises
        ------
        ParameterError
            If one holds anything but a whole number above zero.
        """
        plain = cls()
        return cls(
            **{
                each.name: from_env(each.metadata["variable"], getattr(plain, each.name))
                for each in fields(cls)
            }
        )


@cache
def settings() -> Settings:
    """Return the settings of this server: those at its start."""
    return Settings.from_env()
