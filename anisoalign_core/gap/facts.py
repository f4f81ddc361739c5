"""What a report holds: the facts of a gap as frozen dataclasses, each with its null or floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.metrics.retrieval import GALLERY
from anisoalign_core.numerics import Float64

Level = Literal["unknown", "nothing", "weak", "shared"]


@dataclass(frozen=True)
class Bias:
    """The part of the gap that the two means carry. Needs no pairs.

    Attributes
    ----------
    centroid_gap : Interval
        ``G_μ = ‖μ_x − μ_y‖``.
    floor : float
        ``√(tr Σ_x/n_x + tr Σ_y/n_y)``: G_μ expected of two samples with equal means.
    top_coordinates : tuple of float
        Cumulative share of ``‖Δ‖²`` in the 1, 2, … largest raw coordinates [TE].
    inside : dict of int to float
        ``‖P_U Δ‖²/‖Δ‖²`` for the top r eigenvectors of Σ_x + Σ_y, r → share.
    projection_drift : float
        ``‖E π(y + Δ) − μ_x‖``: how far the mean drifts when mean-shifted rows are projected [RA].
    projection_drift_predicted : float
        Its second-order prediction.
    """

    centroid_gap: Interval
    floor: float
    top_coordinates: tuple[float, ...]
    inside: dict[int, float]
    projection_drift: float
    projection_drift_predicted: float


@dataclass(frozen=True)
class ResidualFacts:
    """The part of the gap that differs from pair to pair. Needs pairs.

    Attributes
    ----------
    trace : float
        ``tr Σ_r``; never 0, since caption and image carry different information.
    share : Interval
        ``tr Σ_r / (G_μ² + tr Σ_r)``.
    anisotropy : Interval
        ``A_r = λ_max/(tr Σ_r/d)``.
    anisotropy_repaired : float
        A_r of random re-pairing, exactly that of Σ_x + Σ_y.
    anisotropy_repaired_spread : float
        Standard deviation of A_r over random re-pairings.
    marchenko_pastur_edge : float
        A_r of isotropic noise in as many rows.
    effective_dimension_ratio : float
        ``d_eff(Σ_r)/d``.
    matched_cosine, mean_distance : float
    energy_ranks : dict of int to float
        E(K) of Σ_r at a few K.
    trace_ratio : float
        ``tr Σ_r/(tr Σ_x + tr Σ_y)``: 1 when partners share nothing, 0 when all.
    """

    trace: float
    share: Interval
    anisotropy: Interval
    anisotropy_repaired: float
    anisotropy_repaired_spread: float
    marchenko_pastur_edge: float
    effective_dimension_ratio: float
    matched_cosine: Interval
    mean_distance: float
    energy_ranks: dict[int, float]
    trace_ratio: float


@dataclass(frozen=True)
class SideSpectrum:
    """What one modality's covariance says about itself. Needs no pairs."""

    trace: float
    decay_exponent: float
    effective_dimension: float
    effective_rank: float
    isoscore: float
    isoscore_shrunk: float
    mean_norm: float
    hubness: float
    uniformity: float


@dataclass(frozen=True)
class SpectraFacts:
    """Both spectra beside each other. Needs no pairs."""

    source: SideSpectrum
    target: SideSpectrum
    covariance_gap_relative: float
    covariance_gap_absolute: float
    spectral_correlation: float
    decay_range: tuple[int, int]


@dataclass(frozen=True)
class Overlap:
    """Subspace overlap O_q with what random frames and two halves of one modality give."""

    value: float
    random: float
    ceiling: float


@dataclass(frozen=True)
class ShareOverlap:
    """O_q at the q where both sides hold a given share of their variance.

    Encoders spread their variance over different numbers of directions, so O_q at one q, or at one
    share of d, looks at different parts of them. ``excess`` can be compared between encoders.

    Attributes
    ----------
    q : int
        Smallest q at which the leading q eigenvectors of Σ_x hold the share of tr Σ_x, and those of
        Σ_y that of tr Σ_y.
    value, random, ceiling : float
        O_q; q/d; O_q between two halves of one modality.
    excess : Interval
        ``(O_q − random)/(ceiling − random)``: 0 as random frames, 1 as two halves of one modality.
        Its interval comes from four pairs of halves.
    """

    q: int
    value: float
    random: float
    ceiling: float
    excess: Interval


@dataclass(frozen=True)
class Gallery:
    """Retrieval and neighbours in a gallery of so many things, whatever the set holds.

    Attributes
    ----------
    recall_at_1 : dict of str to Interval
        ``target_to_source`` and ``source_to_target``: the mean over all galleries that can be
        drawn; the interval says how far it strays with other queries.
    recall_chance : float
    mutual_knn, mutual_knn_chance : float
        Share of the k nearest neighbours that both modalities agree on, and k/(m − 1).
    neighbours : int
        That k.
    """

    recall_at_1: dict[str, Interval]
    recall_chance: float
    mutual_knn: float
    mutual_knn_chance: float
    neighbours: int


