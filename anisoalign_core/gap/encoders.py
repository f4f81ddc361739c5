"""Several encoders beside each other: one table, with what may be compared and what may not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.card import Card, Shown, three, within
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.agreement import Agreement, agreements
from anisoalign_core.gap.comparable import SHARES
from anisoalign_core.gap.measures import MEASURES, NEAREST_GALLERY, Measure, Point
from anisoalign_core.gap.report import GapReport

if TYPE_CHECKING:
    import pandas as pd

    from anisoalign_core.pairs import EmbeddingPair

SHARE = 80
"""Percent of variance at which leading directions are compared, where nothing else is asked."""


@dataclass(frozen=True, eq=False, repr=False)
class EncoderComparison(Shown):
    """What :func:`compare` found.

    Attributes
    ----------
    reports : dict of str to GapReport
    gallery : int
        Things in the galleries of retrieval, the same for all that have some; 0 where none has.
    percent : int
        Share of variance at which leading directions are compared; 0 where no report has it.
    same_items : bool
        Whether all reports are about the same things, by ids or captions: only then may encoders
        be ranked.
    agreements : tuple of Agreement
        How far leading directions of the gap agree, pair by pair, where vectors were given.
    sentences : tuple of str
        What can be compared and what cannot.
    """

    reports: dict[str, GapReport]
    gallery: int
    percent: int
    same_items: bool
    agreements: tuple[Agreement, ...]
    sentences: tuple[str, ...]

    @cached_property
    def points(self) -> dict[str, dict[str, Point]]:
        """Points by measure and encoder; what no report holds is left out."""
        found = {
            measure.name: {
                name: point
                for name, report in self.reports.items()
                if (point := measure.get(report, self.gallery, self.percent)) is not None
                and math.isfinite(point.value)
            }
            for measure in MEASURES
        }
        return {name: points for name, points in found.items() if points}

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Measures that some report holds."""
        return tuple(measure for measure in MEASURES if measure.name in self.points)

    def order(self, by: str | None = None) -> list[str]:
        """Names as given, or by a measure, largest first; those without it last.

        Raises
        ------
        ParameterError
            If there is no such measure, or the encoders were measured on different things and the
            measure would rank them.
        """
        names = list(self.reports)
        if by is None:
            return names
        points = self.points.get(by)
        if points is None:
            raise ParameterError(
                f'There is no measure "{by}" here; choose among {", ".join(self.points)}.'
            )
        ranks = next(measure for measure in MEASURES if measure.name == by).ranks
        if ranks and not self.same_items:
            raise ParameterError(
                "These reports are not known to be about the same things, so no ranking by "
                f"{by} is given. Encode the same items, with ids."
            )
        return sorted(names, key=lambda name: -points[name].value if name in points else math.inf)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per encoder and measure: value, low, high, null, null_is."""
        import pandas as pd

        rows = [
            {
                "encoder": name,
                "measure": measure.name,
                **vars(self.points[measure.name][name]),
                "null_is": measure.null_is,
                "n": report.n_target,
                "d": report.dim,
            }
            for name, report in self.reports.items()
            for measure in self.measures
            if name in self.points[measure.name]
        ]
        return pd.DataFrame(rows)

    def parts(self) -> dict[str, tuple[float, float]]:
        """``G_μ²`` and ``tr Σ_r`` of each encoder with pairs: they add to ``E‖x − y‖²``."""
        return {
            name: (report.bias.centroid_gap.value**2, report.residual.trace)
            for name, report in self.reports.items()
            if report.residual is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the reports themselves, as JSON takes it."""
        encoders = {
            name: {
                "n_source": report.n_source,
                "n_target": report.n_target,
                "dim": report.dim,
                "paired": report.paired,
                "encoder": report.encoder,
                "verdict": {"level": report.verdict.level, "headline": report.verdict.headline},
                "measures": {
                    measure: {
                        key: value if math.isfinite(value) else None
                        for key, value in vars(points[name]).items()
                    }
                    for measure, points in self.points.items()
                    if name in points
                },
            }
            for name, report in self.reports.items()
        }
        return {
            "encoders": encoders,
            "gallery": self.gallery,
            "percent": self.percent,
            "same_items": self.same_items,
            "agreements": [vars(one) for one in self.agreements],
            "sentences": list(self.sentences),
        }

    def to_json(self, indent: int = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def plot(self, kind: str = "table", **options: Any) -> Any:
        """Draw a figure of the Encoders page.

        Parameters
        ----------
        kind : {"table", "spectra", "parts", "agreement"}
            "table", one row per encoder with dots, intervals and nulls (``by`` sorts, ``baseline``
            names the row to read others against); "spectra", eigenvalues on a common scale;
            "parts", the gap's mean and its residual; "agreement", a heat map of
            :attr:`agreements`.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ParameterError
            If there is no such kind, or nothing to draw.
        """
        from anisoalign_core.plots.asked import comparison_figure

        return comparison_figure(self, kind, **options)

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        return f"{len(self.reports)} encoders beside each other. {self.sentences[0]}"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = [
            (name, measure.label, within(p.value, p.low, p.high), three(p.null), measure.null_is)
            for name in self.reports
            for measure in self.measures
            if (p := self.points[measure.name].get(name)) is not None
        ]
        header = ("encoder", "measure", "value (95 %)", "beside it", "which is")
        return Card(self.in_short(), rows, header, list(self.sentences))


def compare(
    reports: Mapping[str, GapReport | str | Path] | Sequence[GapReport | str | Path],
    *,
    pairs: Mapping[str, EmbeddingPair] | None = None,
    gallery: int | None = None,
    percent: int = SHARE,
) -> EncoderComparison:
    """Set the reports of several encoders beside each other, as far as that is fair.

    Parameters
    ----------
    reports : mapping of str to GapReport, or sequence of them
        Or files that :meth:`GapReport.save` and ``anisoalign diagnose --json`` wrote. Without
        names those of the encoders, or of the files.
    pairs : mapping of str to EmbeddingPair, optional
        Rows of the encoders, to see how far their leading gap directions agree.
    gallery : int, optional
        Size of the galleries of retrieval; by default the largest that all reports hold.
    percent : {50, 80, 90}, default 80
        Share of variance at which leading directions are compared.

    Returns
    -------
    EncoderComparison

    Raises
    ------
    ParameterError
        If there is no report, two have one name, or gallery or percent is not at hand.
    FormatError
        If a file holds no report.

    Notes
    -----
    R@1 of one encoder falls as the gallery grows, and O_q rises with q: both are given at one size
    for all. R@1 at a smaller size is the exact mean over all galleries that can be drawn.
    """
    named = _named(reports)
    if percent not in SHARES:
        raise ParameterError(f"percent is {percent}; choose among {', '.join(map(str, SHARES))}.")
    paired = {name: report for name, report in named.items() if report.galleries}
    common = (
        set.intersection(*(set(report.galleries) for report in paired.values()))
        if paired
        else set()
    )
    if gallery is not None and gallery not in common:
        raise ParameterError(
            f"Not every report holds a gallery of {gallery}; all have "
            f"{', '.join(map(str, sorted(common))) or 'none'}."
        )
    size = gallery or max(common, default=0)
    shared = sum(percent in report.shares for report in named.values())
    same = _same_items(named)
    found = agreements(pairs) if pairs is not None and len(pairs) > 1 else ()
    words = _sentences(named, size, percent if shared else 0, same, bool(found))
    return EncoderComparison(named, size, percent if shared else 0, same, found, words)


def _named(
    reports: Mapping[str, GapReport | str | Path] | Sequence[GapReport | str | Path],
) -> dict[str, GapReport]:
    if isinstance(reports, Mapping):
        given = [(str(name), one) for name, one in reports.items()]
    else:
        given = [("", one) for one in reports]
    found: dict[str, GapReport] = {}
    for number, (name, one) in enumerate(given, 1):
        report = one if isinstance(one, GapReport) else GapReport.load(one)
        stem = "" if isinstance(one, GapReport) else Path(one).stem
        name = name or stem or report.encoder or f"encoder {number}"
        if name in found and not stem and isinstance(reports, Sequence):
            name = f"{name} ({number})"
        if name in found:
            raise ParameterError(
                f'Two reports are called "{name}". Give them names: compare({{"name": report, …}}).'
            )
        found[name] = report
    if not found:
        raise ParameterError("There is no report to compare. Give at least one.")
    return found


def _same_items(reports: Mapping[str, GapReport]) -> bool:
    digests = {report.items.digest if report.items else "" for report in reports.values()}
    return len(digests) == 1 and "" not in digests


def _sentences(
    reports: Mapping[str, GapReport], gallery: int, percent: int, same: bool, agree: bool
) -> tuple[str, ...]:
    words, first = [], next(iter(reports.values()))
    if len(reports) == 1:
        words.append("One report alone; add others to compare.")
    elif same and first.items is not None:
        words.append(
            f"All reports are about the same {first.items.count:,} things, by their "
            f"{first.items.by}, so encoders may be ranked."
        )
    else:
        unknown = [n for n, r in reports.items() if r.items is None or not r.items.digest]
        why = f"{_named_few(unknown)} no ids or captions to tell by" if unknown else "ids differ"
        words.append(
            f"No ranking: the reports are not known to be about the same things ({why}). Numbers "
            "can be read against their nulls, not against each other."
        )
    sizes = {report.n_target for report in reports.values()}
    dims = {report.dim for report in reports.values()}
    words.append(
        "Rows × dimensions: "
        + "; ".join(f"{n} {r.n_target:,} × {r.dim:,}" for n, r in reports.items())
        + "."
    )
    if gallery:
        words.append(
            f"Retrieval is in galleries of {gallery:,} things for all, the exact mean over all "
            f"that can be drawn; neighbours in common among {min(gallery, NEAREST_GALLERY):,}."
        )
    bare = [name for name, report in reports.items() if not report.galleries]
    if bare:
        words.append(
            f"No retrieval or neighbours of {', '.join(bare)}: unpaired, too few rows, or an "
            "earlier report without galleries; diagnose again to have them."
        )
    if percent:
        words.append(
            f"Leading directions are compared where both sides hold {percent} % of their "
            "variance: 0 is chance, 1 what two halves of one modality share."
        )
    if len(dims) > 1 or len(sizes) > 1:
        words.append(
            "Not comparable between these, and left out: A_r and O_q at one q, which d decides, "
            "and R@1 of whole sets, which n decides."
        )
    if agree:
        words.append(
            "How far leading directions agree is measured by the scores of the same things along "
            "them, since directions of different spaces cannot be compared themselves."
        )
    return tuple(words)


def _named_few(names: list[str]) -> str:
    """Name at most three, with the verb that follows."""
    shown = names[:3] if len(names) <= 3 else [*names[:2], f"{len(names) - 2} others"]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{listed} {'has' if len(names) == 1 else 'have'}"
