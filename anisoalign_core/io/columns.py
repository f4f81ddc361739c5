"""What a column is, in every format: an id, a caption, a label, vectors, or one dimension of them.

Names decide first, by one table (:data:`NAMES`); where a name says nothing, the content does. A
column of numbers that is set apart from the others is never taken for a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Choice, Texts, printable
from anisoalign_core.numerics import Float64

Meaning = Literal["id", "caption", "label", "dimension", "vectors", "left out", "unclear"]

TARGET_NAMES = tuple(
    "image target images image_embedding image_embeddings image_embeds image_embed image_emb "
    "image_features image_feature image_vector image_vectors img img_emb img_embeds img_embedding "
    "img_features visual vision".split()
)
SOURCE_NAMES = tuple(
    "text source texts text_embedding text_embeddings text_embeds text_embed text_emb "
    "text_features text_feature text_vector text_vectors txt txt_emb caption_embedding "
    "caption_embeddings caption_embeds caption_emb caption_features".split()
)
GENERIC_NAMES = tuple(
    "embedding embeddings embeds embed emb vector vectors features feature clip_embedding "
    "clip_embeddings clip_embeds clip_emb clip_features sentence_embedding".split()
)
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": tuple(
        "id ids uid uuid key keys __key__ image_id image_ids img_id item_id product_id sample_id "
        "photo_id doc_id filename filenames file_name file_names file filepath file_path filepaths "
        "path paths image_path image_paths img_path image_file image_name image_names image_url "
        "url img image images photo picture name names row index".split()
    ),
    "caption": tuple(
        "caption captions text texts title titles sentence sentences description descriptions "
        "comment alt alt_text raw prompt".split()
    ),
    "label": tuple("label labels class classes category categories split".split()),
    "vectors, target": TARGET_NAMES,
    "vectors, source": SOURCE_NAMES,
    "vectors": GENERIC_NAMES,
}
"""Names that mean something, the surest first; those of vectors hold for columns of vectors only.

Case, spaces and hyphens do not matter; ``image_ids`` beside ``image`` are those of its rows.
"""
ID_ENDINGS = ("_id", "_ids", "_key", "_uuid", "_path", "_file", "_filename", "_url", "_name")
"""Endings of names of ids, where no two rows share one."""
ENOUGH = 8
"""Rows from which a column that is set apart is believed to be no dimension; of fewer, a person is
asked."""
COUNTING = 4
"""Rows from which counting them is no chance."""
FAR = 100.0
"""A column whose largest number is as many times that of the middle column is no dimension."""
SAVED_INDEX = re.compile(r"unnamed:_?\d+|level_\d+|__index_level_\d+__|")
PLANE = ("projection_x", "projection_y")
"""Where rows lie in a map; never labels."""
COUNTED = re.compile(r"(.*?)(\d+)(?:\.0*)?")


@dataclass(frozen=True)
class Field:
    """A column of one entry a row.

    Attributes
    ----------
    name : str
    kind : {"text", "texts", "number"}
        Text, lists of text, or numbers.
    values : callable () -> sequence
        Read where content must decide.
    """

    name: str
    kind: Literal["text", "texts", "number"]
    values: Callable[[], Sequence[Any]] = field(repr=False)


@dataclass(frozen=True)
class Roles:
    """Which columns hold ids, captions and labels; ``notes`` say what no name told."""

    id: str | None = None
    caption: str | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    """Return a column's name as it stands in :data:`NAMES`."""
    return re.sub(r"[ \-]+", "_", name.strip().lower())


def meaning(name: str, kind: str = "text") -> Literal["id", "caption", "label"] | None:
    """Say what the name of a column of text or numbers means, if anything."""
    plain = plain_name(name)
    if plain in NAMES["id"]:
        return "id"
    if plain in NAMES["caption"] and kind != "number":
        return "caption"
    return "label" if plain in NAMES["label"] or plain.startswith("label_") else None


