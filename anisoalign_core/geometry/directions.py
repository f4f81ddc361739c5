"""Directions worth looking along, by name, and the rows at their ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np

from anisoalign_core.errors import NeedsPairsError, ParameterError, ShapeError
from anisoalign_core.geometry.residual import Residual, weighted_sides
from anisoalign_core.matrices import eigh
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Integers, fix_signs
from anisoalign_core.pairs import EmbeddingPair

SHARED_ENERGY = 0.9

KINDS = {
    "gap": "Gap between the means",
    "residual": "Leading residual",
    "shared": "Shared",
    "opposed": "Least shared",
    "target": "Target varies most",
    "source": "Source varies most",
    "joint": "Both vary most",
}
"""Kinds of directions by name, with what a person calls them."""

NEED_PAIRS = ("residual", "shared", "opposed")


@dataclass(frozen=True, eq=False)
class Direction:
    """A unit vector with what is known about it.

    Attributes
    ----------
    vector : (d,) float64
    kind : str
        A key of :data:`KINDS`, or ``"given"``.
    number : int
        Which of its kind, from 1.
    strength : float
        What the direction was chosen by; ``meaning`` says what that is.
    meaning : str
    name : str
        What to call a given direction.
    """

    vector: Float64
    kind: str
    number: int
    strength: float
    meaning: str
    name: str = ""

    @property
    def label(self) -> str:
        """Short words for an axis."""
        if self.name:
            return self.name
        return KINDS[self.kind] + ("" if self.kind == "gap" else f" {self.number}")

    @property
    def digest(self) -> str:
        """Short digest of the vector, to tell directions apart."""
        return blake2b(self.vector.tobytes(), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class Directions:
    """Named directions of one pair of sets, from its moments.

    * *gap*: ``Δ/‖Δ‖``.
    * *residual* j: eigenvector j of Σ_r (pairs).
    * *shared* and *opposed* j: smallest and largest generalised eigenvalues ν of
      ``(Σ_r, Σ_x + Σ_y)`` inside the directions that hold 90 % of Σ_x + Σ_y (pairs).
    * *target* and *source* j: largest eigenvalues of ``Σ_x − Σ_y`` and of its negative.
    * *joint* j: eigenvectors of ``Σ_x + Σ_y``.
    """

    pair: EmbeddingPair

    @cached_property
    def _moments(self) -> tuple[Moments, Moments]:
        return weighted_sides(self.pair.source.vectors, self.pair.target.vectors, self.pair.things)

    @property
    def source(self) -> Moments:
        """Moments of the source, each thing with weight one."""
        return self._moments[0]

    @property
    def target(self) -> Moments:
        """Moments of the target, each thing with weight one."""
        return self._moments[1]

    @cached_property
    def residual(self) -> Residual:
        """The residual of the pairs.

        Raises
        ------
        NeedsPairsError
            If the pair is unpaired.
        """
        if not self.pair.paired:
            raise NeedsPairsError("Residual and shared directions need to know the pairs.")
        y, x = self.pair.source.vectors, self.pair.target.vectors
        return Residual.of(y, x, self.pair.things, self._moments)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that this pair has."""
        return tuple(kind for kind in KINDS if self.pair.paired or kind not in NEED_PAIRS)

    @cached_property
    def _difference(self) -> tuple[Float64, Float64]:
        return eigh(self.target.covariance - self.source.covariance)

    @cached_property
    def of_sides(self) -> tuple[tuple[Float64, Float64], tuple[Float64, Float64]]:
        """Eigenvalues (descending) and eigenvectors of Σ_y, and of Σ_x."""
        return eigh(self.source.covariance), eigh(self.target.covariance)

    @cached_property
    def joint(self) -> tuple[Float64, Float64]:
        """Eigenvalues (descending) and eigenvectors of ``Σ_x + Σ_y``."""
        return eigh(self.target.covariance + self.source.covariance)

    @cached_property
    def ratios(self) -> tuple[Float64, Float64]:
        """ν and directions inside what holds 90 % of Σ_x + Σ_y; see Residual.directional_ratio."""
        values = np.maximum(self.joint[0], 0)
        energy = np.cumsum(values) / values.sum()
        rank = min(int(np.searchsorted(energy, SHARED_ENERGY)) + 1, self.residual.moments.n - 1)
        return self.residual.directional_ratio(max(rank, 1), self.joint[1])

    def count(self, kind: str) -> int:
        """How many directions of a kind there are to choose from: at most 50, as rows reach."""
        if kind == "gap":
            return 1
        if kind in ("shared", "opposed"):
            return min(len(self.ratios[0]), 50)
        y, x = len(self.pair.source), len(self.pair.target)
        reach = {"target": x - 1, "source": y - 1, "joint": x + y - 2}.get(kind, min(x, y) - 1)
        return min(self.pair.dim, 50, max(reach, 1))

    def get(self, kind: str, number: int = 1) -> Direction:
        """Return direction ``number`` (from 1) of a kind.

        Raises
        ------
        ParameterError
            If there is no such direction.
        NeedsPairsError
            If the kind needs pairs and there are none.
        """
        if kind not in KINDS or not 1 <= number <= self.count(kind):
            raise ParameterError(f"There is no direction {number} of kind {kind!r}.")
        if kind == "gap":
            delta = self.target.mean - self.source.mean
            size = float(np.linalg.norm(delta))
            vector = delta / size if size > 0 else np.eye(len(delta))[0]
            return Direction(vector, kind, 1, size, "distance between the means G_μ")
        j = number - 1
        if kind == "residual":
            values = self.residual.values
            share = float(values[j] / values.sum()) if values.sum() > 0 else 0.0
            return Direction(
                self.residual.directions[:, j], kind, number, share, "share of the residual"
            )
        if kind in ("shared", "opposed"):
            ratios, vectors = self.ratios
            at = j if kind == "shared" else len(ratios) - 1 - j
            vector = fix_signs(vectors[:, [at]])[:, 0]
            words = "residual variance over that of random pairs ν"
            return Direction(vector, kind, number, float(ratios[at]), words)
        if kind == "joint":
            values, vectors = self.joint
            share = float(values[j] / values.sum())
            return Direction(vectors[:, j], kind, number, share, "share of Σ_x + Σ_y")
        values, vectors = self._difference
        at = j if kind == "target" else vectors.shape[1] - 1 - j
        vector = fix_signs(vectors[:, [at]])[:, 0]
        words = "variance of one side above the other's"
        return Direction(vector, kind, number, abs(float(values[at])), words)


