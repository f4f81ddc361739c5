"""How a falsification scores corrections on one split, and what counts as equal cost."""

from __future__ import annotations

import numpy as np

from anisoalign_core.align import BoundedTransport
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.rounds import Round

UNPAIRED = ("psi", "omega", "mixing_penetration", "mixing_coverage", "frechet", "phi", "phi_max")
PAIRED = ("residual_anisotropy", "matched_cosine")
RECALL = ("recall_at_10_source_to_target", "recall_at_10_target_to_source")
"""Averaged to ``recall_at_10``: gained support must not cost partners."""
GRID = tuple(round(0.1 * step, 1) for step in range(16))
"""Bounds between which BoundedTransport's curve is interpolated."""


def at_omega(curve: dict[str, Float64], omega: float) -> tuple[dict[str, float], bool]:
    """Read BoundedTransport's curve where its Ω equals the one given.

    Between the two neighbouring bounds whose Ω bracket it, from the largest bound down, every
    score is interpolated linearly. Outside the curve the nearer end is returned, and True.

    Parameters
    ----------
    curve : dict of metric to (B,) float64
        Along rising bounds.
    omega : float
    """
    values = curve["omega"]
    for low in range(len(values) - 2, -1, -1):
        a, b = values[low], values[low + 1]
        if min(a, b) <= omega <= max(a, b):
            part = 0.0 if a == b else (omega - a) / (b - a)
            return {
                m: float(v[low] + part * (v[low + 1] - v[low])) for m, v in curve.items()
            }, False
    end = int(np.argmin(np.abs(values - omega)))
    return {m: float(v[end]) for m, v in curve.items()}, True


def score(one: Round, held: Float32, taught: Float32) -> dict[str, float]:
    """Score corrected held-out rows, and corrected fitted rows by what they teach."""
    paired = one.run.pair.paired
    scores = one.measure(held, UNPAIRED + (PAIRED + RECALL if paired else ()))
    if paired:
        scores["recall_at_10"] = float(np.mean([scores.pop(name) for name in RECALL]))
    accuracies = one.teach(taught)
    if accuracies:
        scores["label_transfer"] = float(np.mean(list(accuracies.values())))
    return scores


def curve(one: Round) -> dict[str, Float64]:
    """Scores of BoundedTransport along the grid of bounds."""
    method = BoundedTransport(bound=0.0).fit(*one.fitted)
    held, fitted = one.reference.before, one.fitted[0].vectors
    sweep = method.sweep(np.concatenate([held, fitted]), fitted)
    found: dict[str, list[float]] = {}
    for bound in GRID:
        after = sweep.at(bound).rows()
        for name, value in score(one, after[: len(held)], after[len(held) :]).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