def check_choice(choice: Choice, names: Sequence[str], name: str) -> None:
    """Refuse a choice of columns that are not there.

    Raises
    ------
    FormatError
    """
    wanted = [*choice.drop_columns, *([choice.id_column] if choice.id_column is not None else [])]
    lost = next((column for column in wanted if column not in names), None)
    if lost is not None:
        shown = ", ".join(f'"{printable(each, 40)}"' for each in names[:12])
        more = f", … ({len(names)} in all)" if len(names) > 12 else ""
        raise FormatError(
            f'{name} has no column "{printable(lost, 60)}"; it has {shown or "none"}{more}. '
            "Choose among these."
        )


def roles(
    fields: Sequence[Field], name: str, choice: Choice | None = None, *, key: str = ""
) -> Roles:
    """Say which columns hold ids, captions and labels.

    Parameters
    ----------
    fields : sequence of Field
    name : str
        Of the file, for the notes.
    choice : Choice, optional
    key : str
        The vectors' name: ``image_ids`` are those of ``image`` before ``ids`` are.
    """
    choice = choice or Choice()
    kept = [
        each
        for each in fields
        if each.name not in choice.drop_columns and plain_name(each.name) not in PLANE
    ]
    notes: list[str] = []
    ids = choice.id_column
    if ids is None:
        named = [
            each
            for each in kept
            if each.kind != "texts" and not SAVED_INDEX.fullmatch(plain_name(each.name))
        ]
        ids = _first_named("id", named, key)
        found = None
        if ids is None:
            found = next((each for each in named if _is_id(each)), None)
        if ids is None and found is None:
            index = [each for each in kept if SAVED_INDEX.fullmatch(plain_name(each.name))]
            ids = index[0].name if index and _different(index[0].values()) else None
        if found is not None:
            ids = found.name
            notes.append(f'Column "{printable(ids, 60)}" of {name} is taken for the ids.')
    texts = [each for each in kept if each.kind != "number" and each.name != ids]
    caption = _first_named("caption", texts, key)
    labels = tuple(
        each.name
        for each in kept
        if each.name not in (ids, caption)
        and each.kind != "texts"
        and not SAVED_INDEX.fullmatch(plain_name(each.name))
    )
    return Roles(ids, caption, labels, tuple(notes))


def _first_named(what: str, fields: Sequence[Field], key: str) -> str | None:
    """Return the column whose name means ``what``: the key's own first, then by the table."""
    own = plain_name(key)
    sides = [own] if own else []
    for side, names in (("image", TARGET_NAMES), ("text", SOURCE_NAMES)):
        if own in names:
            sides += [side, *(["target"] if side == "image" else ["source"])]
    by_name = {plain_name(each.name): each.name for each in reversed(fields)}
    wanted = [f"{side}_{name}" for side in sides for name in NAMES[what]] + list(NAMES[what])
    return next((by_name[each] for each in wanted if each in by_name), None)


def _is_id(column: Field) -> bool:
    """Whether a column that no name of the table fits holds ids, by its content."""
    plain = plain_name(column.name)
    if meaning(column.name, column.kind) is not None:
        return False
    if plain.endswith(ID_ENDINGS):
        return _different(column.values())
    if column.kind != "text":
        return False
    values = [str(value) for value in column.values() if value is not None]
    looks = [bool(re.search(r"\S+[/\\]\S|\.\w{2,5}$", value)) for value in values[:1000]]
    if looks and all(looks):
        return True
    spaced = sum(len(value.split()) > 1 for value in values[:1000])
    return len(values) > 1 and _different(values) and not spaced


def _different(values: Sequence[Any]) -> bool:
    found = [value for value in values if value is not None]
    return len(set(found)) == len(found) > 1


@dataclass(frozen=True)
class Apart:
    """A column of numbers that is no dimension, and why."""

    column: int
    why: str


