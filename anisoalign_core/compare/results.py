"""What a leaderboard found: values per method, metric and split, and what they say."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from anisoalign_core.card import Card, Shown, within
from anisoalign_core.compare.entries import BASELINE, CEILING, Entry
from anisoalign_core.compare.setting import Setting
from anisoalign_core.compare.use.use import Group, Use
from anisoalign_core.compare.use.uses import USES, described, head
from anisoalign_core.compare.values import Values, arrays, lists
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.metrics.registry import METRICS, Metric
from anisoalign_core.numerics import Float64

if TYPE_CHECKING:
    import pandas as pd

FORMAT, FORMAT_VERSION = "anisoalign-leaderboard", 1
GROUPS = ("semantics", "support", "residual", "retrieval", *get_args(Group))
Answer = Literal["better", "worse", "cannot tell"]
ENDS = {
    "semantics": ("permuted", "identity"),
    "support": ("identity", CEILING),
    "residual": ("permuted", "oracle"),
    "retrieval": ("permuted", "oracle"),
}
"""Group of metrics → the entries between which a sensible correction lies: floor, then ceiling."""
SAME = 1e-6
"""Relative spread below which a floor counts as the same for all methods."""
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Curve:
    """Scores of one method while its one dial is turned.

    Attributes
    ----------
    label : str
        What is turned.
    values : (B,) float64
    scores : dict of metric to (S, B) float64
    """

    label: str
    values: Float64
    scores: dict[str, Float64]


@dataclass(frozen=True)
class Check:
    """One fact about floor, ceiling or control, and whether it is as it must be."""

    metric: str
    low: str
    low_value: float
    high: str
    high_value: float
    holds: bool


@dataclass(frozen=True, eq=False, repr=False)
class Leaderboard(Shown):
    """Methods on the same repeated splits.

    Attributes
    ----------
    setting : Setting
    entries : tuple of Entry
    values : dict of entry → metric → (S,) float64
        Held-out scores, one per split; uses included.
    floors : dict of entry → metric → (S,) float64
        What chance or sampling alone gives.
    curves : dict of entry → Curve
    mixed : dict of entry → (S, shares) float64
        nDCG@10 as the share of target rows in the gallery grows; with pairs only.
    seconds : dict of entry → (S,) float64
        Fitting time.
    failures : dict of entry → sentence
        Methods that refused these rows.
    notes : tuple of str
        What is missing, and why.
    gap : dict of str to float
        Diagnostics of the whole pair that have been published for another encoder; see
        :data:`~anisoalign_core.compare.published.GAP`.
    """

    setting: Setting
    entries: tuple[Entry, ...]
    values: Values
    floors: Values
    curves: dict[str, Curve] = field(default_factory=dict)
    mixed: dict[str, Float64] = field(default_factory=dict)
    seconds: dict[str, Float64] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gap: dict[str, float] = field(default_factory=dict)

    @property
    def splits(self) -> int:
        """Number of finished splits."""
        return len(next(iter(self.values[self.entries[0].name].values())))

    @property
    def ranked(self) -> tuple[Entry, ...]:
        """Entries that have values."""
        return tuple(one for one in self.entries if one.name in self.values)

    def named(self, name: str) -> Entry:
        """Return an entry by name."""
        return next(one for one in self.entries if one.name == name)

    def metrics(self, group: str | None = None) -> list[str]:
        """Metrics that any entry has, in the order of the registries, one group or all.

        Values of single label columns stand after their mean. The group "use" is now "train" and
        "mixed".
        """
        if group == "use":
            warnings.warn(
                'The group "use" is now "train" and "mixed"; ask for those.',
                DeprecationWarning,
                stacklevel=2,
            )
            return [*self.metrics("train"), *self.metrics("mixed")]
        have = {metric for scores in self.values.values() for metric in scores}
        order = [*METRICS]
        for use in USES:
            order += [use, *(name for name in sorted(have) if name.startswith(f"{use}["))]
        return [m for m in order if m in have and (group is None or described(m).group == group)]

    def has(self, entry: str, metric: str) -> bool:
        """Whether an entry has a metric."""
        return metric in self.values.get(entry, {})

    def score(self, entry: str, metric: str) -> Interval:
        """Mean over the splits, with the interval of :func:`over_splits`."""
        return over_splits(
            self.values[entry][metric], self.setting.holdout, described(metric).range
        )

    def difference(self, entry: str, metric: str, other: str = BASELINE) -> Interval:
        """One entry minus another, split by split: what both share cancels."""
        gap = self.values[entry][metric] - self.values[other][metric]
        return over_splits(gap, self.setting.holdout)

    def answer(self, entry: str, metric: str, other: str = BASELINE) -> Answer | None:
        """Whether an entry is better than another on a metric, as far as the interval can tell.

        None where there is nothing to ask: the same entry, a metric that one of them lacks, a
        metric without a better side, or fewer than two splits.
        """
        direction = described(metric).direction
        both = self.has(entry, metric) and self.has(other, metric)
        if entry == other or not both or direction == "neutral" or self.splits < 2:
            return None
        sign = self.difference(entry, metric, other).sign * (1 if direction == "higher" else -1)
        return "better" if sign > 0 else "worse" if sign < 0 else "cannot tell"

    def race(self, entry: str, metric: str) -> Answer | None:
        """Return the answer for tables and figures: None for controls, which stand in no race."""
        return None if self.named(entry).role == "control" else self.answer(entry, metric)

    def floor(self, entry: str, metric: str) -> float | None:
        """Mean of what chance or sampling alone gives this entry."""
        found = self.floors.get(entry, {}).get(metric)
        return None if found is None else float(found.mean())

    def chance(self, metric: str) -> float | None:
        """Return the floor of a metric when it is the same for every entry, else None."""
        found = [self.floor(one.name, metric) for one in self.ranked if self.has(one.name, metric)]
        known = [value for value in found if value is not None]
        if not known or len(known) < len(found):
            return None
        spread = max(known) - min(known)
        return known[0] if spread <= SAME * max(abs(known[0]), 1.0) else None

    def order(self) -> list[Check]:
        """Check for every metric that its floor entry scores below its ceiling entry.

        Columns of labels of which even the ceiling knows no more than chance are left out.
        """
        found = []
        for metric in self.metrics():
            shown = described(metric)
            low, high = shown.ends if isinstance(shown, Use) else ENDS[shown.group]
            ends = self.has(low, metric) and self.has(high, metric)
            if not ends or shown.direction == "neutral" or self._says_nothing(metric, high):
                continue
            first, last = self.score(low, metric).value, self.score(high, metric).value
            holds = first < last if shown.direction == "higher" else first > last
            found.append(Check(metric, low, first, high, last, holds))
        return found

    def _says_nothing(self, metric: str, ceiling: str) -> bool:
        """Whether a column of labels is one that even the ceiling reads no better than chance."""
        if "[" not in metric or metric not in self.floors.get(ceiling, {}):
            return False
        above = self.values[ceiling][metric] - self.floors[ceiling][metric]
        return over_splits(above, self.setting.holdout).sign < 1

    def controls(self) -> list[Check]:
        """Check that the permuted target scores no better than chance where meaning counts.

        Better means that the interval of score minus chance, split by split, lies above zero;
        with one interval in forty that happens to the best of controls.
        """
        found = []
        for metric in self.metrics():
            by_chance = self.floor("permuted", metric)
            if not described(metric).meaningful or by_chance is None:
                continue
            score = self.score("permuted", metric).value
            above = over_splits(
                self.values["permuted"][metric] - self.floors["permuted"][metric],
                self.setting.holdout,
            )
            low = above.value if above.low is None else above.low
            found.append(Check(metric, "chance", by_chance, "permuted", score, low <= ROUNDING))
        return found

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        sides = f"{self.setting.source['name']} → {self.setting.target['name']}"
        return f"{sides}, {len(self.ranked)} entries on {self.splits} splits"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`; :mod:`anisoalign_core.publish` has it all."""
        metrics = [m for m in self.metrics() if m in USES or (m in METRICS and METRICS[m].card)]
        rows = []
        for one in self.ranked:
            found = (self.score(one.name, m) if self.has(one.name, m) else None for m in metrics)
            cells = ("–" if f is None else within(f.value, f.low, f.high) for f in found)
            rows.append((one.label, one.reads, *cells))
        header = ("method", "reads", *map(head, metrics))
        return Card(self.in_short(), rows, header, self.sentences)

    def plot(
        self,
        kind: str = "tradeoff",
        *,
        semantics: str = "omega",
        support: str = "mixing_coverage",
        metric: str | None = None,
        names: Iterable[str] | None = None,
    ) -> Any:
        """Draw a figure of the Compare page.

        Parameters
        ----------
        kind : {"tradeoff", "answers", "gallery"}
            What methods buy and cost; who is better than ReAlign on one ``metric``; or, with pairs,
            finding the true target row in a mixed gallery.
        semantics, support : str
            Axes of "tradeoff".
        metric : str, optional
            Of "answers"; by default label transfer, or coverage where there are no labels.
        names : iterable of str, optional
            Entries in "gallery"; all by default.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ParameterError
            If there is no such kind, measure or entry on this board.
        """
        from anisoalign_core.plots.asked import board_figure

        return board_figure(self, kind, semantics, support, metric, names)

    def to_frame(self) -> pd.DataFrame:
        """One row per entry and metric: value, interval, floor, difference to ReAlign, answer."""
        import pandas as pd

        rows = []
        for one in self.ranked:
            for metric in self.metrics():
                if not self.has(one.name, metric):
                    continue
                shown: Metric | Use = described(metric)
                score = self.score(one.name, metric)
                row = {
                    "entry": one.name,
                    "label": one.label,
                    "role": one.role,
                    "method_needs": one.needs,
                    "metric": metric,
                    "symbol": shown.symbol,
                    "group": shown.group,
                    "metric_needs": shown.needs,
                    "direction": shown.direction,
                    "value": score.value,
                    "low": score.low,
                    "high": score.high,
                    "floor": self.floor(one.name, metric),
                }
                answer = self.race(one.name, metric)
                if answer is not None:
                    gap = self.difference(one.name, metric)
                    row |= {
                        "minus_realign": gap.value,
                        "minus_realign_low": gap.low,
                        "minus_realign_high": gap.high,
                        "better_than_realign": answer,
                    }
                rows.append(row | {"splits": self.splits})
        return pd.DataFrame(rows)

    @property
    def sentences(self) -> list[str]:
        """What the numbers rest on, in sentences, for every table and report."""
        setting, rows = self.setting, self.setting.rows
        held = "pairs" if setting.paired else f"+ {rows['target']:,} rows"
        if "things" in rows:
            held = f"+ {rows['target']:,} rows of {rows['things']:,} things"
        found = [
            f"{rows['fit_source']:,} source and {rows['fit_target']:,} "
            f"{'unpaired ' if setting.paired else ''}target rows fitted, {rows['source']:,} "
            f"{held} held out and scored, "
            f"k = {setting.k}; mean of {self.splits} "
            f"{'splits' if self.splits != 1 else 'split'} (seeds {setting.random_state} to "
            f"{setting.random_state + self.splits - 1}).",
            "Intervals are 95 % corrected resampled t intervals (Nadeau & Bengio 2003): they speak "
            "of other rows from where these came, not of the splits alone. Differences are taken "
            "split by split. Each interval stands alone: among twenty comparisons of equals, one "
            "will look decided.",
        ]
        if self.splits < setting.splits:
            found.append(f"Stopped after {self.splits} of {setting.splits} splits.")
        if setting.classes is not None:
            found.append(f"Classifiers were taught {setting.classes}.")
        failed = [f"{self.named(name).label}: {words}" for name, words in self.failures.items()]
        return [*found, *self.notes, *failed]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "setting": asdict(self.setting) | {"columns": list(self.setting.columns)},
            "entries": [asdict(one) for one in self.entries],
            "values": lists(self.values),
            "floors": lists(self.floors),
            "curves": {
                name: {
                    "label": curve.label,
                    "values": curve.values.tolist(),
                    "scores": {m: v.tolist() for m, v in curve.scores.items()},
                }
                for name, curve in self.curves.items()
            },
            "mixed": {name: v.tolist() for name, v in self.mixed.items()},
            "seconds": {name: v.tolist() for name, v in self.seconds.items()},
            "failures": self.failures,
            "notes": list(self.notes),
            "gap": self.gap,
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Leaderboard:
        """Read what :meth:`to_dict` wrote."""
        setting = dict(known["setting"])
        setting["columns"] = tuple(setting["columns"])
        return cls(
            Setting(**setting),
            tuple(Entry(**one) for one in known["entries"]),
            arrays(known["values"]),
            arrays(known["floors"]),
            {
                name: Curve(
                    curve["label"],
                    np.array(curve["values"]),
                    {m: np.array(v) for m, v in curve["scores"].items()},
                )
                for name, curve in known["curves"].items()
            },
            {name: np.array(v) for name, v in known["mixed"].items()},
            {name: np.array(v) for name, v in known["seconds"].items()},
            dict(known["failures"]),
            tuple(known["notes"]),
            dict(known["gap"]),
        )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(t.replace("|", "\\|") for t in row) + " |" for row in lines)
