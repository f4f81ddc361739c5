"""What a recipe says of rows in memory, and of the libraries that the last bits depend on."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anisoalign_core import __version__
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.numerics import Float32
from anisoalign_core.pairs import EmbeddingPair

LIBRARIES = ("numpy", "scipy", "scikit-learn")

Pairing = Literal["row", "id", "none"]
SplitBy = Literal["thing", "row"]
"""What a split keeps together; version 0.1 split by row."""


@dataclass(frozen=True)
class InputFacts:
    """One input set as it was read."""

    name: str
    files: tuple[str, ...]
    modality: str
    rows: int
    dim: int
    digest: str
    vectors_digest: str
    was_normalised: bool
    norm_range: tuple[float, float]
    dropped_rows: int

    @classmethod
    def of(cls, data: EmbeddingSet) -> InputFacts:
        """Facts of a set."""
        known = data.provenance
        return cls(
            name=known.name,
            files=known.files,
            modality=data.modality,
            rows=len(data),
            dim=data.dim,
            digest=data.digest,
            vectors_digest=vectors_digest(data.vectors),
            was_normalised=known.was_normalised,
            norm_range=(known.norm_min, known.norm_max),
            dropped_rows=len(known.dropped_rows),
        )


def vectors_digest(vectors: Float32) -> str:
    """Return the sha256 of the shape and the float32 bytes of rows, without their ids."""
    sha = hashlib.sha256(repr(vectors.shape).encode())
    sha.update(np.ascontiguousarray(vectors, dtype="<f4").data)
    return sha.hexdigest()


def versions() -> dict[str, str]:
    """Versions that a bit-for-bit replay depends on."""
    from importlib import metadata

    found = {"anisoalign-studio": __version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in LIBRARIES}


def match_again(
    source: EmbeddingSet, target: EmbeddingSet, by: Pairing, split_by: SplitBy
) -> EmbeddingPair:
    """Pair sets as a recipe says; before 0.2, sets without ids were joined by row numbers."""
    bare = source.provenance.ids_are_rows and target.provenance.ids_are_rows
    if by == "id" and bare and split_by == "row":
        by = "row"
    return EmbeddingPair.match(source, target, by)
