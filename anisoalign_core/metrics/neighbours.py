"""Exact nearest neighbours on unit rows, where the inner product is the cosine.

On two cores and 20,000 × 512 rows, k = 20, reading the k largest of a block
through group maxima (:func:`largest`) takes 1.05 times as long as a bare blocked ``torch.topk``,
and 1.2 times as long as one that reuses its memory (benchmarks/neighbours.py), while importing
torch takes longer than the whole search of 10,000 rows. So numpy does the work unless a ``device``
is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import cosines as products
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.numerics import Float32, Integers, blocks

Neighbours = tuple[Integers, Float32]


def largest(values: Float32, k: int) -> Neighbours:
    """Select the k largest entries of every row, in descending order, lower column first on ties.

    The k-th largest of disjoint group maxima is a lower bound of the k-th largest entry, so the
    few entries that reach it contain the answer exactly, ties at the boundary included.

    Parameters
    ----------
    values : (b, m) float32
    k : int
        At most m.

    Returns
    -------
    columns : (b, k) int
    values : (b, k) float32
    """
    b, m = values.shape
    groups = max(128, 4 * k)
    if m >= 2 * groups:
        depth = m // groups
        top = values[:, : depth * groups].reshape(b, depth, groups).max(axis=1)
    else:
        top = values
    bound = np.partition(top, top.shape[1] - k, axis=1)[:, top.shape[1] - k]
    flat = np.flatnonzero(values >= bound[:, None])
    row, column = np.divmod(flat, m)
    counts = np.bincount(row, minlength=b)
    place = np.arange(len(flat)) - (np.cumsum(counts) - counts)[row]
    padded = np.full((b, int(counts.max(initial=k))), np.inf, dtype=np.float32)
    columns = np.zeros(padded.shape, dtype=np.intp)
    padded[row, place] = -values.reshape(-1)[flat]
    columns[row, place] = column
    order = np.argsort(padded, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(columns, order, 1), -np.take_along_axis(padded, order, 1)


def nearest(cosines: Cosines, k: int, *, exclude_self: bool = False) -> Neighbours:
    """Find the k keys of largest cosine for every query; see :func:`top_k`."""
    n, m = cosines.shape
    _check_k(k, n, m, exclude_self)
    wanted = k + exclude_self
    indices = np.empty((n, wanted), dtype=np.intp)
    values = np.empty((n, wanted), dtype=np.float32)
    for part, block in cosines.blocks():
        indices[part], values[part] = largest(block, wanted)
    return _without_self(indices, values) if exclude_self else (indices, values)


def top_k(
    queries: Float32,
    keys: Float32,
    k: int,
    *,
    exclude_self: bool = False,
    device: str | None = None,
) -> Neighbours:
    """Exact k nearest keys of every query row by cosine.

    Parameters
    ----------
    queries : (n, d) float32
        Unit rows.
    keys : (m, d) float32
        Unit rows.
    k : int
        Neighbours per query.
    exclude_self : bool, default False
        Leave out key i for query i; then queries and keys are the same rows.
    device : str, optional
        A torch device such as ``"cuda"``. Without it numpy does the work (see the module's head
        for why).

    Returns
    -------
    indices : (n, k) int
        Rows of ``keys``, nearest first; among equal cosines the lower row first.
    similarities : (n, k) float32

    Raises
    ------
    ParameterError
        If there are not k keys to find.
    """
    if device is not None:
        return _top_k_torch(queries, keys, k, exclude_self, device)
    return nearest(Cosines(queries, keys), k, exclude_self=exclude_self)


def merge(first: Neighbours, second: Neighbours, k: int) -> npt.NDArray[np.bool_]:
    """Which of the k nearest in the union of two key sets come from the second.

    Parameters
    ----------
    first, second : neighbours of the same n queries in two disjoint key sets
        Each at least as deep as k, or holding all the keys of its set.
    k : int

    Returns
    -------
    (n, k) bool
        Nearest first; at equal cosine the first set comes first.
    """
    values = np.concatenate([first[1], second[1]], axis=1)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.asarray(order >= first[1].shape[1])


def k_occurrence(indices: Integers, n: int) -> Integers:
    """How often each of n keys occurs among the neighbours: its k-occurrence ``N_k``.

    Parameters
    ----------
    indices : (q, k) int
    n : int
        Number of keys.

    Returns
    -------
    (n,) int
    """
    return np.bincount(indices.reshape(-1), minlength=n)


def overlap(first: Integers, second: Integers, n: int) -> npt.NDArray[np.float64]:
    """Share of common neighbours per row of two (q, k) neighbour lists over the same n keys."""
    q, k = first.shape
    offset = np.arange(q)[:, None] * n
    common = np.intersect1d((first + offset).ravel(), (second + offset).ravel(), assume_unique=True)
    return np.asarray(np.bincount(common // n, minlength=q) / k)


def reordered(indices: Integers, order: Integers) -> Integers:
    """Neighbour lists of rows in themselves after the rows were put in another order.

    Parameters
    ----------
    indices : (n, k) int
    order : (n,) int
        Row ``order[i]`` becomes row i.
    """
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return np.asarray(places[indices[order]])


def _without_self(indices: Integers, values: Float32) -> Neighbours:
    n, wide = indices.shape
    is_self = indices == np.arange(n)[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # duplicates crowded it out: drop the farthest
    keep = ~is_self
    return indices[keep].reshape(n, wide - 1), values[keep].reshape(n, wide - 1)


def _check_k(k: int, n: int, m: int, exclude_self: bool) -> None:
    if exclude_self and n != m:
        raise ShapeError(f"{n} queries cannot be excluded from {m} keys: they are not the same.")
    available = m - exclude_self
    if not 1 <= k <= available:
        raise ParameterError(
            f"k is {k}, but each row has {available} possible neighbours. "
            "Choose a smaller k (at least 1) or load more rows."
        )


def _top_k_torch(
    queries: Float32, keys: Float32, k: int, exclude_self: bool, device: str
) -> Neighbours:
    import torch

    _check_k(k, len(queries), len(keys), exclude_self)
    wanted = k + exclude_self
    held_keys = torch.from_numpy(np.array(keys)).to(device).T
    indices = np.empty((len(queries), wanted), dtype=np.intp)
    values = np.empty((len(queries), wanted), dtype=np.float32)
    for part in blocks(len(queries), max(32, 4 * products.BLOCK_CELLS // len(keys))):
        block = torch.from_numpy(np.array(queries[part])).to(device) @ held_keys
        found, where = block.topk(wanted, dim=1)
        column, value = where.cpu().numpy(), found.cpu().numpy()
        order = np.lexsort((column, -value), axis=1)
        indices[part] = np.take_along_axis(column, order, 1)
        values[part] = np.take_along_axis(value, order, 1)
    return _without_self(indices, values) if exclude_self else (indices, values)


@dataclass(frozen=True, eq=False)
class NeighbourChange:
    """The k nearest keys of one query before and after a correction.

    Attributes
    ----------
    before, after : Neighbours
        Rows and cosines, nearest first, of shape (k,).
    """

    before: Neighbours
    after: Neighbours

    @property
    def kept(self) -> Integers:
        """Rows near both before and after, nearest after first."""
        return self.after[0][np.isin(self.after[0], self.before[0])]

    @property
    def gained(self) -> Integers:
        """Rows near only after, nearest first."""
        return self.after[0][~np.isin(self.after[0], self.before[0])]

    @property
    def lost(self) -> Integers:
        """Rows near only before, nearest first."""
        return self.before[0][~np.isin(self.before[0], self.after[0])]


def neighbour_change(
    before: tuple[Float32, Float32],
    after: tuple[Float32, Float32],
    k: int,
    *,
    leave_out: int | None = None,
) -> NeighbourChange:
    """Find which neighbours of a row a correction keeps, gains and loses.

    Parameters
    ----------
    before, after : tuple of (d,) and (m, d) float32
        The row and the keys, unit, as they were and as they are.
    k : int
    leave_out : int, optional
        Key that is the row itself.

    Raises
    ------
    ParameterError
        If there are fewer than k keys.
    """
    found = []
    for query, keys in (before, after):
        rows, cosines = top_k(query[None], keys, k + (leave_out is not None))
        others = rows[0] != leave_out
        found.append((rows[0][others][:k], cosines[0][others][:k]))
    return NeighbourChange(*found)
