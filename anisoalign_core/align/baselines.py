"""Methods that move the mean, and at most rescale coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anisoalign_core.align.affine import AffineMap, to_sphere
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64, Progress, blocks

ONE: Float64 = np.array(1.0)


class Identity(Aligner):
    """``z = y``: no correction, the floor every method is measured against."""

    name = "identity"
    label = "No correction"
    summary = "Leaves the source as it is."
    reference = "–"
    moments = "diagonal"
    is_floor = True

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        zero = np.zeros(source.dim)
        self.map_ = AffineMap(zero, ONE, zero)


class MeanShift(Aligner):
    """``z = Norm(y − μ_y + μ_x)`` [MG]: closes the centroid gap and nothing else."""

    name = "mean-shift"
    label = "Mean shift"
    summary = "Moves the source's mean onto the target's."
    reference = "Liang et al., Mind the Gap, arXiv:2203.02053"
    moments = "diagonal"

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        self.map_ = AffineMap(source.mean, ONE, target.mean)


class GapShift(Aligner):
    """``x − λΔ/2`` and ``y + λΔ/2`` with ``Δ = μ_x − μ_y`` [MG]: both sides meet half-way.

    Parameters
    ----------
    shift : float, default 1
        λ: 0 leaves the gap, 1 closes it, above 1 overshoots.
    """

    name = "gap-shift"
    label = "Gap shift"
    summary = "Moves both sides along the gap; λ = 1 closes it, 0 leaves it."
    reference = "Liang et al., Mind the Gap, arXiv:2203.02053"
    moments = "diagonal"
    moves_target = True
    knobs = (
        Knob("shift", "Shift λ", "0 leaves the gap, 1 closes it, above 1 overshoots.", high=2.0),
    )

    def __init__(self, shift: float = 1.0) -> None:
        self.shift = shift

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        step = self.shift * (target.mean - source.mean) / 2
        self.map_ = AffineMap(source.mean, ONE, source.mean + step)
        self.target_map_ = AffineMap(target.mean, ONE, target.mean - step)


class CenterBoth(Aligner):
    """``Norm(y − μ_y)`` and ``Norm(x − μ_x)`` [GR]: for retrieval over a mixed gallery."""

    name = "center-both"
    label = "Centre both"
    summary = "Subtracts each side's own mean. For retrieval, not for substitution."
    reference = "GR-CLIP, arXiv:2507.19054"
    moments = "diagonal"
    moves_target = True

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        zero = np.zeros(source.dim)
        self.map_ = AffineMap(source.mean, ONE, zero)
        self.target_map_ = AffineMap(target.mean, ONE, zero)


class C3(Aligner):
    """``z = Norm(y − μ_y + μ_x + σ ε)``, ε standard normal [C3]: connect, collapse, corrupt.

    The noise is a function of the row and the seed, so a row's result never depends on its
    batch and the same file always gives the same output.

    Parameters
    ----------
    sigma : float, default 0.02
        Standard deviation of the noise per coordinate. The noise vector has norm σ√d.
    random_state : int, default 0
    """

    name = "c3"
    label = "C3"
    summary = "Mean shift plus Gaussian noise, as used to train captioners on text alone."
    reference = "Zhang et al., Connect, Collapse, Corrupt, arXiv:2401.08567"
    moments = "diagonal"
    knobs = (
        Knob(
            "sigma",
            "Noise σ",
            "Standard deviation per coordinate.",
            high=0.2,
            curve=Curve("noise σ", (0.0, 0.01, 0.02, 0.04, 0.08)),
        ),
    )

    def __init__(self, sigma: float = 0.02, random_state: int = 0) -> None:
        self.sigma = sigma
        self.random_state = random_state

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.sigma < 0:
            raise ParameterError(f"sigma is {self.sigma}; a standard deviation is at least 0.")

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        self.map_ = AffineMap(source.mean, ONE, target.mean)

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Shift, add the row's own noise, and return unit rows."""
        shifted = self.map_.before_projection(rows)
        noise = row_noise(rows, self.random_state)
        return to_sphere(shifted + np.float32(self.sigma) * noise)

    def to_torch(self) -> object:
        """Refuse: the noise is part of the method. Shift with MeanShift and add it in training."""
        raise AnisoAlignError(
            "C3 adds noise, which is not an affine map. Use MeanShift().to_torch() and add "
            f"{self.sigma} * torch.randn_like(rows) before normalising, in the training loop."
        )


class Standardize(Aligner):
    """``z = Norm((y − μ_y) / σ_y · σ_x + μ_x)`` per coordinate.

    Coordinates in which the source is constant are shifted only.
    """

    name = "standardize"
    label = "Standardise"
    summary = "Matches mean and standard deviation of every coordinate."
    reference = "classical; the per-coordinate baseline of [RA]"
    moments = "diagonal"
    equivariant = False

    def _fit_moments(self, source: Moments, target: Moments, rows: Sequence[Float32]) -> None:
        sigma_y, sigma_x = np.sqrt(source.variances), np.sqrt(target.variances)
        alive = sigma_y > 1e-12
        scale = np.ones(source.dim)
        scale[alive] = sigma_x[alive] / sigma_y[alive]
        self.map_ = AffineMap(source.mean, scale, target.mean)


def row_noise(rows: Float32, seed: int) -> Float32:
    """Return standard normal noise that is a function of each row's bits and the seed.

    A row is hashed to 64 bits (a multiply–add over its bit patterns); a counter-based generator
    (the SplitMix64 finaliser) then gives d pairs of uniforms, and Box–Muller turns them into
    normals. Equal rows get equal noise.

    Parameters
    ----------
    rows : (n, d) float32
    seed : int

    Returns
    -------
    (n, d) float32
    """
    d = rows.shape[1]
    keys = np.random.default_rng(seed).integers(1, 2**63, size=d + 1, dtype=np.uint64) | np.uint64(
        1
    )
    noise = np.empty(rows.shape, dtype=np.float32)
    for part in blocks(len(rows)):
        bits = np.ascontiguousarray(rows[part]).view(np.uint32).astype(np.uint64)
        state = _mix(bits * keys[:d] + keys[d]).sum(axis=1, dtype=np.uint64)
        counter = np.arange(1, 2 * d + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        raw = _mix(state[:, None] + counter)
        uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        radius = np.sqrt(-2.0 * np.log(uniform[:, :d]))
        noise[part] = radius * np.cos(2.0 * np.pi * uniform[:, d:])
    return noise


def _mix(value: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)), dtype=np.uint64)
