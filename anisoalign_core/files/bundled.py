"""Where what comes along with the library lies: the app, and the sample."""

from __future__ import annotations

from pathlib import Path

STUDIO = "anisoalign_studio"
"""The folder that ``app/``, ``pages/`` and ``sample_data/`` are in, where a wheel is installed."""


def bundled() -> Path:
    """Return the folder of ``app/``, ``pages/`` and ``sample_data/``.

    It is ``anisoalign_studio`` beside the library where a wheel put it there, and otherwise the
    checkout that the library is in.
    """
    beside = Path(__file__).resolve().parents[2]
    installed = beside / STUDIO
    return installed if installed.is_dir() else beside
