"""A leaderboard: methods on the same splits, with floor, ceiling and controls beside them."""

from anisoalign_core.leaderboard.entries import BASELINE, CEILING, DEFAULT, ROLES, Entry, entry
from anisoalign_core.leaderboard.results import Check, Curve, Leaderboard, Setting
from anisoalign_core.leaderboard.run import leaderboard

__all__ = [
    "BASELINE",
    "CEILING",
    "DEFAULT",
    "ROLES",
    "Check",
    "Curve",
    "Entry",
    "Leaderboard",
    "Setting",
    "entry",
    "leaderboard",
]
