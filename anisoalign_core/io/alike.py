"""Records that are all alike, found in the bytes of a pickle without unpickling them.

A pickler writes records of one kind with the same opcodes: keys, types and shapes of all but the
first are references to what stands in the first, and only numbers and texts differ. So the second
record, loaded and held against its own opcodes, gives a regular expression; where every further
record matches it, rows and ids lie where the expression says. That takes a quarter of the time of
unpickling, a few MiB at a time, and runs nothing. Files of other kinds are unpickled
(:mod:`anisoalign_core.io.unpickling`).

References in the expression are to what the first two records hold, which later ones cannot
change: a match is what the unpickler would have made of the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, Texts, malformed
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.layout import Layout, layout_of
from anisoalign_core.io.opcodes import KIND
from anisoalign_core.io.tables import MAX_LABELS
from anisoalign_core.io.tokens import (
    LONG,
    PROTOCOL,
    READ_BYTES,
    Unlike,
    token_of,
    unframed,
    value_of,
)
from anisoalign_core.io.unpickling import PREFIX_BYTES, Record, memo_of
from anisoalign_core.numerics import Integers
from anisoalign_core.rows import as_strings

SMALLEST = PREFIX_BYTES[0]
"""Files up to this size are unpickled: there is nothing to gain."""

Match = re.Match[bytes]
Columns = dict[str, list[bytes]]


def learn(source: Source, limits: Limits, key: str) -> Layout | None:
    """Learn how the records of a file are written, from its beginning.

    Returns
    -------
    Layout or None
        None where records hold more than numbers, short texts and one vector; where they are not
        framed, as protocols below 4 do not; or where the file is small.

    Raises
    ------
    FormatError
        If the file asks for something else, by name.
    """
    if source.size <= SMALLEST or limits.max_id_length < 255:
        return None
    with source.open() as stream:
        prefix = stream.read(PREFIX_BYTES[0])
    try:
        beginning = b"".join(unframed(io.BytesIO(prefix), whole=False))
    except Unlike:
        return None
    return layout_of(beginning, memo_of(PROTOCOL + beginning, source.name), key)


def holds(layout: Layout, source: Source) -> bool:
    """Whether every record of the file is like the first two.

    Looks at all of it, unless it was read to its end before and has not changed since.
    """
    if _mark(layout, source) in _READ_WHOLE:
        return True
    try:
        for _ in _found(layout, source):
            pass
    except Unlike:
        return False
    return True


def read_alike(
    layout: Layout,
    source: Source,
    limits: Limits,
    *,
    rows: int,
    start: int = 0,
    stop: int | None = None,
    about: bool = False,
) -> Iterator[Chunk]:
    """Read records ``start`` to ``stop``, as :func:`anisoalign_core.io.revision.read_chunks`.

    Raises
    ------
    Unlike
        Where a record differs; every chunk until then was whole.
    LimitError
    """
    (dim,), dtype = layout.vector.shape, layout.vector.dtype
    vectors: list[npt.NDArray[np.uint8]] = []
    columns: Columns = {}
    waiting = at = 0

    def chunk(count: int) -> Chunk:
        nonlocal vectors, columns, waiting
        joined = np.concatenate(vectors)
        array = joined[:count].view(dtype).astype(dtype.newbyteorder("="), copy=False)
        said = About()
        if about:
            own = {key: column[:count] for key, column in columns.items()}
            said = About(native=AlikeRows(own, dict(layout.kind), source.name))
            columns = {key: column[count:] for key, column in columns.items()}
        vectors, waiting = [joined[count:]], waiting - count
        return Chunk(array.reshape(count, dim), said)

    for part, said in _parts(layout, source, about):
        keep = slice(max(start - at, 0), None if stop is None else max(stop - at, 0))
        at += len(part)
        check_declared(at, dim, max(dtype.itemsize, 4), source.name, limits)
        vectors.append(part[keep])
        waiting += len(vectors[-1])
        for key, column in said.items():
            columns.setdefault(key, []).extend(column[keep])
        while waiting >= rows:
            yield chunk(rows)
        if stop is not None and at >= stop:
            break
    if waiting:
        yield chunk(waiting)


def _parts(
    layout: Layout, source: Source, about: bool
) -> Iterator[tuple[npt.NDArray[np.uint8], Columns]]:
    """Yield the bytes of vectors, and what stands in the other slots if that is asked for."""
    group, size = layout.group, len(layout.vector.data)
    others = {key: n + 1 for n, key in enumerate(layout.slots) if key != layout.key and about}
    first = np.frombuffer(layout.vector.data, np.uint8).reshape(1, size)
    yield first, {key: [token_of(layout.first[key])] for key in others}
    for found in _found(layout, source):
        bytes_read = np.frombuffer(found[0].string, np.uint8)
        starts = np.fromiter((match.start(group) for match in found), np.intp, len(found))
        columns = {key: [match[n] for match in found] for key, n in others.items()}
        windows = np.lib.stride_tricks.sliding_window_view(bytes_read, size)
        yield windows[starts], columns


def _found(layout: Layout, source: Source) -> Iterator[list[Match]]:
    """Yield matches, buffer by buffer, from the second record to the end of the file."""
    longest = 4 * len(layout.vector.data) + READ_BYTES
    mark, end = _mark(layout, source), b"e."
    with source.open() as stream:
        parts, at, rest, ended = unframed(stream), layout.begin, b"", False
        while not ended:
            waiting, size = [rest], len(rest)
            while size < len(rest) + READ_BYTES and not ended:
                part = next(parts, b"")
                ended = not part
                waiting.append(part)
                size += len(part)
            buffer = b"".join(waiting)
            # one match after the other, each where the last one ended
            scanner = layout.pattern.scanner(buffer, at)  # type: ignore[attr-defined]
            found: list[Match] = list(iter(scanner.match, None))
            at = found[-1].end() if found else at
            # what is left over for a list of its own is appended alone
            if ended and buffer[at : at + 1] == b"e" and buffer.endswith(b"a."):
                last = layout.pattern.fullmatch(buffer, at + 1, len(buffer) - 2)
                if last:
                    found.append(last)
                    at, end = len(buffer) - 2, b"a."
            if found:
                _check_lengths(layout, found)
                yield found
            rest, at = buffer[at:], 0
            if len(rest) > longest and not ended:
                raise Unlike
    if rest != end:
        raise Unlike
    if mark is not None:
        _READ_WHOLE[mark] = None
        while len(_READ_WHOLE) > MOST_REMEMBERED:
            _READ_WHOLE.pop(next(iter(_READ_WHOLE)), None)


MOST_REMEMBERED = 1024
_READ_WHOLE: dict[tuple[object, ...], None] = {}
"""Files whose records were all seen to be alike."""


def _mark(layout: Layout, source: Source) -> tuple[object, ...] | None:
    """Return what tells a file from others, and from what it was before; None if nothing does."""
    if source.path is None or not is_local(source.path):
        return None
    found = source.path.stat()
    return layout.key, str(source.path), found.st_ino, found.st_size, found.st_mtime_ns


def _check_lengths(layout: Layout, found: list[Match]) -> None:
    """Hold long texts, which the pattern ends where the next key begins, to their length."""
    for group, is_text in enumerate(layout.slots.values(), 1):
        for match in found if is_text else ():
            token = match[group]
            if token[0] == LONG and int.from_bytes(token[1:5], "little") != len(token) - 6:
                raise Unlike


@dataclass(frozen=True, eq=False)
class AlikeRows:
    """What stands beside the vectors of some records that are alike, as it stands in the file.

    Attributes
    ----------
    columns : dict of str to list of bytes
        Opcodes of each value, by key.
    texts : dict of str to bool
        Whether the values of a key are texts.
    name : str
        Of the file, for messages.
    """

    form: ClassVar[str] = "revision"

    columns: Columns
    texts: dict[str, bool]
    name: str

    @property
    def kind(self) -> tuple[tuple[str, bool], ...]:
        """As :attr:`Layout.kind`."""
        return tuple(self.texts.items())

    def values(self, key: str) -> list[Any]:
        """Return the values of one key.

        Raises
        ------
        FormatError
            If a text is none.
        """
        with malformed(self.name, KIND, UnicodeDecodeError):
            return [value_of(token) for token in self.columns[key]]

    def records(self) -> list[Record]:
        """Return the records without their vectors."""
        columns = [self.values(key) for key in self.texts]
        return [dict(zip(self.texts, row, strict=True)) for row in zip(*columns, strict=True)]

    def ids(self) -> Texts:
        """Return the ids."""
        return as_strings(self.values("id"))

    def plain(self, limits: Limits) -> About:
        """Return ids, captions if every record has one, and labels."""
        import pandas as pd

        captions = as_strings(self.values("caption")) if self.texts.get("caption") else None
        left_out = {"id"} if captions is None else {"id", "caption"}
        labels = [key for key in self.texts if key not in left_out][:MAX_LABELS]
        table = pd.DataFrame({key: self.values(key) for key in labels}) if labels else None
        return About(self.ids(), captions, table)

    def take(self, rows: Integers) -> AlikeRows:
        """Return some of the rows."""
        return replace(self, columns={k: [c[i] for i in rows] for k, c in self.columns.items()})
