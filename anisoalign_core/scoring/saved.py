"""Saving a scorer and reading it back, as aligners are: no pickle, nothing executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anisoalign_core.align.saved import read_fitted, set_fitted, write_fitted
from anisoalign_core.errors import FormatError
from anisoalign_core.matrices import Matrix
from anisoalign_core.rows import admit
from anisoalign_core.scoring.base import Scorer

FORMAT = "anisoalign-scorer"
BANKS = ("queries_", "gallery_")


def write_scorer(scorer: Scorer, path: Path) -> Path:
    """Write a fitted scorer; see :meth:`Scorer.save`."""
    return write_fitted(scorer, path, FORMAT)


def load_scorer(path: str | Path) -> Scorer:
    """Read a fitted scorer that :meth:`Scorer.save` wrote. Nothing in the file is executed.

    Raises
    ------
    FormatError
        If the file is no such scorer.
    LimitError
        If it declares more bytes than the limits allow.
    ShapeError, ParameterError, InvalidRowsError
        If its parts do not fit together, or a parameter is outside its range.
    """
    from anisoalign_core.scoring import SCORERS

    found: Scorer = read_fitted(Path(path), FORMAT, SCORERS, _complete)
    return found


def _complete(scorer: Scorer, arrays: dict[str, Matrix], scalars: dict[str, Any]) -> None:
    """Set fitted state, and score one row: what does not fit together is found now."""
    set_fitted(scorer, arrays, scalars)
    scorer.check_parameters()
    d = scorer.n_features_in_
    if type(d) is not int or d < 2:
        raise ValueError("n_features_in_ is no number of at least 2")
    for key, value in arrays.items():
        if not isinstance(value, np.ndarray) or not np.isfinite(value).all():
            raise ValueError(f"{key} is not finite")
        if key in BANKS:
            bank = admit(value, key)
            if value.shape[1] != d or value.dtype != np.float32 or not bank.measured.is_unit:
                raise FormatError(f"This file's {key} are no unit float32 rows of {d} dimensions.")
    scorer._check_loaded()
    row = np.full((1, d), d**-0.5, dtype=np.float32)
    known = getattr(scorer, "modalities_", [""])
    if not np.isfinite(scorer.scores(row, row, modality=known[:1] if known[0] else None)).all():
        raise ValueError("it does not give finite scores")
