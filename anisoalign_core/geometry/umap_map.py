"""A seeded UMAP of both sets together; umap is imported when this is first called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.extras import need
from anisoalign_core.matrices import leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Integers, generator

Fitted = Literal["both", "target", "source"]

MAP_ROWS = 10_000
COMPONENTS = 50


@dataclass(frozen=True, eq=False)
class JointMap:
    """Coordinates of sampled rows of both sets in one plane.

    Attributes
    ----------
    target, source : (m, 2) float32
    target_rows, source_rows : (m,) int
        Which rows were laid out.
    reduced_to : int
        Principal components kept before the layout.
    fitted_on : {"both", "target", "source"}
    """

    target: Float32
    source: Float32
    target_rows: Integers
    source_rows: Integers
    reduced_to: int
    fitted_on: Fitted = "both"


def joint_map(
    target: Float32, source: Float32, *, random_state: int, fit_on: Fitted = "both"
) -> JointMap:
    """Lay out both sets with UMAP after a reduction to at most 50 principal components.

    Fitted on one set and applied to the other, the map shows where the other falls among the
    first one's neighbourhoods; fitted on both, each set makes its own.

    Parameters
    ----------
    target, source : (n, d) float32
        At most 10,000 rows of each are drawn, with the seed.
    random_state : int
    fit_on : {"both", "target", "source"}
        Rows whose principal components and layout are fitted.

    Raises
    ------
    AnisoAlignError
        If umap-learn is not installed.
    ShapeError
        If there are fewer than 10 rows to fit on.
    """
    need("A UMAP", "umap", "umap")
    import umap

    rng = generator(random_state)
    rows = [np.sort(rng.permutation(len(side))[:MAP_ROWS]) for side in (target, source)]
    sides = [target[rows[0]], source[rows[1]]]
    fitted = {"both": np.concatenate(sides), "target": sides[0], "source": sides[1]}[fit_on]
    if len(fitted) < 10:
        raise ShapeError(f"A map of {len(fitted)} rows shows nothing; load at least 10.")
    moments = Moments.of(fitted)
    kept = min(COMPONENTS, fitted.shape[1])
    axes = leading(moments.covariance, kept).astype(np.float32)
    mean = moments.mean.astype(np.float32)
    layout = umap.UMAP(
        n_neighbors=min(15, len(fitted) - 1), metric="cosine", random_state=random_state, n_jobs=1
    )
    plane = np.asarray(layout.fit_transform((fitted - mean) @ axes), dtype=np.float32)
    if fit_on == "both":
        first = len(rows[0])
        placed = [plane[:first], plane[first:]]
    else:
        other = sides[1] if fit_on == "target" else sides[0]
        added = np.asarray(layout.transform((other - mean) @ axes), dtype=np.float32)
        placed = [plane, added] if fit_on == "target" else [added, plane]
    return JointMap(placed[0], placed[1], rows[0], rows[1], kept, fit_on)
