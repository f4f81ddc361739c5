"""What a correction is good for, collected: the counterpart of the metrics' registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from anisoalign_core.compare.use import clusters, gallery, robustness, search, training, zero_shot
from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.use import Use, spread
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.metrics.registry import METRICS

FAMILIES = (training, search, gallery, clusters, zero_shot, robustness)

USES: dict[str, Use] = {use.name: use for family in FAMILIES for use in family.FAMILY}
"""Measures of use by name, in the order in which tables show them."""


def measured(
    work: AtWork, uses: Iterable[Use] | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Run measures of use, all that apply by default: the one place where they are called.

    Returns
    -------
    values, floors : dict of name to float
        Those of single columns of labels as ``name[column]``, after their mean.
    """
    values: dict[str, float] = {}
    floors: dict[str, float] = {}
    for use in USES.values() if uses is None else uses:
        if use.asks(work):
            values |= spread(use.name, use.function(work))
            floors |= spread(use.name, use.floor(work))
    return values, floors


def missing(paired: bool, classes: object, prompts: object) -> list[str]:
    """Say in sentences which measures of use are left out, and what they need."""
    found = []
    if classes is None:
        found.append(
            "Label transfer and clusters against classes are missing: they need labels on both "
            "sides (or captions and keywords)."
        )
    if classes is None or prompts is None:
        found.append(
            "Zero-shot accuracy is missing: it needs labels, and vectors of the class names."
        )
    if not paired:
        found.append(
            "Residual, matched cosine, recall, search, robustness and the mixed gallery are "
            "missing: they need pairs."
        )
    return found


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
    return replace(
        use,
        name=name,
        label=f"{inner}: {use.label.lower()}",
        symbol=f"{inner} ({use.symbol})",
        description=use.description.replace("mean over the label columns", f"for {inner}"),
    )
