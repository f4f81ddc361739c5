"""A leaderboard: methods on the same splits, with floor, ceiling and controls beside them."""

from anisoalign_core.leaderboard.entries import (
    BASELINE,
    CEILING,
    ROLES,
    Entry,
    default_names,
    entry,
)
from anisoalign_core.leaderboard.results import Check, Curve, Leaderboard, Setting
from anisoalign_core.leaderboard.run import leaderboard

__all__ = [
    "BASELINE",
    "CEILING",
    "ROLES",
    "Check",
    "Curve",
    "Entry",
    "Leaderboard",
    "Setting",
    "default_names",
    "entry",
    "leaderboard",
]
