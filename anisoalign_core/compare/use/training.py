"""Training on the other modality: what corrected source rows teach about target rows."""

from __future__ import annotations

import numpy as np

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.labels import Model
from anisoalign_core.compare.use.use import Use

SOURCE = "[AA] arXiv:2605.07825 §5, in small"


def accuracies(work: AtWork, model: Model = "linear") -> dict[str, float]:
    """Accuracy on held-out target rows of classifiers taught on corrected fitted rows, by column.

    See :func:`~anisoalign_core.compare.use.labels.label_transfer`.
    """
    classes = work.learnt.classes
    found: dict[str, float] = {}
    if classes is None:
        return found
    for column in classes.columns:
        keep, labels = classes.of_target(column, work.target_rows)
        found[column] = work.learnt.classifier(column, model).accuracy(work.target[keep], labels)
    return found


def most_frequent(work: AtWork) -> dict[str, float]:
    """Accuracy of naming the most frequent class of the target rows asked about, by column."""
    classes = work.learnt.classes
    found: dict[str, float] = {}
    if classes is None:
        return found
    for column in classes.columns:
        labels = classes.of_target(column, work.target_rows)[1]
        found[column] = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    return found


FAMILY = (
    Use(
        name="label_transfer",
        label="Labels learned from the source, right on the target",
        symbol="label transfer",
        description="Accuracy on target rows of a logistic regression trained on corrected source "
        "rows only, mean over the label columns.",
        needs="unpaired",
        wants="labels",
        group="train",
        reference=SOURCE,
        ends=("identity", "target"),
        function=accuracies,
        floor=most_frequent,
    ),
    Use(
        name="label_transfer_mlp",
        label="The same with a network of one hidden layer",
        symbol="label transfer (MLP)",
        description="Accuracy on target rows of a network with 128 hidden units trained on "
        "corrected source rows only, mean over the label columns.",
        needs="unpaired",
        wants="labels",
        group="train",
        reference=SOURCE,
        ends=("identity", "target"),
        function=lambda work: accuracies(work, "mlp"),
        floor=most_frequent,
    ),
)
