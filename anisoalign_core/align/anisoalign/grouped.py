"""Parameters in groups, under the names that they have in text."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Self

from anisoalign_core.align.anisoalign.options import GROUPS, USUAL
from anisoalign_core.align.base import Aligner
from anisoalign_core.align.knobs import Values

FLAT: dict[str, tuple[str, str]] = {
    {"bounds": "bound_{}", "losses": "{}_weight"}.get(group, "{}").format(part.name): (
        group,
        part.name,
    )
    for group, kind in GROUPS.items()
    for part in fields(kind)
}
"""Name of every grouped parameter in text, and its group and field: ``bound_theta`` is
``bounds.theta``, ``prior_weight`` is ``losses.prior``, all others keep their field's name."""


def grouped(parameters: Mapping[str, Any], into: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the flat ones in their groups, those of ``into`` to begin with.

    A group may be given as a mapping, as JSON holds it.
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in GROUPS:
            found[name] = GROUPS[name](**value) if isinstance(value, Mapping) else value
        elif name not in FLAT:
            found[name] = value
    for name in (name for name in parameters if name in FLAT):
        group, part = FLAT[name]
        found[group] = replace(found.get(group, into[group]), **{part: parameters[name]})
    return found


class GroupedAligner(Aligner):
    """An aligner whose parameters stand in groups; their old, flat keywords are deprecated."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of the groups under their names in text are deprecated."""
        for name in params:
            if name in FLAT:
                _deprecated(name, 4)
        return super().set_params(**grouped(params, vars(self)))

    def __getattr__(self, name: str) -> Any:
        """Read a field of a group under its name in text: deprecated."""
        if name not in FLAT:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        _deprecated(name, 3)
        group, part = FLAT[name]
        return getattr(vars(self)[group], part)

    @classmethod
    def of(cls, parameters: Values) -> Self:
        """See :meth:`Aligner.of`: fields of the groups by their own names, or whole groups."""
        return cls(**grouped(parameters, USUAL))

    def plain_params(self) -> dict[str, Any]:
        """See :meth:`Aligner.plain_params`."""
        flat = {name: getattr(vars(self)[group], part) for name, (group, part) in FLAT.items()}
        return {
            "variant": self.variant,
            "rank": self.rank,
            **flat,
            "random_state": self.random_state,
        }


def _deprecated(name: str, level: int) -> None:
    group, part = FLAT[name]
    warnings.warn(
        f"{name} of AnisoAlign is {group}={GROUPS[group].__name__}({part}=…) now; the old name "
        "goes with the next version.",
        DeprecationWarning,
        stacklevel=level,
    )
