"""Scores as logarithms of probabilities whose sums over banks of rows are prescribed."""

from __future__ import annotations

import warnings

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.rows import Strings
from anisoalign_core.scoring.base import Scorer, check_positive


class InvertedSoftmax(Scorer):
    """``s − τ log Σ_{q'} exp(q'·x/τ)`` over a bank of reference queries q'.

    τ times the logarithm of ``exp(s/τ) / Σ_{q'} exp(q'·x/τ)``: the same order as the published
    ratio, in the unit of cosines, and without overflow. Smith et al. also divide by a constant of
    the query that makes the ratios sum to one, which moves no rank and is left out, as in QB-Norm.
    QB-Norm's *dynamic* form keeps plain cosines for queries whose nearest row is no reference
    query's nearest: it depends on the whole gallery, is no inner product, and is not implemented.

    Parameters
    ----------
    temperature : float, default 0.05
        τ > 0; QB-Norm's inverse temperature is 20.
    """

    name = "inverted-softmax"
    label = "Inverted softmax"
    summary = "Shares each gallery row out among the reference queries."
    reference = "Smith et al., ICLR 2017, arXiv:1702.03859; Bogolin et al., Cross Modal Retrieval \
with Querybank Normalisation, CVPR 2022, arXiv:2112.12777"
    needs_queries = True

    def __init__(self, temperature: float = 0.05) -> None:
        self.temperature = temperature

    def check_parameters(self) -> None:
        """See :meth:`Scorer.check_parameters`."""
        check_positive(self.temperature, "temperature")

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        self.queries_ = queries

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        total = log_sums(Cosines(rows, self.queries_), self.temperature)
        return None, -self.temperature * total[:, None]


class Sinkhorn(Scorer):
    """``s + τ u(q) + τ v(x)``: τ times the logarithm of a plan with prescribed sums.

    Over a bank of n queries and one of m gallery rows, u and v are such that
    ``P_ij = exp(s_ij/τ + u_i + v_j)`` has rows that sum to 1/n and columns that sum to 1/m
    (Sinkhorn normalisation; entropic optimal transport with cost −s). Half a step carries them to
    any row,

        ``v(x) = −log m − log Σ_i exp(q_i·x/τ + u_i)``,
        ``u(q) = −log n − log Σ_j exp(q·x_j/τ + v_j)``,

    which gives rows of the banks their own u and v back. Pan et al. take for the second bank the
    gallery that is searched, with further rows of its modality (*dual* bank) or without: fit on
    these. They stop after a few iterations, here it goes on to the tolerance; the half step for
    rows outside of the banks is this project's.

    All in logarithms: no temperature over- or underflows.

    Parameters
    ----------
    temperature : float, default 0.05
        τ > 0.
    tolerance : float, default 1e-6
        The iteration ends when row sums are off by less than this share, on average; columns are
        exact by then.
    max_iterations : int, default 500
        Reaching it gives a ``ConvergenceWarning`` of scikit-learn; ``error_`` says how far off
        row sums are then.
    """

    name = "sinkhorn"
    label = "Sinkhorn normalised"
    summary = "Shares rows out among queries and queries among rows, both evenly."
    reference = "Pan et al., Hubness Reduction with Dual Bank Sinkhorn Normalization, ACM MM 2025, \
arXiv:2508.02538; Cuturi 2013"
    query_term = True
    needs_queries = True
    needs_gallery = True

    def __init__(
        self, temperature: float = 0.05, tolerance: float = 1e-6, max_iterations: int = 500
    ) -> None:
        self.temperature = temperature
        self.tolerance = tolerance
        self.max_iterations = max_iterations

    def check_parameters(self) -> None:
        """See :meth:`Scorer.check_parameters`."""
        check_positive(self.temperature, "temperature")
        check_positive(self.tolerance, "tolerance")
        if self.max_iterations < 1:
            raise ParameterError(f"max_iterations is {self.max_iterations}; give at least 1.")

    def _fit(self, queries: Float32, gallery: Float32, labels: Strings) -> None:
        cosines = Cosines(queries, gallery)
        back, tau = cosines.transposed, self.temperature
        n, m = cosines.shape
        u, v = -np.log(n) - log_sums(cosines, tau), np.zeros(m)
        error, steps = np.inf, 0
        while steps < self.max_iterations and error > self.tolerance:
            v = -np.log(m) - log_sums(back, tau, u)
            following = -np.log(n) - log_sums(cosines, tau, v)
            error = float(np.abs(np.expm1(u - following)).mean())  # what the rows sum to, n times
            u, steps = following, steps + 1
        v = -np.log(m) - log_sums(back, tau, u)
        if error > self.tolerance:
            from sklearn.exceptions import ConvergenceWarning

            warnings.warn(
                f"{self.label}: after {steps} iterations row sums are off by {error:.2g} on "
                f"average, more than tolerance={self.tolerance:g}. Raise max_iterations or the "
                "temperature.",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.queries_, self.gallery_ = queries, gallery
        self.query_potentials_, self.gallery_potentials_ = u, v
        self.error_, self.n_iter_ = error, steps

    def _of_rows(self, rows: Float32, labels: Strings) -> tuple[Float64 | None, Float64]:
        total = log_sums(Cosines(rows, self.queries_), self.temperature, self.query_potentials_)
        own = -np.log(len(self.gallery_)) - total
        return None, self.temperature * own[:, None]

    def _of_queries(self, rows: Float32) -> Float64:
        total = log_sums(Cosines(rows, self.gallery_), self.temperature, self.gallery_potentials_)
        own = -np.log(len(self.queries_)) - total
        return np.stack([np.ones(len(rows)), self.temperature * own], axis=1)

    def _check_loaded(self) -> None:
        for bank, potentials in (
            (self.queries_, self.query_potentials_),
            (self.gallery_, self.gallery_potentials_),
        ):
            if potentials.shape != bank.shape[:1]:
                raise ParameterError("This file holds potentials of another number of rows.")


def log_sums(cosines: Cosines, temperature: float, offsets: Float64 | None = None) -> Float64:
    """``log Σ_j exp(s_ij/τ + o_j)`` of every query i, (n,) float64, block by block."""
    out = np.empty(len(cosines.queries))
    for part, block in cosines.blocks():
        logs = np.divide(block, temperature, dtype=np.float64)
        if offsets is not None:
            logs += offsets
        top = logs.max(axis=1)
        logs -= top[:, None]
        out[part] = np.log(np.exp(logs, out=logs).sum(axis=1)) + top
    return out
