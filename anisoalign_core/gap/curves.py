"""What a report's figures draw: spectra, overlaps, angles and ratios, from one decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anisoalign_core.gap.comparable import SHARES, rank_of_share, share_overlaps
from anisoalign_core.gap.facts import Curves, Overlap, ShareOverlap
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.geometry.subspace import (
    half_frames,
    overlap,
    overlap_curve,
    overlap_ranks,
    principal_angles,
)
from anisoalign_core.numerics import Float64

CEILING_POINTS = 8
MOST_ANGLES = 32
NOTHING: Float64 = np.empty(0)


class Subspaces(NamedTuple):
    """Overlaps by q, overlaps by share of variance, and the ceiling's curve (ranks, values)."""

    at_ranks: dict[int, Overlap]
    at_shares: dict[int, ShareOverlap]
    ceiling: tuple[tuple[int, ...], tuple[float, ...]]


def subspaces(known: Directions, seed: int) -> Subspaces:
    """Overlaps O_q at the q that are reported, and the ceiling at a few more; none of few rows."""
    pair = known.pair
    y, x, things = pair.source.vectors, pair.target.vectors, pair.things
    of_y, of_x = (None, None) if things is None else (things.source, things.target)
    fewest = min(len(y), len(x)) if things is None else things.count
    if fewest < 4:
        return Subspaces({}, {}, ((), ()))
    told = overlap_ranks(pair.dim, fewest)
    last = max(told)
    drawn = {int(q) for q in np.linspace(1, last, min(CEILING_POINTS, last)).round()}
    (values_y, u_y), (values_x, u_x) = known.of_sides
    reach = min(pair.dim - 1, fewest // 2 - 1)
    at_shares = {}
    if values_y.max() > 0 and values_x.max() > 0:
        of_share = {percent: rank_of_share(values_y, values_x, percent) for percent in SHARES}
        at_shares = {percent: q for percent, q in of_share.items() if q <= reach}
    ranks = sorted(drawn | set(told))
    most = max(ranks + list(at_shares.values()))
    rows_alone = things is None or things.are_rows  # else moments weigh rows
    halves = (
        half_frames(y, most, seed, of_y, known.source if rows_alone else None),
        half_frames(x, most, seed, of_x, known.target if rows_alone else None),
    )
    ceiling = {
        q: sum(overlap(first[:, :q], second[:, :q]) for first, second in halves) / 2 for q in ranks
    }
    found = {q: Overlap(overlap(u_x[:, :q], u_y[:, :q]), q / pair.dim, ceiling[q]) for q in told}
    shares = share_overlaps((u_y, u_x), halves, at_shares)
    return Subspaces(
        found, shares, (tuple(sorted(drawn)), tuple(ceiling[q] for q in sorted(drawn)))
    )


def curves(
    known: Directions,
    parts: Sequence[str],
    ceiling: tuple[tuple[int, ...], tuple[float, ...]],
) -> Curves:
    """Return what figures draw of the parts of a diagnosis."""
    pair = known.pair
    (values_y, u_y), (values_x, u_x) = known.of_sides
    paired = pair.paired and "residual" in parts
    last = max(overlap_ranks(pair.dim, min(len(pair.source), len(pair.target))))
    compared = "subspaces" in parts
    few = min(last, MOST_ANGLES)
    return Curves(
        names=(pair.target.modality, pair.source.modality),
        target=np.maximum(values_x, 0),
        source=np.maximum(values_y, 0),
        residual=known.residual.values if paired else None,
        repaired=np.maximum(known.joint[0], 0),
        ratios=known.ratios[0] if paired and known.joint[0].max() > 0 else NOTHING,
        overlaps=overlap_curve(u_x[:, :last], u_y[:, :last]) if compared else NOTHING,
        ceiling=ceiling,
        angles=principal_angles(u_x[:, :few], u_y[:, :few]) if compared else NOTHING,
    )
