"""A seeded UMAP of both sets together; umap is imported when this is first called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Integers, eigh, generator

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
    """

    target: Float32
    source: Float32
    target_rows: Integers
    source_rows: Integers
    reduced_to: int


def joint_map(target: Float32, source: Float32, *, random_state: int) -> JointMap:
    """Lay out both sets with UMAP after a reduction to at most 50 principal components.

    Parameters
    ----------
    target, source : (n, d) float32
        At most 10,000 rows of each are drawn, with the seed.
    random_state : int

    Raises
    ------
    ShapeError
        If there are fewer than 10 rows in all.
    """
    import umap

    rng = generator(random_state)
    rows = [np.sort(rng.permutation(len(side))[:MAP_ROWS]) for side in (target, source)]
    both = np.concatenate([target[rows[0]], source[rows[1]]])
    if len(both) < 10:
        raise ShapeError(f"A map of {len(both)} rows shows nothing; load at least 10.")
    moments = Moments.of(both)
    kept = min(COMPONENTS, both.shape[1])
    axes = eigh(moments.covariance)[1][:, :kept]
    reduced = (both - moments.mean.astype(np.float32)) @ axes.astype(np.float32)
    layout = umap.UMAP(
        n_neighbors=min(15, len(both) - 1), metric="cosine", random_state=random_state, n_jobs=1
    )
    plane = np.asarray(layout.fit_transform(reduced), dtype=np.float32)
    first = len(rows[0])
    return JointMap(plane[:first], plane[first:], rows[0], rows[1], kept)
