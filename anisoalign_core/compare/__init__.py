"""Corrections compared: fitted on one part of a pair, scored on the rest, beside their controls.

:mod:`~anisoalign_core.compare.study` looks at one method live, :func:`leaderboard` ranks many,
:func:`advise` recommends one for a purpose, :func:`pair_budget` asks how many known pairs are worth
as much as none, :func:`falsify` takes a learned one apart, and
:mod:`~anisoalign_core.compare.use` asks what corrected rows are good for.
"""

import sys

from anisoalign_core.compare.advice import Advice
from anisoalign_core.compare.advise import advise
from anisoalign_core.compare.board import leaderboard
from anisoalign_core.compare.entries import BASELINE, CEILING, ROLES, Entry, default_names, entry
from anisoalign_core.compare.falsification import Falsification
from anisoalign_core.compare.falsify import PUBLISHED_ABLATION, at_omega, falsify, variants
from anisoalign_core.compare.falsify import measure as measure
from anisoalign_core.compare.pair_budget import PairBudget, pair_budget
from anisoalign_core.compare.purposes import PURPOSES
from anisoalign_core.compare.results import Check, Curve, Leaderboard
from anisoalign_core.compare.setting import Setting
from anisoalign_core.moved import Room

__all__ = [
    "BASELINE",
    "CEILING",
    "PUBLISHED_ABLATION",
    "PURPOSES",
    "ROLES",
    "Advice",
    "Check",
    "Curve",
    "Entry",
    "Falsification",
    "Leaderboard",
    "PairBudget",
    "Setting",
    "advise",
    "at_omega",
    "default_names",
    "entry",
    "falsify",
    "leaderboard",
    "measure",
    "pair_budget",
    "variants",
]

sys.modules[__name__].__class__ = Room  # aa.compare(...) was metrics.score_rows
