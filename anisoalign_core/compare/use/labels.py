"""Label transfer: a classifier trained on corrected source rows, tested on target rows."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Float32, Integers
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 50
"""A column with more values than this names rows rather than classes."""
HIDDEN = 128
BATCH = 128
_WARNINGS = threading.Lock()
"""Filters of warnings are the process's: two threads that change them would not put them back."""
STEPS = 400
"""Steps of Adam: as many for few rows as for many."""
Model = Literal["linear", "mlp"]


def label_transfer(
    rows: Float32,
    labels: npt.ArrayLike,
    target_rows: Float32,
    target_labels: npt.ArrayLike,
    *,
    model: Model = "linear",
    random_state: int = 0,
) -> float:
    """Accuracy of a classifier trained on corrected source rows and tested on target rows.

    The small-scale form of training on text alone [AA §5]: raw source rows are the floor, target
    rows in their place the ceiling.

    Parameters
    ----------
    rows, target_rows : (n, d) and (m, d) float32
        Unit rows.
    labels, target_labels : (n,) and (m,) arrays
        A target class that no source row has counts as missed.
    model : {"linear", "mlp"}
        Logistic regression (C = 10), or one hidden layer of 128 for about 400
        steps of Adam.
    random_state : int, default 0
        Seed of the network's weights and batches.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ShapeError
        If the taught rows name fewer than two classes, or there is no row to test on.
    """
    return Classifier.taught(rows, labels, model, random_state).accuracy(target_rows, target_labels)


@dataclass(frozen=True, eq=False)
class Classifier:
    """What was taught on corrected rows; see :func:`label_transfer`.

    Attributes
    ----------
    classes : (c,) array of str
    fitted : scikit-learn classifier
    """

    classes: npt.NDArray[Any]
    fitted: Any

    @classmethod
    def taught(
        cls, rows: Float32, labels: npt.ArrayLike, model: Model = "linear", random_state: int = 0
    ) -> Classifier:
        """Teach a model.

        Raises
        ------
        ShapeError
            If the rows name fewer than two classes.
        """
        taught = np.asarray(labels).astype(str)
        classes = np.unique(taught)
        if len(classes) < 2:
            raise ShapeError(
                f"{len(classes)} classes are taught; a classifier needs at least two. Choose other "
                "labels."
            )
        with one_thread():  # small products: a second thread waits longer than it works
            fitted = _classifier(model, random_state).fit(rows, np.searchsorted(classes, taught))
        return cls(classes, fitted)

    def accuracy(self, rows: Float32, labels: npt.ArrayLike) -> float:
        """Return the share of rows that are named right.

        Raises
        ------
        ShapeError
            If there is no row.
        """
        asked = np.asarray(labels).astype(str)
        if len(asked) == 0:
            raise ShapeError("No row is asked about that has a class. Choose other labels.")
        return float(np.mean(self.says(rows) == asked))

    def says(self, rows: Float32) -> npt.NDArray[Any]:
        """Return the class that each row is given, (n,) str."""
        with one_thread():
            named: npt.NDArray[Any] = self.classes[self.fitted.predict(rows)]
        return named


def _classifier(model: Model, random_state: int) -> Any:
    if model == "linear":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=300, C=10.0)
    if model != "mlp":
        raise ParameterError(f'model is {model!r}; choose "linear" or "mlp".')
    return _Network(random_state)


