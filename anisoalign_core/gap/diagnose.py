"""Find out how two sets of embeddings differ, and whether there is anything to align."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from anisoalign_core.errors import JoinError, ParameterError, ShapeError
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.gap.comparable import galleries, items_of
from anisoalign_core.gap.curves import Subspaces, curves, subspaces
from anisoalign_core.gap.distribution import distribution
from anisoalign_core.gap.facts import (
    Bias,
    Gallery,
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
from anisoalign_core.geometry.resampled import ResidualRows, part_means
from anisoalign_core.geometry.residual import anisotropy
from anisoalign_core.geometry.spectrum import effective_dimension, marchenko_pastur_edge
from anisoalign_core.metrics.cosines import Cosines, row_cosines
from anisoalign_core.metrics.intervals import Interval, balanced_halves, half_means
from anisoalign_core.metrics.retrieval import chance_of_hit, recall_of
from anisoalign_core.metrics.separability import separability
from anisoalign_core.metrics.structure import (
    SharedStructure,
    alignment,
    hubness_of,
    rmg,
    shuffled_nulls,
    uniformity_of,
)
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import (
    Float32,
    Float64,
    Progress,
    generator,
    row_norms,
    unit_rows,
)
from anisoalign_core.pairs import EmbeddingPair, check_pair
from anisoalign_core.things import Things
from anisoalign_core.threads import beside

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
    source, target = known.source, known.target
    sample = draw(y, x, things, random_state)
    with beside(usable_cores()) as begin:
        tell(0.1, "Decomposing covariances")
        joint, of_sides = begin(lambda: known.joint), begin(lambda: known.of_sides)
        if things is not None and "residual" in parts:
            begin(lambda: known.residual.values).result()
        sides = Sides(source, target, *of_sides.result(), joint.result()[1])
        tell(0.3, "Measuring both modalities")
        distances = begin(  # what takes longest begins first
            lambda: (
                distribution(y, x, source, target, sample, random_state)
                if "distribution" in parts
                else None
            )
        )
        among = begin(lambda: _structure(sample, random_state) if "structure" in parts else None)
        sized = begin(lambda: galleries(sample, random_state) if "structure" in parts else {})
        none = Subspaces({}, {}, ((), ()))
        overlaps = begin(lambda: subspaces(known, random_state) if "subspaces" in parts else none)
        apart = begin(
            lambda: (
                _residual(y, x, things, known, sample, random_state)
                if things is not None and "residual" in parts
                else None
            )
        )
        means, shapes = (
            begin(_bias, sides, y, x, things, random_state),
            begin(_spectra, sides, sample),
        )
        auc = _separability(sample, random_state) if "separability" in parts else math.nan
        spread = distances.result()
        tell(0.5, "Comparing neighbourhoods")
        structure, sizes = among.result(), sized.result()
        tell(0.7, "Comparing subspaces")
        found = overlaps.result()
        drawn = begin(curves, known, parts, found.ceiling)
        tell(0.85, "Splitting off the residual")
        residual, bias, spectra = apart.result(), means.result(), shapes.result()
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
        verdict=_verdict(pair, parts, found, structure, sample.size, sizes),
        notes=(*told, *notes_of(pair, len(sample.y), len(sample.x))),
        curves=drawn.result(),
        distribution=spread,
        shares=found.at_shares,
        galleries=sizes,
        items=items_of(pair),
        encoder=pair.target.provenance.model or pair.source.provenance.model or "",
    )


def _verdict(
    pair: EmbeddingPair,
    parts: Sequence[str],
    found: Subspaces,
    structure: Structure | None,
    rows: int,
    sizes: Mapping[int, Gallery],
) -> Verdict:
    if same_rows(pair):
        return Verdict("nothing", "There is nothing to align: both sides are the same rows.", ())
    if {"subspaces", "structure"} <= set(parts):
        return judge(found.at_ranks, structure, rows, sizes)
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
    count = None if part.things is None else part.things.count
    apart = count is None  # else both sides' halves are of the same things
    means = [
        part_means(side, balanced_halves(count or len(side), random_state=seed + apart * at))
        for at, side in enumerate(part.means)
    ]
    spread = spread_of(
        found.centroid_gap.value,
        np.linalg.norm(means[1] - means[0], axis=1),
        held=count or len(part.y),
        rows=fewest,
        bounds=(0.0, 2.0),
    )
    return replace(found, centroid_gap=spread, projection_drift=drift)


def _with_rows(facts: SideSpectrum, own: Cosines) -> SideSpectrum:
    skew = hubness_of(own, min(10, len(own.queries) - 1))
    return replace(facts, hubness=skew, uniformity=uniformity_of(own))


def _spectra(sides: Sides, sample: Sample) -> SpectraFacts:
    found, (own_y, own_x) = sides.spectra(), sample.own
    source, target = _with_rows(found.source, own_y), _with_rows(found.target, own_x)
    return replace(found, source=source, target=target)


def _separability(sample: Sample, seed: int) -> float:
    if sample.size < 4:
        return math.nan
    things = sample.things
    found = separability(
        sample.x, sample.y, paired=things is not None, random_state=seed, things=things
    )
    return found.auc


def _residual(
    y: Float32, x: Float32, things: Things, known: Directions, sample: Sample, seed: int
) -> ResidualFacts:
    d, residual, repaired = y.shape[1], known.residual, np.maximum(known.joint[0], 0.0)
    held, drawn = sample.things, generator(seed)
    if held is None:
        raise ValueError("The sample of a paired set knows its things.")
    rows, halves = (
        ResidualRows.made(sample.y, sample.x, held),
        balanced_halves(held.count, random_state=seed),
    )
    shares, shapes = rows.of_parts(halves, seed)
    orders = [drawn.permutation(held.count) for _ in range(NULL_PERMUTATIONS)]

    def spread(value: float, replicates: Float64, low: float, high: float) -> Interval:
        return spread_of(value, replicates, held.count, rows=things.count, bounds=(low, high))

    energy = residual.energy
    both = residual.source.trace + residual.target.trace
    cosine = float(_cosines(Sample(y, x, things)).mean())
    return ResidualFacts(
        trace=residual.trace,
        share=spread(residual.share, shares, 0.0, 1.0),
        anisotropy=spread(residual.anisotropy, shapes, 1.0, d),
        anisotropy_repaired=anisotropy(float(repaired[0]), float(repaired.sum()), d),
        anisotropy_repaired_spread=float(np.std(rows.repaired(orders, seed), ddof=1)),
        marchenko_pastur_edge=marchenko_pastur_edge(things.count, d),
        effective_dimension_ratio=effective_dimension(residual.values) / d,
        matched_cosine=spread(cosine, half_means(_cosines(sample), halves), -1.0, 1.0),
        mean_distance=_mean_distance(y, x, things),
        energy_ranks={k: float(energy[k - 1]) for k in (1, 2, 5, 10, 20, 50) if k <= d},
        trace_ratio=residual.trace / both if both > 0 else math.nan,
    )


def _cosines(sample: Sample) -> Float64:
    y, x = sample.means
    return row_cosines(x, y)


def _mean_distance(y: Float32, x: Float32, things: Things) -> float:
    if things.are_rows:
        return float(row_norms(x - y).mean())
    return alignment(x, y, 1.0, things)


def _structure(sample: Sample, seed: int) -> Structure | None:
    """Cross-modal structure, or None when there are too few rows to speak of neighbours."""
    from scipy.stats import binom

    y, x, things, n = sample.y, sample.x, sample.things, sample.size
    if n < FEWEST_ROWS or things is None:
        return None
    hits = recall_of(sample.ranks, (1,))
    forward, backward = hits["source_to_target"][1], hits["target_to_source"][1]
    count = round(n * max(forward, backward))
    chance = chance_of_hit(things, 1, forward=True)  # the same both ways
    # two looks (both ways), so the smaller p-value is doubled
    p_value = min(1.0, 2.0 * float(binom.sf(count - 1, n, chance)))
    own_y, own_x = sample.own
    if not things.are_rows:
        centres = (things.centres(y, of_source=True), things.centres(x, of_source=False))
        own_y, own_x = (Cosines(rows, rows) for rows in (each[:NULL_ROWS] for each in centres))
    shared = SharedStructure(own_x, own_y)
    k = min(10, shared.size - 2)

    nulls = shuffled_nulls(
        lambda order: (shared.mutual_knn(k, order), shared.debiased_cka(order), shared.rsa(order)),
        shared.size,
        NULL_PERMUTATIONS,
        seed,
    )
    return Structure(
        recall_at_1={"target_to_source": backward, "source_to_target": forward},
        recall_chance=chance,
        recall_p_value=p_value,
        mutual_knn=shared.mutual_knn(k),
        mutual_knn_null=nulls[0],
        debiased_cka=shared.debiased_cka(),
        debiased_cka_null=nulls[1],
        rsa=shared.rsa(),
        rsa_null=nulls[2],
        rmg=rmg(x, y, things),
        alignment=alignment(x, y, things=things),
    )
