"""What can stand in a leaderboard: methods, their parameters, and the part each one plays."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from anisoalign_core.align import ALIGNERS, AnisoAlign, BoundedTransport
from anisoalign_core.align.base import Aligner
from anisoalign_core.errors import ParameterError
from anisoalign_core.rounds import Round

Role = Literal["floor", "method", "reference", "control", "ceiling"]
ROLES: dict[Role, str] = {
    "floor": "floor: the source as it is",
    "method": "method: reads no pairs",
    "reference": "reference: learns from pairs",
    "control": "control: shows what a number means",
    "ceiling": "ceiling: target rows in the source's place",
}
CEILING = "target"
"""The entry in which other target rows stand for the corrected source."""
BASELINE = "realign"
DEFAULT = (
    "identity",
    "mean-shift",
    "gap-shift",
    "center-both",
    "c3",
    "standardize",
    "realign",
    "coral",
    "bures",
    "bounded",
    "anisoalign",
    "anisoalign:variant=corrected",
    "procrustes",
    "ridge",
    "permuted",
    "oracle",
)
"""Every registered method, the learned one in both variants."""


@dataclass(frozen=True)
class Entry:
    """One row of a leaderboard.

    Attributes
    ----------
    name : str
        What was asked for, ``method`` or ``method:parameter=value,…``; unique on a board.
    label : str
    method : str
        Name in ``ALIGNERS``; "target" for the ceiling.
    parameters : dict
        Those given; the others have the method's defaults.
    role : {"floor", "method", "reference", "control", "ceiling"}
    needs : {"fit-free", "unpaired", "paired"}
        What the method reads when it is fitted or applied.
    """

    name: str
    label: str
    method: str
    role: Role
    needs: Literal["fit-free", "unpaired", "paired"]
    parameters: dict[str, Any] = field(default_factory=dict)

    def build(self) -> Aligner:
        """Return the method, not fitted."""
        return ALIGNERS[self.method](**self.parameters)

    @property
    def trains(self) -> bool:
        """Whether fitting trains a network."""
        return self.method != CEILING and ALIGNERS[self.method].trains


def entry(text: str) -> Entry:
    """Read ``method`` or ``method:parameter=value,parameter=value`` (values as JSON or names).

    Raises
    ------
    ParameterError
        If the method or a parameter is unknown.
    """
    name, _, rest = text.strip().partition(":")
    if name not in ALIGNERS:
        raise ParameterError(f'There is no method "{name}". Choose among: {", ".join(ALIGNERS)}.')
    method = ALIGNERS[name]
    known = method().get_params()
    parameters: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in known:
            has = ", ".join(sorted(known)) or "none"
            raise ParameterError(f'"{part}" in "{text}" is not NAME=VALUE; {name} has: {has}.')
        try:
            parameters[key] = json.loads(value)
        except json.JSONDecodeError:
            parameters[key] = value
    pairs = method.needs_pairs or method.needs_partners
    role: Role = "floor" if name == "identity" else "reference" if pairs else "method"
    if method.is_control:
        role = "control"
    shown = ", ".join(f"{key} {value}" for key, value in parameters.items())
    if set(parameters) == {"variant"}:
        shown = str(parameters["variant"])
    return Entry(
        text.strip(),
        method.label + (f" ({shown})" if shown else ""),
        name,
        role,
        "fit-free" if name == "identity" else "paired" if pairs else "unpaired",
        parameters,
    )


def ceiling() -> Entry:
    """Return the row in which other target rows stand for the corrected source."""
    return Entry(CEILING, "Target rows themselves", CEILING, "ceiling", "unpaired")


def entries(names: Sequence[str] | None, paired: bool) -> tuple[tuple[Entry, ...], list[str]]:
    """Read the methods asked for, all by default, and say which need pairs that are not there.

    The floor, ReAlign and the ceiling always stand on the board: the rest is read against them.

    Raises
    ------
    ParameterError
        If a method is unknown or named twice.
    """
    wanted = [entry(name) for name in (DEFAULT if names is None else names)]
    for needed in (BASELINE, "identity"):
        if all(one.name != needed for one in wanted):
            wanted.insert(0, entry(needed))
    seen = [one.name for one in wanted]
    twice = next((name for name in seen if seen.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f'"{twice}" is named twice; each row of the board is one method.')
    left_out = [one.label for one in wanted if one.needs == "paired" and not paired]
    kept = tuple(one for one in wanted if one.needs != "paired" or paired)
    notes = []
    if left_out:
        notes.append(
            f"Left out, since they need to know which rows are pairs: {', '.join(left_out)}."
        )
    return (*kept, ceiling()), notes


@dataclass(frozen=True)
class Knob:
    """How far a method's one dial is turned along its curve.

    Attributes
    ----------
    label : str
        What is turned.
    parameters : tuple of str
        The dial's parameters: entries that differ in these alone share one curve.
    values : tuple of float
    turn : callable of a fitted method, a value and the round
        Returns a fitted method under that value.
    """

    label: str
    parameters: tuple[str, ...]
    values: tuple[float, ...]
    turn: Callable[[Aligner, float, Round], Aligner]


def _refit(name: str) -> Callable[[Aligner, float, Round], Aligner]:
    return lambda fitted, value, one: one.fit(type(fitted)(**(fitted.get_params() | {name: value})))


def _bound(fitted: Aligner, value: float, one: Round) -> Aligner:
    assert isinstance(fitted, BoundedTransport)  # noqa: S101  (the knob belongs to it)
    return fitted.with_bound(value, one.fitted[0].vectors)


def _scaled(fitted: Aligner, value: float, _: Round) -> Aligner:
    assert isinstance(fitted, AnisoAlign)  # noqa: S101  (the knob belongs to it)
    now = fitted.bounds
    return fitted.with_bounds(value * now.theta, value * now.rho, value * now.v)


KNOBS = {
    "bounded": Knob("bound α", ("bound",), (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5), _bound),
    "anisoalign": Knob(
        "share of its bounds",
        ("bound_theta", "bound_rho", "bound_v"),
        (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
        _scaled,
    ),
    "c3": Knob("noise σ", ("sigma",), (0.0, 0.01, 0.02, 0.04, 0.08), _refit("sigma")),
    "bures": Knob(
        "share of the map", ("relaxation",), (0.0, 0.1, 0.25, 0.5, 0.75, 1.0), _refit("relaxation")
    ),
    "oracle": Knob(
        "share of the residual", ("strength",), (0.0, 0.25, 0.5, 0.75, 1.0), _refit("strength")
    ),
}
"""Methods with one dial that runs from little to much correction."""


def curve_owners(board: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries whose curve is drawn: one of those that differ in the dial alone."""
    owners: dict[tuple[str, str], Entry] = {}
    for one in board:
        if one.method in KNOBS:
            dial = KNOBS[one.method].parameters
            rest = {key: value for key, value in one.parameters.items() if key not in dial}
            owners.setdefault((one.method, json.dumps(rest, sort_keys=True)), one)
    return tuple(owners.values())
