"""Every method by its name."""

from __future__ import annotations

from anisoalign_core.align.anisoalign import AnisoAlign
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.baselines import (
    C3,
    CenterBoth,
    GapShift,
    Identity,
    MeanShift,
    Standardize,
)
from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.align.gaussian import Bures, Coral
from anisoalign_core.align.memory import MemoryProjection, NeighbourMean
from anisoalign_core.align.orthogonal import OrthogonalClosing
from anisoalign_core.align.paired import Oracle, PermutedTarget, Procrustes, Ridge
from anisoalign_core.align.realign import ReAlign
from anisoalign_core.align.sinkhorn import Sinkhorn

ALIGNERS: dict[str, type[Aligner]] = {
    method.name: method
    for method in (
        Identity,
        MeanShift,
        GapShift,
        CenterBoth,
        C3,
        Standardize,
        ReAlign,
        Coral,
        Bures,
        BoundedTransport,
        AnisoAlign,
        OrthogonalClosing,
        MemoryProjection,
        NeighbourMean,
        Sinkhorn,
        Procrustes,
        Ridge,
        PermutedTarget,
        Oracle,
    )
}
"""Every method by its name on the command line, in the order the screen lists them."""
USUAL = BoundedTransport.name
"""The method that is meant where none is named."""
