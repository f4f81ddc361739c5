"""What the rows at the ends of a direction have in common, with a test for chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Float64, Integers

LEAST_ROWS = 40
"""Below this no end holds enough rows to say anything."""
LEAST_COUNT = 5
"""Values and words of fewer rows are left out."""
MOST_WORDS = 2000
MOST_VALUES = 50
"""Label columns with more different values than this are names, not labels."""


@dataclass(frozen=True, eq=False)
class Contents:
    """Which row has which label value and which word: one column for each.

    Attributes
    ----------
    names : list of (str, str)
        Label column and value; ``("word", word)`` for words of captions.
    present : (n, len(names)) sparse matrix of 0 and 1
    """

    names: list[tuple[str, str]]
    present: Any

    @classmethod
    def of(cls, rows: EmbeddingSet) -> Contents:
        """Collect label values and words of captions that at least five rows have.

        Words are runs of two letters or more in lower case, counted once for a row; the 2,000 that
        most rows have are kept.
        """
        from scipy.sparse import csr_matrix, hstack

        names: list[tuple[str, str]] = []
        columns: list[Any] = [csr_matrix((len(rows), 0), dtype=np.int64)]
        labels = () if rows.labels is None else rows.labels.columns
        for label in labels:
            values = rows.labels[label].astype(str)  # type: ignore[index]
            counts = values.value_counts()
            if len(counts) > MOST_VALUES:
                continue
            for value in counts.index[(counts >= LEAST_COUNT) & (counts < len(rows))]:
                names.append((str(label), str(value)))
                columns.append(csr_matrix((values == value).to_numpy(np.int64)[:, None]))
        if rows.captions is not None:
            found = _words(rows.captions.tolist())
            if found is not None:
                words, present = found
                names += [("word", word) for word in words]
                columns.append(present)
        return cls(names, hstack(columns, format="csr"))


def _words(captions: list[str]) -> tuple[list[str], Any] | None:
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(
        binary=True,
        token_pattern=r"(?u)\b[^\W\d_]{2,}\b",  # noqa: S106  (of words, no password)
        min_df=min(LEAST_COUNT, len(captions)),
        max_df=max(len(captions) - 1, LEAST_COUNT),
        max_features=MOST_WORDS,
        dtype=np.int64,
    )
    try:
        present = counter.fit_transform(captions)
    except ValueError:  # no word is left
        return None
    return counter.get_feature_names_out().tolist(), present


@dataclass(frozen=True)
class Finding:
    """One label value or word that one end has more often than chance would.

    Attributes
    ----------
    label : str
        Label column, or ``"word"``.
    value : str
    end : {"low", "high"}
    count : int
        Rows at that end that have it.
    share, overall : float
        Share of the rows at the end, and of all rows.
    p : float
        Chance of at least so many, times what Holm's correction asks for; at most 1.
    """

    label: str
    value: str
    end: str
    count: int
    share: float
    overall: float
    p: float


@dataclass(frozen=True)
class Reading:
    """What was found at the ends of a direction.

    Attributes
    ----------
    rows : int
        Rows of each end.
    tested : int
        Values and words that were tested, each at both ends.
    findings : tuple of Finding
        Those that pass, lowest chance first.
    """

    rows: int
    tested: int
    findings: tuple[Finding, ...]

    def at(self, end: str) -> tuple[Finding, ...]:
        """Return the findings at one end."""
        return tuple(found for found in self.findings if found.end == end)


def read_direction(
    contents: Contents, projections: Float32 | Float64, *, level: float = 0.05
) -> Reading:
    """Say which label values and words are over-represented at the ends of a direction.

    The m rows with the smallest and the m with the largest projections are the ends, m a twentieth
    of all rows, between 20 and 500. If a value that K of n rows have were spread by chance, the
    number of rows at an end that have it would be hypergeometric; the probability of at least as
    many as there are is corrected for all values and both ends (Holm 1979), so that with
    probability ``1 − level`` nothing is found in a direction that has nothing to do with any of
    them. Rows count as independent of each other: several captions of one image are not.

    Parameters
    ----------
    contents : Contents
    projections : (n,) array
    level : float, default 0.05

    Raises
    ------
    ShapeError
        If the number of projections is not that of the rows, or there are fewer than 40.
    """
    from scipy.stats import hypergeom

    n = contents.present.shape[0]
    if len(projections) != n:
        raise ShapeError(f"{len(projections):,} projections do not belong to {n:,} rows.")
    if n < LEAST_ROWS:
        raise ShapeError(
            f"{n} rows are too few to read a direction; it takes at least {LEAST_ROWS}."
        )
    m = min(max(n // 20, 20), 500)
    order = np.argsort(projections, kind="stable")
    overall = np.asarray(contents.present.sum(axis=0)).ravel()
    counts = [
        np.asarray(contents.present[np.sort(rows)].sum(axis=0)).ravel()
        for rows in (order[:m], order[-m:])
    ]
    p = np.concatenate([hypergeom.sf(count - 1, n, overall, m) for count in counts])
    adjusted = holm(p)
    findings = []
    width = len(contents.names)
    for at in np.argsort(p, kind="stable"):
        if adjusted[at] > level:
            break
        end, column = divmod(int(at), width)
        label, value = contents.names[column]
        count = int(counts[end][column])
        findings.append(
            Finding(
                label,
                value,
                ("low", "high")[end],
                count,
                count / m,
                float(overall[column]) / n,
                float(adjusted[at]),
            )
        )
    return Reading(m, width, tuple(findings))


def holm(p: npt.NDArray[np.floating[Any]]) -> Float64:
    """Correct p-values so that the chance of any false finding stays below the level (Holm 1979).

    The i-th smallest of k is multiplied by k − i + 1, made monotone and cut at 1.
    """
    order: Integers = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    out = np.empty(len(p), dtype=np.float64)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return out
