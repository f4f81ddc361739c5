"""What classifiers are taught on the Compare page: label columns, or words in captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.compare.use import Classes, class_columns, classes_of, parse_keywords
from anisoalign_core.pairs import EmbeddingPair
from app.session import result
from app.widgets.common import plain

WAYS = {"labels": "labels of the set", "keywords": "words in captions"}


@dataclass(frozen=True)
class Lessons:
    """What classifiers are taught; nothing when both are empty.

    Attributes
    ----------
    columns : tuple of str
    keywords : str
        As a person typed them; instead of columns.
    """

    columns: tuple[str, ...] = ()
    keywords: str = ""

    @property
    def questions(self) -> int:
        """How many questions are asked."""
        return 1 if self.keywords else len(self.columns)

    @property
    def asked(self) -> dict[str, Any]:
        """What boards and advice take."""
        return {
            "columns": self.columns or None,
            "keywords": parse_keywords(self.keywords) if self.keywords else None,
        }

    def classes(self, pair: EmbeddingPair) -> Classes | None:
        """Return the classes of both sides.

        Raises
        ------
        ParameterError, ShapeError
            If keywords name fewer than two classes.
        """
        if not self.questions:
            return None
        return result(("classes", self), lambda: classes_of(pair, **self.asked))


def choose_lessons(pair: EmbeddingPair, row: DeltaGenerator) -> Lessons:
    """Choose what classifiers are taught: label columns, or keywords in captions."""
    found = [pair.source.labels, pair.target.labels]
    if pair.paired:
        found = [found[0] if found[0] is not None else found[1]] * 2
    columns = [name for name in class_columns(found[0]) if name in class_columns(found[1])]
    told = [side.captions is not None for side in (pair.source, pair.target)]
    readable = any(told) if pair.paired else all(told)
    ways = ["labels"] * bool(columns) + ["keywords"] * bool(readable)
    if not ways:
        row.caption(
            "Classifiers cannot be taught here: the set has neither labels nor captions on both "
            "sides. Load a table with label columns, or captions, on the Data page."
        )
        return Lessons()
    way = ways[0]
    if len(ways) == 2:
        way = row.segmented_control(
            "Teach classifiers",
            ways,
            default="labels",
            required=True,
            format_func=WAYS.__getitem__,
            key="compare_way",
            bind="query-params",
        )
    if way == "keywords":
        text = row.text_input(
            "Classes, as words in captions",
            placeholder="dog: dog, puppy; cat: cat, kitten",
            key="compare_keywords",
            bind="query-params",
            help="A row belongs to a class when its caption holds a word of that class and of no "
            "other. One class per semicolon; the name, a colon, its words.",
        )
        if text.strip():
            return Lessons(keywords=text.strip())
        row.caption(
            "Until classes are typed, "
            + ("the labels of the set are taught." if columns else "no classifier is taught.")
        )
        return Lessons(tuple(columns))
    chosen = row.pills(
        "Labels to teach",
        columns,
        default=columns,
        selection_mode="multi",
        format_func=plain,
        key="compare_columns",
        bind="query-params",
    )
    if not chosen:
        row.caption("None is chosen, so all are taught.")
    return Lessons(tuple(name for name in columns if name in (chosen or columns)))
