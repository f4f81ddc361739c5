"""What a falsification found: scores per split, gains at equal Ω, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.compare.results import markdown_table
from anisoalign_core.compare.values import arrays, lists
from anisoalign_core.metrics.intervals import Interval, over_splits
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.numerics import Float64

if TYPE_CHECKING:
    import pandas as pd

CONTROLS = {
    "ReAlign": "ReAlign",
    "uniform prior": "the same run with the uniform prior",
    "shuffled prior": "the same run with the shuffled prior",
}
"""Rows that the full method is set against, and what the notes call them."""
OWN_SYMBOLS = {"label_transfer": "label transfer", "recall_at_10": "R@10"}


@dataclass(frozen=True, eq=False)
class Falsification:
    """Scores of every variant on every split, and the closed form at the same Ω.

    Attributes
    ----------
    scores : dict of variant → metric → (S,) float64
        Held-out scores; ``label_transfer`` where the sets have labels.
    matched : dict of variant → metric → (S,) float64
        BoundedTransport's scores at the bound where its Ω equals the variant's.
    beyond : dict of variant → int
        Splits on which the variant's Ω lies outside BoundedTransport's whole curve; there the
        nearest end stands in.
    prior : dict of variant → (S,) float64
        Stage-I loss over the uninformed baseline, on target rows it was not trained on.
    rows : (int, int, int)
        Fitted source rows, fitted target rows, held-out rows.
    k : int
    """

    scores: dict[str, dict[str, Float64]]
    matched: dict[str, dict[str, Float64]]
    beyond: dict[str, int]
    prior: dict[str, Float64]
    rows: tuple[int, int, int]
    k: int

    @property
    def held_out(self) -> float:
        """Share of the rows held out; with pairs the fitted rows of both sides are other rows."""
        source, target, held = self.rows
        paired = "matched_cosine" in next(iter(self.scores.values()))
        return held / (held + (source + target if paired else min(source, target)))

    @property
    def splits(self) -> int:
        """Number of splits."""
        return len(next(iter(self.scores.values()))["omega"])

    def mean(self, variant: str, metric: str) -> float:
        """Mean of a metric over the splits."""
        return float(self.scores[variant][metric].mean())

    def gain(self, variant: str, metric: str) -> Interval:
        """Variant minus BoundedTransport at the same Ω."""
        return over_splits(
            self.scores[variant][metric] - self.matched[variant][metric], self.held_out
        )

    def difference(self, variant: str, other: str, metric: str) -> Interval:
        """One variant minus another, split by split."""
        return over_splits(self.scores[variant][metric] - self.scores[other][metric], self.held_out)

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on and what they say, in sentences."""
        source, target, held = self.rows
        found = [
            f"{source:,} source and {target:,} target rows fitted, {held:,} held out, "
            f"k = {self.k}, {self.splits} splits. Gains are against BoundedTransport at the bound "
            "where its Ω is the variant's; intervals are 95 % corrected resampled t "
            "intervals (Nadeau & Bengio 2003), which allow for the rows that splits share."
        ]
        if "+ refinement" in self.scores:
            found.append(
                "No loss is published for “+ refinement” alone: with nothing to minimise the "
                "network stays at zero, so that row is the start by construction."
            )
        ended = [name for name, count in self.beyond.items() if count]
        if ended:
            found.append(
                "† Ω outside BoundedTransport's curve on some splits, where the nearer end stands "
                f"in: {', '.join(ended)}."
            )
        if "full" not in self.scores:
            return found
        for other, words in CONTROLS.items():
            if other not in self.scores:
                continue
            for metric in ("omega", "mixing_coverage", "frechet"):
                gap = self.difference("full", other, metric)
                verdict = "cannot be told from" if gap.sign == 0 else "differs from"
                found.append(
                    f"{_symbol(metric)}: the full method {verdict} {words} "
                    f"({_interval(gap, bold=False)})."
                )
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row per variant: mean scores, and gains over BoundedTransport at the same Ω."""
        import pandas as pd

        rows = {}
        for variant, scores in self.scores.items():
            row: dict[str, float] = {_symbol(m): self.mean(variant, m) for m in scores}
            if variant in self.matched:
                for metric in self.matched[variant]:
                    gain = self.gain(variant, metric)
                    name = f"{_symbol(metric)} at equal Ω"
                    low, high = gain.limits
                    row |= {name: gain.value, f"{name}, low": low, f"{name}, high": high}
            if variant in self.prior:
                row["prior, unseen rows"] = float(self.prior[variant].mean())
            rows[variant] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "rows": self.rows,
            "k": self.k,
            "splits": self.splits,
            "scores": lists(self.scores),
            "matched": lists(self.matched),
            "beyond": self.beyond,
            "prior": {name: values.tolist() for name, values in self.prior.items()},
            "notes": self.notes,
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Falsification:
        """Read what :meth:`to_dict` wrote."""
        source, target, held = known["rows"]
        return cls(
            arrays(known["scores"]),
            arrays(known["matched"]),
            dict(known["beyond"]),
            {name: np.array(values) for name, values in known["prior"].items()},
            (source, target, held),
            known["k"],
        )

    def to_markdown(self) -> str:
        """Two tables: mean scores, and gains at equal Ω with intervals (bold: leaves out zero)."""
        metrics = list(next(iter(self.scores.values())))
        rows = []
        for variant in self.scores:
            known = f"{self.prior[variant].mean():.3f}" if variant in self.prior else ""
            rows.append([variant, *(f"{self.mean(variant, m):.3g}" for m in metrics), known])
        means = markdown_table(["variant", *map(_symbol, metrics), "prior"], rows)
        compared = list(next(iter(self.matched.values())))
        rows = []
        for variant in self.matched:
            mark = " †" if self.beyond[variant] else ""
            rows.append([variant + mark, *(_interval(self.gain(variant, m)) for m in compared)])
        return means + "\n\n" + markdown_table(["at equal Ω", *map(_symbol, compared)], rows)


def _symbol(metric: str) -> str:
    return METRICS[metric].symbol if metric in METRICS else OWN_SYMBOLS[metric]


def _interval(found: Interval, bold: bool = True) -> str:
    low, high = found.limits
    text = f"{found.value:+.3g} ({low:+.3g} … {high:+.3g})"
    return f"**{text}**" if bold and found.sign else text
