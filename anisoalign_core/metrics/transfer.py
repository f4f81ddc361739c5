"""Interchangeability: what corrected source rows teach about target rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.numerics import Float32

MOST_CLASSES = 50
"""A column with more values than this names rows rather than classes."""


def label_transfer(
    rows: Float32,
    labels: npt.ArrayLike,
    target_rows: Float32,
    target_labels: npt.ArrayLike,
) -> float:
    """Accuracy of a logistic regression trained on corrected source rows, tested on target rows.

    The small-scale form of training on text alone [AA §5]: raw source rows are the floor, target
    rows in their place the ceiling.

    Parameters
    ----------
    rows, target_rows : (n, d) and (m, d) float32
        Unit rows.
    labels, target_labels : (n,) and (m,) arrays

    Returns
    -------
    float
        In [0, 1].
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300, C=10.0)
    model.fit(rows, np.asarray(labels))
    return float(np.mean(model.predict(target_rows) == np.asarray(target_labels)))


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
