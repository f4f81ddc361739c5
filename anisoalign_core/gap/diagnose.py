"""Find out how two sets of embeddings differ, and whether there is anything to align."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anisoalign_core.errors import JoinError, ParameterError, ShapeError
from anisoalign_core.gap.comparable import galleries, items_of
from anisoalign_core.gap.curves import Subspaces, curves, subspaces
from anisoalign_core.gap.distribution import distribution
from anisoalign_core.gap.facts import (
    Bias,
    ResidualFacts,
    SideSpectrum,
    SpectraFacts,
    Structure,
    Verdict,
)
from anisoalign_core.gap.report import GapReport
from anisoalign_core.gap.sample import (
    NULL_ROWS,
    STRUCTURE_ROWS,
    Sample,
    draw,
    notes_of,
    sampled,
    spread_of,
)
from anisoalign_core.gap.sides import Sides, of_moments
from anisoalign_core.gap.verdict import FEWEST_ROWS, judge
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.geometry.residual import (
    Residual,
    repaired_anisotropy_spread,
    residual_anisotropy,
)
from anisoalign_core.geometry.spectrum import effective_dimension, marchenko_pastur_edge
from anisoalign_core.metrics.cosines import row_cosines
from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.metrics.retrieval import chance_of_hit, recall
from anisoalign_core.metrics.separability import separability
from anisoalign_core.metrics.structure import (
    alignment,
    debiased_cka,
    hubness,
    mutual_knn,
    permuted_null,
    rmg,
    rsa,
    uniformity,
)
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Progress, generator, row_norms, unit_rows
from anisoalign_core.pairs import EmbeddingPair, check_pair
from anisoalign_core.things import Things

ORIGIN = 1e-12
"""Rows shorter than this have no direction."""
PARTS = ("subspaces", "distribution", "separability", "residual", "structure")
"""What a diagnosis can leave out; its means and spectra are always there."""
NULL_PERMUTATIONS = 10


def diagnose(
    pair: EmbeddingPair | tuple[Moments, Moments],
    *,
    random_state: int = 0,
    parts: Sequence[str] | None = None,
    rows: int | None = None,
    progress: Progress | None = None,
) -> GapReport:
    """Measure the gap between two sets, each number with its null or floor.

    Parameters
    ----------
    pair : EmbeddingPair, or (Moments, Moments)
        Or the moments of unit source and target rows: what needs no rows, and the notes say what
        was left out.
    random_state : int, default 0
        Seeds halves, permutations and samples.
    parts : sequence of {"subspaces", "distribution", "separability", "residual", "structure"}
        What is measured besides means and spectra, by default all that can be; without
        "subspaces" and "structure" there is no verdict.
    rows : int, optional
        Measure a sample of about this many rows of each side, drawn by thing; the notes say so.
    progress : callable(fraction, words), optional

    Returns
    -------
    GapReport

    Raises
    ------
    ShapeError
        If a side has fewer than two rows, or all show one thing.
    ParameterError
        If a part is unknown, or ``rows`` is below two; of moments, if a part needs rows.

    Notes
    -----
    Definitions follow [AA] §3, [MG] and [TE]; covariances divide by n. Measures of neighbours,
    retrieval and separability use at most 4000 rows, drawn with the seed; the notes of the
    report say when they did. Where things have several rows, every mean and covariance gives each
    thing weight one, halves and re-pairings are drawn by thing, and structure is compared between
    things, each at the direction of the mean of its rows.
    """
    unknown = [part for part in parts or () if part not in PARTS]
    if unknown or (rows is not None and rows < 2):
        raise ParameterError(
            f'There is no part "{unknown[0]}"; choose among {", ".join(PARTS)}.'
            if unknown
            else f"rows is {rows}; measure at least 2."
        )
    if isinstance(pair, tuple):
        if len(pair) != 2 or not all(isinstance(one, Moments) for one in pair):
            check_pair(pair, "diagnose")  # refuses it
        if rows is not None:
            raise ParameterError("rows draws a sample of rows, and moments hold none.")
        return of_moments(pair, random_state, parts)
    check_pair(pair, "diagnose")
    parts = PARTS if parts is None else parts
    told: tuple[str, ...] = ()
    if rows is not None:
        pair, told = sampled(pair, rows, random_state)
    y, x = pair.source.vectors, pair.target.vectors
    if min(len(y), len(x)) < 2:
        raise ShapeError(
            f"A diagnosis needs at least two rows on each side; there are {len(y)} source and "
            f"{len(x)} target rows."
        )
    things = pair.things
    if things is not None and things.count < 2:
        raise ShapeError("A diagnosis needs at least two things; all rows of this pair show one.")
    tell = progress or (lambda fraction, words: None)
    tell(0.0, "Summing moments")
    known = Directions(pair)
    tell(0.1, "Decomposing covariances")
    sides = Sides(known.source, known.target, *known.of_sides, known.joint[1])
    sample = draw(y, x, things, random_state)
    tell(0.3, "Measuring both modalities")
    spectra = _spectra(sides, sample.y[:NULL_ROWS], sample.x[:NULL_ROWS])
    bias = _bias(sides, y, x, things, random_state)
    tell(0.45, "Comparing subspaces")
    none = Subspaces({}, {}, ((), ()))
    found = subspaces(known, random_state) if "subspaces" in parts else none
    tell(0.55, "Comparing distributions")
    spread = None
    if "distribution" in parts:
        spread = distribution(y, x, known.source, known.target, sample, random_state)
    tell(0.6, "Training a linear separator")
    auc = _separability(sample, random_state) if "separability" in parts else math.nan
    residual, structure = None, None
    if things is not None and "residual" in parts:
        tell(0.7, "Splitting off the residual")
        residual = _residual(y, x, things, known.residual, sample, random_state)
    if things is not None and "structure" in parts:
        tell(0.85, "Comparing neighbourhoods")
        structure = _structure(sample, random_state)
    tell(1.0, "Done")
    return GapReport(
        n_source=len(y),
        n_target=len(x),
        dim=pair.dim,
        paired=pair.paired,
        random_state=random_state,
        source_digest=pair.source.digest,
        target_digest=pair.target.digest,
        bias=bias,
        spectra=spectra,
        subspaces=found.at_ranks,
        separability=auc,
        residual=residual,
        structure=structure,
        verdict=_verdict(pair, parts, found, structure, sample.size),
        notes=(*told, *notes_of(pair, len(sample.y), len(sample.x))),
        curves=curves(known, parts, found.ceiling),
        distribution=spread,
        shares=found.at_shares,
        galleries=galleries(sample, random_state) if structure is not None else {},
        items=items_of(pair),
        encoder=pair.target.provenance.model or pair.source.provenance.model or "",
    )


def _verdict(
    pair: EmbeddingPair,
    parts: Sequence[str],
    found: Subspaces,
    structure: Structure | None,
    rows: int,
) -> Verdict:
    if same_rows(pair):
        return Verdict("nothing", "There is nothing to align: both sides are the same rows.", ())
    if {"subspaces", "structure"} <= set(parts):
        return judge(found.at_ranks, structure, rows)
    return Verdict("unknown", "Not judged: parts of the diagnosis were left out.", ())


def same_rows(pair: EmbeddingPair) -> bool:
    """Whether both sides of a pair are the same rows, in the same order."""
    return np.array_equal(pair.source.vectors, pair.target.vectors)


def refuse_same_rows(pair: EmbeddingPair) -> None:
    """Refuse a pair of which both sides are the same rows: one file was given twice.

    Raises
    ------
    JoinError
    """
    source, target = pair.source, pair.target
    if same_rows(pair):
        raise JoinError(
            f"{target.name} and {source.name} hold the same {len(source):,} rows, so there is no "
            f"gap between them to measure. Give {target.modality} rows on one side and "
            f"{source.modality} rows on the other."
        )


def _gap(sample: Sample) -> float:
    y, x = sample.means
    return float(np.linalg.norm(x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)))


def _bias(sides: Sides, y: Float32, x: Float32, things: Things | None, seed: int) -> Bias:
    found, source, target = sides.bias(len(y) + len(x)), sides.source, sides.target
    if things is None or things.are_rows:
        rows = min(STRUCTURE_ROWS, len(y), len(x))
        rng = generator(seed)
        part = Sample(y[rng.permutation(len(y))[:rows]], x[rng.permutation(len(x))[:rows]], None)
        weights, fewest = None, min(len(y), len(x))
    else:
        part = draw(y, x, things, seed)
        weights, fewest = things.weights[0], things.count
    shifted = y + (target.mean - source.mean).astype(np.float32)
    norms = row_norms(shifted)
    drift = math.nan  # where a row falls on the origin
    if norms.min() > ORIGIN:
        landed = unit_rows(shifted, norms)
        mean = landed.mean(0, dtype=np.float64)
        if weights is not None:
            mean = weights @ landed / weights.sum()
        drift = float(np.linalg.norm(mean - target.mean))
    spread = spread_of(
        found.centroid_gap.value,
        _gap,
        part,
        rows=fewest,
        paired=False,
        seed=seed,
        bounds=(0.0, 2.0),
    )
    return replace(found, centroid_gap=spread, projection_drift=drift)


def _with_rows(facts: SideSpectrum, rows: Float32) -> SideSpectrum:
    return replace(
        facts, hubness=hubness(rows, min(10, len(rows) - 1)), uniformity=uniformity(rows)
    )


def _spectra(sides: Sides, y: Float32, x: Float32) -> SpectraFacts:
    found = sides.spectra()
    source, target = _with_rows(found.source, y), _with_rows(found.target, x)
    return replace(found, source=source, target=target)


def _separability(sample: Sample, seed: int) -> float:
    if sample.size < 4:
        return math.nan
    things = sample.things
    found = separability(
        sample.x, sample.y, paired=things is not None, random_state=seed, things=things
    )
    return found.auc


def _share(sample: Sample) -> float:
    y, x = sample.means
    difference = x - y
    mean = difference.mean(0, dtype=np.float64)
    total = float(np.einsum("ij,ij->", difference, difference, dtype=np.float64)) / len(y)
    if sample.things is not None and not sample.things.are_rows:
        total = 2.0 - 2.0 * _mean_cosine(sample)  # of the rows, not of their means
    return 1.0 - float(mean @ mean) / total if total > 0 else math.nan


def _anisotropy(sample: Sample) -> float:
    return residual_anisotropy(sample.y, sample.x, sample.things)


def _residual(
    y: Float32, x: Float32, things: Things, residual: Residual, sample: Sample, seed: int
) -> ResidualFacts:
    d = y.shape[1]

    def spread(
        value: float, function: Callable[[Sample], float], low: float, high: float
    ) -> Interval:
        return spread_of(
            value,
            function,
            sample,
            rows=things.count,
            paired=True,
            seed=seed,
            bounds=(low, high),
        )

    energy = residual.energy
    both = residual.source.trace + residual.target.trace
    return ResidualFacts(
        trace=residual.trace,
        share=spread(residual.share, _share, 0.0, 1.0),
        anisotropy=spread(residual.anisotropy, _anisotropy, 1.0, d),
        anisotropy_repaired=residual.anisotropy_repaired,
        anisotropy_repaired_spread=repaired_anisotropy_spread(
            sample.y,
            sample.x,
            sample.things,
            permutations=NULL_PERMUTATIONS,
            random_state=seed,
        ),
        marchenko_pastur_edge=marchenko_pastur_edge(things.count, d),
        effective_dimension_ratio=effective_dimension(residual.values) / d,
        matched_cosine=spread(_mean_cosine(Sample(y, x, things)), _mean_cosine, -1.0, 1.0),
        mean_distance=_mean_distance(y, x, things),
        energy_ranks={k: float(energy[k - 1]) for k in (1, 2, 5, 10, 20, 50) if k <= d},
        trace_ratio=residual.trace / both if both > 0 else math.nan,
    )


def _mean_cosine(sample: Sample) -> float:
    y, x = sample.means
    return float(row_cosines(x, y).mean())


def _mean_distance(y: Float32, x: Float32, things: Things) -> float:
    if things.are_rows:
        return float(np.linalg.norm((x - y).astype(np.float64), axis=1).mean())
    return alignment(x, y, 1.0, things)


def _structure(sample: Sample, seed: int) -> Structure | None:
    """Cross-modal structure, or None when there are too few rows to speak of neighbours."""
    from scipy.stats import binom

    y, x, things, n = sample.y, sample.x, sample.things, sample.size
    if n < FEWEST_ROWS or things is None:
        return None
    hits = recall(y, x, (1,), things)
    forward, backward = hits["source_to_target"][1], hits["target_to_source"][1]
    count = round(n * max(forward, backward))
    chance = chance_of_hit(things, 1, forward=True)  # the same both ways
    # two looks (both ways), so the smaller p-value is doubled
    p_value = min(1.0, 2.0 * float(binom.sf(count - 1, n, chance)))
    part_y = things.centres(y, of_source=True)[:NULL_ROWS]
    part_x = things.centres(x, of_source=False)[:NULL_ROWS]
    k = min(10, len(part_y) - 2)

    def against_null(
        function: Callable[[Float32, Float32], float],
    ) -> tuple[float, tuple[float, float]]:
        null = permuted_null(function, part_x, part_y, NULL_PERMUTATIONS, seed)
        return function(part_x, part_y), null

    knn, knn_null = against_null(lambda a, b: mutual_knn(a, b, k))
    cka, cka_null = against_null(debiased_cka)
    similarity, similarity_null = against_null(lambda a, b: rsa(a, b, "pearson"))
    return Structure(
        recall_at_1={"target_to_source": backward, "source_to_target": forward},
        recall_chance=chance,
        recall_p_value=p_value,
        mutual_knn=knn,
        mutual_knn_null=knn_null,
        debiased_cka=cka,
        debiased_cka_null=cka_null,
        rsa=similarity,
        rsa_null=similarity_null,
        rmg=rmg(x, y, things),
        alignment=alignment(x, y, things=things),
    )
