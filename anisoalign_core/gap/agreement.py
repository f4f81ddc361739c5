"""How far the gap of two encoders runs along the same things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from anisoalign_core.errors import NeedsPairsError, ShapeError
from anisoalign_core.gap.comparable import keys_of
from anisoalign_core.numerics import Float64, fix_signs
from anisoalign_core.pairs import EmbeddingPair

LEADING = 5
FEWEST = 10


@dataclass(frozen=True)
class Agreement:
    """``‖Q_aᵀ Q_b‖²_F / q`` of the leading residual scores of two encoders on the same things.

    Attributes
    ----------
    first, second : str
    value : float
        1 when the same things lie along the leading q residual directions of both; 0 when none do.
    null : float
        ``q/(n − 1)``: its mean over all ways to pair the things at random.
    rows, rank : int
        Things that both have, n, and q.
    """

    first: str
    second: str
    value: float
    null: float
    rows: int
    rank: int


def residual_scores(pair: EmbeddingPair, rank: int = LEADING) -> tuple[list[str], Float64]:
    """Return what names the things, and their scores along the leading residual directions.

    With ``R`` the (n, d) centred differences of partners, ``R = Q S Uᵀ``: columns of Q are the
    scores of the things along the directions U, scaled to length one.

    Returns
    -------
    keys : list of str
        Ids; where those are row numbers captions, if there are any.
    scores : (n, q) float64

    Raises
    ------
    NeedsPairsError
        If the pair is unpaired.
    """
    things = pair.things
    if things is None:
        raise NeedsPairsError("Residual directions need to know the pairs.")
    y = things.mean_rows(pair.source.vectors, of_source=True).astype(np.float64)
    x = things.mean_rows(pair.target.vectors, of_source=False)
    difference = x - y
    difference -= difference.mean(axis=0)
    rank = min(rank, *difference.shape)
    wide = len(difference) <= difference.shape[1]
    square = difference @ difference.T if wide else difference.T @ difference
    leading = fix_signs(np.linalg.eigh(square)[1][:, ::-1][:, :rank])
    scores = leading if wide else difference @ leading
    firsts = np.unique(things.target, return_index=True)[1]
    keys, _ = keys_of(pair)
    return (pair.target.ids if keys is None else keys)[firsts].tolist(), scores


def agreements(pairs: Mapping[str, EmbeddingPair], rank: int = LEADING) -> tuple[Agreement, ...]:
    """Compare leading residual directions of every two encoders on the things that both have.

    Raises
    ------
    NeedsPairsError
        If a pair is unpaired.
    ShapeError
        If two encoders have fewer than ten things in common.
    """
    known = {name: residual_scores(pair, rank) for name, pair in pairs.items()}
    found = []
    for (first, (ids, a)), (second, (other, b)) in combinations(known.items(), 2):
        place, at = _alone(ids), _alone(other)
        common = [(row, at[one]) for one, row in place.items() if one in at]
        if len(common) < FEWEST:
            raise ShapeError(
                f"{first} and {second} have {len(common)} things in common by name; at least "
                f"{FEWEST} are needed to compare their directions."
            )
        rows = np.array(common)
        q_a, q_b = (_basis(scores[rows[:, side]]) for side, scores in enumerate((a, b)))
        q = min(q_a.shape[1], q_b.shape[1])
        if not q:  # partners are the same rows, or all differ by one step
            continue
        value = float(np.sum((q_a.T @ q_b) ** 2) / q)
        null = max(q_a.shape[1], q_b.shape[1]) / (len(rows) - 1)
        found.append(Agreement(first, second, value, null, len(rows), q))
    return tuple(found)


def _alone(keys: list[str]) -> dict[str, int]:
    """Return the row of each key that no two rows have."""
    counts = Counter(keys)
    return {key: row for row, key in enumerate(keys) if counts[key] == 1}


def _basis(scores: Float64) -> Float64:
    """Return an orthonormal basis of centred scores."""
    centred = scores - scores.mean(axis=0)
    vectors, values, _ = np.linalg.svd(centred, full_matrices=False)
    return vectors[:, values > 1e-10 * max(values[0], 1e-300)]
