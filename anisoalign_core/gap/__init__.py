"""What is said of a gap: the diagnosis, its report, the verdict in words, and training runs."""

from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.gap.distribution import distribution_gap
from anisoalign_core.gap.monitor import Monitor
from anisoalign_core.gap.report import GapReport
from anisoalign_core.gap.row import Row
from anisoalign_core.gap.run import Run
from anisoalign_core.gap.sinks import JsonLines, TensorBoard

__all__ = [
    "GapReport",
    "JsonLines",
    "Monitor",
    "Row",
    "Run",
    "TensorBoard",
    "diagnose",
    "distribution_gap",
]
