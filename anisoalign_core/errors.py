"""One hierarchy of errors, each a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class AnisoAlignError(Exception):
    """Base of every error this library raises on purpose; its text is fit to show to a person."""


class ValueRefused(AnisoAlignError, ValueError):
    """A value is not one that can be used: what Python, and scikit-learn, call a ValueError."""


class FormatError(ValueRefused):
    """A file or array is not what its name or its header says, or is not supported."""


class PlaceError(AnisoAlignError):
    """A place cannot be written to: the disk is full, or it is not allowed."""


class LimitError(AnisoAlignError):
    """An input declares more than the limits of :mod:`anisoalign_core.files.limits` allow."""


class ShapeError(ValueRefused):
    """An array has the wrong number of axes, rows or columns."""


class InvalidRowsError(ValueRefused):
    """Some rows cannot be placed on the unit sphere: non-finite or all zeros.

    Parameters
    ----------
    message : str
        The sentence shown to a person.
    rows : sequence of int
        All offending row numbers, counted from 0 in the input.
    """

    def __init__(self, message: str, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class JoinError(AnisoAlignError):
    """Two sets cannot be paired: ids repeat, nothing joins, or rows do not correspond."""


class NeedsPairsError(AnisoAlignError):
    """A method or metric needs to know which row belongs to which, and the pair does not say."""


class NotFittedError(ValueRefused):
    """An aligner was asked to transform before it was fitted."""


class ParameterError(ValueRefused):
    """A parameter has a value outside its range."""


class SinkError(AnisoAlignError):
    """What a monitor's rows are given to raised an error; it is the cause of this one."""


class CancelledError(AnisoAlignError):
    """The person asked to stop; nothing was changed."""


def kind_of(value: object) -> str:
    """Say what something is, for a message."""
    shape = getattr(value, "shape", None)
    if type(value).__name__ == "ndarray":
        return f"an array of shape {shape}"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