def gallery_of(known: Mapping[int, Gallery], size: int = GALLERY) -> tuple[int, Gallery] | None:
    """Return the gallery of ``size`` things, or the largest below; None where there is none."""
    sizes = [each for each in known if each <= size]
    return (max(sizes), known[max(sizes)]) if sizes else None


@dataclass(frozen=True)
class Conformity:
    """How alike the rows of one modality are to their mean; see :class:`Distribution`.

    Attributes
    ----------
    mean : float
        Mean of c, which is ‖μ‖ of unit rows.
    mean_floor : float
        ``√(tr Σ/n)``: what rows around no centre would have.
    spread : float
        Standard deviation of c, ``√(hᵀ Σ h)`` with ``h = μ/‖μ‖``.
    spread_floor : float
        ``√(tr Σ/d)``: the standard deviation along a random direction.
    """

    mean: float
    mean_floor: float
    spread: float
    spread_floor: float


@dataclass(frozen=True)
class Distribution:
    """What is left of the gap when the two centroids coincide. Needs no pairs.

    Attributes
    ----------
    gap : Interval
        ``B = √tr(Σ_x + Σ_y − 2 (Σ_x^{1/2} Σ_y Σ_x^{1/2})^{1/2})``, the distance of two Gaussians
        with these covariances and one mean (Bures).
    floor : float
        B expected of two samples of one modality, at these sizes.
    share : float
        ``B²/(G_μ² + B²)``: how much of the squared distance of the two clouds no shift closes.
    source, target : Conformity
        Of ``c(y) = y·μ_y/‖μ_y‖``, a row's cosine to the mean of its own modality.
    conformity_distance, conformity_distance_floor : float
        1-Wasserstein distance of the two distributions of c, and that of two halves of one
        modality, scaled to these sizes.
    conformity_correlation : float
        Pearson correlation of the conformities of partners; NaN without pairs.
    conformity_correlation_null : float
        Its standard deviation under random re-pairing, ``1/√(n − 1)``.

    Notes
    -----
    Liu et al., arXiv 2604.00279, split the gap into a centroid gap and a distribution gap. Two
    readings follow from the moments: with pairs, ``E‖x − y‖² = G_μ² + tr Σ_r``, whose second term
    is in the report as the residual; without, that of the clouds as distributions,
    ``F = G_μ² + B²``. This is the second. Conformity follows Levi & Gilboa, arXiv 2411.14517: the
    mean cosine to all other rows, which the cosine to the mean gives up to a constant.
    """

    gap: Interval
    floor: float
    share: float
    source: Conformity
    target: Conformity
    conformity_distance: float
    conformity_distance_floor: float
    conformity_correlation: float
    conformity_correlation_null: float


@dataclass(frozen=True)
class Items:
    """What tells whether two reports are about the same things.

    Attributes
    ----------
    digest : str
        Of the sorted ids of the target, or of its captions where ids are row numbers; empty where
        there are neither.
    count : int
    by : {"ids", "captions", "nothing"}
    """

    digest: str
    count: int
    by: Literal["ids", "captions", "nothing"]


@dataclass(frozen=True)
class Structure:
    """Whether the modalities agree on which rows are alike. Needs pairs.

    ``recall_at_1`` has the keys ``target_to_source`` and ``source_to_target``; ``*_null`` are
    mean and standard deviation under shuffled pairs.
    """

    recall_at_1: dict[str, float]
    recall_chance: float
    recall_p_value: float
    mutual_knn: float
    mutual_knn_null: tuple[float, float]
    debiased_cka: float
    debiased_cka_null: tuple[float, float]
    rsa: float
    rsa_null: tuple[float, float]
    rmg: float
    alignment: float


@dataclass(frozen=True)
class Verdict:
    """Is there anything to align? ``level`` and the sentences that say why."""

    level: Level
    headline: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Curves:
    """What a report's figures draw besides its numbers.

    Attributes
    ----------
    names : (str, str)
        Target and source modality.
    target, source, repaired : (d,) float64
        Eigenvalues of Σ_x, of Σ_y, and of Σ_x + Σ_y, the residual of random re-pairing; descending.
    residual : (d,) float64 or None
        Eigenvalues of Σ_r; None without pairs.
    ratios : (r,) float64
        ν per direction, ascending; see Residual.directional_ratio. Empty without pairs.
    overlaps : (k,) float64
        O_q for q = 1 … k; empty where subspaces were left out.
    ceiling : (ranks, values)
        O_q between two halves of one modality, at a few q.
    angles : (q,) float64
        Principal angles of the leading subspaces, radians.
    """

    names: tuple[str, str]
    target: Float64
    source: Float64
    residual: Float64 | None
    repaired: Float64
    ratios: Float64
    overlaps: Float64
    ceiling: tuple[tuple[int, ...], tuple[float, ...]]
    angles: Float64
