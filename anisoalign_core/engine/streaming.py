"""Fits and corrections of sets that are read piece by piece, whatever engine does the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.base import Aligner
from anisoalign_core.engine.facts import FileFacts, SetFacts
from anisoalign_core.engine.local import LocalEngine
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.engine.passes import MomentPass, Pass, SpherePass, Total
from anisoalign_core.engine.write import Change, Written
from anisoalign_core.errors import InvalidRowsError, ParameterError, ShapeError
from anisoalign_core.io.shards import ShardedSet
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64, Progress

Method = TypeVar("Method", bound=Aligner)


class Engine(Protocol):
    """Whatever can pass over a set."""

    def over(
        self, data: ShardedSet, work: Pass[Total], progress: Progress | None = None
    ) -> tuple[Total, tuple[FileFacts, ...]]:
        """Pass over a set; return the facts of its files too, where the pass takes digests."""

    def write(
        self,
        plan: OutputPlan,
        outputs: Sequence[Output],
        change: Change,
        progress: Progress | None = None,
    ) -> tuple[list[Written], dict[str, str]]:
        """Write outputs; return them, and the digests of the inputs by name."""


def moments_of(
    data: ShardedSet,
    *,
    diagonal: bool = False,
    drop_invalid: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Moments:
    """Moments of the unit rows of a set of any size, in one pass.

    Parameters
    ----------
    data : ShardedSet
        From :func:`anisoalign_core.open_shards`.
    diagonal : bool
        Sum the diagonal of the scatter only.
    drop_invalid : bool
        Leave out non-finite and all-zero rows instead of refusing them.
    engine : Engine, optional
        :class:`LocalEngine` by default.
    progress : callable(fraction, words), optional

    Raises
    ------
    InvalidRowsError, FormatError, ShapeError
    """
    engine = engine or LocalEngine()
    work = MomentPass.over(data, diagonal, drop_invalid)
    return _some(engine.over(data, work, progress)[0].moments, data)


def fit_streamed(
    method: Method,
    source: ShardedSet,
    target: ShardedSet,
    *,
    drop_invalid: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> tuple[Method, SetFacts, SetFacts]:
    """Fit a method that needs only moments, on sets of any size.

    One pass over each side; one more over the source for methods that end with the mean of mapped
    rows (ReAlign, BoundedTransport): that mean depends on the fitted map, and every norm in it on
    all coordinates of its row, so no sum taken earlier holds it.

    Parameters
    ----------
    method : Aligner
        Fitted in place, as by ``method.fit``; on one file the result is the same bit for bit.
    source, target : ShardedSet
    drop_invalid : bool
    engine : Engine, optional
        :class:`LocalEngine` by default.
    progress : callable(fraction, words), optional
        Called between blocks; an exception it raises stops the work.

    Returns
    -------
    method : Aligner
        The same object.
    source_facts, target_facts : SetFacts
        What was read.

    Raises
    ------
    ParameterError
        If the method learns from the rows themselves.
    ShapeError, InvalidRowsError, FormatError
    """
    engine = engine or LocalEngine()
    if method.moments is None:
        raise ParameterError(
            f"{method.label} learns from the rows themselves and cannot be fitted piece by piece. "
            "Fit it on a sample of the rows; the model then corrects sets of any size."
        )
    if source.dim != target.dim:
        raise ShapeError(
            f"{source.name} has {source.dim} dimensions and {target.name} has {target.dim}. Both "
            "must come from one encoder's shared space: check the files."
        )
    method.check_parameters(source.dim)
    passes = _Passes(progress, 3 if method.recentres else 2)
    diagonal = method.moments == "diagonal"
    first = MomentPass.over(source, diagonal, drop_invalid, method.wanted_rows(source.rows))
    y, source_files = engine.over(source, first, passes.next(source.name))
    second = MomentPass.over(target, diagonal, drop_invalid)
    x, target_files = engine.over(target, second, passes.next(target.name))

    def sphere_mean(affine: AffineMap) -> Float64:
        work = SpherePass(affine, drop_invalid)
        return engine.over(source, work, passes.next(source.name))[0].mean

    method.fit_sums(_some(y.moments, source), _some(x.moments, target), y.picked, sphere_mean)
    return (
        method,
        SetFacts.of(source, y.norms, source_files),
        SetFacts.of(target, x.norms, target_files),
    )


def write_streamed(
    method: Aligner | None,
    plan: OutputPlan,
    *,
    outputs: Sequence[Output] | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> tuple[list[Written], dict[str, str]]:
    """Correct a set of any size and write it; without a method the rows stay as they are.

    Parameters
    ----------
    method : Aligner or None
        Fitted, and a map of each row alone.
    plan : OutputPlan
        From :func:`plan_outputs`.
    outputs : sequence of Output, optional
        Those that are to be written; all by default.
    engine, progress
        As in :func:`fit_streamed`.

    Returns
    -------
    written : list of Written
    digests : dict of str to str
        Digest of every file that was read, by its name.

    Raises
    ------
    ParameterError
        If the result for a row depends on other rows.
    InvalidRowsError, FormatError, ShapeError
    """
    engine = engine or LocalEngine()
    if method is not None:
        check_row_by_row(method, plan)
    wanted = plan.outputs if outputs is None else outputs
    if not wanted:  # an earlier run ended just before it said so
        return [], {}
    return engine.write(plan, wanted, Change.of(method, plan), progress)


def is_row_by_row(method: Aligner) -> bool:
    """Whether a method's result for a row needs nothing but the row."""
    return method.row_independent and not method.needs_partners


def check_row_by_row(method: Aligner, plan: OutputPlan) -> None:
    """Refuse methods whose result for a row needs more than the row, and rows of another space.

    Raises
    ------
    ParameterError, ShapeError
    """
    if not is_row_by_row(method):
        raise ParameterError(
            f"{method.label} needs other rows to correct a row, so it cannot correct piece by "
            "piece. Use it on one file that fits into memory."
        )
    dim = plan.outputs[0].pieces[0].shard.facts.dim
    if dim != method.n_features_in_:
        raise ShapeError(
            f"The rows have {dim} dimensions; {method.label} was fitted on {method.n_features_in_}."
        )


def _some(moments: Moments | None, data: ShardedSet) -> Moments:
    if moments is None:
        raise InvalidRowsError(
            f"Every row of {data.name} is non-finite or all zeros, or there is none; nothing is "
            "left to fit. Check how the files were written."
        )
    return moments


class _Passes:
    """Progress over several passes of equal length."""

    def __init__(self, progress: Progress | None, count: int) -> None:
        self._progress, self._count, self._done = progress, count, -1

    def next(self, name: str) -> Progress | None:
        if self._progress is None:
            return None
        self._done += 1
        done, progress, count = self._done, self._progress, self._count
        return lambda share, words: progress((done + share) / count, f"{name}: {words}")
