"""Tables that are wider than vectors: which columns are dimensions, and what the others say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Choice, Texts, printable
from anisoalign_core.io.chunks import MAX_LABELS, About, Chunk
from anisoalign_core.io.columns import (
    ENOUGH,
    Field,
    Meaning,
    Roles,
    check_choice,
    counted,
    meaning,
    number_text,
    roles,
    set_apart,
    vector_in,
)
from anisoalign_core.numerics import Float64

if TYPE_CHECKING:
    import pandas as pd

KEY = "columns"
"""The array that all dimensions together are."""
SHOWN = 24
"""Columns that a note names."""
DO_SAY = (
    'Leave out those that are none with drop_columns=["NAME"], or choose the ids among them with '
    'id_column="NAME".'
)


@dataclass(frozen=True, eq=False)
class Wide:
    """A table whose columns are numbers or text.

    Attributes
    ----------
    name : str
    titles : tuple of str
        Of all columns; their numbers from 1 where the file has no header.
    header : bool
    numbers : dict of int to (n,) float64
    texts : dict of int to list of str
    choice : Choice
    limits : Limits
    counted_only : bool
        Take columns of numbers for dimensions only where their names count on.
    holes : dict of int to (int, int)
        Columns of numbers with empty cells: the first such line, and how many there are.
    """

    name: str
    titles: tuple[str, ...]
    header: bool
    numbers: Mapping[int, Float64]
    texts: Mapping[int, Sequence[str | None]]
    choice: Choice
    limits: Limits
    counted_only: bool = False
    holes: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def sorted_out(self) -> Sorted:
        """Say what each column is.

        Raises
        ------
        FormatError
            If a column was chosen that is not there, or vectors are cut.
        """
        check_choice(self.choice, self.titles, self.name)
        out = [c for c, title in enumerate(self.titles) if title in self.choice.drop_columns]
        spelled = [c for c in self.texts if c not in out and self._spells(c)]
        said = [c for c in self.numbers if c not in out and self._says(c)]
        free = [c for c in self.numbers if c not in (*out, *said)]
        apart: dict[int, str] = {}
        untold: tuple[int, ...] = ()
        keys: dict[str, tuple[int, ...]] = {self.titles[c]: (c,) for c in spelled}
        if not spelled:
            groups = counted([self.titles[c] for c in free]) if self.header else {}
            if len(groups) > 1:
                keys = {before: tuple(free[i] for i in group) for before, group in groups.items()}
            elif groups:
                keys = {KEY: tuple(free[i] for group in groups.values() for i in group)}
            elif free and not self.counted_only:
                table = np.column_stack([self.numbers[c] for c in free])
                apart = {free[one.column]: one.why for one in set_apart(table)}
                untold = tuple(c for c in free if c not in apart)
                keys = {KEY: untold}
        believed = self.header and self.rows >= ENOUGH
        unclear = () if believed else tuple(apart)
        inside = {c for columns in keys.values() for c in columns}
        if not spelled:
            apart |= {
                c: "is not numbered like the dimensions"
                for c in free
                if c not in inside and c not in apart
            }
        fields = [
            self._field(c)
            for c in range(len(self.titles))
            if c not in inside and c not in out and c not in unclear
        ]
        return Sorted(self, keys, fields, apart, unclear, untold)

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return len(next(iter((*self.numbers.values(), *self.texts.values())), ()))

    def _spells(self, column: int) -> bool:
        """Whether a column of text spells out vectors."""
        first = next((text for text in self.texts[column] if text), None)
        return first is not None and vector_in(first, self.name) is not None

    def _says(self, column: int) -> bool:
        title = self.titles[column]
        if title == self.choice.id_column:
            return True
        return self.header and meaning(title, "number") is not None

    def _field(self, column: int) -> Field:
        if column in self.texts:
            return Field(self.titles[column], "text", lambda: self.texts[column])
        return Field(
            self.titles[column],
            "number",
            lambda: [
                None if value != value else number_text(value)
                for value in self.numbers[column].tolist()
            ],
        )


@dataclass(frozen=True, eq=False)
class Sorted:
    """What each column of a table is.

    Attributes
    ----------
    table : Wide
    keys : dict of str to tuple of int
        The columns of each array of vectors, in order.
    fields : list of Field
        The others, but for those that are left out.
    apart : dict of int to str
        Columns of numbers that are no dimensions, and why.
    unclear : tuple of int
        Columns that are set apart while nothing tells what they are.
    untold : tuple of int
        Columns that are read as dimensions though nothing in their names marks them as such.
    """

    table: Wide
    keys: Mapping[str, tuple[int, ...]]
    fields: Sequence[Field]
    apart: Mapping[int, str]
    unclear: tuple[int, ...]
    untold: tuple[int, ...]

    def meanings(self) -> dict[str, Meaning]:
        """Return what every column is, by its title."""
        found = self.roles("")
        titles = self.table.titles
        said: dict[str, Meaning] = {found.id or "": "id", found.caption or "": "caption"}
        said |= {title: "label" for title in found.labels}
        for key, columns in self.keys.items():
            spelled = key in titles
            said |= {titles[c]: "vectors" if spelled else "dimension" for c in columns}
        said |= {titles[c]: "unclear" for c in self.unclear}
        return {title: said.get(title, "left out") for title in titles}

    def roles(self, key: str) -> Roles:
        """Say which columns hold ids, captions and labels of one array's rows."""
        table, choice = self.table, self.table.choice
        if not table.header and choice.id_column is None and 0 in table.texts:
            first = next((f.name for f in self.fields if f.name == table.titles[0]), None)
            choice = replace(choice, id_column=first)  # as everyone writes it
        found = roles(self.fields, table.name, choice, key=key)
        notes = [
            f'Column "{printable(table.titles[c], 60)}" of {table.name} {why}: it is no dimension '
            f"but {'the ids' if table.titles[c] == found.id else 'a label'}."
            for c, why in self.apart.items()
            if c not in self.unclear and table.titles[c] in (found.id, *found.labels)
        ]
        return replace(found, notes=(*self._doubts(), *notes, *found.notes))

    def _doubts(self) -> list[str]:
        """Say that columns are read as dimensions for want of anything that says otherwise."""
        if not self.untold:
            return []
        table, count = self.table, len(self.untold)
        begins = f"All {count:,} columns of numbers of {table.name} are read as dimensions"
        if not table.header:
            return [f"{begins}: it has no header. {DO_SAY}"]
        names = [printable(table.titles[c], 40) for c in self.untold]
        shown = ", ".join(names if count <= SHOWN else [*names[: SHOWN - 1], "…", names[-1]])
        why = "nothing in their names marks them as such or gives their order"
        return [f"{begins} ({shown}): {why}. {DO_SAY}"]

    def shape(self, key: str) -> tuple[int, int]:
        """Return rows and dimensions of one array; of vectors in text, those of the first."""
        table, columns = self.table, self.keys[key]
        if key not in table.titles:
            return table.rows, len(columns)
        first = next((text for text in table.texts[columns[0]] if text), "")
        vector = vector_in(first, table.name)
        return table.rows, 0 if vector is None else len(vector)

    def read(self, key: str) -> Chunk:
        """Return the vectors of one array, with what is said of their rows.

        Raises
        ------
        FormatError
            If nothing tells what a column is, naming it and how to choose.
        LimitError
        """
        table = self.table
        if self.unclear:
            column = self.unclear[0]
            more = f" ({len(self.unclear)} such columns)" if len(self.unclear) > 1 else ""
            title = printable(table.titles[column], 60)
            few = f"with {table.rows} rows" if table.header else "without a header"
            raise FormatError(
                f'Column "{title}" of {table.name} {self.apart[column]}{more}, and {few} nothing '
                f'says what it is. Choose it as the ids with id_column="{title}", or leave it out '
                f'with drop_columns=["{title}"]. If it is a dimension, name all of them by numbers '
                "(dim_0, dim_1, …), or save them as .npy."
            )
        found, columns = self.roles(key), self.keys[key]
        by_name = {field.name: field for field in self.fields}
        ids = (
            None if found.id is None else texts_of(by_name[found.id].values(), table.name, found.id)
        )
        captions = None if found.caption is None else texts_of(by_name[found.caption].values())
        about = About(ids, captions, self._labels(found.labels, by_name), notes=found.notes)
        if key in table.titles:
            return Chunk(spelled_out(table.texts[columns[0]], table.name, table.limits), about)
        array = np.empty((table.rows, len(columns)))
        for place, column in enumerate(columns):
            array[:, place] = table.numbers[column]
        return Chunk(array, about, notes=self._holes(columns))

    def _holes(self, columns: Sequence[int]) -> tuple[str, ...]:
        """Say where numbers of the vectors are missing: the first line, and what to do."""
        table = self.table
        holes = [(*table.holes[c], c) for c in columns if c in table.holes]
        if not holes:
            return ()
        line, count, column = min(holes)
        title = printable(table.titles[column], 60)
        named = f' ("{title}")' if table.header else ""
        cells = sum(count for _, count, _ in holes)
        more = f", the first of {cells:,} empty cells" if cells > 1 else ""
        words = (
            f"Line {line}, column {column + 1}{named} of {table.name} is empty{more}: rows without "
            "all their numbers count as missing."
        )
        if 2 * count > table.rows:
            words += f' Leave the column out with drop_columns=["{title}"].'
        return (words,)

    def _labels(self, names: Sequence[str], by_name: Mapping[str, Field]) -> pd.DataFrame | None:
        if not names:
            return None
        import pandas as pd

        return pd.DataFrame({name: list(by_name[name].values()) for name in names[:MAX_LABELS]})


