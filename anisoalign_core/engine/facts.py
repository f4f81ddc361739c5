"""What was read and what was written, in numbers that anybody can check: ``xxh128sum FILE``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anisoalign_core.files.digests import file_digest
from anisoalign_core.io.shards import Shard, ShardedSet
from anisoalign_core.rows import NormRange


@dataclass(frozen=True)
class FileFacts:
    """One file: its name, rows, bytes, and the digest of its bytes."""

    name: str
    rows: int
    bytes: int
    digest: str

    @classmethod
    def of(cls, shard: Shard, digest: str | None = None) -> FileFacts:
        """Facts of a shard; its digest is taken where it is not given."""
        size = shard.path.stat().st_size
        return cls(shard.name, shard.facts.rows, size, digest or file_digest(shard.path))


@dataclass(frozen=True)
class SetFacts:
    """One set of embeddings as it was read.

    Attributes
    ----------
    name, modality : str
    rows, dropped_rows, dim : int
    was_normalised : bool
    norm_range : (float, float)
        Before normalising.
    files : tuple of FileFacts
    """

    name: str
    modality: str
    rows: int
    dropped_rows: int
    dim: int
    was_normalised: bool
    norm_range: tuple[float, float]
    files: tuple[FileFacts, ...]

    @classmethod
    def of(cls, data: ShardedSet, norms: NormRange, files: Sequence[FileFacts]) -> SetFacts:
        """Facts of a set that was read through."""
        return cls(
            data.name,
            data.modality,
            norms.rows,
            norms.dropped,
            data.dim,
            norms.was_normalised,
            (norms.smallest, norms.largest),
            tuple(files),
        )


def file_differences(now: Sequence[FileFacts], then: Sequence[FileFacts], what: str) -> list[str]:
    """Say in sentences which files differ from those that were written down.

    Parameters
    ----------
    now, then : sequence of FileFacts
    what : str
        Begins the sentence: "the source".
    """
    found = []
    if len(now) != len(then):
        found.append(f"{what} has {len(now)} files here and had {len(then)}.")
    for here, there in zip(now, then, strict=False):
        if here.digest == there.digest:
            continue
        size = (
            f"{here.rows:,} rows instead of {there.rows:,}"
            if here.rows != there.rows
            else f"{here.bytes:,} bytes"
            if here.bytes == there.bytes
            else f"{here.bytes:,} bytes instead of {there.bytes:,}"
        )
        found.append(
            f"{what}: {here.name} differs: {size}, digest {here.digest[:12]}… instead of "
            f"{there.digest[:12]}…."
        )
    return found
