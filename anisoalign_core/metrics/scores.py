"""What an evaluation returns: a mapping of metric names to scores that says how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from anisoalign_core.card import Card, Shown, three, within
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.intervals import interval
from anisoalign_core.metrics.metric import Needs
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.numerics import Float64

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Score:
    """One metric's value with its 95 % interval and its floor.

    Attributes
    ----------
    value : float
    low, high : float or None
        None when intervals were not asked for or there are too few rows.
    floor : float or None
        What chance or sampling alone gives; see the metric's ``floor``.
    needs : {"fit-free", "unpaired", "paired"}
    """

    value: float
    low: float | None
    high: float | None
    floor: float | None
    needs: Needs

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Shown, Mapping[str, Score]):
    """Scores by metric name, with what they were computed on.

    Attributes
    ----------
    scores : dict of str to Score
    rows_used, rows_held : (int, int)
        Source and target rows scored, and held by the sets.
    k : int
    random_state : int
    paired : bool
    replicates : dict of str to array
        Values on the balanced halves, for
        :func:`~anisoalign_core.metrics.scores.paired_difference`.
    """

    scores: Mapping[str, Score]
    rows_used: tuple[int, int]
    rows_held: tuple[int, int]
    k: int
    random_state: int
    paired: bool
    replicates: Mapping[str, Float64] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> Score:
        """Return the score of a metric."""
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over metric names."""
        return iter(self.scores)

    def __len__(self) -> int:
        """Return the number of metrics."""
        return len(self.scores)

    @property
    def setting(self) -> tuple[object, ...]:
        """What must agree for two results to be compared half by half."""
        return self.rows_used, self.rows_held, self.k, self.random_state, self.paired

    @property
    def rows_note(self) -> str:
        """One sentence that says which rows were scored."""
        used, held = self.rows_used, self.rows_held
        if used == held:
            return f"All {held[0]} source and {held[1]} target rows."
        return (
            f"A random sample of {used[0]} of {held[0]} source and {used[1]} of {held[1]} target "
            f"rows (seed {self.random_state})."
        )

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        shown = ", ".join(f"{name} {three(self[name].value)}" for name in list(self)[:4])
        return shown + (f" and {len(self) - 4} more" if len(self) > 4 else "")

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = [
            (
                name,
                METRICS[name].label,
                within(score.value, score.low, score.high),
                three(score.floor),
                METRICS[name].direction,
            )
            for name, score in self.items()
        ]
        header = ("score", "", "value (95 %)", "floor", "better")
        pairs = "" if self.paired else " Unpaired."
        return Card(f"{len(self)} scores, k = {self.k}", rows, header, [self.rows_note + pairs])

    def to_dict(self) -> dict[str, Any]:
        """Return scores and setting as plain numbers and text, ready for JSON."""
        return {
            "scores": {name: score.to_dict() for name, score in self.items()},
            "rows_used": {"source": self.rows_used[0], "target": self.rows_used[1]},
            "rows_held": {"source": self.rows_held[0], "target": self.rows_held[1]},
            "rows_note": self.rows_note,
            "k": self.k,
            "random_state": self.random_state,
            "paired": self.paired,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per metric, indexed by name, with label and direction."""
        import pandas as pd

        rows = [
            {
                "metric": name,
                "label": METRICS[name].label,
                **score.to_dict(),
                "direction": METRICS[name].direction,
                "group": METRICS[name].group,
            }
            for name, score in self.items()
        ]
        columns = ["metric", "label", "value", "low", "high", "floor", "needs", "direction"]
        return pd.DataFrame(rows, columns=[*columns, "group"]).set_index("metric")


@dataclass(frozen=True)
class Difference:
    """One metric of method A minus the same metric of method B, with its paired interval."""

    value: float
    low: float
    high: float


def paired_difference(scores_a: Scores, scores_b: Scores) -> dict[str, Difference]:
    """Compare two methods over the *same* halves of the same rows.

    What both methods share (which rows are easy) cancels, so differences much smaller than either
    interval can be told from zero.

    Parameters
    ----------
    scores_a, scores_b : Scores
        From :func:`~anisoalign_core.metrics.evaluate.evaluate` on one pair with one
        ``random_state`` and ``k``.

    Returns
    -------
    dict
        Metric name to ``Difference`` (A − B), for every metric that has replicates in both.

    Raises
    ------
    ParameterError
        If the scores were not computed on the same rows in the same way.
    """
    if scores_a.setting != scores_b.setting:
        raise ParameterError(
            "The two sets of scores were computed on different rows, k or random_state. "
            "Evaluate both methods on the same pair with the same settings."
        )
    found: dict[str, Difference] = {}
    for name, first in scores_a.replicates.items():
        second = scores_b.replicates.get(name)
        if second is None or len(second) != len(first):
            continue
        value = scores_a[name].value - scores_b[name].value
        found[name] = Difference(value, *interval(value, first - second))
    return found
