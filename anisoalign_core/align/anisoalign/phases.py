"""What the target's phases look like: anchors, couplings and the sparse graph [AA 4.3]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Float32, Float64, Integers

Complex = npt.NDArray[np.complex128]
NULL_SIGMAS = 3.0
"""Centred couplings are kept when they exceed this many standard deviations of their null."""


@dataclass(frozen=True, eq=False)
class PhaseStatistics:
    """Low-order statistics of phases over rows of the target.

    Attributes
    ----------
    mean : (m,) complex
        ``m_k = E e^{iθ_k}``.
    coupling : (m, m) complex
        ``M_kl = E e^{i(θ_k − θ_l)}`` [AA eq. 3].
    edges : (e, 2) int
        Kept pairs k < l, sorted.
    weight : (m,) float64
        ``α_k = E ρ_k² / Σ_u E ρ_u²``.
    rows : () int
        n.
    is_centred : () bool
        Whether the graph and the drift use ``C_kl = M_kl − m_k m̄_l`` instead of M.
    """

    mean: Complex
    coupling: Complex
    edges: Integers
    weight: Float64
    rows: npt.NDArray[np.int64]
    is_centred: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together, as a damaged file may hold."""
        m = len(self.mean)
        fits = self.coupling.shape == (m, m) and self.weight.shape == (m,)
        if not fits or self.edges.ndim != 2 or self.edges.shape[1] != 2:
            raise ShapeError("The phase statistics of an AnisoAlign model do not fit together.")
        if self.edges.size and not 0 <= int(self.edges.min()) <= int(self.edges.max()) < m:
            raise ShapeError("An edge of an AnisoAlign model names a block that is not there.")

    @classmethod
    def of(
        cls, radii: Float32, phases: Float32, *, partners: int = 4, centred: bool = False
    ) -> PhaseStatistics:
        """Measure phases and build the graph.

        Parameters
        ----------
        radii, phases : (n, m) arrays
        partners : int, default 4
            Each block keeps its p strongest partners; the graph is the union [AA 4.3].
        centred : bool, default False
            Couple by ``C_kl = M_kl − m_k m̄_l`` and keep only what exceeds three standard
            deviations of independent phases, ``3 √((1−|m_k|²)(1−|m_l|²)/n)``. Uncentred, M_kl of
            independent phases is already ``m_k m̄_l``.
        """
        if partners < 1:
            raise ParameterError(f"partners is {partners}; each block needs at least one.")
        n = len(phases)
        unit = np.exp(1j * phases.astype(np.float64))
        mean = unit.mean(axis=0)
        coupling = unit.T @ unit.conj() / n
        energy = np.square(radii.astype(np.float64)).mean(axis=0)
        used = _beyond_means(coupling, mean) if centred else coupling
        keep = _strongest(np.abs(used), partners)
        if centred:
            keep &= np.abs(used) > _null(mean, n)
        edges = np.argwhere(np.triu(keep, 1))
        return cls(
            mean,
            coupling,
            edges,
            energy / energy.sum(),
            np.asarray(n, dtype=np.int64),
            np.asarray(centred),
        )

    @property
    def blocks(self) -> int:
        """Number m of blocks."""
        return len(self.mean)

    @property
    def anchor(self) -> Float64:
        """``ψ̄_k = arg E e^{iθ_k}``, (m,)."""
        return np.asarray(np.angle(self.mean))

    @property
    def centred_coupling(self) -> Complex:
        """``C_kl = M_kl − m_k m̄_l``: what couples two blocks beyond their own means."""
        return _beyond_means(self.coupling, self.mean)

    @property
    def null(self) -> Float64:
        """Three standard deviations of ``|C_kl|`` for independent phases, (m, m)."""
        return _null(self.mean, int(self.rows))

    @property
    def graph(self) -> Complex:
        """Couplings in force on kept edges, zero elsewhere: ``A_kl e^{iη_kl}``, (m, m)."""
        used = self.centred_coupling if bool(self.is_centred) else self.coupling
        kept = np.zeros_like(used)
        k, other = self.edges.T
        kept[k, other], kept[other, k] = used[k, other], used[other, k]
        return kept

    @property
    def restated(self) -> float:
        """Correlation of ``|M_kl|`` with ``|m_k||m_l|``, k < l: how far couplings restate means."""
        upper = np.triu_indices(self.blocks, 1)
        if len(upper[0]) < 2:
            return float("nan")
        sizes = np.abs(self.mean)
        return float(np.corrcoef(np.abs(self.coupling)[upper], np.outer(sizes, sizes)[upper])[0, 1])


def _beyond_means(coupling: Complex, mean: Complex) -> Complex:
    """``M_kl − m_k m̄_l``, (m, m)."""
    return np.asarray(coupling - np.outer(mean, mean.conj()))


def _null(mean: Complex, n: int) -> Float64:
    """``3 √((1−|m_k|²)(1−|m_l|²)/n)``, (m, m)."""
    spread = 1 - np.abs(mean) ** 2
    return np.asarray(NULL_SIGMAS * np.sqrt(np.outer(spread, spread) / n))


def _strongest(strength: Float64, partners: int) -> npt.NDArray[np.bool_]:
    """Mark each row's strongest other columns, and their mirror images."""
    m = len(strength)
    strength = strength.copy()
    np.fill_diagonal(strength, -1.0)
    order = np.argsort(-strength, axis=1, kind="stable")[:, : min(partners, m - 1)]
    keep = np.zeros((m, m), dtype=bool)
    np.put_along_axis(keep, order, True, axis=1)
    return np.asarray(keep | keep.T)
