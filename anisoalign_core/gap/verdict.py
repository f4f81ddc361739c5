"""Whether there is anything to align, judged against nulls."""

from __future__ import annotations

from collections.abc import Mapping

from anisoalign_core.gap.facts import Gallery, Overlap, Structure, Verdict, gallery_of

OVERLAP_EVIDENCE = 0.1
"""Share of the way from random to ceiling that O_q must exceed to count as shared directions."""
RECALL_SIGNIFICANCE = 1e-3
FEWEST_ROWS = 5
"""With fewer, neighbours and leading directions say nothing."""


def judge(
    subspaces: dict[int, Overlap],
    structure: Structure | None,
    rows: int,
    galleries: Mapping[int, Gallery],
) -> Verdict:
    """Decide whether there is anything to align, from overlap and retrieval against their nulls.

    A gap and perfect separability are *not* evidence: random-weight encoders show both.

    Parameters
    ----------
    subspaces : dict of int to Overlap
    structure : Structure or None
        None when there are no pairs.
    rows : int
        Rows behind the retrieval numbers.
    galleries : mapping of int to Gallery
        Retrieval by the size of the gallery, to be told at the size that everything is told at.
    """
    if rows < FEWEST_ROWS:
        return Verdict(
            "unknown",
            f"There are too few rows to tell whether anything is shared: {rows}, and at least "
            f"{FEWEST_ROWS} are needed.",
            (),
        )
    shares = {
        q: (o.value - o.random) / max(o.ceiling - o.random, 1e-9) for q, o in subspaces.items()
    }
    best = max(shares, key=lambda q: shares[q]) if shares else None
    overlapping = best is not None and shares[best] >= OVERLAP_EVIDENCE
    reasons = []
    if best is not None:
        o = subspaces[best]
        reasons.append(
            f"Leading subspaces overlap {o.value:.3f} (O_{best}; random {o.random:.3f}, two halves "
            f"of one modality {o.ceiling:.3f})."
        )
    if structure is None:
        reasons.append("Without pairs, retrieval and neighbourhoods cannot be checked.")
        if overlapping:
            return Verdict(
                "weak",
                "The modalities share leading directions; pairs would be needed to say more.",
                tuple(reasons),
            )
        return Verdict(
            "nothing",
            "There is nothing to align that can be seen without pairs: the leading directions of "
            "the two sets overlap no more than random ones.",
            tuple(reasons),
        )
    reasons.insert(0, _found(structure, rows, galleries))
    null, spread = structure.mutual_knn_null
    reasons.append(
        f"Neighbourhoods agree {structure.mutual_knn:.3f} (mutual k-NN; shuffled pairs "
        f"{null:.3f} ± {spread:.3f})."
    )
    found = structure.recall_p_value < RECALL_SIGNIFICANCE
    if found and overlapping:
        headline = "There is shared meaning to align: partners find each other far above chance."
        return Verdict("shared", headline, tuple(reasons))
    if found:
        headline = (
            "There is a little to align: partners find each other above chance, but leading "
            "directions barely overlap."
        )
        return Verdict("weak", headline, tuple(reasons))
    if structure.mutual_knn > null + 4 * spread:
        reasons.append(
            "Each space keeps some of the same neighbours by itself, as random features also do, "
            "but not along shared directions, so no map learned without pairs can use it."
        )
    headline = (
        "There is nothing to align: partners find each other no better than chance, so the gap "
        "separates two spaces that share no meaning."
    )
    return Verdict("nothing", headline, tuple(reasons))


def _found(structure: Structure, rows: int, galleries: Mapping[int, Gallery]) -> str:
    """Say how often partners find each other; of so few that there is no gallery, among all."""
    shown = gallery_of(galleries)
    size, hits, chance = rows, structure.recall_at_1, structure.recall_chance
    if shown is not None:
        size, chance = shown[0], shown[1].recall_chance
        hits = {way: found.value for way, found in shown[1].recall_at_1.items()}
    backward, forward = hits["target_to_source"], hits["source_to_target"]
    return (
        f"Among {size} the right partner is nearest for {backward:.1%} of target and {forward:.1%} "
        f"of source rows; chance is {100 * chance:.2g}% "
        f"({_p_words(structure.recall_p_value)}, told on all {rows:,})."
    )


def _p_words(p_value: float) -> str:
    return "p < 1e-16" if p_value < 1e-16 else f"p = {p_value:.2g}"
