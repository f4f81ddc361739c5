"""What a bench shows of its kept rows: small clouds under one bound, and who finds what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anisoalign_core.align import BoundedTransport
from anisoalign_core.bench.bench import BenchEntry
from anisoalign_core.compare.study import beside
from anisoalign_core.errors import ParameterError, ValueRefused
from anisoalign_core.matrices import leading
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Integers


@dataclass(frozen=True, eq=False)
class SmallCloud:
    """Kept rows of one encoder on its own gap direction and what varies most beside it.

    Attributes
    ----------
    name : str
    target, source : (n, 2) float32
        Row i of both shows thing i.
    ids : tuple of str
    captions : tuple of str
        Of the source where it has some, else of the target, else the ids.
    """

    name: str
    target: Float32
    source: Float32
    ids: tuple[str, ...]
    captions: tuple[str, ...]


def small_cloud(entry: BenchEntry, bound: float | None = None) -> SmallCloud:
    """Project an encoder's kept rows; the source corrected under a bound, or raw.

    The correction is fitted on the same rows that are shown: a picture of what a bound does, no
    measurement.

    Raises
    ------
    ParameterError
        If no rows of the encoder are kept, or no correction can be fitted on them.
    """
    pair = entry.kept.rows
    if pair is None:
        raise ParameterError(f"{entry.name} is known by its numbers only; no rows are kept.")
    y, x = pair.source.vectors, pair.target.vectors
    of_y, of_x = Moments.of(y), Moments.of(x)
    axes = beside(of_x.mean - of_y.mean, leading(of_x.covariance + of_y.covariance, 2))
    if bound is not None:
        try:
            y = BoundedTransport(bound=bound).fit(y, x).transform(y)
        except ValueRefused as error:
            raise ParameterError(f"{entry.name} cannot be corrected: {error}") from error
    known = pair.source if pair.source.captions is not None else pair.target
    words = known.captions if known.captions is not None else pair.target.ids
    return SmallCloud(
        entry.name,
        (x @ axes).astype(np.float32),
        (y @ axes).astype(np.float32),
        tuple(pair.target.ids.tolist()),
        tuple(str(one) for one in words),
    )


@dataclass(frozen=True, eq=False)
class Differing:
    """Things whose partner one encoder finds at once and another does not.

    Attributes
    ----------
    ids, captions : tuple of str
    ahead : (k, 2) int
        Other things nearer than the partner in the first and in the second encoder.
    of : int
        Things that both were asked for.
    searched : (int, int)
        Things in the galleries of the two.
    """

    ids: tuple[str, ...]
    captions: tuple[str, ...]
    ahead: Integers
    of: int
    searched: tuple[int, int]


def found_by_one(first: BenchEntry, second: BenchEntry, *, forward: bool = True) -> Differing:
    """Return kept things that ``first`` finds at the first place and ``second`` does not.

    Parameters
    ----------
    first, second : BenchEntry
        With kept rows.
    forward : bool, default True
        Source rows look for their target; else the other way round.

    Returns
    -------
    Differing
        Sorted by how far ``second`` is off, worst first.

    Raises
    ------
    ParameterError
        If one has no kept rows, or they have no thing in common.
    """
    known = []
    for entry in (first, second):
        if entry.kept.rows is None or entry.kept.found is None:
            raise ParameterError(f"{entry.name} is known by its numbers only; no rows are kept.")
        found = entry.kept.found
        places = found.ahead_of_target if forward else found.ahead_of_source
        ids = entry.kept.rows.target.ids.tolist()
        known.append((dict(zip(ids, places, strict=True)), found.searched))
    (of_first, searched), (of_second, other) = known
    common = [one for one in of_first if one in of_second]
    if not common:
        raise ParameterError(
            f"{first.name} and {second.name} have no kept things in common: their ids differ."
        )
    cloud = small_cloud(first)
    words = dict(zip(cloud.ids, cloud.captions, strict=True))
    differing = [one for one in common if of_first[one] == 0 < of_second[one]]
    differing.sort(key=lambda one: -of_second[one])
    ahead = np.array([(of_first[one], of_second[one]) for one in differing], dtype=np.intp)
    return Differing(
        tuple(differing),
        tuple(words[one] for one in differing),
        ahead.reshape(-1, 2),
        len(common),
        (searched, other),
    )