def counted(titles: Sequence[str]) -> dict[str, list[int]]:
    """Return columns whose names count on (``dim_0, dim_1, …``), in the order of their numbers.

    By what stands before the number: the largest group, and others of its size.
    """
    groups: dict[str, dict[int, int]] = {}
    for column, title in enumerate(titles):
        match = COUNTED.fullmatch(title.strip())
        if match is not None:
            groups.setdefault(match[1].strip(" _-.").lower(), {}).setdefault(int(match[2]), column)
    most = max(map(len, groups.values()), default=0)
    if most < 2 or 2 * most * sum(len(g) == most for g in groups.values()) < len(titles):
        return {}
    return {
        before: [numbers[number] for number in sorted(numbers)]
        for before, numbers in groups.items()
        if len(numbers) == most
    }


def set_apart(numbers: Float64) -> list[Apart]:
    """Return the columns of numbers whose scale, integers or constancy set them apart.

    Parameters
    ----------
    numbers : (n, m) float64
        Not finite entries do not count.
    """
    rows, columns = numbers.shape
    if rows < 1 or columns < 3:
        return []
    there = np.isfinite(numbers)
    finite = np.where(there, numbers, 0.0)
    high = finite.max(axis=0, where=there, initial=-np.inf)
    low = finite.min(axis=0, where=there, initial=np.inf)
    whole = (finite == np.round(finite)).all(axis=0)
    largest = np.abs(finite).max(axis=0)
    middle = float(np.median(largest[largest > 0])) if (largest > 0).any() else 0.0
    same = (high == low) & (largest > 0)
    counts = whole & (np.diff(finite, axis=0) == 1).all(axis=0) & (rows >= COUNTING)
    found = []
    for column in np.flatnonzero(largest > 0).tolist():
        why = ""
        if same[column] and 2 * same.sum() < columns:
            why = f"is {high[column]:.6g} in every row"
        elif counts[column] and 2 * counts.sum() < columns:
            why = f"counts the rows from {low[column]:.6g}"
        elif whole[column] and 2 * whole.sum() < columns:
            why = "holds whole numbers where the others do not"
        elif middle and largest[column] > FAR * middle:
            why = f"reaches {largest[column]:.6g} where the others reach {middle:.3g}"
        if why:
            found.append(Apart(column, why))
    return found


def number_text(value: Any) -> str:
    """Return a number as an id: whole ones without a decimal point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def first_texts(lists: Sequence[Any]) -> tuple[Texts, int]:
    """Return the first text of each list (or an empty one), and how many more there are."""
    out = np.empty(len(lists), dtype=object)
    out[:] = [str(each[0]) if each and each[0] is not None else "" for each in lists]
    return out, sum(len(each) - 1 for each in lists if each)


def more_captions(more: int, name: str) -> str:
    """Say that rows have further captions."""
    return (
        f"Rows of {name} have several captions: the first of each is taken, {more:,} more are not."
    )


_BRACKETS = re.compile(
    r"^\s*(?:tensor|array)?\s*\(?\s*[\[(](?P<inside>[^\[\]()]*)[\])].*$", re.DOTALL
)


def vector_in(text: str, name: str) -> npt.NDArray[np.float64] | None:
    """Return the numbers that a text spells out, as Python, NumPy or PyTorch print them.

    None where it is no list of numbers.

    Raises
    ------
    FormatError
        If numbers are missing: the text was cut where it was printed.
    """
    match = _BRACKETS.match(text)
    inside = text if match is None else match["inside"]
    words = inside.replace(",", " ").replace(";", " ").split()
    if match is not None and any(word in ("...", "…") for word in words):
        raise FormatError(
            f"{name} holds vectors that were cut where they were printed: numbers are replaced by "
            "an ellipsis (…). Save them with np.save, or print all with "
            "np.set_printoptions(threshold=sys.maxsize)."
        )
    if len(words) < (2 if match is not None else 4):
        return None
    try:
        return np.array([float(word) for word in words])
    except ValueError:
        return None
