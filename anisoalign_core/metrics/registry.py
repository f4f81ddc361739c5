"""Every metric by name, collected from the files where formula, floor and declaration stand.

Screens, tables and the command line build themselves from :data:`METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from anisoalign_core.errors import NeedsPairsError, ParameterError
from anisoalign_core.metrics import (
    distributions,
    manifold,
    mixing,
    residual,
    retrieval,
    semantics,
    separability,
)
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.metric import Metric, Needs
from anisoalign_core.numerics import Float64

FAMILIES = (semantics, mixing, distributions, manifold, separability, residual, retrieval)

METRICS: dict[str, Metric] = {
    metric.name: metric for family in FAMILIES for metric in family.FAMILY
}
"""All metrics by name, in the order in which tables show them."""


def applicable(paired: bool, names: Iterable[str] | None = None) -> list[Metric]:
    """Metrics asked for, or all that can be measured with or without pairs.

    Raises
    ------
    ParameterError
        If a name is unknown.
    NeedsPairsError
        If a metric asked for needs pairs that are not there.
    """
    if names is None:
        return [metric for metric in METRICS.values() if paired or metric.needs != "paired"]
    asked = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    for name in asked:
        if name not in METRICS:
            raise ParameterError(
                f'There is no metric "{name}". Choose among: {", ".join(METRICS)}.'
            )
        if METRICS[name].needs == "paired" and not paired:
            raise NeedsPairsError(
                f'"{name}" compares each row with its partner, and these sets are not paired. '
                "Join them by id, or leave this metric out."
            )
    return [METRICS[name] for name in asked]


def measure(
    comparison: Comparison,
    metrics: Iterable[Metric],
    tell: Callable[[Metric], None] | None = None,
) -> tuple[dict[str, float], dict[str, Float64]]:
    """Run metrics on a comparison: the one place where a metric's function is called.

    Parameters
    ----------
    comparison : Comparison
    metrics : iterable of Metric
    tell : callable of a Metric, optional
        Told before each.

    Returns
    -------
    values : dict of str to float
    rows : dict of str to (n,) float64
        Values of the metrics that are means: over source rows, or over things where paired.
    """
    values: dict[str, float] = {}
    rows: dict[str, Float64] = {}
    for metric in metrics:
        if tell is not None:
            tell(metric)
        estimate = metric.function(comparison)
        if isinstance(estimate, np.ndarray):
            rows[metric.name] = estimate
        values[metric.name] = float(np.mean(estimate))
    return values, rows


__all__ = ["METRICS", "Metric", "Needs", "applicable", "measure"]
