"""What is said of a gap: the diagnosis, its report, and the verdict in words."""

from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.gap.report import GapReport

__all__ = ["GapReport", "diagnose"]
