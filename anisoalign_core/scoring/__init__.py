"""Scorers: corrections of the scores of queries with gallery rows; no row moves."""

from anisoalign_core.scoring.affine import (
    CrossDomainScaled,
    NearestNeighbourNormalized,
    PlainCosine,
    StandardizedScores,
)
from anisoalign_core.scoring.banks import InvertedSoftmax, Sinkhorn
from anisoalign_core.scoring.base import Scorer
from anisoalign_core.scoring.conformity import ConformityRemoved
from anisoalign_core.scoring.saved import load_scorer
from anisoalign_core.scoring.thresholds import Threshold, probability, threshold, thresholds

SCORERS: dict[str, type[Scorer]] = {
    scorer.name: scorer
    for scorer in (
        PlainCosine,
        StandardizedScores,
        NearestNeighbourNormalized,
        CrossDomainScaled,
        InvertedSoftmax,
        Sinkhorn,
        ConformityRemoved,
    )
}
"""Every scorer by its name."""

__all__ = [
    "SCORERS",
    "ConformityRemoved",
    "CrossDomainScaled",
    "InvertedSoftmax",
    "NearestNeighbourNormalized",
    "PlainCosine",
    "Scorer",
    "Sinkhorn",
    "StandardizedScores",
    "Threshold",
    "load_scorer",
    "probability",
    "threshold",
    "thresholds",
]
