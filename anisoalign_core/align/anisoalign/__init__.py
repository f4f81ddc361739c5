"""AnisoAlign [AA §4], as published and corrected; torch is imported when training begins."""

from anisoalign_core.align.anisoalign.estimator import AnisoAlign
from anisoalign_core.align.anisoalign.frame import Frame, build_frame
from anisoalign_core.align.anisoalign.initial import Initialisation, State
from anisoalign_core.align.anisoalign.options import Bounds, Initial, Phases, Training, Weights
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.align.anisoalign.prepared import Guarantee, Prepared

__all__ = [
    "AnisoAlign",
    "Bounds",
    "Frame",
    "Guarantee",
    "Initial",
    "Initialisation",
    "PhaseStatistics",
    "Phases",
    "Prepared",
    "State",
    "Training",
    "Weights",
    "build_frame",
]
