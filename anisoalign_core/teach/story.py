"""What the story measures on the sample: pictures for a caption, cones, checkpoints of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import mean_rows, row_cosines
from anisoalign_core.metrics.mixing import delta_mu, sampling_floor
from anisoalign_core.metrics.neighbours import top_k
from anisoalign_core.metrics.retrieval import TIE_TOLERANCE, recall
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, eigh


@dataclass(frozen=True, eq=False)
class Found:
    """The target rows nearest to one source row.

    Attributes
    ----------
    rows : (k,) int
        Nearest first.
    cosines : (k,) float32
    rank : int
        Place of the row's own partner among all target rows, from 1.
    partner_cosine : float
    """

    rows: Integers
    cosines: Float32
    rank: int
    partner_cosine: float


def find_pictures(source: Float32, target: Float32, row: int, count: int = 8) -> Found:
    """Find the target rows that a source row is nearest to, and the place of its partner.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows.
    row : int
        The source row that asks.
    count : int, default 8

    Raises
    ------
    ParameterError
        If there is no such row.
    """
    if not 0 <= row < len(source):
        raise ParameterError(f"There is no row {row}; rows run from 0 to {len(source) - 1}.")
    rows, cosines = top_k(source[row : row + 1], target, min(count, len(target)))
    every = target @ source[row]
    ahead = int(np.count_nonzero(every > every[row] + np.float32(TIE_TOLERANCE)))
    return Found(rows[0], cosines[0], ahead + 1, float(every[row]))


def mean_length(rows: Float32) -> float:
    """``‖μ‖`` of unit rows: 1 if all point the same way, near 0 if they point everywhere."""
    return float(np.linalg.norm(mean_rows(rows)))


def mean_cosine(rows: Float32) -> float:
    """Mean cosine of two different rows, ``(n‖μ‖² − 1)/(n − 1)``: how narrow the cone is."""
    n = len(rows)
    return float((n * mean_length(rows) ** 2 - 1.0) / (n - 1))


@dataclass(frozen=True, eq=False)
class ConeShares:
    """How the cosines of two different rows of a side are distributed, and those of no cone.

    Attributes
    ----------
    edges : (b + 1,) float64
        Of the bins, from −1 to 1.
    target, source : (b,) float64
        Share of the pairs of two different rows in each bin.
    everywhere : (b,) float64
        The same for directions drawn evenly from the sphere: the null, exact.
    target_mean, source_mean : float
        Mean cosine of two different rows.
    """

    edges: Float64
    target: Float64
    source: Float64
    everywhere: Float64
    target_mean: float
    source_mean: float


def cone_shares(source: Float32, target: Float32, bins: int = 80) -> ConeShares:
    """Distribute the cosines inside each side over bins of [−1, 1].

    The cosine t of two directions drawn evenly in d dimensions has ``(t + 1)/2`` distributed as
    Beta((d−1)/2, (d−1)/2).

    Parameters
    ----------
    source, target : (n, d) float32
        Unit rows; all n² cosines are formed, so give hundreds, not thousands.
    bins : int, default 80
    """
    from scipy.special import betainc

    edges = np.linspace(-1.0, 1.0, bins + 1)
    half = (source.shape[1] - 1) / 2

    def shares(rows: Float32) -> Float64:
        cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
        return np.histogram(np.clip(cosines, -1.0, 1.0), bins=edges)[0] / len(cosines)

    return ConeShares(
        edges,
        shares(target),
        shares(source),
        np.diff(betainc(half, half, (edges + 1) / 2)),
        mean_cosine(target),
        mean_cosine(source),
    )


@dataclass(frozen=True)
class Checkpoint:
    """What is measured at one moment of training, on matched rows the encoder never saw.

    Attributes
    ----------
    gap, gap_floor : float
        G_μ, and what sampling alone would give.
    matched_cosine : float
    target_length, source_length : float
        ‖μ_x‖ and ‖μ_y‖: how narrow each cone is.
    recall_source_to_target, recall_target_to_source : float
        R@1 among these rows; chance is 1/n.
    """

    gap: float
    gap_floor: float
    matched_cosine: float
    target_length: float
    source_length: float
    recall_source_to_target: float
    recall_target_to_source: float

    @classmethod
    def of(cls, source: Float32, target: Float32) -> Checkpoint:
        """Measure matched (n, d) unit rows."""
        found, both = recall(source, target, at=(1,)), Comparison.between(target, source)
        return cls(
            gap=delta_mu(both),
            gap_floor=sampling_floor(both),
            matched_cosine=float(row_cosines(target, source).mean()),
            target_length=mean_length(target),
            source_length=mean_length(source),
            recall_source_to_target=found["source_to_target"][1],
            recall_target_to_source=found["target_to_source"][1],
        )


def gap_plane(source: Float32, target: Float32) -> Float64:
    """Two orthonormal directions to look along: the gap's, and where both sides vary most.

    The second is the leading eigenvector of Σ_x + Σ_y across the gap.

    Parameters
    ----------
    source, target : (n, d) float32
        Unit rows.

    Returns
    -------
    (d, 2) float64
    """
    first, across, sigma_y, sigma_x = _gap_and_rest(source, target)
    return np.column_stack([first, eigh(across @ (sigma_x + sigma_y) @ across)[1][:, 0]])


def shape_axes(source: Float32, target: Float32) -> Float64:
    """Three orthonormal directions that show how two clouds differ.

    Parameters
    ----------
    source, target : (n, d) float32
        Unit rows.

    Returns
    -------
    (d, 3) float64
        The gap's direction; across it, where the target's variance exceeds the source's most;
        and where the source's exceeds the target's most: the outer eigenvectors of Σ_x − Σ_y.
    """
    first, across, sigma_y, sigma_x = _gap_and_rest(source, target)
    vectors = eigh(across @ (sigma_x - sigma_y) @ across)[1]
    return np.column_stack([first, vectors[:, 0], vectors[:, -1]])


def _gap_and_rest(source: Float32, target: Float32) -> tuple[Float64, Float64, Float64, Float64]:
    """Return the gap's direction, the projection across it, Σ_y and Σ_x."""
    y, x = Moments.of(source), Moments.of(target)
    delta = x.mean - y.mean
    size = float(np.linalg.norm(delta))
    first = delta / size if size > 1e-12 else np.eye(len(delta))[0]
    return (
        first,
        np.eye(len(delta)) - np.outer(first, first),
        np.asarray(y.covariance),
        np.asarray(x.covariance),
    )
