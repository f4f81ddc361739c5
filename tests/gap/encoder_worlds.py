"""Small encoders of the same things: paired worlds with ids, in any order."""

from __future__ import annotations

import numpy as np

import anisoalign_core as aa
from tests.conftest import paired_world


def ids_of(n, prefix="thing"):
    """Names for n things."""
    return [f"{prefix}-{number:04d}" for number in range(n)]


def pair_of(n=120, d=12, seed=0, order=None, ids=True, captions=False, paired=True, rotate=None):
    """Return a paired world as sets, its things in another order, or in a rotated space."""
    y, x = paired_world(n, d, seed)
    order = np.arange(n) if order is None else order
    if rotate is not None:
        turn = np.linalg.qr(np.random.default_rng(rotate).standard_normal((d, d)))[0]
        y, x = (np.asarray(rows @ turn, dtype=np.float32) for rows in (y, x))
    names, words = np.array(ids_of(n))[order], np.array(ids_of(n, "caption"))[order]
    given = {"ids": names} if ids else {}
    source = aa.EmbeddingSet.from_array(
        y[order], modality="text", captions=words if captions else None, **given
    )
    target = aa.EmbeddingSet.from_array(x[order], modality="image", **given)
    return aa.EmbeddingPair(source, target, paired=paired)


def shuffled(n, seed=1):
    """Return another order of n things."""
    return np.random.default_rng(seed).permutation(n)


def grouped(n=60, d=12, each=3, seed=0, noise=0.1):
    """Return things of one target row and ``each`` source rows, matched by id."""
    y, x = paired_world(n, d, seed)
    rng = np.random.default_rng(seed + 1)
    y = np.repeat(y, each, axis=0) + noise * rng.standard_normal((n * each, d))
    order = rng.permutation(n * each)
    names = np.array(ids_of(n))
    return aa.EmbeddingPair.match(
        aa.EmbeddingSet.from_array(y[order], modality="text", ids=np.repeat(names, each)[order]),
        aa.EmbeddingSet.from_array(x, modality="image", ids=names),
        "id",
    )
