"""A bench of encoders as one HTML page that fetches nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping

from anisoalign_core.bench.bench import Bench
from anisoalign_core.card import three, within
from anisoalign_core.gap.encoders import EncoderComparison
from anisoalign_core.publish.page import html_table, whole_page

LEGEND = (
    "Each number with its 95 % interval and, in brackets, what chance or sampling alone gives. "
    "A gap is neither good nor bad by itself: retrieval and overlap say whether anything is "
    "shared."
)


def encoders_page(
    bench: Bench, title: str = "Encoders side by side", failed: Mapping[str, str] | None = None
) -> str:
    """Return a bench as a page: table, figures, trade-offs and runs.

    Parameters
    ----------
    bench : Bench
        With at least one encoder.
    title : str
        Data, never markup.
    failed : mapping of str to str, optional
        Encoders that are not on it, and why.
    """
    from anisoalign_core.plots.bench import run_lines, tradeoff_lines
    from anisoalign_core.plots.style import as_div

    comparison = bench.compare()
    figures = [("Measures with intervals and nulls", comparison.plot("table"))]
    if comparison.parts():
        figures.append(("Mean and residual", comparison.plot("parts")))
    if any(report.curves is not None for report in comparison.reports.values()):
        figures.append(("Spectra on one scale", comparison.plot("spectra")))
    if comparison.agreements:
        figures.append(("Leading residual directions in common", comparison.plot("agreement")))
    curves = {one.name: one.kept.tradeoff for one in bench.entries if one.kept.tradeoff}
    if curves:
        figures.append(
            ("What a bound buys and costs", tradeoff_lines(curves, emphasised=[*curves]))
        )
    if bench.runs:
        figures.append(
            ("The gap while it forms", run_lines({run.name: run.frame for run in bench.runs}))
        )
    body = [
        f"<h1 dir=auto>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(text)}</p>" for text in comparison.sentences),
        f"<p class=note>{html.escape(LEGEND)}</p>",
        html_table(*comparison_table(comparison)),
        *(
            f"<p class=note><b dir=auto>{html.escape(one.name)}</b> {html.escape(one.note)}</p>"
            for one in bench.entries
            if one.note
        ),
        *(
            f"<p><b dir=auto>{html.escape(name)}</b> is not on it: {html.escape(why)}</p>"
            for name, why in (failed or {}).items()
        ),
        *(f"<h2>{html.escape(words)}</h2>{as_div(figure)}" for words, figure in figures),
    ]
    return whole_page(title, body)


def comparison_table(comparison: EncoderComparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: an encoder a row, a measure a column, as texts."""
    header = ["encoder", "rows × d", "verdict", *(m.label for m in comparison.measures)]
    rows = []
    for name, report in comparison.reports.items():
        cells = [name, f"{report.n_target:,} × {report.dim:,}", report.verdict.level]
        for measure in comparison.measures:
            point = comparison.points[measure.name].get(name)
            cells.append(
                "–"
                if point is None
                else f"{within(point.value, point.low, point.high)} [{three(point.null)}]"
            )
        rows.append(cells)
    return header, rows