def given(vector: Float64, name: str, meaning: str) -> Direction:
    """Make a direction of any vector, such as the difference of two selections or of two texts.

    Parameters
    ----------
    vector : (d,) array
        Its norm becomes the direction's strength.
    name : str
    meaning : str
        What the norm says.

    Raises
    ------
    ShapeError
        If the vector is zero, or has numbers that are not finite.
    """
    size = float(np.linalg.norm(vector))
    if not np.isfinite(size) or size < 1e-12:
        raise ShapeError(
            f'"{name}" is no direction: both of its ends lie in the same place. Choose two '
            "different ones."
        )
    return Direction(np.asarray(vector, dtype=np.float64) / size, "given", 1, size, meaning, name)


def ends(rows: Float32, vector: Float64, count: int) -> tuple[Integers, Integers, Float32]:
    """Rows with the smallest and the largest projections on a direction.

    Parameters
    ----------
    rows : (n, d) float32
    vector : (d,) float64
    count : int
        How many at each end; fewer when there are not enough rows.

    Returns
    -------
    low, high : arrays of row numbers
        Most extreme first; ties by row number.
    projections : (n,) float32
    """
    projections = rows @ vector.astype(np.float32)
    order = np.argsort(projections, kind="stable")
    count = min(count, len(order) // 2) or 1
    return order[:count], order[::-1][:count], projections
