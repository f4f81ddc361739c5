"""What a correction is good for, declared: the counterpart of the metrics' registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.registry import METRICS


@dataclass(frozen=True)
class Use:
    """A measure of use as tables and screens see it; fields as in ``Metric``."""

    name: str
    label: str
    symbol: str
    description: str
    needs: Literal["unpaired", "paired"]
    reference: str
    direction: Literal["higher"] = "higher"
    range: tuple[float, float] = (0.0, 1.0)
    group: Literal["use"] = "use"
    meaningful: bool = True


USES = {
    use.name: use
    for use in (
        Use(
            "label_transfer",
            "Labels learned from the source, right on the target",
            "label transfer",
            "Accuracy on target rows of a logistic regression trained on corrected source rows "
            "only, mean over the label columns.",
            "unpaired",
            "[AA] arXiv:2605.07825 §5, in small",
        ),
        Use(
            "label_transfer_mlp",
            "The same with a network of one hidden layer",
            "label transfer (MLP)",
            "Accuracy on target rows of a network with 128 hidden units trained on corrected "
            "source rows only, mean over the label columns.",
            "unpaired",
            "[AA] arXiv:2605.07825 §5, in small",
        ),
        Use(
            "mixed_gallery_ndcg",
            "The right image found among images and texts",
            "mixed nDCG@10",
            "nDCG@10 of a corrected source row finding its own target row, mean over galleries "
            "of which 10 to 100 % are target rows.",
            "paired",
            "[GR] arXiv:2507.19054",
        ),
    )
}
"""Measures of use by name, in the order in which tables show them."""


def head(name: str) -> str:
    """Symbol of a metric or a use, with the arrow that says which way is better."""
    shown = described(name)
    return shown.symbol + {"higher": " ↑", "lower": " ↓", "neutral": ""}[shown.direction]


def described(name: str) -> Metric | Use:
    """Return what is declared of a metric or a use; ``label_transfer[shape]`` is one column's."""
    if name in METRICS:
        return METRICS[name]
    family, bracket, column = name.partition("[")
    use = USES[family]
    if not bracket:
        return use
    inner = column.removesuffix("]")
    return Use(
        name,
        f"{inner}: {use.label.lower()}",
        inner,
        use.description.replace("mean over the label columns", f"for {inner}"),
        use.needs,
        use.reference,
    )
