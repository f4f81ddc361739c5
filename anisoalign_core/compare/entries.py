"""What can stand in a leaderboard: methods, their parameters, and the part each one plays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from anisoalign_core.align import ALIGNERS, Curve, Knob, ReAlign
from anisoalign_core.align.base import Aligner
from anisoalign_core.compare.given import Given
from anisoalign_core.errors import ParameterError, kind_of

Role = Literal["floor", "method", "reference", "control", "ceiling"]
ROLES: dict[Role, str] = {
    "floor": "floor: the source as it is",
    "method": "method: reads no pairs",
    "reference": "reference: learns from pairs",
    "control": "control: shows what a number means",
    "ceiling": "ceiling: target rows in the source's place",
}
"""What an entry stands on a board for, in words."""
CEILING = "target"
"""The entry in which other target rows stand for the corrected source."""
BASELINE = ReAlign.name
"""The entry that all others are compared with."""
FLOOR = next(name for name, method in ALIGNERS.items() if method.is_floor)


def default_names() -> tuple[str, ...]:
    """Return the entries that every method declares for a board."""
    return tuple(
        name + (":" if given else "") + ",".join(f"{k}={v}" for k, v in given.items())
        for name, method in ALIGNERS.items()
        for given in method.on_board
    )


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
        return ALIGNERS[self.method].of(self.parameters)

    @property
    def reads(self) -> str:
        """What the method reads, in words, and its part where it is none of the methods."""
        words = {"fit-free": "nothing", "unpaired": "both sets", "paired": "pairs"}[self.needs]
        special = self.role in ("floor", "control", "ceiling")
        return f"{words} ({self.role})" if special else words

    @property
    def trains(self) -> bool:
        """Whether fitting trains a network."""
        return self.method in ALIGNERS and ALIGNERS[self.method].trains


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
    known = method().plain_params()
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
    return _made(text.strip(), method(), parameters)


def _made(name: str, method: Aligner, parameters: dict[str, Any]) -> Entry:
    """Return the entry of a method with the parameters that are not its defaults."""
    pairs = method.needs_pairs or method.needs_partners
    role: Role = "floor" if method.is_floor else "reference" if pairs else "method"
    if method.is_control:
        role = "control"
    shown = ", ".join(f"{key} {value}" for key, value in parameters.items())
    if set(parameters) == {"variant"}:
        shown = str(parameters["variant"])
    return Entry(
        name,
        method.label + (f" ({shown})" if shown else ""),
        method.name,
        role,
        "fit-free" if method.is_floor else "paired" if pairs else "unpaired",
        parameters,
    )


def given_entry(one: object) -> tuple[Entry, Aligner]:
    """Return the entry of an estimator of this library or of any object with fit and transform.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(one, type) or not (hasattr(one, "fit") and hasattr(one, "transform")):
        what = f"the class {one.__name__}" if isinstance(one, type) else kind_of(one)
        raise ParameterError(
            f'methods holds {what}. Give names ("bounded:bound=0.2"), estimators '
            "(aa.BoundedTransport(0.2)), or objects with fit(source, target) and transform(rows)."
        )
    if not isinstance(one, Aligner) or type(one) not in ALIGNERS.values():
        method = one if isinstance(one, Aligner) else Given(one)
        return _made(method.label, method, {}), method
    usual = type(one)().plain_params()
    changed = {key: value for key, value in one.plain_params().items() if value != usual[key]}
    words = ",".join(f"{key}={value}" for key, value in changed.items())
    return _made(one.name + (f":{words}" if words else ""), one, changed), one


def ceiling() -> Entry:
    """Return the row in which other target rows stand for the corrected source."""
    return Entry(CEILING, "Target rows themselves", CEILING, "ceiling", "unpaired")


def entries(
    names: Sequence[object] | None, paired: bool
) -> tuple[tuple[Entry, ...], list[str], dict[str, Aligner]]:
    """Read the methods asked for, all by default, and say which need pairs that are not there.

    Estimators among them are returned by the name of their entry.

    The floor, ReAlign and the ceiling always stand on the board: the rest is read against them.

    Raises
    ------
    ParameterError
        If a method is unknown or named twice.
    """
    wanted, given = [], dict[str, Aligner]()
    every = [entry(name) for name in default_names()] if names is None else []
    for one in [one.name for one in every if not one.trains] if names is None else names:
        if isinstance(one, str):
            wanted.append(entry(one))
        else:
            made, method = given_entry(one)
            wanted.append(made)
            given[made.name] = method
    for needed in (BASELINE, FLOOR):
        if all(one.name != needed for one in wanted):
            wanted.insert(0, entry(needed))
    seen = [one.name for one in wanted]
    twice = next((name for name in seen if seen.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f'"{twice}" is named twice; each row of the board is one method.')
    left_out = [one.label for one in wanted if one.needs == "paired" and not paired]
    kept = tuple(one for one in wanted if one.needs != "paired" or paired)
    notes = []
    if any(one.trains for one in every):
        slow = (f"{one.label} ({one.name})" for one in every if one.trains)
        notes.append(f"Left out, since they train for minutes, until named: {', '.join(slow)}.")
    if left_out:
        notes.append(
            f"Left out, since they need to know which rows are pairs: {', '.join(left_out)}."
        )
    return (*kept, ceiling()), notes, given


def dial_of(entry: Entry) -> tuple[Knob, Curve] | None:
    """Return the knob that runs a method from little to much correction, and its curve."""
    if entry.method not in ALIGNERS:
        return None
    knobs = ALIGNERS[entry.method].knobs
    return next(((knob, knob.curve) for knob in knobs if knob.curve is not None), None)


def curve_owners(board: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries whose curve is drawn: one of those that differ in the dial alone."""
    owners: dict[tuple[str, str], Entry] = {}
    for one in board:
        dial = dial_of(one)
        if dial is not None:
            turned = dial[1].shares or (dial[0].parameter,)
            rest = {key: value for key, value in one.parameters.items() if key not in turned}
            owners.setdefault((one.method, json.dumps(rest, sort_keys=True)), one)
    return tuple(owners.values())
