"""A live picture before its dial has moved, and one that opens with a prediction marked in it."""

from __future__ import annotations

import numpy as np

from anisoalign_core.plots.live.parts import Arrays, Facts
from anisoalign_core.plots.live.picture import LivePicture

MOVED = ("before", "lists", "near", "follow", "way", "bars", "raw", "held", "top")
"""Facts and arrays that tell what happens further along the dial."""
TOP = 1.05
"""Where the axis of the curves ends, if a picture does not say it."""


def beginning(made: LivePicture, caption: str, *, cards: bool = True) -> LivePicture:
    """Return a picture as it stands at the low end of its dial, which holds nothing of the rest.

    Parameters
    ----------
    made : LivePicture
    caption : str
    cards : bool
        Whether its numbers there are shown.
    """
    arrays: Arrays = {}
    for name, array in made.arrays.items():
        if name in MOVED or name.startswith(("near", "things")):
            continue
        moves = name in ("target", "target_moved", "after") and array.ndim == 3
        arrays[name] = array[0] if moves else array[:, :1] if name == "spread" else array
    facts: Facts = {key: value for key, value in made.facts.items() if key not in MOVED}
    before = made.arrays.get("before")
    if before is not None and np.array_equal(before, arrays["after"]):  # nothing is corrected yet
        for held in ("names", "colours"):
            facts[held] = {**facts[held], "corrected": facts[held]["source"]}
    facts |= {
        "dial": None,
        "cards": made.facts["cards"] if cards else [],
        "frames": made.facts["frames"][:1],
        "grid": made.facts["grid"][:1],
        "scores": {name: along[:1] for name, along in made.facts["scores"].items()},
        "curves": [],
        "single": "at the beginning",
        "caption": caption,
        "alt": f"{made.facts['alt']}: where it begins",
    }
    return LivePicture.of(facts, arrays)


def opening(
    made: LivePicture,
    to: float,
    *,
    predicted: tuple[float, float | None] | None = None,
    found: tuple[float, float | None] | None = None,
) -> LivePicture:
    """Return a picture that begins at the low end of its dial and runs to a value by itself, once.

    Parameters
    ----------
    made : LivePicture
    to : float
        The dial's value where it comes to rest.
    predicted, found : (float, float or None), optional
        What was predicted and what is, drawn beside the curves: a value of the dial and the height
        there, or without a height the whole line at that value.
    """
    marks = [
        {"at": at[0], "height": at[1], "words": words, "full": words == "is"}
        for words, at in (("predicted", predicted), ("is", found))
        if at is not None
    ]
    heights = [1.05 * at[1] for at in (predicted, found) if at is not None and at[1] is not None]
    facts: Facts = {
        **made.facts,
        "dial": {**made.facts["dial"], "value": made.facts["dial"]["low"]},
        "marks": marks,
        "opens": to,
        "top": max([made.facts.get("top", TOP), *heights]),
    }
    return LivePicture.of(facts, made.arrays)
