"""Metrics of a correction and of the gap: declared in a registry, computed once, with intervals.

:func:`evaluate` scores a fitted method on a pair, :func:`score_rows` bare rows, and
:func:`quick_scores` what a moving slider shows. The measures themselves are plain functions of
a comparison or of unit rows, each beside its declaration: ``semantics``, ``mixing``,
``distributions``, ``manifold``, ``separability``, ``residual`` and ``retrieval``.
"""

from typing import Any

from anisoalign_core.metrics.comparison import Comparison, Reference
from anisoalign_core.metrics.evaluate import (
    evaluate,
    quick_scores,
    score,
    score_rows,
)
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.neighbours import k_occurrence, top_k
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.metrics.scores import Difference, Score, Scores, paired_difference
from anisoalign_core.moved import find

__all__ = [
    "METRICS",
    "Comparison",
    "Difference",
    "Metric",
    "Reference",
    "Score",
    "Scores",
    "evaluate",
    "k_occurrence",
    "paired_difference",
    "quick_scores",
    "score",
    "score_rows",
    "top_k",
]


def __getattr__(name: str) -> Any:
    return find(name, "metrics")