class _Network:
    """scikit-learn's network for a fixed number of steps: stopping early would cost rows."""

    def __init__(self, random_state: int) -> None:
        self.random_state = random_state

    def fit(self, rows: Float32, labels: Integers) -> Any:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        batch = min(BATCH, len(rows))
        epochs = -(-STEPS * batch // len(rows))
        network = MLPClassifier(
            (HIDDEN,),
            batch_size=batch,
            learning_rate_init=2e-3,
            max_iter=epochs,
            n_iter_no_change=epochs,
            random_state=self.random_state,
        )
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are chosen
            return network.fit(rows, labels)


def class_columns(table: Any) -> list[str]:
    """Columns of a table of labels that name classes: 2 to 50 values, none missing.

    Parameters
    ----------
    table : pandas.DataFrame or None
    """
    if table is None:
        return []
    return [
        str(name)
        for name in table.columns
        if 2 <= table[name].nunique() <= MOST_CLASSES and not table[name].isna().any()
    ]


@dataclass(frozen=True, eq=False)
class Classes:
    """Class labels of both sides of a pair.

    Attributes
    ----------
    source, target : pandas.DataFrame
        One row per row of the set and one column per question; missing where a row has no class.
    origin : str
        Where they are from, in words.
    """

    source: pd.DataFrame
    target: pd.DataFrame
    origin: str

    @property
    def columns(self) -> list[str]:
        """Questions that can be asked."""
        return [str(name) for name in self.source.columns]

    @cached_property
    def names(self) -> dict[str, npt.NDArray[Any]]:
        """Classes of each column, of both sides, sorted."""
        sides = {name: (self.source[name], self.target[name]) for name in self.columns}
        return {
            name: np.unique([one for side in both for one in side if isinstance(one, str)])
            for name, both in sides.items()
        }

    def of_source(self, name: str, rows: Integers) -> tuple[Integers, npt.NDArray[Any]]:
        """Return positions and labels of those of the given source rows that have a class."""
        return _named(self.source[name], rows)

    def of_target(self, name: str, rows: Integers) -> tuple[Integers, npt.NDArray[Any]]:
        """Return positions and labels of those of the given target rows that have a class."""
        return _named(self.target[name], rows)


def _named(column: Any, rows: Integers) -> tuple[Integers, npt.NDArray[Any]]:
    values = column.to_numpy(dtype=object)[rows]
    keep = np.flatnonzero([isinstance(value, str) for value in values])
    return keep, values[keep].astype(str)


def classes_of(
    pair: EmbeddingPair,
    columns: Sequence[str] | None = None,
    keywords: Mapping[str, Sequence[str]] | None = None,
) -> Classes | None:
    """Class labels of a pair: from the sets' own labels, or from captions by keywords.

    Parameters
    ----------
    pair : EmbeddingPair
        A side without labels (or captions) takes those of the other when rows are paired.
    columns : sequence of str, optional
        Columns of labels to use; all that name classes when left out.
    keywords : mapping of class to words, optional
        Used instead of labels: a row belongs to a class when its caption holds one of the class's
        words (whole words, in any case) and no word of another class; other rows have none.

    Returns
    -------
    Classes or None
        None when neither side has labels that name classes.

    Raises
    ------
    ParameterError
        If a column is unknown or there are fewer than two keyword classes.
    ShapeError
        If keywords are given and there are no captions, or fewer than two classes occur.
    """
    import pandas as pd

    if keywords is not None:
        return _by_keywords(pair, keywords)
    source, target = lent(pair, pair.source.labels, pair.target.labels)
    if source is None or target is None:
        if columns:
            raise ParameterError(f'There are no labels, so none called "{columns[0]}".')
        return None
    usable = [name for name in class_columns(source) if name in class_columns(target)]
    for name in columns or ():
        if name not in usable:
            has = ", ".join(usable) or "none"
            raise ParameterError(
                f'"{name}" does not name classes on both sides (2 to {MOST_CLASSES} values, none '
                f"missing). Columns that do: {has}."
            )
    chosen = list(columns) if columns else usable
    if not chosen:
        return None
    tables = [pd.DataFrame(side[chosen]).astype(str).astype(object) for side in (source, target)]
    return Classes(tables[0], tables[1], f"labels {', '.join(chosen)}")


def lent(pair: EmbeddingPair, source: Any, target: Any) -> tuple[Any, Any]:
    """Both sides' own, or what the first partner lends the side that has none."""
    if pair.things is None:
        return source, target
    of_source, of_target = pair.things.first_partners
    return _take(target, of_source) if source is None else source, (
        _take(source, of_target) if target is None else target
    )


def _take(values: Any, rows: Integers) -> Any:
    """Return some rows of a table, of an array or of nothing."""
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[rows]
    return values.iloc[rows].reset_index(drop=True)


def _by_keywords(pair: EmbeddingPair, keywords: Mapping[str, Sequence[str]]) -> Classes:
    import pandas as pd

    if len(keywords) < 2 or not all(words for words in keywords.values()):
        raise ParameterError("Give at least two classes of keywords, each with at least one word.")
    source, target = lent(pair, pair.source.captions, pair.target.captions)
    if source is None or target is None:
        raise ShapeError(
            "Keywords are looked up in captions, and there are none on both sides. Load captions, "
            "or a set with labels."
        )
    tables = [
        pd.DataFrame({"keyword": keyword_labels(side, keywords)}, dtype=object)
        for side in (source, target)
    ]
    if min(table["keyword"].nunique() for table in tables) < 2:
        raise ShapeError(
            "Fewer than two of the keyword classes occur in the captions. Choose words that more "
            "captions hold."
        )
    return Classes(tables[0], tables[1], f"keywords {', '.join(keywords)}")


def keyword_labels(
    captions: npt.NDArray[Any] | Sequence[str], keywords: Mapping[str, Sequence[str]]
) -> npt.NDArray[np.object_]:
    """Class of each caption by whole words, None where no class or more than one is named.

    Parameters
    ----------
    captions : (n,) sequence of str
    keywords : mapping of class to words

    Returns
    -------
    (n,) array of str or None
    """
    patterns = {
        name: re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)
        for name, words in keywords.items()
    }
    found = np.full(len(captions), None, dtype=object)
    for row, text in enumerate(captions):
        named = [name for name, pattern in patterns.items() if pattern.search(str(text))]
        if len(named) == 1:
            found[row] = named[0]
    return found


def parse_keywords(text: str) -> dict[str, list[str]]:
    """Read classes of keywords as people write them.

    One class per line or semicolon; ``name: word, word`` or a single word that is its own class.
    Without colons, commas separate classes too: ``dog, cat, horse``.

    Raises
    ------
    ParameterError
        If a class has no word or a name occurs twice.
    """
    lines = [line.strip() for line in re.split(r"[;\n]", text) if line.strip()]
    if ":" not in text:
        lines = [word.strip() for line in lines for word in line.split(",") if word.strip()]
    found: dict[str, list[str]] = {}
    for line in lines:
        name, colon, rest = line.partition(":")
        words = [word.strip() for word in rest.split(",") if word.strip()] if colon else [line]
        name = name.strip()
        if not words or not name:
            raise ParameterError(f'"{line}" has no word; write "dog: dog, puppy" or just "dog".')
        if name in found:
            raise ParameterError(f'The class "{name}" is given twice.')
        found[name] = words
    return found
