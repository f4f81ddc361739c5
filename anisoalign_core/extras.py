"""Packages that only some work needs: which are not there, and what installs them."""

from __future__ import annotations

import importlib.util

from anisoalign_core.errors import AnisoAlignError

PROJECT = "anisoalign-studio"


def missing(*packages: str) -> tuple[str, ...]:
    """Return those of some packages, by the names that are imported, that are not installed."""
    return tuple(one for one in packages if importlib.util.find_spec(one) is None)


def lacking(what: str, extra: str, *packages: str) -> str | None:
    """Say what to install, where something is missing.

    Parameters
    ----------
    what : str
        What needs the packages, as the sentence begins.
    extra : str
        The extra of pyproject.toml that installs them.
    *packages : str
        By the names that are imported.
    """
    absent = missing(*packages)
    if not absent:
        return None
    return (
        f"{what} needs {' and '.join(absent)}, which {'are' if len(absent) > 1 else 'is'} not "
        f'installed. Run pip install "{PROJECT}[{extra}]".'
    )


def need(what: str, extra: str, *packages: str, otherwise: str = "") -> None:
    """Refuse where something is missing; arguments as for :func:`lacking`.

    Parameters
    ----------
    otherwise : str
        A sentence on what can be done without.

    Raises
    ------
    AnisoAlignError
    """
    words = lacking(what, extra, *packages)
    if words is not None:
        raise AnisoAlignError(f"{words} {otherwise}".rstrip())
