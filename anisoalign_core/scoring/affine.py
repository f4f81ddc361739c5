"""Scores that are shifted and scaled by what each gallery row, or its modality, usually gets."""

from __future__ import annotations

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.neighbours import top_k
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.rows import Strings
from anisoalign_core.scoring.base import Scorer, check_neighbours

LEAST_DEVIATION = 1e-6
"""Below this the cosines of unit float32 rows do not differ."""


class PlainCosine(Scorer):
    """``s = q·x``: no correction, the floor every scorer is measured against."""

    name = "none"
    label = "Plain cosine"
    summary = "Leaves scores as they are."
    reference = "–"

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        return None, np.zeros((len(rows), 1))


class StandardizedScores(Scorer):
    """``(s − m_g)/σ_g`` with g the modality of the gallery row x.

    For galleries of several modalities: without it a query prefers the modality whose cosines are
    larger anyhow. With one modality all scores move alike, and no rank changes.

    Yamashita et al. take mean and deviation of the scores of queries with *their own* document in
    modality g, and, without labelled pairs, of the best one in its place (their pseudo-positives):
    ``over="best"``. ``over="all"`` takes all cosines of reference queries with rows of modality g,
    the usual standardisation of scores. Deviations divide by the number of scores.

    Parameters
    ----------
    over : {"best", "all"}
    """

    name = "standardize"
    label = "Standardised per modality"
    summary = "Puts the scores of each modality of the gallery on one scale."
    reference = "Yamashita et al., Bridging the Modality Gap by Similarity Standardization, \
arXiv:2511.22141"
    needs_queries = True
    needs_gallery = True
    takes_modality = True

    def __init__(self, over: str = "best") -> None:
        self.over = over

    def check_parameters(self) -> None:
        """See :meth:`Scorer.check_parameters`."""
        if self.over not in ("best", "all"):
            raise ParameterError(f'over is {self.over!r}; choose "best" or "all".')

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        known, of_row = np.unique(labels.astype(str), return_inverse=True)
        found = [self._statistics(queries, gallery[of_row == g]) for g in range(len(known))]
        for name, (_, deviation) in zip(known, found, strict=True):
            if deviation < LEAST_DEVIATION:
                raise ParameterError(
                    f"All reference queries have the same {self.over} cosine"
                    + (f" with rows of the modality {str(name)!r}" if name else "")
                    + ", so there is no scale to standardise by. Give more and different queries."
                )
        self.modalities_ = [str(name) for name in known]
        self.means_ = np.array([mean for mean, _ in found])
        self.deviations_ = np.array([deviation for _, deviation in found])

    def _statistics(self, queries: Float32, rows: Float32) -> tuple[float, float]:
        """Mean and deviation of the best cosines, or of all, summed about a pilot in float64."""
        pilot, sums, count = None, np.zeros(2), 0
        for _, block in Cosines(queries, rows).blocks():
            values = block.max(axis=1) if self.over == "best" else block
            pilot = float(values.mean()) if pilot is None else pilot
            apart = np.subtract(values, pilot, dtype=np.float64)
            sums += apart.sum(), (apart**2).sum()
            count += apart.size
        shift, square = sums / count
        return float(pilot or 0.0) + float(shift), float(np.sqrt(max(square - shift**2, 0.0)))

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        place = {name: g for g, name in enumerate(self.modalities_)}
        other = next((name for name in labels if name not in place), None)
        if other is not None:
            has = ", ".join(map(repr, self.modalities_))
            raise ParameterError(
                f"A gallery row has {f'the modality {other!r}' if other else 'no modality'}, but "
                f"the fit had {has}. Give modality=… as in fit."
            )
        g = np.array([place[name] for name in labels], dtype=np.intp)
        return 1 / self.deviations_[g], -(self.means_ / self.deviations_)[g, None]

    def _check_loaded(self) -> None:
        if not len(self.modalities_) == len(self.means_) == len(self.deviations_):
            raise ShapeError("This file holds statistics of another number of modalities.")


class NearestNeighbourNormalized(Scorer):
    """NNN: ``s − α·mean of x's k largest cosines to reference queries``.

    A hub, a row that is near to many queries, pays for it with every query alike.

    Parameters
    ----------
    k : int, default 10
        Reference queries that a row is measured by.
    alpha : float, default 0.75
        α ≥ 0; 0 changes nothing. The paper chooses k and α for each model and data set; these
        defaults are this project's.
    """

    name = "nnn"
    label = "Nearest-neighbour normalised"
    summary = "Takes from each row's scores a share of what its nearest reference queries give it."
    reference = "Chowdhury et al., Nearest Neighbor Normalization Improves Multimodal Retrieval, \
EMNLP 2024, arXiv:2410.24114"
    needs_queries = True

    def __init__(self, k: int = 10, alpha: float = 0.75) -> None:
        self.k = k
        self.alpha = alpha

    def check_parameters(self) -> None:
        """See :meth:`Scorer.check_parameters`."""
        if not (np.isfinite(self.alpha) and self.alpha >= 0):
            raise ParameterError(f"alpha is {self.alpha}; give a finite number of at least 0.")

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        check_neighbours(self.k, len(queries), "reference queries", self.label)
        self.queries_ = queries

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        return None, -self.alpha * mean_of_largest(rows, self.queries_, self.k)[:, None]


class CrossDomainScaled(Scorer):
    """CSLS: ``2s − r(q) − r(x)``, r the mean of the k largest cosines to the other side.

    r(x) is taken over the reference queries, r(q) over the reference gallery. r(q) is the same for
    all rows and moves no rank: it makes scores of different queries comparable.

    Parameters
    ----------
    k : int, default 10
        Neighbours on the other side; the paper's value.
    """

    name = "csls"
    label = "Cross-domain similarity local scaling"
    summary = "Takes from each score what both rows usually get from their nearest neighbours."
    reference = "Conneau et al., Word Translation Without Parallel Data, ICLR 2018, \
arXiv:1710.04087"
    query_term = True
    needs_queries = True
    needs_gallery = True

    def __init__(self, k: int = 10) -> None:
        self.k = k

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        check_neighbours(self.k, len(queries), "reference queries", self.label)
        check_neighbours(self.k, len(gallery), "reference gallery rows", self.label)
        self.queries_, self.gallery_ = queries, gallery

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        near = mean_of_largest(rows, self.queries_, self.k)
        return np.full(len(rows), 2.0), -near[:, None]

    def _of_queries(self, rows: Float32) -> Float64:
        near = mean_of_largest(rows, self.gallery_, self.k)
        return np.stack([np.ones(len(rows)), -near], axis=1)


def mean_of_largest(rows: Float32, bank: Float32, k: int) -> Float64:
    """Mean of the k largest cosines of each row to a bank, (n,) float64, block by block."""
    return np.asarray(top_k(rows, bank, k)[1].mean(axis=1, dtype=np.float64))
