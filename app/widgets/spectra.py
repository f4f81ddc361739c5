"""What the Spectra page draws, computed once per pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.gap.report import GapReport
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.geometry.subspace import (
    overlap_ceiling,
    overlap_curve,
    overlap_ranks,
    principal_angles,
)
from anisoalign_core.numerics import Float64
from app.session import require_pair, result

CEILING_POINTS = 8


@dataclass(frozen=True, eq=False)
class SpectraParts:
    """Curves of the Spectra page."""

    target_values: Float64
    source_values: Float64
    residual_values: Float64 | None
    repaired_values: Float64
    ratios: Float64
    overlaps: Float64
    ceiling: tuple[list[int], list[float]]
    angles: Float64


def directions() -> Directions:
    """Return the named directions of the current pair."""
    pair = require_pair()
    return result("directions", lambda: Directions(pair))


def spectra_parts() -> SpectraParts:
    """Return the curves of the current pair."""
    return result("spectra", _compute)


def _compute() -> SpectraParts:
    pair, known = require_pair(), directions()
    (values_y, u_y), (values_x, u_x) = known.of_sides
    n = min(len(pair.source), len(pair.target))
    last = max(overlap_ranks(pair.dim, n))
    ranks = sorted({int(q) for q in np.linspace(1, last, min(CEILING_POINTS, last)).round()})
    ceilings: list[float] = []
    if n >= 4:
        both = [overlap_ceiling(side.vectors, ranks, 0) for side in (pair.source, pair.target)]
        ceilings = ((both[0] + both[1]) / 2).tolist()
    return SpectraParts(
        target_values=np.maximum(values_x, 0),
        source_values=np.maximum(values_y, 0),
        residual_values=known.residual.values if pair.paired else None,
        repaired_values=np.maximum(known.joint[0], 0),
        ratios=known.ratios[0] if pair.paired else np.empty(0),
        overlaps=overlap_curve(u_x[:, :last], u_y[:, :last]),
        ceiling=(ranks if ceilings else [], ceilings),
        angles=principal_angles(u_x[:, : min(last, 32)], u_y[:, : min(last, 32)]),
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
                "beside": f"95 % {residual.share.low:.3g} to {residual.share.high:.3g}",
                "help": "Share of the squared distance between partners that the means do not "
                "explain, trΣ_r / (G_μ² + trΣ_r). It describes the encoder: neither way is better. "
                "(Yu et al. 2026)",
            },
            {
                "label": "Residual anisotropy",
                "value": residual.anisotropy.value,
                "beside": f"random pairs {residual.anisotropy_repaired:.3g}",
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
                "label": f"Subspace overlap O_{q}",
                "value": shared.value,
                "beside": f"random {shared.random:.2g} · halves {shared.ceiling:.2g}",
                "help": "Agreement of the leading directions of both modalities, 0 to 1; higher is "
                "more alike. (Yu et al. 2026)",
            }
        )
    return numbers
