"""Captions as a test of interchangeability: train a decoder on corrected texts, caption images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.compare.use.decoder import CaptionDecoder, words
from anisoalign_core.compare.use.labels import class_columns
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Float32, Float64, Progress

if TYPE_CHECKING:
    import pandas as pd

LONGEST_NGRAM = 4
READER_NGRAM = 3
READER_FOLDS = 4
READER_C = 10.0
READER_PRECISION = 0.99
"""Share of what a reader reads that must be right where it is calibrated."""
LEAST_CONFIDENCE = 0.5
FEWEST_READ = 20
"""A column of which fewer captions than this can be read is never read."""


def token_f1(candidates: Sequence[str], references: Sequence[str]) -> Float64:
    """Harmonic mean of precision and recall of the words, counted as often as they occur.

    ``F = 2 |c ∩ r| / (|c| + |r|)`` for the bags of words of candidate and reference. Order does
    not count.

    Parameters
    ----------
    candidates, references : n strings

    Returns
    -------
    (n,) float64
        In [0, 1].
    """
    _same_number(candidates, references)
    found = np.ones(len(candidates))
    for i, (candidate, reference) in enumerate(zip(candidates, references, strict=True)):
        c, r = Counter(words(candidate)), Counter(words(reference))
        if c or r:
            found[i] = 2 * (c & r).total() / (c.total() + r.total())
    return found


def cider(candidates: Sequence[str], references: Sequence[str], corpus: Sequence[str]) -> Float64:
    """Mean over n = 1 … 4 of the cosine of tf-idf weighted n-gram counts, after CIDEr.

    The counts of an n-gram are weighted with ``1 + ln((1 + N) / (1 + N_g))``, where N_g of the N
    captions of the corpus hold it; an n-gram of no caption of the corpus weighs most.

    Not CIDEr-D (Vedantam et al. 2015): one reference; no clipping of counts, no penalty on length,
    no factor of 10, no stemming; the idf is scikit-learn's smooth one, so that words of all
    captions still count; and an n longer than both captions is left out, so that a caption always
    scores 1 against itself.

    Parameters
    ----------
    candidates, references : n strings
    corpus : strings
        Captions that say how common each n-gram is; usually all the references.

    Returns
    -------
    (n,) float64
        In [0, 1].
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    _same_number(candidates, references)
    bags = [[words(text) for text in texts] for texts in (candidates, references, corpus)]
    if not any(bags[2]):
        raise ParameterError("The corpus holds no word. Give captions that tell common from rare.")
    total, count = np.zeros(len(candidates)), np.zeros(len(candidates))
    for n in range(1, LONGEST_NGRAM + 1):
        grams = [[_ngrams(bag, n) for bag in bags_of] for bags_of in bags]
        vocabulary = sorted(set(chain.from_iterable(chain.from_iterable(grams))))
        if not vocabulary:
            continue
        weigher = TfidfVectorizer(analyzer=_as_they_are, vocabulary=vocabulary).fit(grams[2])
        first, second = (weigher.transform(part) for part in grams[:2])
        total += np.asarray(first.multiply(second).sum(axis=1)).ravel()
        count += [bool(c or r) for c, r in zip(*grams[:2], strict=True)]
    scores = np.where(count > 0, total / np.maximum(count, 1), 1.0)  # wordless both: equal
    return np.asarray(np.clip(scores, 0.0, 1.0), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class AttributeReader:
    """Reads the values of a table's columns out of captions, where a caption says them.

    One multinomial logistic regression per column on which n-grams (n = 1 … 3) a caption holds.
    Where its largest probability is below the column's threshold, the caption does not say the
    value. A threshold is the lowest at which 99 % of what is read is right, on captions left out
    in fourfold cross-validation.

    Attributes
    ----------
    counter : sklearn CountVectorizer
    models : dict of str to sklearn LogisticRegression
        By column.
    thresholds : dict of str to float
        By column; infinite for a column that captions do not tell.
    """

    counter: Any
    models: dict[str, Any]
    thresholds: dict[str, float]

    @classmethod
    def learn(
        cls,
        captions: Sequence[str],
        labels: pd.DataFrame,
        *,
        precision: float = READER_PRECISION,
    ) -> AttributeReader:
        """Learn which n-grams express which value.

        Parameters
        ----------
        captions : n strings
        labels : pandas.DataFrame
            n rows. Columns of 2 to 50 values, each at least 4 times and none missing, are learned.
        precision : float, default 0.99
            Share of what is read that must be right.

        Raises
        ------
        ShapeError
            If captions and labels differ in number.
        ParameterError
            If no column can be learned.
        """
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold

        if len(captions) != len(labels):
            raise ShapeError(
                f"There are {len(captions)} captions and {len(labels)} rows of labels. Give one "
                "row of labels per caption."
            )
        names = class_columns(labels)
        columns = [name for name in names if labels[name].value_counts().min() >= READER_FOLDS]
        if not columns:
            raise ParameterError(
                "No column of the labels can be learned: that needs 2 to 50 values, each at least "
                f"{READER_FOLDS} times and none missing. Give more captions or other columns."
            )
        counter = CountVectorizer(analyzer=_short_ngrams, binary=True)
        seen = counter.fit_transform(captions)
        models, thresholds = {}, {}
        for column in columns:
            values = labels[column].to_numpy()
            sure, right = np.zeros(len(values)), np.zeros(len(values), dtype=bool)
            folds = StratifiedKFold(READER_FOLDS, shuffle=True, random_state=0)
            for kept, left in folds.split(seen, values):
                model = LogisticRegression(C=READER_C, max_iter=300).fit(seen[kept], values[kept])
                chances = model.predict_proba(seen[left])
                sure[left] = chances.max(axis=1)
                right[left] = model.classes_[chances.argmax(axis=1)] == values[left]
            thresholds[column] = _threshold(sure, right, precision)
            models[column] = LogisticRegression(C=READER_C, max_iter=300).fit(seen, values)
        return cls(counter, models, thresholds)

    def read(self, captions: Sequence[str]) -> pd.DataFrame:
        """Values by column, one row per caption; None where the caption does not say.

        Parameters
        ----------
        captions : n strings

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        seen = self.counter.transform(captions)
        found = {}
        for column, model in self.models.items():
            chances = model.predict_proba(seen)
            values = model.classes_[chances.argmax(axis=1)].astype(object)
            values[chances.max(axis=1) < self.thresholds[column]] = None
            found[column] = values
        return pd.DataFrame(found, dtype=object)


@dataclass(frozen=True, eq=False)
class CaptionScores:
    """Captions of m images, and how well they tell what the images show.

    Attributes
    ----------
    captions : tuple of m str
    token_f1, cider : (m,) float64
        Against each image's own caption: :func:`token_f1` and :func:`cider`.
    attributes : dict of str to float
        By column, the share of right values among the images whose caption names the column; NaN
        where none does. A decoder that speaks only when sure does well here.
    named : dict of str to float
        By column, the share of the images whose caption names it, right or wrong.
    expected : dict of str to float
        By column, the share of the images whose own caption names it.
    """

    captions: tuple[str, ...]
    token_f1: Float64
    cider: Float64
    attributes: dict[str, float]
    named: dict[str, float]
    expected: dict[str, float]

    @property
    def told(self) -> dict[str, float]:
        """By column, the share of **all** images whose caption names the right value."""
        return {
            column: self.attributes[column] * share if share else 0.0
            for column, share in self.named.items()
        }

    @property
    def attribute_accuracy(self) -> float:
        """Mean over columns of ``a_c · min(1, s_c / e_c)``.

        a_c is the share of right values among those named, s_c the share of images whose caption
        names the column, e_c the same of the images' own captions. Naming a column less often than
        people do costs in proportion, so a decoder that says only one thing, or speaks only when
        sure, does not win; naming it more often gains nothing, so neither does a wordy one.
        Columns that the images' own captions never name are left out; NaN without columns.
        """
        parts = [
            self.attributes[column] * min(1.0, share / self.expected[column]) if share else 0.0
            for column, share in self.named.items()
            if self.expected[column] > 0
        ]
        return float(np.mean(parts)) if parts else float("nan")

    @property
    def attribute_precision(self) -> float:
        """Share of right values among all values named, all columns together; NaN if none is.

        To be read beside :attr:`attribute_accuracy`, never in its place.
        """
        said = sum(self.named.values())
        return sum(self.told.values()) / said if said else float("nan")


def score_captions(
    captions: Sequence[str],
    references: Sequence[str],
    *,
    reader: AttributeReader | None = None,
    target_labels: pd.DataFrame | None = None,
) -> CaptionScores:
    """Score captions of images against the images' own captions and labels.

    The references scored against themselves show what the reader makes of true captions; shuffled
    ones are the floor of every score.

    Parameters
    ----------
    captions, references : m strings
        The references also say how common each n-gram is, see :func:`cider`.
    reader : AttributeReader, optional
        By default learned from the references and their labels.
    target_labels : pandas.DataFrame, optional
        m rows. Without them nothing is read.

    Returns
    -------
    CaptionScores
    """
    attributes: dict[str, float] = {}
    named: dict[str, float] = {}
    expected: dict[str, float] = {}
    if target_labels is None and reader is not None:
        raise ParameterError("A reader reads nothing without target_labels. Give both or neither.")
    if target_labels is not None:
        if len(target_labels) != len(captions):
            raise ShapeError(
                f"There are {len(captions)} captions and {len(target_labels)} rows of labels. Give "
                "one row of labels per image."
            )
        reader = AttributeReader.learn(references, target_labels) if reader is None else reader
        own = reader.read(references)
        for column, values in reader.read(captions).items():
            if column not in target_labels:
                raise ParameterError(
                    f'The reader reads "{column}", which target_labels do not have. Give labels '
                    "with the columns it has learned."
                )
            said = values.notna().to_numpy()
            right = (values.to_numpy() == target_labels[column].to_numpy()) & said
            attributes[str(column)] = float(right.sum() / said.sum()) if said.any() else np.nan
            named[str(column)] = float(said.mean())
            expected[str(column)] = float(own[column].notna().mean())
    return CaptionScores(
        tuple(captions),
        token_f1(captions, references),
        cider(captions, references, references),
        attributes,
        named,
        expected,
    )


def caption_transfer(
    rows: Float32,
    captions: Sequence[str],
    target_rows: Float32,
    references: Sequence[str],
    *,
    reader: AttributeReader | None = None,
    target_labels: pd.DataFrame | None = None,
    decoder: CaptionDecoder | None = None,
    progress: Progress | None = None,
) -> CaptionScores:
    """Train a decoder on rows and their captions, let it caption target rows, and score those.

    The question of [AA §5] in small: can corrected texts stand in for images in training? Raw
    texts are the floor; images with their captions, in the texts' place, the ceiling.

    Parameters
    ----------
    rows : (n, d) float32
        Unit rows the decoder learns from, e.g. corrected texts.
    captions : n strings
    target_rows : (m, d) float32
        Unit rows of images that no fit has seen.
    references : m strings
        The captions of those images.
    reader : AttributeReader, optional
        By default learned from the references and their labels.
    target_labels : pandas.DataFrame, optional
        m rows, for the attributes.
    decoder : CaptionDecoder, optional
        Its parameters are used; it is left as it is. By default ``CaptionDecoder()``.
    progress : callable(fraction, words), optional
        As in :meth:`CaptionDecoder.fit`.

    Returns
    -------
    CaptionScores
    """
    _same_number(target_rows, references, "target rows")
    untrained = CaptionDecoder() if decoder is None else decoder.fresh()
    trained = untrained.fit(rows, captions, progress=progress)
    return score_captions(
        trained.caption(target_rows), references, reader=reader, target_labels=target_labels
    )


def _same_number(first: Any, second: Sequence[str], name: str = "candidates") -> None:
    if len(first) != len(second):
        raise ShapeError(
            f"There are {len(first)} {name} and {len(second)} references. Give one reference each."
        )


def _ngrams(bag: list[str], n: int) -> list[str]:
    return [" ".join(bag[i : i + n]) for i in range(len(bag) - n + 1)]


def _short_ngrams(text: str) -> list[str]:
    bag = words(text)
    return [gram for n in range(1, READER_NGRAM + 1) for gram in _ngrams(bag, n)]


def _as_they_are(grams: list[str]) -> list[str]:
    return grams


def _threshold(sure: Float64, right: Any, precision: float) -> float:
    """Lowest confidence, at least one half, from which up ``precision`` of the guesses are right.

    Infinite if there is none with 20 guesses at or above it: fewer could be right by luck.
    """
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    whole = np.append(sure[:-1] > sure[1:], True)  # equal confidences are read together or not
    good = whole & (share >= precision) & (sure >= LEAST_CONFIDENCE)
    good[: FEWEST_READ - 1] = False
    return float(sure[good].min()) if good.any() else np.inf
