"""Methods that learn from pairs (upper bounds, labelled so) and controls that read partners."""

from __future__ import annotations

import numpy as np

from anisoalign_core.align.affine import AffineMap, to_sphere
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Curve, Knob
from anisoalign_core.align.weights import SideWeights
from anisoalign_core.errors import NeedsPairsError, ParameterError, ShapeError
from anisoalign_core.geometry.cross import ROUNDING, cross_scatter
from anisoalign_core.matrices import Matrix, Span, eigh, leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import (
    BLOCK_ROWS,
    Float32,
    Float64,
    Progress,
    generator,
    read_only,
    row_norms,
)
from anisoalign_core.threads import one_thread


class FromPairs(Aligner):
    """Base of methods fitted on matched rows, which may be weighted: each pair by its own."""

    needs_pairs = True

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        self._fit_pairs(y, x, None)

    def _fit_weighted(self, y: Float32, x: Float32, weights: SideWeights) -> None:
        self._fit_pairs(y, x, weights[0])

    def _fit_pairs(self, y: Float32, x: Float32, weights: Float64 | None) -> None:
        """Fit matched unit rows."""
        raise NotImplementedError


def _means(y: Float32, x: Float32, weights: Float64 | None) -> tuple[Float64, Float64]:
    if weights is None:
        return y.mean(0, dtype=np.float64), x.mean(0, dtype=np.float64)
    return weights @ y / weights.sum(), weights @ x / weights.sum()


def _centred(y: Float64, x: Float64) -> tuple[Span, Float64, Float64]:
    """Span of centred rows of both sides, and their coordinates in it: no distance changes."""
    span = Span.of(y.T, x.T)
    return span, span.coordinates(y), span.coordinates(x)


class Procrustes(FromPairs):
    """``z = Norm(R (y − μ_y) + μ_x)``, R the orthogonal map closest on centred pairs.

    ``R = V Uᵀ`` from the singular value decomposition ``Y_cᵀ X_c = U S Vᵀ``
    (Schönemann 1966). Fits on row-paired sets. Where these leave directions open, as fewer pairs
    than dimensions do, R turns them as little as it can.
    """

    name = "procrustes"
    label = "Procrustes"
    summary = "The best rotation from pairs: a reference, since it needs pairs."
    reference = "Schönemann 1966"

    def _fit_pairs(self, y: Float32, x: Float32, weights: Float64 | None) -> None:
        if weights is None and len(y) > max(BLOCK_ROWS, y.shape[1] // 2):
            source_mean, target_mean, cross = cross_scatter(y, x)
            linear: Matrix = nearest_rotation(cross, ROUNDING)
        else:
            source_mean, target_mean = _means(y, x, weights)
            span, left, right = _centred(y - source_mean, x - target_mean)
            if weights is not None:
                left = left * weights[:, None]
            linear = span.matrix(nearest_rotation(left.T @ right), 1.0)
        self.map_ = AffineMap(source_mean, linear, target_mean)


def nearest_rotation(cross: Float64, rounding: float = 0.0) -> Float64:
    """Orthogonal R with the largest ``tr(R C)``; of several, that with the largest ``tr R``.

    Parameters
    ----------
    cross : (d, d) float64
        C.
    rounding : float, default 0
        Singular values up to this share of the first count as zero, where that is more than
        float64's own rounding: how exactly C itself is known.

    Notes
    -----
    For C of full rank, ``R = (Cᵀ C)^(−1/2) Cᵀ``, from one symmetric decomposition. Squares cost
    κ² · 1e-16 of exactness, κ the condition of C, and C's own rounding leaves κ · `rounding` open;
    so squares serve where κ < .01 / `rounding`, and the singular value decomposition elsewhere.
    """
    from scipy import linalg

    with one_thread():
        if rounding:
            squares, axes = linalg.eigh(
                cross.T @ cross, driver="evd", check_finite=False, overwrite_a=True
            )
            if squares[0] > squares[-1] * (100 * rounding) ** 2:
                half = axes * squares**-0.25
                return np.asarray((half @ half.T) @ cross.T)
        u, sizes, vt = linalg.svd(cross, check_finite=False)
        least = max(len(sizes) * np.finfo(np.float64).eps, rounding)
        rank = int(np.sum(sizes > sizes[0] * least))
        if rank < len(sizes):  # the rest of both bases is open: bring them together
            first, _, second = linalg.svd(vt[rank:] @ u[:, rank:])
            vt[rank:] = (first @ second).T @ vt[rank:]
    return np.asarray(vt.T @ u.T)


class Ridge(FromPairs):
    """``z = Norm(B (y − μ_y) + μ_x)``, B the ridge regression of targets on sources.

    Parameters
    ----------
    alphas : tuple of float
        Penalties to choose from by leave-one-out error (scikit-learn's ``RidgeCV``).
    """

    name = "ridge"
    label = "Ridge regression"
    summary = "The best linear prediction from pairs: a reference, since it needs pairs."
    reference = "Hoerl & Kennard 1970"

    def __init__(self, alphas: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)) -> None:
        self.alphas = alphas

    def _fit_pairs(self, y: Float32, x: Float32, weights: Float64 | None) -> None:
        from sklearn.linear_model import RidgeCV

        source_mean, target_mean = _means(y, x, weights)
        model = RidgeCV(alphas=list(self.alphas), fit_intercept=False)
        span, left, right = _centred(y - source_mean, x - target_mean)
        model.fit(left, right, sample_weight=weights)
        self.penalty_ = float(model.alpha_)
        linear = span.matrix(np.asarray(model.coef_, dtype=float))
        self.map_ = AffineMap(source_mean, linear, target_mean)


