"""What encoders are compared by: numbers that neither rows nor dimensions decide."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from anisoalign_core.gap.report import GapReport
from anisoalign_core.metrics.intervals import Interval

NEAREST_GALLERY = 1000
"""Neighbours in common are measured among at most so many things."""


@dataclass(frozen=True)
class Point:
    """A number with its interval, and what it is to be read against."""

    value: float
    low: float
    high: float
    null: float


@dataclass(frozen=True)
class Measure:
    """One column of the comparison.

    Attributes
    ----------
    name, label, null_is : str
        ``null_is`` says what ``Point.null`` is.
    get : callable of a report, a gallery size and a percentage
        None where the report does not hold the number.
    ranks : bool
        Whether more is better, so that a ranking means something. A gap is neither good nor bad.
    """

    name: str
    label: str
    null_is: str
    get: Callable[[GapReport, int, int], Point | None] = field(repr=False)
    ranks: bool = False


def _point(value: Interval | float, null: float) -> Point:
    if isinstance(value, Interval):
        return Point(value.value, *value.limits, null)
    return Point(value, math.nan, math.nan, null)


def _centroid(report: GapReport, gallery: int, percent: int) -> Point:
    return _point(report.bias.centroid_gap, report.bias.floor)


def _distribution(report: GapReport, gallery: int, percent: int) -> Point | None:
    found = report.distribution
    return None if found is None else _point(found.gap, found.floor)


def _share(report: GapReport, gallery: int, percent: int) -> Point | None:
    if report.residual is None:
        return None
    both = report.spectra.source.trace + report.spectra.target.trace
    total = report.bias.centroid_gap.value**2 + both
    return _point(report.residual.share, both / total if total > 0 else math.nan)


def _leading(report: GapReport, gallery: int, percent: int) -> Point | None:
    if report.residual is None:
        return None
    a, d = report.residual.anisotropy, report.dim
    low, high = a.limits
    return Point(a.value / d, low / d, high / d, report.residual.anisotropy_repaired / d)


def _overlap(report: GapReport, gallery: int, percent: int) -> Point | None:
    found = report.shares.get(percent)
    return None if found is None else _point(found.excess, 0.0)


def _recall(way: str) -> Callable[[GapReport, int, int], Point | None]:
    def get(report: GapReport, gallery: int, percent: int) -> Point | None:
        found = report.galleries.get(gallery)
        if found is None or way not in found.recall_at_1:
            return None
        return _point(found.recall_at_1[way], found.recall_chance)

    return get


def _neighbours(report: GapReport, gallery: int, percent: int) -> Point | None:
    found = report.galleries.get(min(gallery, NEAREST_GALLERY))
    return None if found is None else _point(found.mutual_knn, found.mutual_knn_chance)


MEASURES = (
    Measure("centroid_gap", "Gap between the means", "sampling floor", _centroid),
    Measure("distribution_gap", "Distribution gap", "sampling floor", _distribution),
    Measure("residual_share", "Residual share", "re-paired", _share),
    Measure("leading_share", "Residual in one direction", "re-paired", _leading),
    Measure("overlap", "Overlap of leading directions", "random frames", _overlap),
    Measure(
        "recall_target_to_source",
        "R@1 target → source",
        "chance",
        _recall("target_to_source"),
        True,
    ),
    Measure(
        "recall_source_to_target",
        "R@1 source → target",
        "chance",
        _recall("source_to_target"),
        True,
    ),
    Measure("mutual_knn", "Neighbours in common", "chance", _neighbours, True),
)
"""What encoders are compared by, in this order: numbers that n and d do not decide."""
