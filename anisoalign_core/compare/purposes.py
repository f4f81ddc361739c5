"""What corrected vectors are for: the question, and the measures that answer it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anisoalign_core.compare.use.search import SCORED
from anisoalign_core.compare.use.use import Group
from anisoalign_core.compare.use.uses import USES


@dataclass(frozen=True)
class Purpose:
    """One answer to "What will these vectors be used for?".

    Attributes
    ----------
    name : str
        A group of the board.
    label : str
        What is done with the vectors, in words.
    measures : tuple of str
        Measures of use that decide. The first is that of the rows by themselves; the others go
        other ways with the same rows, and stand in the race beside it.
    """

    name: Group
    label: str
    measures: tuple[str, ...]

    @property
    def needs(self) -> str:
        """What the set must hold, in words; empty where vectors are enough."""
        use = USES[self.measures[0]]
        words = [
            {
                "labels": "labels of both sides (or captions and keywords)",
                "prompts": "labels, and vectors of the class names",
            }.get(use.wants, ""),
            "pairs" if use.needs == "paired" else "",
        ]
        return " and ".join(filter(None, words))


PURPOSES: dict[str, Purpose] = {
    one.name: one
    for one in (
        Purpose(
            "train",
            "Train a model on source rows, and use it on target rows",
            ("label_transfer",),
        ),
        Purpose(
            "search",
            "Search one modality by the other",
            ("search_recall", *(f"search_recall_{scorer}" for scorer in SCORED)),
        ),
        Purpose(
            "mixed",
            "Search among documents of both kinds",
            ("mixed_gallery_ndcg",),
        ),
        Purpose(
            "cluster",
            "Cluster both modalities together",
            ("cluster_v_measure",),
        ),
        Purpose(
            "zero-shot",
            "Name target rows by vectors of class names",
            ("zero_shot_accuracy",),
        ),
    )
}
"""Purposes by name, in the order in which they are asked about."""


def askable(
    paired: bool, classes: object, prompts: object, asked: Iterable[str] = tuple(PURPOSES)
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the purposes that can be asked about, and a sentence for each that cannot.

    Parameters
    ----------
    paired : bool
    classes, prompts : object or None
        Whether there are classes of both sides, and vectors of their names.
    asked : iterable of str
        Purposes to look at, all by default.
    """
    kept, left_out = [], {}
    for name in asked:
        one = PURPOSES[name]
        use = USES[one.measures[0]]
        lacks = [
            bool(use.wants) and classes is None,
            use.wants == "prompts" and prompts is None,
            use.needs == "paired" and not paired,
        ]
        if any(lacks):
            left_out[name] = f"{one.label}: cannot be asked here; it needs {one.needs}."
        else:
            kept.append(name)
    return tuple(kept), left_out


def scorer_of(measure: str) -> str:
    """Return the scorer that a measure goes through; empty for rows by themselves."""
    name = measure.removeprefix("search_recall_")
    return name if name in SCORED else ""
