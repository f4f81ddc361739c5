"""Every refusal that is made while tests run is read: none has two full stops."""

from __future__ import annotations

import re

from anisoalign_core.errors import AnisoAlignError

DOUBLE = re.compile(r"(?<!\.)\.\.(?=\s|$)|\. \.(?=\s|$)")
"""Two full stops, with or without a space between, that are no ellipsis and no path."""
doubled: list[str] = []
"""Messages that have them, of the test that runs."""


def _read(self: AnisoAlignError, *args: object) -> None:
    if args and isinstance(args[0], str) and DOUBLE.search(args[0]):
        doubled.append(args[0])
    Exception.__init__(self, *args)


AnisoAlignError.__init__ = _read  # type: ignore[method-assign]
