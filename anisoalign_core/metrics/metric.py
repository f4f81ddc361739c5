"""What a metric declares about itself, and the floors that several metrics share.

A floor makes a number readable: Ω = 0.05 is nothing when chance gives 0.04. Each floor says in its
docstring which kind it is. It is never the uncorrected source: that is a method like any other
("identity") and is scored as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.numerics import Float64

Needs = Literal["fit-free", "unpaired", "paired"]
Group = Literal["semantics", "support", "residual", "retrieval"]
Estimate = Callable[[Comparison], "float | Float64"]
Floor = Callable[[Comparison], "float | None"]


def zero(_: Comparison) -> float:
    """0: unrelated rows, disjoint clouds, or no preference, whichever the metric is about."""
    return 0.0


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric as the rest of the library and the screen see it.

    Attributes
    ----------
    name : str
        Key in the registry and in exported files.
    label : str
        Words a newcomer understands first.
    symbol : str
        What the papers write.
    description : str
        One sentence.
    direction : {"higher", "lower", "neutral"}
        Which way is better; "neutral" when a particular value is.
    range : (float, float)
        Smallest and largest possible value.
    needs : {"fit-free", "unpaired", "paired"}
        "fit-free" looks at the source only, "unpaired" at both sets, "paired" needs partners.
    group : {"semantics", "support", "residual", "retrieval"}
    reference : str
    function : callable of a Comparison
        Returns a float, or values whose mean is the metric: one per source row, or, of a metric
        that needs pairs, one per thing.
    floor : callable of a Comparison
        Returns what the metric gives by chance, by sampling alone, or with nothing in common;
        its docstring says which. None where there is no such value.
    cost : {"cheap", "moderate", "heavy"}
        Heavy metrics get fewer half-samples.
    interval : callable of a Comparison, optional
        An interval of the metric's own, used instead of half-samples.
    live : bool
        Whether it is quick enough to follow a slider.
    curve : bool
        Whether a leaderboard follows it while a method's one dial is turned.
    meaningful : bool
        Whether rows without any meaning, such as a permuted target, must score its floor.
    card : str
        Words short enough for a card; only what has them is shown as one.
    floor_words : str
        What its floor is called beside it on a card; only of floors that a correction moves.
    """

    name: str
    label: str
    symbol: str
    description: str
    direction: Literal["higher", "lower", "neutral"]
    range: tuple[float, float]
    needs: Needs
    group: Group
    reference: str
    function: Estimate
    floor: Floor = zero
    cost: Literal["cheap", "moderate", "heavy"] = "moderate"
    interval: Callable[[Comparison], tuple[float, float]] | None = None
    live: bool = False
    curve: bool = False
    meaningful: bool = False
    card: str = ""
    floor_words: str = ""

    @property
    def floor_name(self) -> str:
        """Name of its floor among the numbers of a card."""
        return f"{self.name}_floor"