def texts_of(values: Sequence[Any], name: str = "", column: str | None = None) -> Texts:
    """Return one text a row; a row without id is refused where ``column`` names the ids.

    Raises
    ------
    FormatError
    """
    out = np.empty(len(values), dtype=object)
    out[:] = [None if value is None else str(value) for value in values]
    missing = np.flatnonzero([value is None or (column is not None and not value) for value in out])
    if len(missing) and column is not None:
        raise FormatError(
            f'Row {missing[0]} of {name} has no "{printable(column, 60)}" ({len(missing)} such '
            "rows). Give every row an id, or leave the column out."
        )
    out[missing] = ""
    return out


def spelled_out(texts: Sequence[str | None], name: str, limits: Limits) -> Float64:
    """Return vectors that are written as text; empty cells are rows without numbers.

    Raises
    ------
    FormatError
        If a row spells no vector, or one of another length, by its number.
    LimitError
    """
    vectors = [None if not text or not text.strip() else vector_in(text, name) for text in texts]
    dim = next((len(vector) for vector in vectors if vector is not None), 0)
    check_declared(len(texts), dim, 8, name, limits)
    array = np.full((len(texts), dim), np.nan)
    for row, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        if vector is None and not (text and text.strip()):
            continue
        if vector is None or len(vector) != dim:
            found = "no list of numbers" if vector is None else f"{len(vector)} numbers"
            raise FormatError(
                f"Row {row} of {name} spells {found} where the first spells {dim}. Every row needs "
                "a vector of one length."
            )
        array[row] = vector
    return array
