"""One split of a falsification: what is fitted, how a correction is scored, equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align import BoundedTransport, BoundSweep
from anisoalign_core.errors import ShapeError
from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.metrics.transfer import class_columns, label_transfer
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.pairs import EmbeddingPair, Split
from anisoalign_core.recipe import fit_rows

UNPAIRED = ("psi", "omega", "mixing_penetration", "mixing_coverage", "frechet", "phi", "phi_max")
PAIRED = ("residual_anisotropy", "matched_cosine", "recall_at_10")
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


@dataclass(frozen=True, eq=False)
class Run:
    """What every split of one falsification shares."""

    pair: EmbeddingPair
    holdout: float
    k: int
    random_state: int

    def split(self, number: int) -> Split:
        """Return a numbered split."""
        return self.pair.split(self.random_state + number, self.holdout)

    def neighbours(self, held: int) -> int:
        """Return k, at most a tenth of the held-out rows; fewer than 20 of them are refused."""
        if held < 20:
            raise ShapeError(
                f"Only {held} rows are held out; falsifiers need at least 20. Load more rows or "
                "hold out a larger share."
            )
        return max(2, min(self.k, held // 10))

    def trial(self, number: int) -> Trial:
        """Return what is fitted and scored on a numbered split."""
        split = self.split(number)
        held = self.pair.source.vectors[split.holdout_source]
        goal = self.pair.target.vectors[split.holdout_target]
        k = self.neighbours(min(len(held), len(goal)))
        fitted = fit_rows(self.pair, False, split)
        return Trial(self.pair, split, fitted, Reference(held, goal, k))


@dataclass(frozen=True, eq=False)
class Trial:
    """One split: fitted sets, held-out rows, and how a correction is scored on them."""

    pair: EmbeddingPair
    split: Split
    rows: tuple[Any, Any]
    reference: Reference

    def score(self, held: Float32, taught: Float32) -> dict[str, float]:
        """Score corrected held-out rows, and corrected fitted rows by what they teach."""
        scores = self._measure(held)
        columns = self._columns()
        if columns:
            source, target = self.pair.source.labels, self.pair.target.labels
            assert source is not None and target is not None  # they have columns
            accuracies = [
                label_transfer(
                    taught,
                    source[name].to_numpy()[self.split.fit_source],
                    self.reference.target,
                    target[name].to_numpy()[self.split.holdout_target],
                )
                for name in columns
            ]
            scores["label_transfer"] = float(np.mean(accuracies))
        return scores

    def curve(self) -> dict[str, Float64]:
        """Scores of BoundedTransport along the grid of bounds."""
        method = BoundedTransport(bound=0.0).fit(*self.rows)
        held, fitted = self.reference.before, self.rows[0].vectors
        sweep = BoundSweep(method, np.concatenate([held, fitted]), fitted)
        found: dict[str, list[float]] = {}
        for bound in GRID:
            after = sweep.at(bound).rows()
            for name, value in self.score(after[: len(held)], after[len(held) :]).items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in found.items()}

    def _columns(self) -> list[str]:
        source, target = self.pair.source.labels, self.pair.target.labels
        if source is None or target is None:
            return []
        return [name for name in class_columns(source) if name in target.columns]

    def _measure(self, after: Float32) -> dict[str, float]:
        comparison = Comparison(
            self.reference.before,
            after,
            self.reference.target,
            self.pair.paired,
            self.reference.k,
            0,
            self.reference,
        )
        names = UNPAIRED + (PAIRED if self.pair.paired else ())
        found = {}
        for name in names:
            parts = RECALL if name == "recall_at_10" else (name,)
            values = [float(np.mean(METRICS[part].function(comparison))) for part in parts]
            found[name] = float(np.mean(values))
        return found
