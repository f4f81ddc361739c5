"""The residual of parts of a paired sample, and of its rows paired anew: all of them at once.

Neither a covariance nor its spectrum is formed for any of them: traces are sums, and of the
largest eigenvalues :mod:`anisoalign_core.geometry.lanczos` asks for products with vectors, which
read the rows once for all parts. A hundred covariances cost little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anisoalign_core.geometry.lanczos import largest_eigenvalues
from anisoalign_core.geometry.residual import anisotropy, residual_share
from anisoalign_core.numerics import Float32, Float64, Integers, tiles
from anisoalign_core.things import Things


@dataclass(frozen=True, eq=False)
class ResidualRows:
    """What residual covariances of a paired sample are summed from.

    Of things g with mean rows x̄_g and ȳ_g, each of weight one, ``E r rᵀ`` over all pairs of rows
    of a thing is that of ``x̄_g − ȳ_g`` plus the scatter of rows about their thing's mean; where
    things are rows there is no such scatter.

    Attributes
    ----------
    y, x : (T, d) float32
        Mean rows of the things, less their mean over all things.
    delta : (d,) float64
        What was taken from x less what was taken from y.
    within : (N, d) float32
        Rows about their thing's mean, times ``1/√rows`` of that thing on that side.
    of : (N,) int
        Things of these.
    """

    y: Float32
    x: Float32
    delta: Float64
    within: Float32
    of: Integers

    @classmethod
    def made(cls, y: Float32, x: Float32, things: Things) -> ResidualRows:
        """Prepare (n, d) source and (m, d) target rows that show things."""
        means, centres, spreads, of = [], [], [], []
        for rows, is_source in ((y, True), (x, False)):
            mean = things.mean_rows(rows, of_source=is_source)
            centre = mean.mean(axis=0, dtype=np.float64)
            means.append((mean - centre).astype(np.float32))
            centres.append(centre)
            if not things.are_rows:
                thing = things.source if is_source else things.target
                size = things.sizes[0 if is_source else 1][thing].astype(np.float32)
                several = np.flatnonzero(size > 1)
                apart = rows[several] - mean[thing[several]]
                spreads.append(apart / np.sqrt(size[several])[:, None])
                of.append(thing[several])
        nothing = np.empty((0, y.shape[1]), dtype=np.float32)
        return cls(
            y=means[0],
            x=means[1],
            delta=centres[1] - centres[0],
            within=np.concatenate([nothing, *spreads]),
            of=np.concatenate([np.empty(0, dtype=np.intp), *of]),
        )

    def of_parts(self, parts: Sequence[Integers], random_state: int) -> tuple[Float64, Float64]:
        """Share of the residual and its anisotropy, of some things each; (B,) both.

        ``Σ_r`` of the things S is ``Σ_{g∈S} z_g z_gᵀ/|S| − δ δᵀ``, with δ the mean of z over S.
        """
        rows, of = self.x - self.y, np.arange(len(self.x))
        if len(self.within):
            rows, of = np.concatenate([rows, self.within]), np.concatenate([of, self.of])
        step = part_means(rows[: len(self.x)], parts)
        weights = part_weights(len(self.x), parts)[of]
        squares = np.vecdot(rows, rows).astype(np.float64)
        traces = squares @ weights - np.vecdot(step, step)
        shares = weights.astype(np.float32)

        def product(vectors: Float64) -> Float64:
            narrow, total = vectors.astype(np.float32), np.zeros(vectors.shape)
            for tile in tiles(rows):
                total += rows[tile].T @ ((rows[tile] @ narrow) * shares[tile])
            return np.asarray(total - step.T * np.vecdot(step, vectors.T))

        dim = rows.shape[1]
        largest = largest_eigenvalues(product, dim, len(parts), random_state)
        gaps = np.sum((step + self.delta) ** 2, axis=1)
        pairs = zip(largest, traces, gaps, strict=True)
        found = [(residual_share(gap, t), anisotropy(value, t, dim)) for value, t, gap in pairs]
        of_trace, of_shape = np.array(found).T
        return of_trace, of_shape

    def repaired(self, orders: Sequence[Integers], random_state: int) -> Float64:
        """Anisotropy of the residual when thing i's target rows meet thing ``order[i]``'s source.

        ``Σ_π = Σ_x + Σ_y − C_π − C_πᵀ``: its product with v is ``Xᵀu − Y_πᵀu`` over n, with
        ``u = X v − Y_π v``; only where u reads Y changes with π.
        """
        count, dim = self.x.shape
        forward = np.stack(orders, axis=1)
        back = np.argsort(forward, axis=0)
        both = np.vecdot(self.x, self.x).sum(dtype=np.float64)
        both += np.vecdot(self.y, self.y).sum(dtype=np.float64)
        both += np.vecdot(self.within, self.within).sum(dtype=np.float64)
        cross = [
            sum(
                np.vecdot(self.x[tile], self.y[order[tile]]).sum(dtype=np.float64)
                for tile in tiles(self.x)
            )
            for order in orders
        ]
        traces = (both - 2.0 * np.array(cross)) / count

        def product(vectors: Float64) -> Float64:
            narrow = vectors.astype(np.float32)
            across = self.x @ narrow - np.take_along_axis(self.y @ narrow, forward, axis=0)
            total = self.x.T @ across - self.y.T @ np.take_along_axis(across, back, axis=0)
            if len(self.within):
                total += self.within.T @ (self.within @ narrow)
            return np.asarray(total / count, dtype=np.float64)

        largest = largest_eigenvalues(product, dim, len(orders), random_state)
        pairs = zip(largest, traces, strict=True)
        return np.array([anisotropy(value, trace, dim) for value, trace in pairs])


def part_weights(n: int, parts: Sequence[Integers]) -> Float64:
    """``1/|S|`` for the rows of each part S of n rows, 0 for others; (n, B)."""
    weights = np.zeros((n, len(parts)))
    for at, part in enumerate(parts):
        weights[part, at] = 1.0 / len(part)
    return weights


def part_means(rows: Float32, parts: Sequence[Integers]) -> Float64:
    """Mean row of each part of (n, d) rows, in float64; (B, d)."""
    weights, total = part_weights(len(rows), parts), np.zeros((len(parts), rows.shape[1]))
    for tile in tiles(rows):
        total += weights[tile].T @ rows[tile].astype(np.float64)
    return total
