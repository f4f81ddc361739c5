"""Arrow files, and the folders that the datasets library saves: ``data-*.arrow`` beside JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_bytes, check_declared
from anisoalign_core.files.places import is_local, natural
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io import arrow
from anisoalign_core.io.chunks import Chunk
from anisoalign_core.io.columns import Meaning, check_choice, roles
from anisoalign_core.io.format import Format, WholeFile

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
KIND = "an Arrow file"


def files_in(folder: Path) -> list[Path]:
    """Return the Arrow files of a saved dataset in their order; none where it is no such folder.

    Raises
    ------
    FormatError
        If it holds several splits, naming them, or rows that were selected but not written.
    """
    if (folder / SPLITS).is_file():
        found = _json(folder / SPLITS).get("splits", [])
        splits = ", ".join(printable(str(each), 40) for each in found)
        raise FormatError(
            f"{folder.name} holds several splits ({splits}). Give the folder of one of them."
        )
    if not (folder / STATE).is_file() and not (folder / INFO).is_file():
        return []
    state = _json(folder / STATE) if (folder / STATE).is_file() else {}
    if state.get("_indices_data_files"):
        raise FormatError(
            f"{folder.name} holds a selection of its rows. Write them with "
            "dataset.flatten_indices() before saving."
        )
    listed = [Path(str(each.get("filename"))).name for each in state.get("_data_files") or ()]
    return [folder / name for name in listed] or sorted(folder.glob("*.arrow"), key=natural)


def _json(path: Path) -> dict[str, Any]:
    with (
        Source(path.name, path).open() as stream,
        malformed(path.name, "JSON", ValueError, RecursionError),
    ):
        body = json.loads(stream.read())
        if not isinstance(body, dict):
            raise ValueError("it holds no object")
        return body


def open_any(source: Source, limits: Limits) -> WholeFile:
    """Read one Arrow file, or all of a folder.

    Raises
    ------
    FormatError, LimitError
    """
    if source.path is None:
        raise FormatError(f"{source.name} is an Arrow file, which is read from disk only.")
    paths = files_in(source.path) if source.path.is_dir() else [source.path]
    bounds = Limits.from_env()
    for path in paths:
        if not path.exists():
            raise FormatError(f"{source.name} lacks {path.name}, which its {STATE} names.")
    check_bytes(
        sum(path.stat().st_size for path in paths), f"{source.name} takes", source.name, bounds
    )
    import pyarrow as pa

    table = pa.concat_tables([_table(path) for path in paths])
    names = table.schema.names
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FormatError(
            f'{source.name} has {len(twice)} columns called "{printable(twice[0], 40)}". Give '
            "every column a name of its own."
        )
    check_choice(source.choice, names, source.name)
    if not arrow.has_vectors(table.schema):
        check_declared(table.num_rows, len(names), 8, source.name, bounds)
        found = arrow.wide(table, source, bounds).sorted_out()
        if found.keys:
            return WholeFile(
                source.name, tuple(found.keys), lambda key: (found.read(key), {}), found.meanings
            )
    keys = arrow.embedding_columns(table.schema, source.name)
    fields = arrow.fields_of(table.schema, table.select)

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        dim, first, parts = None, 0, []
        for batch in table.select([key]).to_batches():
            array = arrow.vectors(batch.column(0), key, source.name, first, dim)
            dim, first = array.shape[1] or dim, first + len(array)
            parts.append(array)
        check_declared(first, dim or 0, 8, source.name, bounds)
        whole = [
            part if part.shape[1] else np.full((len(part), dim or 0), np.nan, part.dtype)
            for part in parts
        ]
        said = roles(fields, source.name, source.choice, key=key)
        about = arrow.about_of(table.select, source.name, limits, said)
        empty = np.empty((0, 0), dtype=np.float32)
        return Chunk(np.concatenate(whole) if whole else empty, about), {}

    def meanings() -> dict[str, Meaning]:
        return arrow.meanings(table.schema, keys, roles(fields, source.name, source.choice))

    return WholeFile(source.name, keys, read, meanings)


def _table(path: Path) -> Any:
    """Return a file's table: a stream of messages, as datasets writes it, or a file of Arrow's."""
    import pyarrow as pa

    errors = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, NotImplementedError)
    with malformed(path.name, KIND, *errors), _mapped(path) as stream:
        if not path.stat().st_size:
            raise FormatError(f"{path.name} is empty (0 bytes). Write it again.")
        read: Callable[[Any], Any] = pa.ipc.open_stream
        if stream.read(6) == b"ARROW1":
            read = pa.ipc.open_file
        stream.seek(0)
        table = read(stream).read_all()
        table.validate(full=True)
        return table


@contextmanager
def _mapped(path: Path) -> Any:
    import pyarrow as pa

    if is_local(path):
        with pa.OSFile(str(path)) as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield pa.BufferReader(stream.read())


FORMAT = Format(
    "datasets",
    (".arrow",),
    "Arrow files, and folders of the datasets library, read only",
    open_any,
    several=True,
    uploads=False,
    folder=True,
    inside=files_in,
)
