"""The fixed frame: a dominant subspace U, mixed by a rotation, and its complement V [AA 4.1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align.anisoalign.options import FrameKind, Mixing
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.geometry.polar import to_polar
from anisoalign_core.geometry.subspace import auto_rank
from anisoalign_core.matrices import leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, generator


@dataclass(frozen=True, eq=False)
class Frame:
    """``R^d = U ⊕ V`` with an orthonormal basis of U whose columns pair into blocks.

    Attributes
    ----------
    basis : (d, r) float64
        Q: column 2k and 2k+1 are block k.
    """

    basis: Float64

    def __post_init__(self) -> None:
        """Refuse a basis that cannot be paired or is not one, as a damaged file may hold."""
        if self.basis.ndim != 2 or self.basis.shape[1] % 2 or not self.basis.size:
            raise ShapeError("The frame of an AnisoAlign model does not have an even rank.")

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return int(self.basis.shape[0])

    @property
    def rank(self) -> int:
        """Rank r of U."""
        return int(self.basis.shape[1])

    def coordinates(self, rows: Float32) -> Float64:
        """``c = Qᵀz``, uncentred, (n, r).

        In float64: quantile maps can be steep, and a row must not feel its batch's rounding.
        """
        return np.asarray(rows.astype(np.float64) @ self.basis)

    def outside(self, rows: Float32) -> Float32:
        """``P_V z = z − Q Qᵀ z``, (n, d)."""
        return np.asarray(outside(rows, self.basis.astype(np.float32)))

    def polar(self, rows: Float32, epsilon: float) -> tuple[Float64, Float64]:
        """Radii and phases of rows in the blocks of U, (n, r/2) each."""
        return to_polar(self.coordinates(rows), epsilon)


def build_frame(
    source: Moments,
    target: Moments,
    *,
    kind: FrameKind = "joint",
    rank: int | None = None,
    mixing: Mixing = "haar",
    random_state: int = 0,
) -> Frame:
    """Top-r eigenvectors of Σ_x + Σ_y (or of Σ_x), mixed by an orthogonal R.

    Parameters
    ----------
    source, target : Moments
    kind : {"joint", "target"}
        ``"joint"`` is published. Its λI moves every eigenvalue alike and no eigenvector, so λ has
        no effect here and is not a parameter.
    rank : int, optional
        Even. By default the smallest even rank that holds 90 % of tr(Σ_x + Σ_y), at most a tenth
        of the rows of the smaller side.
    mixing : {"haar", "none"}
        R drawn uniformly from the orthogonal group, or the eigenvectors as they are.
    random_state : int
        Seed of R.

    Raises
    ------
    ParameterError
        If the rank is odd or outside 2 … d, or a name is unknown.
    """
    if kind not in ("joint", "target"):
        raise ParameterError(f'frame is {kind!r}; choose "joint" or "target".')
    if mixing not in ("haar", "none"):
        raise ParameterError(f'mixing is {mixing!r}; choose "haar" or "none".')
    joint = target.covariance + source.covariance
    if rank is None:
        rank = auto_rank(joint, min(source.n, target.n))
    if rank % 2 or not 2 <= rank <= source.dim:
        raise ParameterError(
            f"rank is {rank}; blocks are pairs of coordinates, so choose an even number between 2 "
            f"and {source.dim // 2 * 2}."
        )
    basis = leading(joint if kind == "joint" else target.covariance, rank)
    if mixing == "haar":
        basis = basis @ haar(rank, random_state)
    return Frame(np.ascontiguousarray(basis))


def outside(rows: Any, basis: Any) -> Any:
    """``z − Q Qᵀ z`` for numpy arrays and torch tensors alike, (n, d)."""
    return rows - (rows @ basis) @ basis.T


def haar(size: int, random_state: int) -> Float64:
    """Draw an orthogonal matrix uniformly (QR of a Gaussian matrix, signs fixed), (size, size)."""
    q, r = np.linalg.qr(generator(random_state).standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diag(r)))
