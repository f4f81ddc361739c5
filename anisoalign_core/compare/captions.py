"""Captions on a leaderboard: decoders trained on corrected texts caption the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.compare.entries import CEILING, Entry, ceiling, entry
from anisoalign_core.compare.results import markdown_table
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.captions import (
    AttributeReader,
    CaptionScores,
    caption_transfer,
    score_captions,
)
from anisoalign_core.compare.use.decoder import CaptionDecoder
from anisoalign_core.compare.use.labels import class_columns, lent
from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Integers, Progress, generator
from anisoalign_core.pairs import EmbeddingPair

if TYPE_CHECKING:
    import pandas as pd

CAPTIONED = ("identity", "c3", "realign", "bounded:bound=0.5", "anisoalign:variant=corrected")
MOST_ROWS = 500
"""Held-out target rows that are captioned, at most."""
TAUGHT_ROWS = 4000
"""Corrected rows that a decoder is trained on, at most."""


@dataclass(frozen=True, eq=False)
class CaptionBoard:
    """Captions of the same held-out target rows by decoders trained on different rows.

    Attributes
    ----------
    entries : tuple of Entry
        What each decoder was trained on; the ceiling was trained on target rows.
    rows : (m,) int
        Captioned rows of the target set.
    references : tuple of m str
        Their own captions.
    scores : dict of entry to CaptionScores
    people : CaptionScores
        The references themselves, read for attributes: what is there to be said.
    thumbnails : (m, h, w, 3) uint8 or None
    columns : tuple of str
        Label columns whose values captions are read for.
    taught : int
        Rows that each decoder was trained on.
    random_state : int
    """

    entries: tuple[Entry, ...]
    rows: Integers
    references: tuple[str, ...]
    scores: dict[str, CaptionScores]
    people: CaptionScores
    thumbnails: npt.NDArray[np.uint8] | None
    columns: tuple[str, ...]
    taught: int
    random_state: int

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the scores, as text."""
        frame = self.to_frame()
        header = ["decoder trained on", *map(str, frame.columns)]
        rows = [
            [str(name), *("–" if np.isnan(v) else f"{v:.3f}" for v in row)]
            for name, row in zip(frame.index, frame.to_numpy(dtype=float), strict=True)
        ]
        return header, rows

    def to_frame(self) -> pd.DataFrame:
        """One row per decoder: word overlap, n-gram score, attributes told right."""
        import pandas as pd

        rows: dict[str, dict[str, float]] = {}
        named = {one.name: one.label for one in self.entries}
        every = [(named[name], scores) for name, scores in self.scores.items()]
        for label, scores in [*every, ("the images' own captions", self.people)]:
            row = {
                "token F1": float(scores.token_f1.mean()),
                "CIDEr-like": float(scores.cider.mean()),
            }
            if self.columns:
                row["attributes right"] = scores.attribute_accuracy
                row["right when named"] = scores.attribute_precision
                row |= {column: scores.told[column] for column in self.columns}
            rows[label] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_markdown(self) -> str:
        """Return the scores as a table, with what they rest on."""
        said = "\n".join(f"* {text}" for text in self.sentences)
        return said + "\n\n" + markdown_table(*self.table())

    @property
    def sentences(self) -> list[str]:
        """What the captions rest on."""
        found = [
            f"Each decoder, a small transformer trained from nothing, learned from {self.taught:,} "
            "rows and their captions, then captioned the same "
            f"{len(self.rows):,} held-out target rows, which nothing was fitted on "
            f"(split seed {self.random_state})."
        ]
        if self.columns:
            found.append(
                "Attributes are read from captions by a classifier that learned the words for "
                "each value from other captions and keeps silent when unsure. Attributes right: "
                "mean over columns of the share right among those named, cut in proportion where "
                "a caption names the column less often than the images' own captions do. Columns: "
                "share of all images whose caption names the right value."
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures, ready for JSON."""
        return {
            "entries": [one.name for one in self.entries],
            "rows": self.rows.tolist(),
            "references": list(self.references),
            "captions": {name: list(scores.captions) for name, scores in self.scores.items()},
            "scores": self.to_frame().replace(np.nan, None).to_dict(orient="index"),
            "taught": self.taught,
            "random_state": self.random_state,
            "sentences": self.sentences,
        }


def caption_board(
    pair: EmbeddingPair,
    methods: Sequence[str] | None = None,
    *,
    holdout: float = 0.25,
    random_state: int = 0,
    decoder: CaptionDecoder | None = None,
    progress: Progress | None = None,
) -> CaptionBoard:
    """Train one decoder per method on corrected texts, and caption the same held-out images.

    Parameters
    ----------
    pair : EmbeddingPair
        Paired, with captions on the source (or on the target, when rows are paired).
    methods : sequence of str, optional
        As in :func:`~anisoalign_core.compare.leaderboard`; raw source, C3, ReAlign,
        BoundedTransport and AnisoAlign by default. A decoder trained on target rows is added.
    holdout : float, default 0.25
    random_state : int, default 0
        Seed of the split.
    decoder : CaptionDecoder, optional
        Its parameters are used for every method.
    progress : callable(fraction, words), optional
        May raise to cancel.

    Notes
    -----
    Of a thing with several captions, all are learned from, and the first is the one that an image
    is asked for.

    Raises
    ------
    ShapeError
        If rows are not paired, so that images have no captions, or there are no captions.
    """
    told, known = lent(pair, pair.source.captions, pair.target.captions)
    if pair.things is not None and pair.source.captions is not None:
        known = pair.source.captions[pair.things.first_partners[1]]  # what the decoder learns from
    if told is None or known is None or not pair.paired:
        raise ShapeError(
            "Captions need a paired set that has them: the decoder learns from texts, and the "
            "images' own captions say how well it did. Load captions, and pair the sets."
        )
    wanted = (*(entry(name) for name in (methods or CAPTIONED)), ceiling())
    one = Run(pair, holdout, 20, random_state).round(0)
    rows = one.target_rows
    if len(rows) > MOST_ROWS:
        rows = np.sort(generator(random_state).choice(rows, MOST_ROWS, replace=False))
    references = [str(text) for text in known[rows]]
    labels = lent(pair, pair.source.labels, pair.target.labels)[1]
    columns = class_columns(labels)
    reader = asked = None
    if labels is not None and columns:
        fitted = np.setdiff1d(np.arange(len(pair.target)), one.split.holdout_target)
        reader = AttributeReader.learn(
            [str(text) for text in known[fitted]], labels[columns].iloc[fitted]
        )
        asked = labels[columns].iloc[rows].reset_index(drop=True)
    tell = progress or (lambda fraction, words: None)
    scores = {}
    for number, each in enumerate(wanted):

        def step(fraction: float, words: str, done: int = number, what: str = each.label) -> None:
            tell((done + fraction) / len(wanted), f"{what}: {words}")

        taught_rows, vectors, seen = _taught(one, each, pair, rows, step)
        scores[each.name] = caption_transfer(
            vectors,
            [str(text) for text in (known if each.method == CEILING else told)[taught_rows]],
            seen,
            references,
            reader=reader,
            target_labels=asked,
            decoder=decoder,
            progress=step,
        )
    people = score_captions(references, references, reader=reader, target_labels=asked)
    tell(1.0, "done")
    pictures = pair.target.thumbnails
    return CaptionBoard(
        wanted,
        rows,
        tuple(references),
        scores,
        people,
        None if pictures is None else np.asarray(pictures[rows]),
        tuple(columns),
        min(len(one.split.fit_source), TAUGHT_ROWS),
        random_state,
    )


def _taught(
    one: Round, each: Entry, pair: EmbeddingPair, rows: Integers, step: Progress
) -> tuple[Integers, Any, Any]:
    """Rows whose captions are learned, their vectors, and the vectors that are captioned."""
    seen = pair.target.vectors[rows]
    if each.method == CEILING:
        taught = one.split.fit_target[:TAUGHT_ROWS]
        return taught, pair.target.vectors[taught], seen
    taught = one.split.fit_source[:TAUGHT_ROWS]
    method = one.fit(each.build(), lambda fraction, words: step(0.0, words))
    return taught, one.corrected(method, taught), method.transform_target(seen)
