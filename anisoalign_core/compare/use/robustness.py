"""Robustness: search after rows were stored in fewer bits, cut short, or stirred."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.search import chance, first_is_match
from anisoalign_core.compare.use.use import Use
from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float32, generator, row_norms, unit_rows

NOISE = 0.25
"""Length of the noise, as a share of the row's."""
LEVELS = 255
Pair = tuple[Float32, Float32]
"""Queries and gallery."""


def int8(queries: Float32, gallery: Float32) -> Pair:
    """Store the gallery in 8 bits a dimension, as scalar quantisers of vector indexes do.

    Each dimension is cut into 255 equal steps between its least and its largest value in the
    gallery; queries stay as they are.

    Parameters
    ----------
    queries, gallery : (n, d) and (m, d) float32

    Returns
    -------
    tuple of float32 arrays
        Queries, and the values that the codes stand for; those are no unit rows.
    """
    low, high = gallery.min(axis=0), gallery.max(axis=0)
    step = np.maximum((high - low) / LEVELS, np.float32(1e-12))
    codes = np.round((gallery - low) / step)
    return queries, np.asarray(codes * step + low, dtype=np.float32)


def halved(queries: Float32, gallery: Float32) -> Pair:
    """Keep the first half of the dimensions, rows brought back to length one."""
    d = max(1, queries.shape[1] // 2)

    def cut(rows: Float32) -> Float32:
        kept = np.ascontiguousarray(rows[:, :d])
        return unit_rows(kept, np.maximum(row_norms(kept), np.float32(1e-12)))

    return cut(queries), cut(gallery)


def noisy(queries: Float32, gallery: Float32, *, random_state: int = 0) -> Pair:
    """Add Gaussian noise of a quarter of a row's length to every row."""
    rng = generator(random_state)

    def stirred(rows: Float32) -> Float32:
        noise = rng.standard_normal(rows.shape, dtype=np.float32)
        moved = rows + noise * np.float32(NOISE / np.sqrt(rows.shape[1]))
        return unit_rows(moved, row_norms(moved))

    return stirred(queries), stirred(gallery)


HARMS: dict[str, tuple[Callable[[Float32, Float32], Pair], str, str]] = {
    "int8": (int8, "8 bits a dimension", "the gallery is stored in 8 bits a dimension"),
    "half": (halved, "half of the dimensions", "only the first half of the dimensions is kept"),
    "noise": (noisy, "noise", "noise of a quarter of a row's length is added to every row"),
}
"""What is done to rows: function, in short, in words."""


def recall_after(work: AtWork, harm: str) -> float:
    """Mean of R@1 both ways after queries and gallery were harmed.

    Raises
    ------
    ParameterError
        If there is no such harm.
    """
    if harm not in HARMS:
        raise ParameterError(f'There is no "{harm}"; choose among {", ".join(HARMS)}.')
    known, do = work.known, HARMS[harm][0]
    ways = (
        (work.after, work.target, known.source, known.target),
        (work.target, work.after, known.target, known.source),
    )
    found = []
    for queries, gallery, asked, searched in ways:
        left, right = do(queries, gallery)
        found.append(first_is_match(left @ right.T, asked, searched))
    return float(np.mean(found))


def _after(harm: str) -> Use:
    short, words = HARMS[harm][1:]
    return Use(
        name=f"robust_recall_{harm}",
        label=f"Partners found first after harm: {short}",
        symbol=f"R@1, {short}",
        description=f"Mean of R@1 both ways when {words}; read it beside R@1 unharmed.",
        needs="paired",
        group="robustness",
        reference="This project",
        ends=("permuted", "oracle"),
        function=lambda work: recall_after(work, harm),
        floor=chance,
    )


FAMILY = tuple(map(_after, HARMS))