class PermutedTarget(Aligner):
    """``y_i ← x_{π(i)}``: real target rows in random order. A control with perfect support.

    The result has the target's distribution and none of the source's meaning, so support
    metrics read as good as they can and semantics read chance.

    Parameters
    ----------
    random_state : int, default 0
    """

    name = "permuted"
    label = "Permuted target"
    summary = "Control: random real targets. Perfect support, no meaning."
    reference = "control"
    is_control = True
    row_independent = False

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        self.rows_ = read_only(x[generator(self.random_state).permutation(len(x))])

    def _check_loaded(self) -> None:
        fits = self.rows_.shape == (self.n_target_, self.n_features_in_)
        if not fits or not np.allclose(row_norms(self.rows_), 1.0, atol=1e-5):
            raise ShapeError("The rows of a permuted-target model are not unit rows.")

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Return as many permuted target rows as there are source rows.

        Raises
        ------
        ShapeError
            If more rows are asked for than targets were fitted: repeats would break neighbours.
        """
        n = len(rows)
        if n > len(self.rows_):
            raise ShapeError(
                f"The permuted-target control holds {len(self.rows_)} target rows and cannot "
                f"stand in for {n} source rows without repeats."
            )
        return np.array(self.rows_[:n])


class Oracle(FromPairs):
    """``z = Norm(y − μ_y + μ_x + α P_K r)`` with the row's own true residual r: a control.

    ``r = (x − μ_x) − (y − μ_y)`` is read from the partner, and P_K projects on the top K
    eigenvectors of Σ_r. Shows what a correction along K directions could reach at most.

    Parameters
    ----------
    strength : float, default 1
        α; .25, .5, .75 and 1 are the published steps.
    rank : int, optional
        K; all directions by default.
    """

    name = "oracle"
    label = "Oracle"
    summary = "Control: adds back a share of each row's true residual, read from its partner."
    reference = "[AA], paired control"
    needs_partners = True
    is_control = True
    knobs = (
        Knob(
            "strength",
            "Strength α",
            "Share of each row's true residual added back.",
            curve=Curve("share of the residual", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ),
    )

    def __init__(self, strength: float = 1.0, rank: int | None = None) -> None:
        self.strength = strength
        self.rank = rank

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        if self.rank is not None and not 1 <= self.rank <= dim:
            raise ParameterError(f"rank is {self.rank}; choose it between 1 and {dim}.")

    def _fit_pairs(self, y: Float32, x: Float32, weights: Float64 | None) -> None:
        source_mean, target_mean = _means(y, x, weights)
        rows = (x - target_mean) - (y - source_mean)
        residual = Moments.of(rows) if weights is None else Moments.weighted([(rows, weights)])
        sigma = residual.covariance
        self.frame_ = eigh(sigma)[1] if self.rank is None else leading(sigma, self.rank)
        self.map_ = AffineMap(source_mean, np.array(1.0), target_mean)

    def correct(
        self, rows: Float32, partners: Float32 | None = None, *, progress: Progress | None = None
    ) -> Float32:
        """Correct rows with the help of their partners.

        Raises
        ------
        NeedsPairsError
            If no partners are given.
        """
        if partners is None:
            raise NeedsPairsError(
                "The oracle reads the true partner of each row; give partners, row by row. It is "
                "a control for paired sets and cannot correct unpaired rows."
            )
        shifted = self.map_.before_projection(rows)
        residual = partners - shifted  # equals (x − μ_x) − (y − μ_y)
        if self.rank is None and self.frame_.shape[1] < residual.shape[1]:
            return to_sphere(shifted + self.strength * residual)  # all directions, P_K = I
        return to_sphere(shifted + self.strength * (residual @ self.frame_) @ self.frame_.T)
