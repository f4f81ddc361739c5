"""What a leaderboard was computed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What a leaderboard was computed on, enough to compute it again.

    Attributes
    ----------
    source, target : dict
        Name, files, rows, dimensions and digests of the inputs, as in a recipe.
    paired : bool
    splits : int
        Wanted; :attr:`Leaderboard.splits` is what was finished.
    holdout : float
    k : int
        Neighbours in force.
    random_state : int
    rows : dict of str to int
        Fitted and scored rows of each side.
    classes : str or None
        What classifiers were taught, in words.
    columns : tuple of str
        The questions they were asked.
    keywords : dict or None
        Class → words, when classes came from captions.
    versions : dict
    prompts : dict or None
        The vectors of class names, as in a recipe.
    """

    source: dict[str, Any]
    target: dict[str, Any]
    paired: bool
    splits: int
    holdout: float
    k: int
    random_state: int
    rows: dict[str, int]
    classes: str | None
    columns: tuple[str, ...]
    keywords: dict[str, list[str]] | None
    versions: dict[str, str]
    prompts: dict[str, Any] | None = None
