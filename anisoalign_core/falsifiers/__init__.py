"""Falsifiers: a learned correction in parts, against controls, at equal cost in meaning."""

from anisoalign_core.falsifiers.parts import PUBLISHED_ABLATION, falsify, measure, variants
from anisoalign_core.falsifiers.results import Falsification
from anisoalign_core.falsifiers.trials import at_omega

__all__ = [
    "PUBLISHED_ABLATION",
    "Falsification",
    "at_omega",
    "falsify",
    "measure",
    "variants",
]
