"""Corrections that might lose nothing: what benchmarks/lossless.py tries.

All are fitted on unit source rows y and target rows x of which none belong together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import anisoalign_core as aa
from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.align.realign import isotropic_scale
from anisoalign_core.align.stretching import mean_rotation, rotated
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64

Correction = Callable[[Float32], Float32]
Family = Callable[[float], Correction]
"""Corrections by bound α."""
Fit = Callable[[Float32, Float32], Family]
"""Of unit source and target rows."""
Along = Callable[[Float64], Float64]
"""What becomes of h·z."""
Level = Callable[[Float64, Float64, float], Along]
"""From h·z of fitted rows, of the target's rows, and its deviation under ReAlign."""


def transport(**parameters: Any) -> Fit:
    """BoundedTransport with these parameters; its bound moves without another fit."""

    def fit(y: Float32, x: Float32) -> Family:
        fitted = aa.BoundedTransport(bound=0.0, **parameters).fit(y, x)
        return lambda bound: fitted.with_bound(bound, y).transform

    return fit


def part_turned(share: float, **parameters: Any) -> Fit:
    """Turn the source's mean this share of the way to the target's; the rest is shifted."""

    def fit(y: Float32, x: Float32) -> Family:
        a, b = (rows.mean(axis=0, dtype=np.float64) for rows in (y, x))
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        angle = math.acos(float(np.clip(a @ b, -1.0, 1.0)))
        goal = (math.sin((1 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)
        turn = mean_rotation(a, goal).astype(np.float32).T
        family = transport(**parameters)(y @ turn, x)

        def at(bound: float) -> Correction:
            correct = family(bound)
            return lambda rows: correct(rows @ turn)

        return at

    return fit


def levelled(fit: Fit, level: Level) -> Fit:
    """Another correction, with what h·z it gives, ``h = μ_x/‖μ_x‖``, replaced.

    What lies beside h keeps its direction and is brought to the length that puts the row back on
    the sphere: ``z ← p' h + √((1 − p'²)/(1 − p²)) (z − p h)``, p = h·z.
    """

    def levelling(y: Float32, x: Float32) -> Family:
        family = fit(y, x)
        mean = x.mean(axis=0, dtype=np.float64)
        h = mean / np.linalg.norm(mean)
        realign = float(np.std(aa.ReAlign().fit(y, x).transform(y) @ h))

        def at(bound: float) -> Correction:
            correct = family(bound)
            new = level(correct(y) @ h, x @ h, realign)

            def corrected(rows: Float32) -> Float32:
                z = correct(rows).astype(np.float64)
                p = z @ h
                q = np.clip(new(p), -0.999, 0.999)
                rest = np.sqrt((1 - q**2) / np.maximum(1 - p**2, 1e-12))
                new_rows = rest[:, None] * (z - np.outer(p, h)) + np.outer(q, h)
                return np.asarray(new_rows, dtype=np.float32)

            return corrected

        return at

    return levelling


def as_realign(own: Float64, goal: Float64, realign: float) -> Along:
    """``m + γ (p − m)``: no more spread along h than ReAlign leaves there."""
    mean, kept = own.mean(), min(1.0, realign / float(own.std()))
    return lambda p: mean + kept * (p - mean)


def removed(own: Float64, goal: Float64, realign: float) -> Along:
    """No spread along h."""
    mean = own.mean()
    return lambda p: np.full_like(p, mean)


def ranks(own: Float64, goal: Float64, realign: float) -> Along:
    """``F_x⁻¹(F_z(p))``: monotone transport in one dimension, tails clamped."""
    levels = [(np.arange(len(side)) + 0.5) / len(side) for side in (own, goal)]
    own, goal = np.sort(own), np.sort(goal)
    return lambda p: np.interp(np.interp(p, own, levels[0]), levels[1], goal)


def own_stretch(y: Float32, x: Float32) -> Family:
    """Turn; then the mean's direction has a stretch g of its own, and the rest is relaxed.

    ``A = (1 − t) s P + t A_⊥ + g h hᵀ``, ``P = I − h hᵀ``, ``t = 1 − e^−α``, A_⊥ the Bures map of
    what lies beside h. To first order in r = y − μ_y, and with α = 0, the corrected row has
    ``h·z = const + κ c``, ``c = μ_y·r/‖μ_y‖`` and ``κ = g (1 − ‖μ_x‖²) + s² ‖μ_x‖ ‖μ_y‖``: unit
    rows of much conformity c lie near their mean, so its part s²‖μ_x‖‖μ_y‖ comes back when rows
    return to the sphere. Of ReAlign, where c does not lie along h, it is ``v·r`` with
    ``v = s (1 − ‖μ_x‖²) h + s² ‖μ_x‖ μ_y``. Since μ_x·z is what all target queries score a row on
    average, g makes both variances equal: ``κ² Var c = vᵀ Σ_y v``, and g ≥ 0.
    """
    source, target = Moments.of(y), Moments.of(x)
    s, d = isotropic_scale(source, target), source.dim
    long_y, long_x = (float(np.linalg.norm(side.mean)) for side in (source, target))
    h, c = target.mean / long_x, source.mean / long_y
    given = np.asarray(source.shrunk()[0] @ np.eye(d))
    v = s * (1 - long_x**2) * h + s**2 * long_x * long_y * c
    kappa = math.sqrt(float(v @ given @ v) / float(c @ given @ c))
    g = max(0.0, (kappa - s**2 * long_x * long_y) / (1 - long_x**2))
    turn = mean_rotation(source.mean, target.mean)
    beside, along = np.eye(d) - np.outer(h, h), np.outer(h, h)
    sides = (rotated(source, turn).shrunk()[0], target.shrunk()[0])
    sigma_y, sigma_x = (beside @ np.asarray(side @ np.eye(d)) @ beside for side in sides)
    full = beside @ np.asarray(bures_map(sigma_y, sigma_x)) @ beside

    def at(bound: float) -> Correction:
        t = -math.expm1(-bound)
        linear = ((1 - t) * s * beside + t * full + g * along) @ turn
        return AffineMap(source.mean, linear, target.mean).calibrated(y).apply

    return at
