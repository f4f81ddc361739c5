"""Reports on disk: JSON that lasts, with a version, and holds what the figures draw."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.atomic import atomic_write_text
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.gap.facts import Curves
from anisoalign_core.gap.report import GapReport
from anisoalign_core.plain import from_plain, hints_of

VERSION = 2
"""1 had neither distribution nor galleries, shares and items; reports of 0.1 say none."""
KIND = "a report that diagnose wrote"


def write_report(report: GapReport, path: str | Path) -> Path:
    """Write a report, whole or not at all; see :meth:`GapReport.save`."""
    out = Path(path)
    atomic_write_text(out, report_text(report) + "\n")
    return out


def report_text(report: GapReport) -> str:
    """Return a report as the JSON text that :func:`report_of` reads."""
    body = {"report_version": VERSION, **report.to_dict()}
    if report.curves is not None:
        body["curves"] = {
            each.name: _listed(getattr(report.curves, each.name)) for each in fields(Curves)
        }
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def read_report(path: str | Path) -> GapReport:
    """Read a report; see :meth:`GapReport.load`."""
    source = Source(Path(path).name, Path(path))
    check_text_size(source.size, source.name, Limits.from_env())
    with source.open() as stream:
        return report_of(stream.read(), source.name)


def report_of(text: bytes | str, name: str = "the report") -> GapReport:
    """Return the report that JSON text holds.

    Raises
    ------
    FormatError
        If it holds none, or one of a later version.
    """
    errors = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
    with malformed(name, KIND, *errors):
        body = json.loads(text)
        version = body.get("report_version", VERSION)  # reports of 0.1 say none
        if not isinstance(version, int) or version > VERSION:
            raise FormatError(
                f"{name} has report version {printable(str(version), 20)}, and this version of "
                f"AnisoAlign reads up to {VERSION}. Update AnisoAlign."
            )
        details = dict(body["details"])
        details.pop("curves", None)
        report = from_plain(GapReport, numbered(GapReport, details))
        if body.get("curves") is not None:
            report = replace(report, curves=_curves(body["curves"]))
        return report


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [None if math.isnan(v) else v for v in value.tolist()]
    return value


def _curves(body: Mapping[str, Any]) -> Curves:
    def array(name: str) -> Any:
        if body[name] is None:
            return None
        values = np.array(body[name], dtype=np.float64)
        if values.ndim != 1 or np.isinf(values).any():
            raise ValueError(f"{name} is no list of numbers")
        return values

    ranks, ceiling = body["ceiling"]
    if not all(math.isfinite(value) for value in (*ranks, *ceiling)):
        raise ValueError("ceiling is no list of numbers")
    target, source = body["names"]
    return Curves(
        names=(str(target), str(source)),
        target=array("target"),
        source=array("source"),
        residual=array("residual"),
        repaired=array("repaired"),
        ratios=array("ratios"),
        overlaps=array("overlaps"),
        ceiling=(tuple(int(q) for q in ranks), tuple(float(v) for v in ceiling)),
        angles=array("angles"),
    )


def numbered(hint: Any, value: Any) -> Any:
    """Return plain values with NaN where a number was not finite and JSON says null."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is float:
        return math.nan if value is None else value
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        hints = hints_of(hint)
        return {k: numbered(hints[k], v) if k in hints else v for k, v in value.items()}
    if origin in (Union, types.UnionType) and value is not None:
        return numbered(next(one for one in inner if one is not type(None)), value)
    if origin is dict and isinstance(value, dict):
        return {k: numbered(inner[1], v) for k, v in value.items()}
    if origin is tuple and isinstance(value, list):
        return [numbered(inner[0], one) for one in value]
    return value
