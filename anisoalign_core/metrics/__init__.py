"""Metrics of a correction and of the gap: declared in a registry, computed once, with intervals.

:func:`evaluate` scores a fitted method on a pair, :func:`compare` bare rows, and
:func:`quick_scores` what a moving slider shows. The measures themselves are plain functions of
unit rows in ``semantics``, ``support``, ``distributions``, ``residual``, ``retrieval`` and
``structure``.
"""

from anisoalign_core.metrics.bootstrap import Difference, paired_difference
from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.evaluate import (
    Score,
    Scores,
    compare,
    evaluate,
    quick_scores,
    score,
)
from anisoalign_core.metrics.neighbours import k_occurrence, top_k
from anisoalign_core.metrics.registry import METRICS, Metric

__all__ = [
    "METRICS",
    "Comparison",
    "Difference",
    "Metric",
    "Reference",
    "Score",
    "Scores",
    "compare",
    "evaluate",
    "k_occurrence",
    "paired_difference",
    "quick_scores",
    "score",
    "top_k",
]
