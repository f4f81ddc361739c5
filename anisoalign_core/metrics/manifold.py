"""Whether the supports of both sets overlap, told by balls around the rows; no pairs needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.metrics.comparison import PRDC_K, Comparison
from anisoalign_core.metrics.metric import Metric


@dataclass(frozen=True)
class Manifold:
    """Precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(c: Comparison, k: int = PRDC_K) -> Manifold:
    """Compare supports through balls that reach each row's k-th neighbour of its own set.

    Precision is the share of corrected rows inside any target ball, recall the share of target
    rows inside any corrected ball, density the mean number of target balls a corrected row lies
    in divided by k, coverage the share of target balls that hold a corrected row. On unit rows
    the cosine orders as the Euclidean distance does.

    Parameters
    ----------
    c : Comparison
    k : int, default 5
        At most as deep as the comparison searches.
    """
    k = min(k, c.fixed.depth)
    after, target = c.after_neighbours[1][:, k - 1], c.fixed.target_neighbours[1][:, k - 1]
    n_z, n_x = c.cross_cosines.shape
    inside = count = 0
    covered = np.zeros(n_x, dtype=bool)
    reached = np.zeros(n_x, dtype=bool)
    for part, block in c.cross_cosines.blocks():
        in_target_ball = block >= target
        inside += int(in_target_ball.any(axis=1).sum())
        count += int(np.count_nonzero(in_target_ball))
        covered |= in_target_ball.any(axis=0)
        reached |= (block >= after[part, None]).any(axis=0)
    return Manifold(inside / n_z, float(reached.mean()), count / (k * n_z), float(covered.mean()))


FAMILY = (
    Metric(
        name="precision",
        label="Corrected rows that land where the target lives",
        symbol="P",
        description="Share of corrected rows inside some target row's ball, which reaches its "
        "5th neighbour.",
        direction="higher",
        range=(0.0, 1.0),
        needs="unpaired",
        group="support",
        reference="Kynkäänniemi et al. 2019",
        function=lambda c: c.once(manifold).precision,
    ),
    Metric(
        name="recall",
        label="Target rows within reach of corrected rows",
        symbol="R",
        description="Share of target rows inside some corrected row's ball, which reaches its "
        "5th neighbour.",
        direction="higher",
        range=(0.0, 1.0),
        needs="unpaired",
        group="support",
        reference="Kynkäänniemi et al. 2019",
        function=lambda c: c.once(manifold).recall,
    ),
    Metric(
        name="density",
        label="How densely the target surrounds corrected rows",
        symbol="D",
        description="Mean number of target balls a corrected row lies in, divided by 5; about 1 "
        "for equal distributions.",
        direction="higher",
        range=(0.0, np.inf),
        needs="unpaired",
        group="support",
        reference="Naeem et al. 2020",
        function=lambda c: c.once(manifold).density,
    ),
    Metric(
        name="coverage",
        label="Target rows with a corrected row next to them",
        symbol="C",
        description="Share of target balls, each reaching the row's 5th neighbour, that hold a "
        "corrected row.",
        direction="higher",
        range=(0.0, 1.0),
        needs="unpaired",
        group="support",
        reference="Naeem et al. 2020",
        function=lambda c: c.once(manifold).coverage,
    ),
)
