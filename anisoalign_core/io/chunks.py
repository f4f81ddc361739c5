"""Consecutive rows of a shard, as they lie in the file, with what the file says about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from anisoalign_core.io.source import Texts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class About:
    """What a file says about some rows, besides their vectors.

    Attributes
    ----------
    ids, captions : (m,) array of str or None
    labels : pandas.DataFrame of m rows, or None
    native : object
        The same in the file's own terms, so that a file of the same format loses nothing: an
        Arrow table without the vectors, or a list of dictionaries.
    """

    ids: Texts | None = None
    captions: Texts | None = None
    labels: pd.DataFrame | None = None
    native: Any = None


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive rows.

    Attributes
    ----------
    array : (m, d) array of any real type
        As in the file: neither checked nor normalised.
    about : About
        Empty unless it was asked for.
    """

    array: npt.NDArray[Any]
    about: About = field(default_factory=About)


@dataclass(frozen=True)
class ShardFacts:
    """What can be known of a shard without reading its rows.

    Attributes
    ----------
    rows : int or None
        None where only reading all of it would tell.
    dim : int
    dtype : numpy dtype
    """

    rows: int | None
    dim: int
    dtype: np.dtype[Any]


class ShardWriter(Protocol):
    """Write the rows of all chunks, in order, to one seekable binary stream."""

    def __call__(
        self, stream: BinaryIO, chunks: Iterable[Chunk], modality: str, metadata: Mapping[str, str]
    ) -> int:
        """Return the number of rows written."""
