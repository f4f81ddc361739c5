"""Every metric, declared: what it is called, which way is better, what it needs, where it is from.

Screens and tables build themselves from :data:`METRICS`. A metric's function reads a
:class:`~anisoalign_core.metrics.comparison.Comparison` and returns a number, or one number per
source row when the metric is their mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anisoalign_core.metrics import floors
from anisoalign_core.metrics.bootstrap import auc_interval
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.distributions import mmd_of_cosines, sliced_wasserstein
from anisoalign_core.metrics.neighbours import overlap
from anisoalign_core.metrics.residual import residual_anisotropy
from anisoalign_core.metrics.retrieval import mixed_gallery_bias
from anisoalign_core.metrics.semantics import (
    pair_correlation,
    phi_max_from_means,
    row_cosines,
    trustworthiness,
)
from anisoalign_core.numerics import Float64

Needs = Literal["fit-free", "unpaired", "paired"]
Group = Literal["semantics", "support", "residual", "retrieval"]
Estimate = Callable[[Comparison], "float | Float64"]


@dataclass(frozen=True)
class Metric:
    """One metric as the rest of the library sees it.

    Attributes
    ----------
    name : str
        Key in the registry and in exported files.
    label : str
        Words a newcomer understands first.
    symbol : str
        What the papers write.
    description : str
        One sentence.
    direction : {"higher", "lower", "neutral"}
        Which way is better; "neutral" when a particular value is.
    range : (float, float)
        Smallest and largest possible value.
    needs : {"fit-free", "unpaired", "paired"}
        "fit-free" looks at the source only, "unpaired" at both sets, "paired" needs partners.
    group : {"semantics", "support", "residual", "retrieval"}
    cost : {"cheap", "moderate", "heavy"}
        Heavy metrics get fewer half-samples.
    reference : str
    function : callable of a Comparison
        Returns a float, or per-row values whose mean is the metric.
    floor : callable of a Comparison
        Returns what the metric gives by chance, by sampling alone, or with nothing in common;
        its docstring says which. None where there is no such value.
    interval : callable of a Comparison, optional
        An interval of the metric's own, used instead of half-samples.
    """

    name: str
    label: str
    symbol: str
    description: str
    direction: Literal["higher", "lower", "neutral"]
    range: tuple[float, float]
    needs: Needs
    group: Group
    cost: Literal["cheap", "moderate", "heavy"]
    reference: str
    function: Estimate
    floor: floors.Floor
    interval: Callable[[Comparison], tuple[float, float]] | None = None


def _omega(c: Comparison) -> float:
    old, new = c.fixed.before_neighbours[0][:, : c.k], c.after_neighbours[0][:, : c.k]
    return float(overlap(old, new, len(c.before)).mean())


def _delta_mu(c: Comparison) -> float:
    return float(np.linalg.norm(c.after_mean - c.fixed.target_mean))


def _mixed_gallery_bias(c: Comparison) -> float:
    # The mean, not the rows: both sets are the gallery, so halves must search anew.
    rows = mixed_gallery_bias(c.mixing.after_share, len(c.after), len(c.target))
    return float(rows.mean())


def _recall(at: int, *, forward: bool) -> Metric:
    query, gallery = ("source", "target") if forward else ("target", "source")
    place = "the first place" if at == 1 else f"the first {at} places"
    return Metric(
        name=f"recall_at_{at}_{query}_to_{gallery}",
        label=f"Partner found in {place} ({query} → {gallery})",
        symbol=f"R@{at}",
        description=(
            f"Share of {query} rows whose partner is in {place} among all {gallery} rows by "
            "cosine; ties count as if broken at random."
        ),
        direction="higher",
        range=(0.0, 1.0),
        needs="paired",
        group="retrieval",
        cost="cheap",
        reference="Standard in CLIP evaluations",
        function=lambda c: c.ranks.hits(at, forward=forward),
        floor=floors.recall_chance(at),
    )


_ALL = [
    Metric(
        "phi",
        "How little each row moves",
        "Φ",
        "Mean cosine between a source row and its correction.",
        "higher",
        (-1.0, 1.0),
        "fit-free",
        "semantics",
        "cheap",
        "[AA] arXiv:2605.07825",
        lambda c: row_cosines(c.before, c.after),
        floors.unrelated_cosine,
    ),
    Metric(
        "phi_max",
        "Closest the rows could stay, given how far their centre moved",
        "Φ_max",
        "Upper limit of Φ: moving the centroid of unit rows costs at least this much cosine.",
        "neutral",
        (-1.0, 1.0),
        "fit-free",
        "semantics",
        "cheap",
        "1 − ½‖μ_z − μ_y‖², from Jensen's inequality",
        lambda c: phi_max_from_means(c.fixed.before_mean, c.after_mean),
        floors.no_floor,
    ),
    Metric(
        "psi",
        "Similarities between source rows preserved",
        "Ψ",
        "Correlation of the pairwise cosines of the source rows before and after.",
        "higher",
        (-1.0, 1.0),
        "fit-free",
        "semantics",
        "cheap",
        "[AA] arXiv:2605.07825",
        lambda c: pair_correlation(c.fixed.before_cosines, c.after_cosines),
        floors.zero,
    ),
    Metric(
        "omega",
        "Nearest neighbours kept",
        "Ω_k",
        "Mean share of a source row's k nearest source rows that are still its nearest after.",
        "higher",
        (0.0, 1.0),
        "fit-free",
        "semantics",
        "cheap",
        "[AA] arXiv:2605.07825",
        _omega,
        floors.neighbour_chance,
    ),
    Metric(
        "trustworthiness",
        "New neighbours were near before",
        "T_k",
        "One minus the mean rank penalty of neighbours that appear only after the correction.",
        "higher",
        (0.0, 1.0),
        "fit-free",
        "semantics",
        "heavy",
        "Venna & Kaski 2001",
        lambda c: trustworthiness(c.before, c.after, c.k),
        floors.shuffled_trustworthiness,
    ),
    Metric(
        "delta_mu",
        "Distance left between the two centres",
        "Δμ",
        "Distance between the mean corrected row and the mean target row.",
        "lower",
        (0.0, 2.0),
        "unpaired",
        "support",
        "cheap",
        "[MG] arXiv:2203.02053",
        _delta_mu,
        floors.sampling_floor,
    ),
    Metric(
        "mixing_penetration",
        "Share of the corrected rows' neighbourhood that is mixed with the target",
        "M_k^Z",
        "Entropy of origin among a corrected row's k nearest rows of both sets; shuffled origin "
        "gives 1.",
        "higher",
        (0.0, np.inf),
        "unpaired",
        "support",
        "moderate",
        "[AA] arXiv:2605.07825",
        lambda c: c.mixing.penetration,
        floors.zero,
    ),
    Metric(
        "mixing_coverage",
        "Share of the target's neighbourhood covered",
        "M_k^X",
        "Entropy of origin among a target row's k nearest rows of both sets; shuffled origin "
        "gives 1.",
        "higher",
        (0.0, np.inf),
        "unpaired",
        "support",
        "moderate",
        "[AA] arXiv:2605.07825",
        lambda c: c.mixing.coverage,
        floors.zero,
    ),
    Metric(
        "frechet",
        "Distance between the two clouds (mean and covariance)",
        "F",
        "Squared Fréchet distance of two Gaussians with the moments of the corrected and the "
        "target rows.",
        "lower",
        (0.0, np.inf),
        "unpaired",
        "support",
        "heavy",
        "Dowson & Landau 1982; Heusel et al. 2017",
        lambda c: c.frechet,
        floors.target_halves_frechet,
    ),
    Metric(
        "sliced_wasserstein",
        "Distance between the two clouds (along random lines)",
        "SW₂",
        "Root mean square of the exact Wasserstein distances along 128 random directions.",
        "lower",
        (0.0, np.inf),
        "unpaired",
        "support",
        "moderate",
        "Bonneel et al. 2015",
        lambda c: sliced_wasserstein(c.target, c.after, random_state=c.random_state),
        floors.target_halves_wasserstein,
    ),
    Metric(
        "mmd",
        "Distance between the two clouds (Gaussian kernel)",
        "MMD²",
        "Unbiased squared maximum mean discrepancy; the kernel is as wide as the median distance "
        "between target rows.",
        "lower",
        (-np.inf, 2.0),
        "unpaired",
        "support",
        "moderate",
        "Gretton et al. 2012",
        lambda c: mmd_of_cosines(c.fixed.target_cosines, c.after_cosines, c.cross_cosines),
        floors.zero,
    ),
    Metric(
        "precision",
        "Corrected rows that land where the target lives",
        "P",
        "Share of corrected rows inside some target row's ball, which reaches its 5th neighbour.",
        "higher",
        (0.0, 1.0),
        "unpaired",
        "support",
        "moderate",
        "Kynkäänniemi et al. 2019",
        lambda c: c.manifold.precision,
        floors.zero,
    ),
    Metric(
        "recall",
        "Target rows within reach of corrected rows",
        "R",
        "Share of target rows inside some corrected row's ball, which reaches its 5th neighbour.",
        "higher",
        (0.0, 1.0),
        "unpaired",
        "support",
        "moderate",
        "Kynkäänniemi et al. 2019",
        lambda c: c.manifold.recall,
        floors.zero,
    ),
    Metric(
        "density",
        "How densely the target surrounds corrected rows",
        "D",
        "Mean number of target balls a corrected row lies in, divided by 5; about 1 for equal "
        "distributions.",
        "higher",
        (0.0, np.inf),
        "unpaired",
        "support",
        "moderate",
        "Naeem et al. 2020",
        lambda c: c.manifold.density,
        floors.zero,
    ),
    Metric(
        "coverage",
        "Target rows with a corrected row next to them",
        "C",
        "Share of target balls, each reaching the row's 5th neighbour, that hold a corrected row.",
        "higher",
        (0.0, 1.0),
        "unpaired",
        "support",
        "moderate",
        "Naeem et al. 2020",
        lambda c: c.manifold.coverage,
        floors.zero,
    ),
    Metric(
        "separability",
        "How well a straight cut tells the two sets apart",
        "AUC",
        "Held-out AUC of a logistic regression with the modality as label; well below 0.5 "
        "suggests a correction fitted on the very rows it is scored on.",
        "lower",
        (0.0, 1.0),
        "unpaired",
        "support",
        "moderate",
        "[MG] arXiv:2203.02053; interval of Hanley & McNeil 1982",
        lambda c: c.separability.auc,
        floors.half,
        lambda c: auc_interval(
            c.separability.auc, c.separability.n_target, c.separability.n_source
        ),
    ),
    Metric(
        "residual_anisotropy",
        "How few directions hold what separates partners",
        "A_r",
        "Largest eigenvalue of the covariance of partner differences over the mean eigenvalue.",
        "lower",
        (1.0, np.inf),
        "paired",
        "residual",
        "moderate",
        "[AA] arXiv:2605.07825",
        lambda c: residual_anisotropy(c.target, c.after),
        floors.isotropic_anisotropy,
    ),
    Metric(
        "matched_cosine",
        "Similarity of partners",
        "cos",
        "Mean cosine between a corrected source row and its own target row.",
        "higher",
        (-1.0, 1.0),
        "paired",
        "residual",
        "cheap",
        "[AA] arXiv:2605.07825",
        lambda c: row_cosines(c.target, c.after),
        floors.repaired_cosine,
    ),
    *(_recall(at, forward=forward) for at in (1, 5, 10) for forward in (True, False)),
    Metric(
        "mixed_gallery_bias",
        "Preference for the own modality when both are searched together",
        "β_mix",
        "Share of corrected source rows among a corrected row's k nearest rows of both sets, "
        "minus their share of the gallery.",
        "neutral",
        (-1.0, 1.0),
        "unpaired",
        "retrieval",
        "moderate",
        "[GR] arXiv:2507.19054",
        _mixed_gallery_bias,
        floors.zero,
    ),
]

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""All metrics by name, in the order in which tables show them."""
