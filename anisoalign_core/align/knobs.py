"""What a method says of its parameters, and of turning them after a fit.

Command lines, boards and screens read their choices, help, widgets and curves from here; none of
them holds a list of methods or of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from anisoalign_core.numerics import Float32, Float64, Integers

Values = Mapping[str, Any]
"""Parameters by name."""
EVERY_ROW = slice(None)
MOST = 1_000_000_000


@dataclass(frozen=True)
class Curve:
    """How far a dial is turned along a method's curve on a board.

    Attributes
    ----------
    label : str
        What is turned.
    values : tuple of float
    shares : tuple of str
        Parameters that a value multiplies, all at once; by default the knob's own takes the value.
    """

    label: str
    values: tuple[float, ...]
    shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Knob:
    """One parameter of a method, as people turn it.

    Attributes
    ----------
    parameter : str
        Its name in text: command line, recipes, model files, links.
    label, help : str
        A few words, and one sentence.
    low, high, step : float
        Range; whole numbers where the step is one. ``high=None`` is the dimension of the space.
    choices : mapping of value to words
        Instead of a range.
    begin : value or callable(chosen), optional
        Where a person begins; by default the constructor's value, or an eighth of the dimension.
    words : str
        How a sentence says a value; by default label and value.
    auto : str
        One sentence on what the method finds by itself, where it can: live knobs then take the
        value "auto", others None.
    live : bool
        Whether it moves after fitting, without another fit: :meth:`Aligner.sweep`.
    option : bool
        Whether the command line has an option of this name.
    folded, typed : bool
        On screen: put away under "More parameters"; a number to type instead of a slider.
    when : callable(chosen), optional
        Whether it applies, given the parameters chosen so far.
    curve : Curve, optional
        Its curve on a board.
    """

    parameter: str
    label: str
    help: str
    low: float = 0.0
    high: float | None = 1.0
    step: float = 0.01
    choices: Mapping[Any, str] = field(default_factory=dict)
    begin: Any = None
    words: str = ""
    auto: str = ""
    live: bool = False
    option: bool = False
    folded: bool = False
    typed: bool = False
    when: Callable[[Values], bool] | None = None
    curve: Curve | None = None

    def applies(self, chosen: Values) -> bool:
        """Whether it changes anything beside the parameters chosen so far."""
        return self.when is None or self.when(chosen)

    def most(self, dim: int) -> float:
        """Return the end of its range in a space of ``dim`` dimensions."""
        return dim // self.step * self.step if self.high is None else self.high

    def start(self, chosen: Values, usual: Any, dim: int) -> Any:
        """Return where a person begins."""
        begin = self.begin(chosen) if callable(self.begin) else self.begin
        if begin is None and usual is None:
            return max(dim // 8 // self.step * self.step, self.low)
        return usual if begin is None else begin

    def say(self, value: Any) -> str:
        """Say a value in a few words."""
        shown = self.choices.get(value, value)
        if value is None and self.auto:
            return f"automatic {self.parameter}"
        return self.words.format(shown) if self.words else f"{self.parameter} = {shown}"


def in_words(knobs: Sequence[Knob], usual: Values, chosen: Values) -> str:
    """Say a method's parameters: those that are not as usual, or that its knobs always say."""
    said = []
    for knob in knobs:
        name = knob.parameter
        told = knob.words and not knob.folded
        if name in chosen and (told or chosen[name] != usual[name]):
            said.append(knob.say(chosen[name]))
    return ", ".join(said)


@dataclass(frozen=True)
class Dial:
    """One number that moves a fitted method: its one live knob, or one share of all of them.

    Attributes
    ----------
    name, label : str
    low, high, step : float
    shares : mapping of parameter to value
        What a value multiplies; empty where ``name`` is the knob's own parameter.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    shares: Values = field(default_factory=dict)

    @classmethod
    def of(cls, knobs: Sequence[Knob], dim: int, values: Values) -> Dial | None:
        """Return the dial of live knobs that stand at ``values``; None where one is not enough."""
        if len(knobs) == 1:
            (knob,) = knobs
            return cls(knob.parameter, knob.label, knob.low, knob.most(dim), knob.step)
        for curve in (knob.curve for knob in knobs):
            if curve is not None and curve.shares:
                shares = {name: values[name] for name in curve.shares}
                ends = [k.most(dim) / shares[k.parameter] for k in knobs if shares[k.parameter]]
                high = min([max(curve.values), *ends])
                return cls("share", curve.label, min(curve.values), high, 0.01, shares)
        return None

    def settings(self, value: float) -> dict[str, Any]:
        """Return the live knobs' values at one value of the dial."""
        if not self.shares:
            return {self.name: value}
        return {name: value * whole for name, whole in self.shares.items()}

    def along(self, count: int = 16) -> tuple[float, ...]:
        """Return evenly spaced values over its range."""
        return tuple(round(float(v), 10) for v in np.linspace(self.low, self.high, count))


@dataclass(frozen=True, eq=False)
class Stretches:
    """How a correction stretches each direction: what is asked for, and what it lets through.

    Attributes
    ----------
    raw, held : (d,) float64
    scale, bound : float
        The overall scale s, and α.
    rank : int
        Directions with a stretch of their own.
    """

    raw: Float64
    held: Float64
    scale: float
    bound: float
    rank: int


class Turned(Protocol):
    """Some rows under some values of a method's live knobs."""

    @property
    def guarantee(self) -> str:
        """What is promised of any row, in sentences; empty for no promise."""

    @property
    def stretches(self) -> Stretches | None:
        """What happens to each direction, where that is all that happens."""

    def project(self, directions: Float64, rows: slice | Integers = EVERY_ROW) -> Float32:
        """Coordinates of corrected rows on unit columns (d, k)."""

    def rows(self, rows: slice | Integers = EVERY_ROW) -> Float32:
        """Corrected unit rows (n, d)."""


class Sweep(Protocol):
    """What moving a fitted method's live knobs needs about some rows."""

    @property
    def at(self) -> Callable[..., Turned]:
        """The rows under values of live knobs, by parameter; those left out stay as fitted."""


def paths(sweep: Sweep, settings: Sequence[Values], directions: Float64) -> Float32:
    """Return coordinates (len(settings), n, k) of a sweep's rows on (d, k) columns.

    A sweep that has ``paths(settings, directions)`` of its own gives all at once.
    """
    at_once = getattr(sweep, "paths", None)
    if at_once is not None:
        return np.asarray(at_once(settings, directions))
    alone = [sweep.at(**values).project(directions) for values in settings]
    return np.asarray(alone, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class FixedRows:
    """Corrected rows (n, d) that nothing moves."""

    corrected: Float32

    @property
    def guarantee(self) -> str:
        """See :class:`~anisoalign_core.align.Turned`."""
        return ""

    @property
    def stretches(self) -> Stretches | None:
        """See :class:`~anisoalign_core.align.Turned`."""
        return None

    def project(self, directions: Float64, rows: slice | Integers = EVERY_ROW) -> Float32:
        """See :class:`~anisoalign_core.align.Turned`."""
        return np.asarray(self.corrected[rows] @ directions.astype(np.float32))

    def rows(self, rows: slice | Integers = EVERY_ROW) -> Float32:
        """See :class:`~anisoalign_core.align.Turned`."""
        return self.corrected[rows]
