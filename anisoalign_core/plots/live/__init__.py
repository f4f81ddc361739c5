"""The one picture that moves without a server: the bound under the hand.

Positions of the shown rows are worked out at some values of the method's dial, where straight ways
between them are right to a pixel; a small module of our own draws what lies between, in the app, in
a notebook, or in one file that opens from disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anisoalign_core.compare.study import PlaneKind, trial_on
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots.live.picture import LivePicture, picture
from anisoalign_core.plots.style import MAX_POINTS

if TYPE_CHECKING:
    from anisoalign_core.align import Aligner


def live(
    method: Aligner,
    pair: EmbeddingPair,
    *,
    plane: PlaneKind = "gap",
    rows: int = 8000,
    holdout: float = 0.2,
    random_state: int = 0,
    title: str = "",
    progress: Progress | None = None,
) -> LivePicture:
    """Return a picture of a correction that moves under the hand.

    Positions z_i(α) on two directions are worked out at keyframes α_0 < … < α_m, halved until the
    straight way between neighbours is less than a pixel of a 600-pixel panel off halfway.

    Parameters
    ----------
    method : Aligner
        Fitted: it is shown as it is, on the pair's rows, with its means brought together over
        these source rows. Not fitted: a copy of it is fitted on one part of the pair and shown on
        rows that no fit saw.
    pair : EmbeddingPair
    plane : {"gap", "target", "joint"}
        What to look along; see :meth:`anisoalign_core.compare.study.Study.plane`.
    rows : int
        Rows of a side at most, a seeded sample; 50,000 is the most that a picture holds.
    holdout : float
        Share of the rows held out, for a method that is not fitted.
    random_state : int
        Seed of the split.
    title : str
        What to call the data.
    progress : callable, optional

    Returns
    -------
    LivePicture
        Shown by a notebook as it is; :meth:`LivePicture.to_html` writes it.

    Raises
    ------
    ShapeError
        If there are too few rows to hold some out, or to speak of neighbours.
    NeedsPairsError
        If the method learns from pairs and there are none.

    Examples
    --------
    >>> import anisoalign_core as aa
    >>> picture = aa.live(aa.BoundedTransport(bound=0.2), aa.load_sample("scenes"))
    >>> picture.error < 1
    True
    """
    trial = trial_on(method, pair, holdout=holdout, random_state=random_state, progress=progress)
    rows_are = "held-out rows"
    if trial.method is method:  # fitted
        seen = method.saw(pair.source.vectors)
        rows_are = "rows, those that the method was fitted on," if seen else "rows"
    return picture(
        trial,
        trial.study.plane(plane),
        title=title,
        rows_are=rows_are,
        limit=min(rows, MAX_POINTS),
        progress=progress,
    )


__all__ = ["LivePicture", "live", "picture"]
