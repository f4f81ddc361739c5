"""What readers give and writers take: a table whose rows nobody checked yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.files.source import Texts

if TYPE_CHECKING:
    import pandas as pd

MAX_LABELS = 64
"""Label columns kept from one file; further ones are left out."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """One array and what its file says about the rows, before any row was checked.

    Attributes
    ----------
    array : array
        Any shape and real type; possibly memory-mapped.
    ids, captions : (n,) array of str or None
    labels : pandas.DataFrame or None
    thumbnails : (n, h, w, 3) uint8 or None
    model : str or None
    """

    array: npt.NDArray[Any]
    ids: Texts | None = None
    captions: Texts | None = None
    labels: pd.DataFrame | None = None
    thumbnails: npt.NDArray[np.uint8] | None = None
    model: str | None = None


@dataclass(frozen=True, eq=False)
class Payload:
    """What a writer writes.

    Attributes
    ----------
    vectors : (n, d) float32 or float16, C-contiguous
    modality : str
    ids : (n,) array of str
    ids_given : bool
        Whether the ids say more than the row numbers of the file would.
    captions : (n,) array of str or None
    labels : pandas.DataFrame or None
    metadata : dict of str to str
    projection : (n, 2) float32 or None
    """

    vectors: npt.NDArray[np.floating[Any]]
    modality: str
    ids: Texts
    ids_given: bool
    captions: Texts | None = None
    labels: pd.DataFrame | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    projection: npt.NDArray[np.float32] | None = None
