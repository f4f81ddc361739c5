"""Zero-shot classification: target rows named by vectors of class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.labels import Classes
from anisoalign_core.compare.use.names import Told, by_other_names
from anisoalign_core.compare.use.training import most_frequent
from anisoalign_core.compare.use.use import Use
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float32, Float64, Integers

TEMPLATES = ("{}", "a {}", "a photo of a {}", "this picture shows a {}")
"""Sentences that class names are put into, as zero-shot classifiers of CLIP do."""
Names = Mapping[str, Sequence[str]]
"""Column → class names."""


class Speaks(Protocol):
    """Anything that turns texts into rows of the source's space."""

    def encode_texts(self, texts: Sequence[str], /) -> Any:
        """Return one row for each text."""


def prompt_rows(
    encoder: Speaks, classes: Names, templates: Sequence[str] = TEMPLATES
) -> EmbeddingSet:
    """Encode class names in sentences: the vectors that zero-shot classification needs.

    Parameters
    ----------
    encoder : object with ``encode_texts``
        That of the set's source side.
    classes : mapping of column to class names
    templates : sequence of str
        Each with one ``{}`` for the name.

    Returns
    -------
    EmbeddingSet
        ``len(templates)`` rows for each class; its labels name the class in the class's column.

    Raises
    ------
    ParameterError
        If a template has no place for the name, or there is no class.
    """
    import pandas as pd

    for template in templates:
        if template.count("{}") != 1:
            raise ParameterError(f'The template "{template}" needs one {{}} for the class name.')
    asked = [
        (column, name, template.format(name))
        for column, names in classes.items()
        for name in names
        for template in templates
    ]
    if not asked:
        raise ParameterError("There is no class name to encode; give names and templates.")
    texts = [text for _, _, text in asked]
    found = encoder.encode_texts(texts)
    rows = getattr(found, "vectors", found)
    table = pd.DataFrame(
        {column: [name if of == column else None for of, name, _ in asked] for column in classes},
        dtype=object,
    )
    return EmbeddingSet.from_array(
        rows, modality="text", name="class names", captions=texts, labels=table
    )


def named_rows(prompts: EmbeddingSet, classes: Classes) -> dict[str, dict[str, Integers]]:
    """Return which rows name which class: column → class → row numbers.

    A row names the class that its labels give in the column; in a set without such a column, the
    one that its id is.

    Parameters
    ----------
    prompts : EmbeddingSet
    classes : Classes

    Raises
    ------
    ParameterError
        If fewer than two classes of any column are named.
    """
    found: dict[str, dict[str, Integers]] = {}
    for column in classes.columns:
        wanted = sorted({name for name in classes.target[column] if isinstance(name, str)})
        table = prompts.labels
        given: npt.ArrayLike = prompts.ids
        if table is not None and column in table:
            given = table[column].to_numpy(dtype=object)
        names = np.asarray(given, dtype=object)
        rows = {name: np.flatnonzero([str(one) == name for one in names]) for name in wanted}
        rows = {name: at for name, at in rows.items() if len(at)}
        if len(rows) >= 2:
            found[column] = rows
    if not found:
        raise ParameterError(
            f"The class vectors name fewer than two classes of {', '.join(classes.columns)}. Give "
            "each the class as its id, or in a column of labels of that name."
        )
    return found


def directions(
    rows: Float32, named: Mapping[str, Mapping[str, Integers]]
) -> dict[str, dict[str, Float32]]:
    """Return the direction of the mean of each class's rows: column → class → (d,)."""

    def direction(at: Integers) -> Float32:
        mean = rows[at].mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

    return {
        column: {name: direction(at) for name, at in of.items()} for column, of in named.items()
    }


def prototypes(
    target: Float32,
    labels: Mapping[str, tuple[Integers, npt.NDArray[Any]]],
    named: Mapping[str, Mapping[str, Integers]],
    rows: Float32,
) -> Float32:
    """Return what stands for the partners of class vectors: the mean direction of their class.

    Parameters
    ----------
    target : (n, d) float32
        Fitted target rows.
    labels : mapping of column to positions and classes of those that have one
    named : column → class → row numbers
    rows : (p, d) float32
        The class vectors; a row of a class without any target row keeps itself.
    """
    found = np.array(rows)
    for column, of in named.items():
        at, names = labels[column]
        for name, numbers in of.items():
            mean = target[at[names == name]].sum(axis=0)
            norm = float(np.linalg.norm(mean))
            if norm > 0:
                found[numbers] = mean / norm
    return found


def told(work: AtWork) -> dict[str, Told]:
    """Return the class whose vector is nearest to each target row, and its own, by column."""
    found = {}
    for column, prompts in work.learnt.prompts.items():
        keep, true = work.asked(column)
        names = np.array(list(prompts))
        nearest = (work.target[keep] @ np.stack(list(prompts.values())).T).argmax(axis=1)
        found[column] = Told(names[nearest], true, work.names(column))
    return found


def accuracies(work: AtWork) -> dict[str, float]:
    """Share of target rows whose nearest class vector names their class, by column.

    Classes that no vector names count as missed.
    """
    return {column: one.right for column, one in told(work).items()}


def renamed(work: AtWork) -> Float64:
    """Mean accuracies where class vectors are called by other names; see :mod:`~.names`."""
    return by_other_names([one.by_name for one in told(work).values()])


def _chance(work: AtWork) -> dict[str, float]:
    """Naming the most frequent class."""
    common = most_frequent(work)
    return {column: common[column] for column in work.learnt.prompts}


FAMILY = (
    Use(
        name="zero_shot_accuracy",
        label="Classes named by vectors of their names",
        symbol="zero-shot accuracy",
        description="Share of target rows whose nearest corrected class vector names their class, "
        "mean over the label columns.",
        needs="unpaired",
        wants="prompts",
        group="zero-shot",
        reference="Radford et al., arXiv:2103.00020 §3.1",
        ends=("permuted", "oracle"),
        function=accuracies,
        floor=_chance,
        renamed=renamed,
    ),
)
