"""How two sets of matched rows vary together: their cross-scatter, in one pass."""

from __future__ import annotations

import numpy as np

from anisoalign_core.numerics import Float32, Float64, blocks

ROUNDING = 1e-7
"""Singular values of a cross-scatter below this share of the first are rounding, of many rows."""
ROWS, FIRST_ROWS = 2048, 512
"""Of a block; and those of them that it is centred at, where what is left of its mean is known."""


def cross_scatter(y: Float32, x: Float32) -> tuple[Float64, Float64, Float64]:
    """Means of two sets, and ``Σ_i (y_i − μ_y)(x_i − μ_x)ᵀ``.

    Products run in float32 over blocks of rows, centred near their own means; sums over blocks run
    in float64. As a scatter splits into those within blocks and that between them, so does this
    one.

    Parameters
    ----------
    y, x : (n, d) float32
        Matched rows.

    Returns
    -------
    mean_y, mean_x : (d,) float64
    scatter : (d, d) float64
    """
    n, d = y.shape
    within = np.zeros((d, d))
    counts, means = [], []
    rooms = np.empty((2, min(n, ROWS), d), dtype=np.float32)
    for part in blocks(n, ROWS):
        count = part.stop - part.start
        ones, rests, centred, centres = np.ones(count, dtype=np.float32), [], [], []
        for rows, room in zip((y, x), rooms, strict=True):
            centre = rows[part][:FIRST_ROWS].mean(axis=0)
            tile = np.subtract(rows[part], centre, out=room[:count])
            rests.append((ones @ tile).astype(np.float64) / count)
            centres.append(centre.astype(np.float64) + rests[-1])
            centred.append(tile)
        within += centred[0].T @ centred[1]
        within -= np.outer(count * rests[0], rests[1])
        counts.append(count)
        means.append(centres)
    weights, of = np.array(counts, dtype=np.float64), np.array(means).transpose(1, 0, 2)
    mean_y, mean_x = (weights @ side / n for side in of)
    between = (of[0] - mean_y).T @ (weights[:, None] * (of[1] - mean_x))
    return mean_y, mean_x, within + between
