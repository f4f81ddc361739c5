"""Aligners: maps that turn source embeddings into stand-ins for target embeddings."""

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.anisoalign import AnisoAlign
from anisoalign_core.align.base import Aligner, load_aligner
from anisoalign_core.align.baselines import (
    C3,
    CenterBoth,
    GapShift,
    Identity,
    MeanShift,
    Standardize,
)
from anisoalign_core.align.bounded import BoundedTransport, BoundSweep, BoundView
from anisoalign_core.align.gaussian import Bures, Coral
from anisoalign_core.align.paired import Oracle, PermutedTarget, Procrustes, Ridge
from anisoalign_core.align.realign import ReAlign

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
        Procrustes,
        Ridge,
        PermutedTarget,
        Oracle,
    )
}
"""Every method by its name on the command line, in the order the screen lists them."""

__all__ = [
    "ALIGNERS",
    "C3",
    "AffineMap",
    "Aligner",
    "AnisoAlign",
    "BoundSweep",
    "BoundView",
    "BoundedTransport",
    "Bures",
    "CenterBoth",
    "Coral",
    "GapShift",
    "Identity",
    "MeanShift",
    "Oracle",
    "PermutedTarget",
    "Procrustes",
    "ReAlign",
    "Ridge",
    "Standardize",
    "load_aligner",
]
