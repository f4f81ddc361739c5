"""One picture, several true sentences: how much of the residual no correction can take away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.things import Things


@dataclass(frozen=True, eq=False)
class Sentences:
    """What lies between the captions of a thing, and between their mean and the picture.

    Everything is measured after the gap between the means is taken away. With m captions ``u_k`` of
    a thing, their mean ``ū`` and its picture v (all centred), ``Σ‖v − u_k‖²/m`` is exactly
    ``‖v − ū‖² + Σ‖u_k − ū‖²/m``; averaged over things that is the residual's trace tr Σ_r.

    Attributes
    ----------
    size : int
        m, captions of each thing; at least 2.
    spread : (g,) float64
        ``Σ‖u_k − ū‖²/(m − 1)`` of each thing: half the mean squared distance of two captions.
    left : (g,) float64
        ``‖v − ū‖²`` of each thing.
    strangers : float
        tr Σ_x + tr Σ_y: the mean squared distance with a picture drawn at random.
    """

    size: int
    spread: Float64
    left: Float64
    strangers: float

    @classmethod
    def of(cls, source: Float32, target: Float32, things: Things) -> Sentences:
        """Measure unit rows of captions (n_y, d) and pictures (n_x, d), thing by thing.

        Raises
        ------
        ShapeError
            If things have fewer than two source rows, or different numbers of them.
        """
        size = int(things.sizes[0][0])
        if size < 2 or (things.sizes[0] != size).any():
            raise ShapeError("Every thing needs the same number of captions, two or more.")
        means = things.mean_rows(source, of_source=True).astype(np.float64)
        pictures = things.mean_rows(target, of_source=False).astype(np.float64)
        within = np.square(source - means[things.source]).sum(axis=1)
        spread = np.bincount(things.source, weights=within) / (size - 1)
        centred, shown = means - means.mean(axis=0), pictures - pictures.mean(axis=0)
        own = float(np.square(centred).sum(axis=1).mean() + within.mean())
        return cls(
            size,
            spread,
            np.square(shown - centred).sum(axis=1),
            float(np.square(shown).sum(axis=1).mean()) + own,
        )

    def residual(self, count: float, thing: int | None = None) -> float:
        """Mean squared distance of the picture and the mean of ``count`` captions.

        Over all choices of j of the m captions it is ``‖v − ū‖² + s²(1/j − 1/m)`` with s² the
        spread: exact for j ≤ m, and for more, up to infinity, an unbiased estimate, if further
        captions are drawn as these were.

        Parameters
        ----------
        count : float
            j, from 1; ``inf`` for what stays however many captions are averaged.
        thing : int, optional
            Of one thing; by default the mean over all.
        """
        left, spread = (
            float(one.mean() if thing is None else one[thing]) for one in (self.left, self.spread)
        )
        return left + spread * (1.0 / count - 1.0 / self.size)


__all__ = ["Sentences"]
