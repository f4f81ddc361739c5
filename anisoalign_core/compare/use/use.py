"""What a measure of use declares about itself, as a metric does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.numerics import Float64

Group = Literal["train", "search", "mixed", "cluster", "zero-shot", "robustness"]
Wants = Literal["", "labels", "prompts"]
Found = float | Mapping[str, float]
"""One number, or one for each column of labels."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """A measure of use as boards, tables and screens see it; fields as in ``Metric``.

    Attributes
    ----------
    name, label, symbol, description, reference : str
    needs : {"unpaired", "paired"}
    wants : {"", "labels", "prompts"}
        What it needs besides the vectors: classes of both sides, or vectors of class names too.
    group : str
        The purpose that it belongs to.
    ends : (str, str)
        The entries of a board between which a sensible correction lies: floor, then ceiling.
    function : callable of an :class:`~.at_work.AtWork`
        Returns a number, or one for each column of labels.
    floor : callable of an :class:`~.at_work.AtWork`
        Returns what chance gives; its docstring says which. In the same form.
    meaningful : bool
        Whether rows without any meaning, such as a permuted target, must score the floor.
    renamed : callable of an :class:`~.at_work.AtWork`, optional
        Of measures against classes: what they give where the classes of one side are called by
        other names, (R,); see :mod:`~.names`.
    """

    name: str
    label: str
    symbol: str
    description: str
    needs: Literal["unpaired", "paired"]
    group: Group
    reference: str
    ends: tuple[str, str]
    function: Callable[[AtWork], Found]
    floor: Callable[[AtWork], Found]
    wants: Wants = ""
    direction: Literal["higher", "lower"] = "higher"
    range: tuple[float, float] = (0.0, 1.0)
    meaningful: bool = True
    renamed: Callable[[AtWork], Float64] | None = None

    def asks(self, work: AtWork) -> bool:
        """Whether it can be measured there."""
        if self.wants and work.learnt.classes is None:
            return False
        if self.wants == "prompts" and not work.learnt.prompts:
            return False
        return self.needs == "unpaired" or work.things is not None


def spread(name: str, found: Found) -> dict[str, float]:
    """Return a measure's values by name: the mean, then ``name[column]`` where there are several.

    Parameters
    ----------
    name : str
    found : float or mapping of column to float
    """
    if not isinstance(found, Mapping):
        return {name: float(found)}
    values = {name: sum(found.values()) / len(found)}
    if len(found) > 1:
        values |= {f"{name}[{column}]": float(value) for column, value in found.items()}
    return values
