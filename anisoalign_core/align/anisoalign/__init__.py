"""AnisoAlign [AA §4], as published and corrected; torch is imported when training begins."""

from anisoalign_core.align.anisoalign.estimator import AnisoAlign
from anisoalign_core.align.anisoalign.frame import Frame, build_frame
from anisoalign_core.align.anisoalign.initial import Bounds, Initialisation, State
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.align.anisoalign.prepared import Guarantee, Prepared

__all__ = [
    "AnisoAlign",
    "Bounds",
    "Frame",
    "Guarantee",
    "Initialisation",
    "PhaseStatistics",
    "Prepared",
    "State",
    "build_frame",
]
