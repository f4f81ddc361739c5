"""Training on the other modality: what corrected source rows teach about target rows."""

from __future__ import annotations

import numpy as np

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.labels import Model
from anisoalign_core.compare.use.names import Told, by_other_names
from anisoalign_core.compare.use.use import Use
from anisoalign_core.numerics import Float64

SOURCE = "[AA] arXiv:2605.07825 §5, in small"


def told(work: AtWork, model: Model = "linear") -> dict[str, Told]:
    """Return what classifiers taught on corrected fitted rows say of target rows, by column."""

    def asked(work: AtWork) -> dict[str, Told]:
        found = {}
        for column in work.columns:
            keep, true = work.asked(column)
            said = work.learnt.classifier(column, model).says(work.target[keep])
            found[column] = Told(said, true, work.names(column))
        return found

    return work.once(("told", model), asked)


def accuracies(work: AtWork, model: Model = "linear") -> dict[str, float]:
    """Accuracy on held-out target rows of classifiers taught on corrected fitted rows, by column.

    See :func:`~anisoalign_core.compare.use.labels.label_transfer`.
    """
    return {column: one.right for column, one in told(work, model).items()}


def renamed(work: AtWork, model: Model = "linear") -> Float64:
    """Mean accuracies where the taught classes are called by other names; see :mod:`~.names`."""
    return by_other_names([one.by_name for one in told(work, model).values()])


def most_frequent(work: AtWork) -> dict[str, float]:
    """Accuracy of naming the most frequent class of the target rows asked about, by column."""
    found = {}
    for column in work.columns:
        true = work.asked(column)[1]
        found[column] = float(np.unique(true, return_counts=True)[1].max() / len(true))
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
        renamed=renamed,
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
        renamed=lambda work: renamed(work, "mlp"),
    ),
)
