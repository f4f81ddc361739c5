"""The folder that sessions are kept in: nobody but its owner may enter it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anisoalign_core.errors import PlaceError
from anisoalign_core.files.atomic import place_error


def private_folder(given: str | None) -> Path:
    """Return the folder of sessions, which nobody but its owner may enter; make it if needed.

    Parameters
    ----------
    given : str or None
        The folder below which it is to lie. Without one it lies below the state folder of the
        service or of the user, or else below the system's folder for temporary files.

    Raises
    ------
    PlaceError
        If there is no such place, or it is somebody else's.
    """
    if given:
        parent = Path(given).absolute()
        with placed(parent.name):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _private(parent / "sessions")
    with suppress(OSError, RuntimeError, PlaceError):
        state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        parent = Path(state) if state else Path(home) / "anisoalign-studio"
        parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _private(_private(parent) / "sessions")
    owner = os.getuid() if hasattr(os, "getuid") else ""
    parent = _private(Path(tempfile.gettempdir()) / f"anisoalign-studio-{owner}")
    return _private(parent / "sessions")


def _private(path: Path) -> Path:
    """Make a folder that only its owner may enter, or see that it is one."""
    with placed(path.name):
        path.mkdir(mode=0o700, exist_ok=True)
        known = path.lstat()
        mine = not hasattr(os, "getuid") or known.st_uid == os.getuid()
        if not stat.S_ISDIR(known.st_mode) or not mine:
            raise PlaceError(
                f"Sessions cannot be kept in {path}: it is no folder of this user's. Name another "
                "with ANISOALIGN_SESSION_ROOT."
            )
        path.chmod(0o700)
    return path


@contextmanager
def placed(name: str) -> Iterator[None]:
    """Turn what the system says of a place into a sentence."""
    try:
        yield
    except OSError as error:
        raise place_error(name, error) from error
