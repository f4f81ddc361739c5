"""What each metric gives by chance, by sampling alone, or with nothing in common.

A floor makes a number readable: Ω = 0.05 is nothing when chance gives 0.04. Each function says in
its docstring which kind of floor it is. The floor is never the uncorrected source: that is a
method like any other ("identity") and is scored as one.
"""

from __future__ import annotations

from collections.abc import Callable

from anisoalign_core.geometry.spectrum import marchenko_pastur_edge
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.semantics import row_cosines, trustworthiness_chance
from anisoalign_core.metrics.support import centroid_floor

Floor = Callable[[Comparison], "float | None"]


def no_floor(_: Comparison) -> None:
    """No value of chance exists: the metric is a limit or a description."""


def zero(_: Comparison) -> float:
    """0: unrelated rows, disjoint clouds, or no preference, whichever the metric is about."""
    return 0.0


def half(_: Comparison) -> float:
    """0.5: a classifier that guesses."""
    return 0.5


def unrelated_cosine(c: Comparison) -> float:
    """Mean cosine of a source row with *another* row's correction: what a shuffle would keep."""
    n = len(c.before)
    total = n * n * float(c.fixed.before_mean @ c.after_mean)
    return float((total - row_cosines(c.before, c.after).sum()) / (n * (n - 1)))


def repaired_cosine(c: Comparison) -> float:
    """Mean cosine of a corrected row with a target row that is *not* its partner."""
    n = len(c.after)
    total = n * n * float(c.fixed.target_mean @ c.after_mean)
    return float((total - row_cosines(c.target, c.after).sum()) / (n * (n - 1)))


def neighbour_chance(c: Comparison) -> float:
    """``k/(n−1)``: overlap of two random neighbour lists."""
    return c.k / (len(c.before) - 1)


def shuffled_trustworthiness(c: Comparison) -> float:
    """Trustworthiness of a map that shuffles the rows; about 0.5 for small k."""
    return trustworthiness_chance(len(c.before), c.k)


def sampling_floor(c: Comparison) -> float:
    """Δμ of two samples of these sizes with one mean, ``√(tr Σ_z/n_z + tr Σ_x/n_x)``."""
    return centroid_floor(c.after_mean, len(c.after), c.fixed.target_mean, len(c.target))


def target_halves_frechet(c: Comparison) -> float:
    """Fréchet distance of two random halves of the target, scaled by ``1/n`` to these sizes."""
    return c.frechet_floor


def target_halves_wasserstein(c: Comparison) -> float:
    """Sliced Wasserstein of two random halves of the target, scaled by ``1/√n`` to these sizes."""
    return c.sliced_wasserstein_floor


def isotropic_anisotropy(c: Comparison) -> float:
    """Marchenko–Pastur edge ``(1 + √(d/n))²``: isotropic residuals seen in n rows."""
    return marchenko_pastur_edge(*c.after.shape)


def recall_chance(at: int) -> Floor:
    """Floor of R@k: a random ranking."""

    def floor(c: Comparison) -> float:
        """``k/n``: the match is as likely at every rank."""
        return min(1.0, at / len(c.target))

    return floor
