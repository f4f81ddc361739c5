"""Search in a mixed gallery: items are partly images, partly texts, partly both in one row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.use import Use
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.retrieval import TIE_TOLERANCE
from anisoalign_core.numerics import Float32, Float64, blocks, generator, row_norms, unit_rows

SHARES = tuple(round(0.1 * step, 1) for step in range(11))
"""Shares of target rows in a mixed gallery."""
CUT = 10


def mixed_gallery_ndcg(
    source: Float32,
    target: Float32,
    shares: Sequence[float] = SHARES,
    *,
    at: int = CUT,
    random_state: int = 0,
) -> Float64:
    """nDCG@10 of finding the one true image while the share of images in the gallery grows.

    The gallery holds one item per pair. For a source query i, item i is present as its target row
    (the one relevant item); a share s of the other items is shown as target rows, the rest as
    source rows. With one relevant item the ideal DCG is 1, so

        ``nDCG@10 = E[1/log₂(1 + rank_i); rank_i ≤ 10]``,

    ties broken at random. At s = 1 this is plain cross-modal retrieval; below, rows of the query's
    own modality crowd out the image when there is a gap [GR]. Which items are shown as target rows
    is drawn once and nested, so only the share changes along the curve. At s = 0 the relevant item
    is the only target row, and who tells the modalities apart finds it without any meaning: read
    the curve against :func:`chance_ndcg`, and its mean (:func:`mean_over_shares`) leaves 0 out.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows, corrected if at all: queries and source items are both ``source``.
    shares : sequence of float
        In [0, 1].
    at : int, default 10
    random_state : int, default 0

    Returns
    -------
    (len(shares),) float64
        :func:`chance_ndcg` is what telling the modalities apart gives by itself.

    Raises
    ------
    ShapeError
        If the rows do not correspond.
    ParameterError
        If a share is outside [0, 1].
    """
    if source.shape != target.shape:
        raise ShapeError(f"{len(source)} source and {len(target)} target rows are not pairs.")
    if any(not 0.0 <= share <= 1.0 for share in shares):
        raise ParameterError("Shares of images lie between 0 and 1.")
    n = len(source)
    place = generator(random_state).permutation(n)
    as_target = (place[:, None] < np.round(np.asarray(shares) * n)).astype(np.float32)
    gained = np.concatenate([[0.0], np.cumsum(_gains(n, at))])
    total = np.zeros(len(shares))
    for part in blocks(n, 1024):
        image, text = source[part] @ target.T, source[part] @ source.T
        rows = np.arange(part.start, part.stop)
        own = image[rows - part.start, rows][:, None]
        image[rows - part.start, rows] = text[rows - part.start, rows] = -np.inf

        def count(level: Float32, image: Float32 = image, text: Float32 = text) -> Float64:
            above = (image > level).astype(np.float32) @ as_target
            above += (text > level).astype(np.float32) @ (1 - as_target)
            return np.asarray(above, dtype=np.float64)

        ahead = count(own + np.float32(TIE_TOLERANCE)).astype(np.intp)
        ties = count(own - np.float32(TIE_TOLERANCE)).astype(np.intp) - ahead
        total += ((gained[ahead + ties + 1] - gained[ahead]) / (ties + 1)).sum(axis=0)
    return np.asarray(total / n)


def _gains(n: int, at: int) -> Float64:
    ranks = np.arange(1, n + 1)
    return np.where(ranks <= at, 1.0 / np.log2(1.0 + ranks), 0.0)


def chance_ndcg(n: int, shares: Sequence[float] = SHARES, at: int = CUT) -> Float64:
    """nDCG@10 of a ranking that puts all target rows first, in random order, and knows no more.

    With m = round(s·n) target rows in the gallery (at least the one), ``Σ_{r≤min(10,m)}
    1/log₂(1+r) / m``; a ranking that is random altogether gets no more.

    Returns
    -------
    (len(shares),) float64
    """
    gained = np.cumsum(_gains(n, at))
    present = np.clip(np.round(np.asarray(shares) * n).astype(np.intp), 1, n)
    return np.asarray(gained[present - 1] / present)


def mean_over_shares(curve: Float64, shares: Sequence[float] = SHARES) -> float:
    """Mean of a curve over the shares above 0."""
    return float(np.asarray(curve)[np.asarray(shares) > 0].mean())


FUSED_SHARE = 1 / 3
"""Share of the items of each kind in a gallery of images, texts, and rows that hold both."""


def fused_gallery_ndcg(
    source: Float32, target: Float32, *, at: int = CUT, random_state: int = 0
) -> float:
    """nDCG@10 of finding the true image among images, texts, and documents that hold both.

    As :func:`mixed_gallery_ndcg`, but each item other than the query's own is shown, a third each,
    as its target row x, its source row z, or the direction of ``z + x``: a document of a picture
    and its text, embedded by the mean of both. The query's own item is its target row: one that
    held its text as well would hold the query itself. With a gap, whatever holds text stands
    before pictures.

    Parameters
    ----------
    source, target : (n, d) float32
        Matched unit rows, corrected if at all.
    at : int, default 10
    random_state : int, default 0
        Draws which item is shown as what.

    Returns
    -------
    float
        :func:`chance_fused` is what telling the kinds apart gives by itself.

    Raises
    ------
    ShapeError
        If the rows do not correspond, or a row and its partner cancel.
    """
    if source.shape != target.shape:
        raise ShapeError(f"{len(source)} source and {len(target)} target rows are not pairs.")
    n = len(source)
    kind = generator(random_state).permutation(n) * 3 // n
    both = source + target
    norms = row_norms(both)
    if not norms.all():
        raise ShapeError("A row and its partner cancel, so that they have no mean direction.")
    shown = np.where((kind == 0)[:, None], target, source)
    shown = np.where((kind == 2)[:, None], unit_rows(both, norms), shown)
    gained = np.concatenate([[0.0], np.cumsum(_gains(n, at))])
    total = 0.0
    for part in blocks(n, 1024):
        cosines = source[part] @ shown.T
        rows = np.arange(part.start, part.stop)
        own = np.einsum("ij,ij->i", source[part], target[part])[:, None]
        cosines[rows - part.start, rows] = -np.inf
        ahead = np.count_nonzero(cosines > own + np.float32(TIE_TOLERANCE), axis=1)
        ties = np.count_nonzero(cosines >= own - np.float32(TIE_TOLERANCE), axis=1) - ahead
        total += float(((gained[ahead + ties + 1] - gained[ahead]) / (ties + 1)).sum())
    return total / n


def chance_fused(n: int, at: int = CUT) -> float:
    """nDCG@10 of a ranking that puts all pictures first, in random order, and knows no more."""
    pictures = max(1, round(n * FUSED_SHARE))
    return float(_gains(n, at)[:pictures].sum() / pictures)


def mixed_curve(work: AtWork) -> Float64:
    """:func:`mixed_gallery_ndcg` of one row a side of each thing; computed once."""
    return work.once("mixed", lambda at: mixed_gallery_ndcg(*at.matched))


FAMILY = (
    Use(
        name="mixed_gallery_ndcg",
        label="The right image found among images and texts",
        symbol="mixed nDCG@10",
        description="nDCG@10 of a corrected source row finding its own target row, mean over "
        "galleries of which 10 to 100 % are target rows.",
        needs="paired",
        group="mixed",
        reference="[GR] arXiv:2507.19054",
        ends=("identity", "oracle"),
        function=lambda work: mean_over_shares(mixed_curve(work)),
        floor=lambda work: mean_over_shares(chance_ndcg(work.known.count)),
    ),
    Use(
        name="fused_gallery_ndcg",
        label="The right image found among images, texts, and documents of both",
        symbol="fused nDCG@10",
        description="nDCG@10 of a corrected source row finding its own target row among items "
        "that are shown, a third each, as target row, source row, or the mean of both.",
        needs="paired",
        group="mixed",
        reference="This project, after [GR] arXiv:2507.19054",
        ends=("identity", "oracle"),
        function=lambda work: fused_gallery_ndcg(*work.matched),
        floor=lambda work: chance_fused(work.known.count),
    ),
)
