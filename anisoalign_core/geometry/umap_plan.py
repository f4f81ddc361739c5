"""How long a UMAP takes, said before it begins, and how far it is.

Each step's seconds were timed once, on one processor that nothing else used; one short piece of
work like it, timed now, says how much slower or quicker this machine is at the moment. Where
Python's compilers have to work first that is a step of its own, and the longest of most maps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anisoalign_core.numerics import Progress, generator
from anisoalign_core.threads import one_thread

Fitted = Literal["both", "target", "source"]
MAP_ROWS = 10_000
"""Rows of each side that are laid out, at most."""
EPOCHS = (10_000, 500, 200)
"""Up to so many fitted rows UMAP takes the first number of epochs, above the second."""
WORDS = {
    "begin": "reading rows",
    "neighbours": "looking for neighbours",
    "code": "compiling, the first time, and joining neighbourhoods",
    "graph": "joining neighbourhoods",
    "epochs": "laying out",
    "placing": "placing the other set",
}
"""Steps in order, in words."""
USUAL_SECONDS = 0.024
"""What the piece of work of :func:`pace` took there."""
ROUNDS = 12


@dataclass(frozen=True)
class MapPlan:
    """The steps of a map and their seconds.

    Attributes
    ----------
    steps : mapping of step to float
        In order.
    """

    steps: Mapping[str, float]

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return sum(self.steps.values())

    def span(self, step: str) -> tuple[float, float]:
        """Return the share of the work that is done when a step begins, and when it ends."""
        before = 0.0
        for name, seconds in self.steps.items():
            if name == step:
                return before / self.total, (before + seconds) / self.total
            before += seconds
        return 1.0, 1.0

    def within(self, done: float, supposed: float) -> float:
        """Return the share supposed to be done, held short of what has not been told to begin."""
        ends = [self.span(step)[1] for step in self.steps]
        end = next((one for one in ends if one > done + 1e-9), 1.0)
        return max(done, min(supposed, done + 0.95 * (end - done)))


def map_plan(target: int, source: int, fit_on: Fitted, *, cold: bool) -> MapPlan:
    """Plan a map of sets with so many rows; ``cold`` where nothing is compiled yet."""
    sides = {"target": min(target, MAP_ROWS), "source": min(source, MAP_ROWS)}
    rows = sum(sides.values()) if fit_on == "both" else sides[fit_on]
    others = sum(sides.values()) - rows
    epochs = EPOCHS[1] if rows <= EPOCHS[0] else EPOCHS[2]
    steps = {
        "begin": COLD["begin"] if cold else 0.02,
        "neighbours": EACH["pair"] * rows**2,
        "code" if cold else "graph": COLD["code"] * cold + EACH["row"] * rows,
        "epochs": EACH["epoch"] * epochs * rows,
    }
    if others:
        placing = EACH["pair"] * rows * others + EACH["epoch"] * epochs / 3 * others
        steps["placing"] = placing + (COLD["placing"] if cold else 0.0)
    return MapPlan(steps)


COLD = {"begin": 1.0, "code": 7.3, "placing": 1.0}
"""Seconds of a first map: to start a process, and to import and compile."""
EACH = {"pair": 2.3e-8, "row": 1.4e-4, "epoch": 1.6e-6}
"""Seconds for each pair of rows compared, for each row, and for each row of an epoch."""


def pace() -> float:
    """Return how many times longer work takes now than where the plans were timed."""
    rows = generator(0).standard_normal((512, 50)).astype(np.float32)
    found = []
    with one_thread():
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            for _ in range(4):
                np.argpartition(-(rows @ rows.T), 15, axis=1)
            table: dict[int, int] = {}
            for number in range(120_000):
                table[number % 1009] = table.get(number % 1009, 0) + number
            found.append(time.perf_counter() - begun)
    return sum(found) / ROUNDS / USUAL_SECONDS


class Said:
    """Tells how much of a plan is done.

    Parameters
    ----------
    plan : MapPlan
    progress : callable, optional
    """

    def __init__(self, plan: MapPlan, progress: Progress | None) -> None:
        self.plan, self.progress, self.step = plan, progress, ""

    def begin(self, step: str) -> None:
        """Say that a step begins, if it has not."""
        step = step if step in self.plan.steps else "code"
        if step != self.step:
            self.step = step
            self.within(0.0)

    def within(self, share: float) -> None:
        """Say how much of the step is done."""
        low, high = self.plan.span(self.step)
        if self.progress is not None:
            self.progress(low + share * (high - low), WORDS[self.step])
