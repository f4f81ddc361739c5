"""What may and may not be claimed, each with the numbers of the sample that decide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.baselines import CenterBoth, Identity, MeanShift
from anisoalign_core.align.bounded import BoundedTransport
from anisoalign_core.align.gaussian import Bures
from anisoalign_core.align.paired import Procrustes
from anisoalign_core.align.realign import ReAlign
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.metrics import evaluate, paired_difference
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import row_cosines
from anisoalign_core.metrics.mixing import delta_mu
from anisoalign_core.metrics.retrieval import GALLERY, gallery_recall
from anisoalign_core.metrics.separability import separability
from anisoalign_core.pairs import EmbeddingPair

Kind = Literal["measured", "control", "raw", "corrected", "elsewhere", "limit"]

SHARE_LLM2CLIP = 0.89
"""Residual share of LLM2CLIP on a million pairs, as printed in [AA]."""
SHARE_COCO_CLIP = 0.475
"""Residual share of CLIP ViT-B/16 on 500 COCO pairs, measured with this library."""


@dataclass(frozen=True)
class Bar:
    """One number of a claim.

    Attributes
    ----------
    label : str
    value : float
    kind : str
        What it is of: ``"measured"`` the sample, ``"control"`` the untrained encoder, ``"raw"``
        uncorrected captions, ``"corrected"`` ones, ``"elsewhere"`` something to compare with,
        ``"limit"`` chance, or what no correction passes.
    """

    label: str
    value: float
    kind: Kind


@dataclass(frozen=True)
class Claim:
    """A sentence one hears, whether it may be said, and why.

    Attributes
    ----------
    name : str
        Short, for a button.
    words : str
        The claim.
    holds : bool
        Whether it may be claimed, within what ``because`` says.
    because : str
    bars : tuple of Bar
    axis : str
        What the bars measure.
    top : float
        End of the axis.
    """

    name: str
    words: str
    holds: bool
    because: str
    bars: tuple[Bar, ...]
    axis: str
    top: float


def claims(pair: EmbeddingPair, control: EmbeddingPair, random_state: int = 0) -> tuple[Claim, ...]:
    """Measure five claims on a paired sample and on the same pairs before training.

    Methods are fitted on the split's fit rows, which hold no partners, and measured on its
    held-out rows; only the reference that needs pairs sees any.

    Parameters
    ----------
    pair, control : EmbeddingPair
        Paired, row by row, and of the same rows.
    random_state : int, default 0
        Of the split.
    """
    split = pair.split(random_state)
    source, target = pair.source.take(split.fit_source), pair.target.take(split.fit_target)
    held = pair.take(split.holdout_pairs)
    untrained = control.take(split.holdout_pairs)
    methods: dict[str, Aligner] = {
        "as they are": Identity().fit(source, target),
        "mean shift": MeanShift().fit(source, target),
        "ReAlign": ReAlign().fit(source, target),
        "bounded": BoundedTransport().fit(source, target),
        "both centred": CenterBoth().fit(source, target),
    }
    partners = pair.take(split.fit_pairs)
    references: dict[str, Aligner] = {
        "no bound at all": Bures().fit(source, target),
        "rotation that saw the pairs": Procrustes().fit(partners.source, partners.target),
    }
    return (
        _gap_and_meaning(held, untrained),
        _better_search(held, methods),
        _same_point(held, methods, references),
        _better_cover(held, methods),
        _law(pair, control),
    )


def _gap_and_meaning(held: EmbeddingPair, untrained: EmbeddingPair) -> Claim:
    bars: list[Bar] = []
    found: dict[str, tuple[float, float, float]] = {}
    kinds: tuple[tuple[str, EmbeddingPair, Kind], ...] = (
        ("trained", held, "measured"),
        ("untrained", untrained, "control"),
    )
    for name, sides, _ in kinds:
        y, x = sides.source.vectors, sides.target.vectors
        hits = gallery_recall(y, x)["source_to_target"]
        found[name] = (delta_mu(Comparison.between(x, y)), separability(x, y).auc, hits)
    words = ("gap between the means", "told apart by a line", "captions find their picture")
    for number, label in enumerate(words):
        bars += [Bar(f"{label}, {name}", found[name][number], kind) for name, _, kind in kinds]
    chance = 1 / min(GALLERY, len(held.source))
    bars.append(Bar("captions find their picture, by chance", chance, "limit"))
    return Claim(
        "A gap means something is shared",
        "“There is a gap between pictures and captions, so there is something to align.”",
        False,
        f"Before training the gap is {found['untrained'][0]:.3g}, and a straight line tells "
        f"pictures from captions as well as after it (AUC {found['untrained'][1]:.3f}). But "
        f"{found['untrained'][2]:.2%} of the captions find their picture among {GALLERY}, where "
        f"chance finds {chance:.2%}; after training {found['trained'][2]:.1%} do. Ask first "
        "whether partners find each other.",
        tuple(bars),
        "distance, or share of 1",
        1.1,
    )


def _better_search(held: EmbeddingPair, methods: dict[str, Aligner]) -> Claim:
    bars: list[Bar] = []
    found, gaps = {}, {}
    for name, method in methods.items():
        y, x = method.transform(held.source), method.transform_target(held.target)
        found[name] = gallery_recall(y, x)
        gaps[name] = delta_mu(Comparison.between(x, y))
    for way, words in (
        ("source_to_target", "captions find their picture"),
        ("target_to_source", "pictures find their caption"),
    ):
        bars += [Bar(f"{words}: {name}", found[name][way], _kind(name)) for name in methods]
    raw, shifted = (found[name] for name in ("as they are", "mean shift"))
    return Claim(
        "Closing the gap improves search",
        "“Close the gap, and search gets better.”",
        False,
        f"A mean shift closes the gap from {gaps['as they are']:.3g} to {gaps['mean shift']:.3g}, "
        f"yet captions find their picture in {shifted['source_to_target']:.1%} of cases instead "
        f"of {raw['source_to_target']:.1%}, and pictures their caption in "
        f"{shifted['target_to_source']:.1%} instead of {raw['target_to_source']:.1%}. "
        "Standing in for a picture and being found by it are different goals.",
        tuple(bars),
        f"share whose partner is the nearest of {GALLERY} held-out rows",
        1.0,
    )


def _same_point(
    held: EmbeddingPair, methods: dict[str, Aligner], references: dict[str, Aligner]
) -> Claim:
    found = {
        name: float(row_cosines(held.target.vectors, method.transform(held.source)).mean())
        for name, method in (methods | references).items()
        if not method.moves_target
    }
    bars = [Bar(name, value, _kind(name)) for name, value in found.items()]
    bars.append(Bar("the same point", 1.0, "limit"))
    unbounded, rotation = (found[name] for name in references)
    return Claim(
        "A corrected caption is its picture",
        "“After the correction, a caption and its picture are the same point.”",
        False,
        f"Partners' mean cosine rises from {found['as they are']:.3g} to {found['bounded']:.3g}. "
        f"Without any bound it is {unbounded:.3g}, and a rotation that was shown the pairs reaches "
        f"{rotation:.3g}: never 1. A caption leaves things out and a picture shows what nobody "
        "wrote; what one side does not know, no correction can add.",
        tuple(bars),
        "mean cosine of partners, held-out rows",
        1.05,
    )


def _kind(name: str) -> Kind:
    return "raw" if name == "as they are" else "corrected"


def _better_cover(held: EmbeddingPair, methods: dict[str, Aligner]) -> Claim:
    scores = {
        name: evaluate(methods[name], held, metrics=("mixing_coverage", "omega"))
        for name in ("ReAlign", "bounded")
    }
    gain = paired_difference(scores["bounded"], scores["ReAlign"])
    cover, kept = gain["mixing_coverage"], gain["omega"]
    kinds: tuple[tuple[str, Kind], ...] = (("ReAlign", "elsewhere"), ("bounded", "corrected"))
    bars = [
        Bar(f"{words}: {name}", scores[name][metric].value, kind)
        for metric, words in (("mixing_coverage", "pictures covered"), ("omega", "neighbours kept"))
        for name, kind in kinds
    ]
    bound = getattr(methods["bounded"], "bound_", float("nan"))
    return Claim(
        "Bounded covers more, at a price",
        "“On this sample, bounded captions cover the pictures' neighbourhoods better than "
        "ReAlign's, and pay for it in neighbours.”",
        cover.low > 0 and kept.high < 0,
        f"With the automatic bound {bound:.2f}, coverage is {cover.value:+.3f} higher (95 % "
        f"{cover.low:+.3f} to {cover.high:+.3f}) and {-kept.value:.3f} fewer neighbours are kept "
        f"(95 % {-kept.high:.3f} to {-kept.low:.3f}). It may be said of this encoder and these "
        "rows, with the interval and with the price.",
        tuple(bars),
        f"share of 1, {len(held.source):,} held-out rows",
        1.05,
    )


def _law(pair: EmbeddingPair, control: EmbeddingPair) -> Claim:
    here, before = (
        Residual.of(sides.source.vectors, sides.target.vectors).share for sides in (pair, control)
    )
    return Claim(
        "A number from one encoder is a law",
        "“In CLIP-like models the residual makes up nine tenths of the distance.”",
        False,
        f"It is {here:.3g} in this sample, {before:.3g} before training, {SHARE_COCO_CLIP:.3g} "
        f"for CLIP ViT-B/16 on COCO and {SHARE_LLM2CLIP:.3g} printed for LLM2CLIP. Such a number "
        "belongs to the encoder and the data it was measured on: measure yours.",
        (
            Bar("this sample", here, "measured"),
            Bar("this sample, untrained", before, "control"),
            Bar("CLIP ViT-B/16 on COCO", SHARE_COCO_CLIP, "elsewhere"),
            Bar("LLM2CLIP, as published", SHARE_LLM2CLIP, "elsewhere"),
        ),
        "share of the squared distance between partners that the means do not explain",
        1.05,
    )
