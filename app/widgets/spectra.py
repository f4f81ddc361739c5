"""What the Spectra page says in numbers, and the directions of the current pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anisoalign_core.gap.facts import Curves
from anisoalign_core.gap.report import GapReport
from anisoalign_core.gap.report import in_words as called
from anisoalign_core.geometry.directions import Directions
from app.session import require_pair, result
from app.widgets.common import three
from app.widgets.drawn import Drawn

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


FINDS = {
    "target_to_source": "Target finds its source",
    "source_to_target": "Source finds its target",
}


def directions() -> Directions:
    """Return the named directions of the current pair."""
    pair = require_pair()
    return result("directions", lambda: Directions(pair))


def curves_of(report: GapReport) -> Curves:
    """Return what the figures of a report draw."""
    assert report.curves is not None  # it was diagnosed here, and not read from a file
    return report.curves


def drawn_once(report: GapReport, kind: str) -> go.Figure:
    """Return a figure of the current pair's report, which is drawn once."""
    return result(("figure", kind), lambda: Drawn(report.plot(kind)))


def in_words(report: GapReport) -> pd.DataFrame:
    """Return all numbers of a report, their names and what stands beside them in words."""
    table = report.to_frame()
    shown = report.gallery()
    if shown is not None:  # of one size on every page, and not of all things
        size, found = shown
        for way, words in FINDS.items():
            hits = found.recall_at_1[way]
            row = [hits.value, hits.low, hits.high, found.recall_chance, "chance", True]
            table.loc[f"recall_at_1_{way}"] = row
            table = table.rename(index={f"recall_at_1_{way}": f"{words}, of {size}"})
    table = table.rename(index=lambda name: name if "," in name else called(name))
    table["needs_pairs"] = table["needs_pairs"].map({True: "pairs", False: ""})
    return table.rename_axis("number").rename(
        columns={
            "low": "95 % from",
            "high": "to",
            "null": "read against",
            "null_is": "which is",
            "needs_pairs": "needs",
        }
    )


def spectra_numbers(report: GapReport) -> list[dict[str, Any]]:
    """Return the answer row of the page."""
    gap = report.bias.centroid_gap
    q, shared = next(iter(report.subspaces.items()), (0, None))
    numbers: list[dict[str, Any]] = [
        {
            "label": "Gap between the means",
            "value": gap.value,
            "beside": f"floor {report.bias.floor:.2g}",
            "help": "Distance between the two means, G_μ; the floor is what two samples of one "
            "distribution show. It describes the encoder: neither way is better. "
            "(Liang et al. 2022)",
        }
    ]
    if report.residual is not None:
        residual = report.residual
        numbers += [
            {
                "label": "Residual share",
                "value": residual.share.value,
                "beside": f"95 % {three(residual.share.low)} to {three(residual.share.high)}",
                "help": "Share of the squared distance between partners that the means do not "
                "explain, trΣ_r / (G_μ² + trΣ_r). It describes the encoder: neither way is better. "
                "(Yu et al. 2026)",
            },
            {
                "label": "Residual anisotropy",
                "value": residual.anisotropy.value,
                "beside": f"random pairs {three(residual.anisotropy_repaired)}",
                "help": "A_r, largest over average variance of the residual. Isotropic noise in as "
                f"many rows reaches {residual.marchenko_pastur_edge:.3g}. Below that of random "
                "pairs, partners share the leading directions. (Yu et al. 2026)",
            },
            {
                "label": "Residual dimension",
                "value": residual.effective_dimension_ratio,
                "beside": "of d; isotropic 1",
                "help": "Effective dimension of the residual over d, (trΣ)²/trΣ² / d: the lower, "
                "the fewer directions hold it. (Yu et al. 2026)",
            },
        ]
    else:
        numbers.append(
            {
                "label": "Covariance gap",
                "value": report.spectra.covariance_gap_relative,
                "beside": f"absolute {report.spectra.covariance_gap_absolute:.2g}",
                "help": "How far the covariances differ, ‖Σ_x − Σ_y‖ over ‖Σ_x‖ in Frobenius norm; "
                "0 where they are equal. (Yu et al. 2026)",
            }
        )
    if shared is not None:
        numbers.append(
            {
                "label": "Leading overlap",
                "value": shared.value,
                "beside": f"{q} directions · random {shared.random:.2g} · "
                f"halves {shared.ceiling:.2g}",
                "help": f"O_{q}: agreement of the {q} leading directions of both modalities, 0 to "
                "1; higher is more alike. (Yu et al. 2026)",
            }
        )
    return numbers
