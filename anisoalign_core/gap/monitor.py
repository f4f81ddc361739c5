"""The gap while it forms: a row of numbers every few steps of a training run."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError, SinkError
from anisoalign_core.files.source import first_line
from anisoalign_core.gap.row import COLUMNS, Follow, Gallery, Row
from anisoalign_core.gap.run import Settings
from anisoalign_core.gap.sums import PairSums, Ranks, array_of, matched, ranks
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.metrics.structure import uniformity
from anisoalign_core.numerics import row_norms, unit_rows
from anisoalign_core.rows import valid_norms
from anisoalign_core.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

KEPT_ROWS = 10_000
"""Rows that a monitor keeps for notebooks; sinks have them all."""
GALLERY = 1024
"""Pairs of the last batch that are compared with each other."""
WINDOW_ROWS = 4
"""Rows a dimension that the covariances come from, where the window is not given."""

Sink = Callable[[Row], object]


class Monitor:
    """Watches the gap between two modalities while an encoder learns.

    Call :meth:`update` once a training step with the features of the batch, row i of one the
    partner of row i of the other. Every ``every`` calls it returns a :class:`Row`, keeps it and
    gives it to the sinks; between rows it returns None.

    Parameters
    ----------
    every : int, default 50
        Calls between rows.
    sinks : sequence of callables
        Each is called with every row: :class:`JsonLines`, :class:`TensorBoard`, or any function.
    window : int, optional
        Calls before a row whose batches are summed to covariances; at most ``every``. By default
        as few as give about 4 d pairs (over all ranks).
    gallery : int, default 1024
        At most so many pairs of the last batch are compared with each other, for retrieval and
        uniformity.

    Notes
    -----
    *Cost.* Each call sums means, partners' cosines and norms, O(n d); calls in the window also
    three (d, d) products, O(n d²). Both run in float64 on the batches' device and wait for
    nothing; a device without float64 (Apple's MPS) hands its batches to the CPU, which waits. On
    the CPU all of it takes one thread.
    A row brings three (d, d) matrices and the gallery to the CPU and decomposes them, O(d³).
    Memory does not grow with steps: 24 d² bytes on the device, the first and last leading
    directions, and at most 10,000 rows.

    *The caller's tensors* are only read: detached, without autocast, in no graph.

    *Rows without a direction* (all zeros, NaN or infinite on either side) are left out with their
    partners and counted as ``dropped``: a run that diverges goes on, and its rows hold NaN where
    nothing is left to measure.

    *Ranks.* Where torch.distributed is initialised, the sums of all ranks are added when a row is
    due, and every rank returns the same row; rank 0 alone gives it to the sinks. All ranks must
    call ``update`` equally often. Retrieval and uniformity are each rank's own, averaged over all.

    *A sink that raises* stops neither the other sinks nor the count: the row is kept, all sinks
    get it, and then a :class:`SinkError` names the one that failed. Catch it to train on.

    Examples
    --------
    >>> import numpy as np, anisoalign_core as aa
    >>> monitor = aa.gap.Monitor(every=2)
    >>> rows = np.random.default_rng(0).standard_normal((2, 64, 8))
    >>> monitor.update(*rows, step=1)
    >>> monitor.update(*rows, step=2, logit_scale=100.0).n
    128
    """

    def __init__(
        self,
        every: int = 50,
        sinks: Sequence[Sink] = (),
        *,
        window: int | None = None,
        gallery: int = GALLERY,
    ) -> None:
        for name, value, least in (("every", every, 1), ("gallery", gallery, 2)):
            if not isinstance(value, int) or value < least:
                raise ParameterError(f"{name} is {value}; give a whole number of at least {least}.")
        if window is not None and (not isinstance(window, int) or not 1 <= window <= every):
            raise ParameterError(f"window is {window}; choose it between 1 and every, {every}.")
        if callable(sinks) or not all(callable(sink) for sink in sinks):
            raise ParameterError("sinks is a list of what can be called with a row each.")
        self.every, self.gallery = every, gallery
        self.sinks = tuple(sinks)
        self.rows: deque[Row] = deque(maxlen=KEPT_ROWS)
        self._asked, self._window = window, every
        self._sums: PairSums | None = None
        self._follow = Follow()
        self._calls = self._since = 0
        self._begun: set[int] = set()

    def update(
        self, target: Any, source: Any, *, step: int | None = None, logit_scale: Any = None
    ) -> Row | None:
        """Add the batch of one step; return a row when one is due.

        Parameters
        ----------
        target, source : (n, d) tensors or arrays
            Features of images and texts, normalised or not, of any real type and device.
        step : int, optional
            Written into the row; by default the number of calls.
        logit_scale : float or tensor of one number, optional
            What cosines are multiplied by in the loss (not its logarithm).

        Raises
        ------
        ShapeError
            If the batches differ in shape, or in dimensions from those before.
        ParameterError
            If they are not both tensors or both arrays of real numbers, or moved to another
            device between rows.
        SinkError
            If a sink raised; the row is in ``rows``.
        """
        target, source = matched(target, source)
        _check_one(logit_scale)
        step = self._calls + 1 if step is None else step
        sums = self._open(target)
        sums.add(target, source, second=self._since >= self.every - self._window)
        self._calls, self._since = self._calls + 1, self._since + 1
        if self._since < self.every:
            return None
        row = self._row(sums, target, source, int(step), logit_scale)
        self._since = 0
        sums.clear()
        self.rows.append(row)
        self._give(row)
        return row

    def to_frame(self) -> pd.DataFrame:
        """Return the kept rows, one a line, by step; the last 10,000 of a longer run."""
        import pandas as pd

        table = pd.DataFrame([row.to_dict() for row in self.rows], columns=list(COLUMNS))
        return table.set_index("step")

    def _open(self, target: Any) -> PairSums:
        """Return the sums that a batch goes into."""
        d = int(target.shape[1])
        if self._sums is not None and self._sums.dim != d:
            raise ShapeError(
                f"The batch has {d} dimensions, and those before had {self._sums.dim}. A monitor "
                "watches one space; make another for another."
            )
        if self._sums is None or not self._sums.fits(target):
            if self._since:
                raise ParameterError(
                    "The batch is on another device than those since the last row, or of another "
                    "library. Keep to one between rows."
                )
            self._sums = PairSums(target)
        if not self._since:
            group = ranks()
            together = max(len(target), 1) * (group.count if group else 1)
            needed = math.ceil(WINDOW_ROWS * d / together)
            self._window = self._asked or min(max(needed, 1), self.every)
        return self._sums

    def _row(self, sums: PairSums, target: Any, source: Any, step: int, scale: Any) -> Row:
        group = ranks()
        number = _number(scale)
        summed = sums.finished()
        with one_thread():  # the cores are the training's
            gallery = _of_batch(target[: self.gallery], source[: self.gallery])
            if group is not None:
                gallery = _averaged(gallery, group)
            return self._follow.row(step, self._window, summed, gallery, number)

    def _give(self, row: Row) -> None:
        """Give a row to every sink on rank 0; the first that raised is named when all have it."""
        group = ranks()
        if group is not None and group.rank:
            return
        failed: list[tuple[Sink, Exception]] = []
        for at, sink in enumerate(self.sinks):
            try:
                if at not in self._begun and hasattr(sink, "begin"):
                    sink.begin(self._settings(group))
                self._begun.add(at)
                sink(row)
            except Exception as error:
                failed.append((sink, error))
        for sink, cause in failed:
            raise SinkError(
                f"The sink {_called(sink)} failed at step {row.step}: {first_line(cause)}. The row "
                "is in monitor.rows, and the other sinks have it. Mend the sink, or catch "
                "SinkError to train on without this row in it."
            ) from cause

    def _settings(self, group: Ranks | None) -> Settings:
        dim = self._sums.dim if self._sums is not None else 0
        count = group.count if group else 1
        return Settings(self.every, self._window, self.gallery, dim, count)


def _called(sink: Sink) -> str:
    return getattr(sink, "__name__", None) or type(sink).__name__


def _check_one(scale: Any) -> None:
    """Refuse a logit scale of several numbers, without waiting for its device."""
    size = 1 if scale is None else math.prod(np.shape(scale))
    if size != 1:
        raise ParameterError(f"logit_scale holds {size} numbers; give one.")


def _number(scale: Any) -> float:
    """Return the logit scale as a number; NaN where there is none."""
    return math.nan if scale is None else float(np.ravel(array_of(scale))[0])


def _of_batch(target: Any, source: Any) -> Gallery:
    """Compare the pairs of a batch with each other, on the CPU in float32."""
    batch = [array_of(side).astype(np.float64) for side in (target, source)]
    lengths = [row_norms(side) for side in batch]
    known = valid_norms(lengths[0]) & valid_norms(lengths[1])
    x, y = (unit_rows(side[known], own[known]) for side, own in zip(batch, lengths, strict=True))
    if len(x) < 2:
        return Gallery(len(x))
    hits = recall(y, x, (1,))
    return Gallery(
        len(x),
        uniformity(x),
        uniformity(y),
        hits["target_to_source"][1],
        hits["source_to_target"][1],
        1 / len(x),
    )


def _averaged(gallery: Gallery, group: Ranks) -> Gallery:
    """Average what ranks found, over those that found something."""
    found = np.array(astuple(gallery), dtype=np.float64)
    known = np.isfinite(found)
    values, counts = group.sum(np.where(known, found, 0.0), known.astype(np.float64))
    means = [
        v / c if c else math.nan for v, c in zip(values.tolist(), counts.tolist(), strict=True)
    ]
    return Gallery(round(means[0]), *means[1:])
