"""A seeded UMAP of both sets together; umap is imported when this is first called."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.extras import need
from anisoalign_core.geometry.umap_plan import MAP_ROWS, Fitted, Said, map_plan
from anisoalign_core.matrices import leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Integers, Progress, generator, row_norms

COMPONENTS = 50
NEIGHBOURS = 15
BLOCK = 1024


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
    target: Float32,
    source: Float32,
    *,
    random_state: int,
    fit_on: Fitted = "both",
    progress: Progress | None = None,
    cold: bool = True,
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
    progress : callable, optional
        Told the share of the work that is done, as :mod:`~anisoalign_core.geometry.umap_plan`
        counts it, and words.
    cold : bool
        Whether this process has made no map yet, which makes the first one take longer.

    Raises
    ------
    AnisoAlignError
        If umap-learn is not installed.
    ShapeError
        If there are fewer than 10 rows to fit on.
    """
    need("A UMAP", "umap", "umap")
    drawn = sampled(target, source, random_state=random_state)
    sides = [target[drawn[0]], source[drawn[1]]]
    fitted = {"both": np.concatenate(sides), "target": sides[0], "source": sides[1]}[fit_on]
    other = {"both": fitted[:0], "target": sides[1], "source": sides[0]}[fit_on]
    if len(fitted) < 10:
        raise ShapeError(f"A map of {len(fitted)} rows shows nothing; load at least 10.")
    said = Said(map_plan(len(target), len(source), fit_on, cold=cold), progress)
    said.begin("begin")
    moments = Moments.of(fitted)
    kept = min(COMPONENTS, fitted.shape[1])
    axes = leading(moments.covariance, kept).astype(np.float32)
    mean = moments.mean.astype(np.float32)
    flat = [np.asarray((rows - mean) @ axes, dtype=np.float32) for rows in (fitted, other)]
    plane, added = _laid_out(flat[0], flat[1], random_state, said)
    first = len(drawn[0])
    placed = {
        "both": [plane[:first], plane[first:]],
        "target": [plane, added],
        "source": [added, plane],
    }[fit_on]
    return JointMap(placed[0], placed[1], drawn[0], drawn[1], kept, fit_on)


def sampled(target: Float32, source: Float32, *, random_state: int) -> tuple[Integers, Integers]:
    """Return the rows of each side that a map shows: at most 10,000, seeded."""
    rng = generator(random_state)
    first, second = (np.sort(rng.permutation(len(each))[:MAP_ROWS]) for each in (target, source))
    return first, second


def _laid_out(
    fitted: Float32, other: Float32, random_state: int, said: Said
) -> tuple[Float32, Float32]:
    """Lay out rows, and place others among them, from exact neighbours by cosine."""
    said.begin("neighbours")
    count = min(NEIGHBOURS, len(fitted) - 1)
    rows, distances = nearest(fitted, fitted, count, said.within)
    said.begin("graph")
    import umap
    from pynndescent import NNDescent

    class Exact(NNDescent):  # type: ignore[misc]
        """What places others asks this for their neighbours."""

        _angular_trees = True

        def __init__(self) -> None:
            pass

        def query(self, queries: Float32, k: int, epsilon: float) -> tuple[Integers, Float32]:
            return nearest(queries, fitted, k, said.within)

    layout = umap.UMAP(
        n_neighbors=count,
        metric="cosine",
        random_state=random_state,
        n_jobs=1,
        precomputed_knn=(rows, distances, Exact()),
        tqdm_kwds={"disable": False, "file": _Epochs(said), "bar_format": "{n_fmt}/{total_fmt}"},
    )
    plane = np.asarray(layout.fit_transform(fitted), dtype=np.float32)
    if not len(other):
        return plane, plane[:0]
    said.begin("placing")
    return plane, np.asarray(layout.transform(other), dtype=np.float32)


def nearest(
    queries: Float32, keys: Float32, count: int, tell: Callable[[float], None]
) -> tuple[Integers, Float32]:
    """Return the nearest keys of each query by cosine, (m, k), and ``1 − cos``, exact, in blocks.

    A key that is asked for is its own first neighbour, as UMAP counts.
    """
    asked, held = (
        rows / np.maximum(row_norms(rows).astype(np.float32), 1e-12)[:, None]
        for rows in (queries, keys)
    )
    found: Integers = np.empty((len(queries), count), dtype=np.int32)
    distances = np.empty((len(queries), count), dtype=np.float32)
    for start in range(0, len(queries), BLOCK):
        part = slice(start, start + BLOCK)
        cosines = asked[part] @ held.T
        if queries is keys:
            here = np.arange(len(cosines))
            cosines[here, start + here] = 2.0  # itself, before others that are equal to it
        near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(cosines, near, axis=1), axis=1, kind="stable")
        found[part] = near = np.take_along_axis(near, order, axis=1)
        distances[part] = np.clip(1 - np.take_along_axis(cosines, near, axis=1), 0, 2)
        tell(min(start + BLOCK, len(queries)) / len(queries))
    return found, distances


class _Epochs(io.StringIO):
    """Where UMAP's own bar is written: read for how far it is."""

    def __init__(self, said: Said) -> None:
        super().__init__()
        self.said = said

    def write(self, text: str) -> int:
        """Take in what the bar says."""
        done, _, total = text.strip().partition("/")
        if done.isdecimal() and total.isdecimal() and int(done):
            self.said.begin("epochs" if self.said.step != "placing" else "placing")
            self.said.within(int(done) / int(total))
        return len(text)
