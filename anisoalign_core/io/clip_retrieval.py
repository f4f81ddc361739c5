"""The folder that clip-retrieval writes: shards of images, texts and metadata, row by row.

``img_emb/img_emb_{k}.npy``, ``text_emb/text_emb_{k}.npy`` and ``metadata/metadata_{k}.parquet``
with columns ``image_path`` and ``caption``; k counts up and is sorted as a number.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError
from anisoalign_core.files.atomic import PlainStream, atomic_files, make_folder
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.files.source import Source, readable
from anisoalign_core.io import arrow, npy, parquet
from anisoalign_core.io.chunks import About, Chunk, gathered, joined
from anisoalign_core.io.format import Format, WholeFile
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.parquet_footer import read_footer

FOLDERS = {"image": "img_emb", "text": "text_emb"}
METADATA = "metadata"
PATH_COLUMN, CAPTION_COLUMN = "image_path", "caption"


def shards(folder: Path, part: str) -> dict[int, Path]:
    """Return the shards of one part (``img_emb``, ``text_emb``, ``metadata``) by number."""
    ending = "parquet" if part == METADATA else "npy"
    pattern = re.compile(rf"{part}_(\d{{1,9}})\.{ending}")
    inside = folder / part
    if not inside.is_dir():
        return {}
    with readable(part):
        found = [(pattern.fullmatch(path.name), path) for path in inside.iterdir()]
    numbered = [(int(match[1]), path) for match, path in found if match]
    numbers = dict(sorted(numbered))
    if len(numbers) < len(numbered):
        raise FormatError(f"{folder.name}/{part} holds two shards of one number. Keep one.")
    return numbers


def keys(source: Source, limits: Limits) -> tuple[str, ...]:
    """Return which of ``image`` and ``text`` the folder holds."""
    folder = _folder(source)
    found = tuple(key for key, part in FOLDERS.items() if shards(folder, part))
    if not found:
        raise FormatError(
            f"{source.name} is a folder without img_emb/img_emb_0.npy or text_emb/text_emb_0.npy. "
            "Give a file, or a folder that clip-retrieval wrote. Folders of shards are read by "
            "open_shards and the command line."
        )
    return found


def open_folder(source: Source, limits: Limits) -> WholeFile:
    """Look for the shards of both sides: vectors in numeric order, paths as ids, captions.

    Raises
    ------
    FormatError
        If shards are missing on one side or differ in rows, naming the shard.
    LimitError
    """

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        parts, headers = checked_shards(source, limits)
        part = FOLDERS[key]
        rows = [header.shape[0] for header in headers[part]]
        dim = headers[part][0].shape[1]
        dtype = np.result_type(*(header.dtype.newbyteorder("=") for header in headers[part]))
        check_declared(sum(rows), dim, max(dtype.itemsize, 4), f"{source.name}/{part}", limits)
        arrays = (Chunk(npy.read_array(_inside(path), limits)) for path in parts[part].values())
        array = gathered(arrays, sum(rows), dim, dtype).array
        numbered = dict(zip(parts[part], rows, strict=True))
        return Chunk(array, _metadata(parts[METADATA], numbered, limits)), {}

    def head(key: str) -> tuple[tuple[int, ...], dict[str, str]]:
        found = checked_shards(source, limits)[1][FOLDERS[key]]
        return (sum(header.shape[0] for header in found), found[0].shape[1]), {}

    return WholeFile(source.name, keys(source, limits), read, head=head)


def checked_shards(
    source: Source, limits: Limits
) -> tuple[dict[str, dict[int, Path]], dict[str, list[npy.Header]]]:
    """Return every part's shards by number, and the headers of those that hold vectors.

    Raises
    ------
    FormatError
        If shards are missing on one side or differ in rows, naming the shard.
    """
    folder = _folder(source)
    parts = {part: shards(folder, part) for part in (*FOLDERS.values(), METADATA)}
    present = {part: found for part, found in parts.items() if found}
    _check_numbers(present, source.name)
    headers = {
        part: [npy.read_header(_inside(path), limits) for path in found.values()]
        for part, found in present.items()
        if part != METADATA
    }
    _check_shapes(headers, source.name)
    return parts, headers


def write(vectors: npt.NDArray[Any], about: About, modality: str, path: Path) -> Path:
    """Write one side as shard 0 in float16, and the metadata; the other side may be there.

    Raises
    ------
    FormatError
        If the modality is neither images nor texts, or the folder holds other shards or another
        number of rows.
    PlaceError
        If the disk is full, or the place may not be written to.
    """
    role = role_of(modality)
    if role is None:
        raise FormatError(
            f'A clip-retrieval folder holds images and texts, not "{modality}". Save as '
            ".npz or .parquet, or call the modality image or text."
        )
    own, other = ("img_emb", "text_emb") if role == "target" else ("text_emb", "img_emb")
    if path.exists() and not path.is_dir():
        raise FormatError(f"{path.name} is a file, so no folder can be written there.")
    limits = Limits.from_env()
    held = {part: shards(path, part) for part in (*FOLDERS.values(), METADATA)}
    for part, found in held.items():
        if set(found) - {0}:
            raise FormatError(
                f"{path.name}/{part} already holds several shards. Choose a new folder."
            )
    previous = About()
    if held[other]:
        there = npy.read_header(_inside(held[other][0]), limits).shape[0]
        if there != len(vectors):
            raise FormatError(
                f"{path.name}/{other} holds {there:,} rows and this set {len(vectors):,}; "
                "the folder pairs them by row. Choose a new folder."
            )
        if held[METADATA]:
            previous = _metadata(held[METADATA], {0: there}, limits)
    made = [folder for folder in (path, path / own, path / METADATA) if not folder.exists()]
    try:
        for folder in made:
            make_folder(folder)
        with atomic_files() as files:
            vectors_path = files.add(path / own / f"{own}_0.npy")
            with vectors_path.open("wb") as stream:
                np.lib.format.write_array(
                    cast(BinaryIO, PlainStream(stream)),
                    vectors.astype(np.float16),
                    allow_pickle=False,
                )
            metadata_path = files.add(path / METADATA / "metadata_0.parquet")
            _write_metadata(metadata_path, about, len(vectors), role == "target", previous)
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):  # one that holds something stays
                folder.rmdir()
        raise
    return path


def _folder(source: Source) -> Path:
    if source.path is None:
        raise FormatError(f"{source.name} is a folder format and cannot be read from one upload.")
    return source.path


def _inside(path: Path) -> Source:
    return Source(f"{path.parent.name}/{path.name}", path)


def _check_numbers(present: dict[str, dict[int, Path]], name: str) -> None:
    """Every part must hold the same shards."""
    everything = sorted(set().union(*present.values()))
    for part, found in present.items():
        missing = [number for number in everything if number not in found]
        if missing:
            ending = "parquet" if part == METADATA else "npy"
            raise FormatError(
                f"{name}/{part} has no {part}_{missing[0]}.{ending}, though another part has that "
                f"shard ({len(missing)} missing). Rows would no longer correspond: complete the "
                "folder."
            )


def _check_shapes(headers: dict[str, list[npy.Header]], name: str) -> None:
    for part, found in headers.items():
        for shard, header in enumerate(found):
            if len(header.shape) != 2 or header.shape[1] != found[0].shape[-1]:
                raise FormatError(
                    f"Shard {shard} of {name}/{part} has shape {header.shape}, the first has "
                    f"{found[0].shape}. All need two axes and as many columns."
                )
            if header.dtype.kind not in "fiu":
                raise FormatError(
                    f"Shard {shard} of {name}/{part} holds {header.dtype.name}, not real numbers."
                )
    if len(headers) < 2:
        return
    for shard, (image, text) in enumerate(zip(*headers.values(), strict=True)):
        if image.shape[0] != text.shape[0]:
            raise FormatError(
                f"Shard {shard} of {name} has {image.shape[0]} image rows and {text.shape[0]} "
                "text rows; they belong together row by row. Write the folder again."
            )


def _metadata(found: dict[int, Path], rows: dict[int, int], limits: Limits) -> About:
    """Read ids, captions and labels that every metadata shard has."""
    return joined([read_metadata(path, rows[number], limits) for number, path in found.items()])


def read_metadata(path: Path, rows: int, limits: Limits) -> About:
    """Read what one shard of metadata says about the rows of its embeddings.

    Raises
    ------
    FormatError, LimitError
    """
    check_metadata(path, rows)
    return parquet.open_table(_inside(path), limits).about(ids=PATH_COLUMN)


def check_metadata(path: Path, rows: int) -> None:
    """Refuse a shard of metadata with other rows than its embeddings have.

    Raises
    ------
    FormatError
    """
    source = _inside(path)
    found = read_footer(source).rows
    if found != rows:
        raise FormatError(
            f"{source.name} has {found} rows, its embeddings {rows}. Write the folder again."
        )


def _write_metadata(path: Path, about: About, rows: int, is_image: bool, previous: About) -> None:
    """Write paths and captions; a side that brings none keeps what the other side wrote."""
    paths, captions, labels = previous.ids, previous.captions, previous.labels
    if paths is None or (is_image and about.ids is not None):
        paths = np.arange(rows).astype(str).astype(object) if about.ids is None else about.ids
    said = About(
        paths,
        captions if about.captions is None else about.captions,
        labels if about.labels is None else about.labels,
    )
    with path.open("wb") as stream:
        write_metadata(stream, said)


def write_metadata(stream: Any, about: About) -> None:
    """Write what is said of the rows of one shard."""
    import pyarrow as pa

    names = [] if about.ids is None else about.ids.tolist()
    columns: dict[str, Any] = {PATH_COLUMN: pa.array(names, pa.string())}
    if about.captions is not None:
        columns[CAPTION_COLUMN] = pa.array(about.captions.tolist(), pa.string())
    parquet.write_tables(stream, [arrow.labelled(columns, about.labels, {})], 65_536)


FORMAT = Format(
    "clip-retrieval",
    (".npy",),
    "folder of float16 shards of images, texts and metadata",
    open_folder,
    npy.write,
    streams=True,
    ranges=True,
    every_id=True,
    several=True,
    uploads=False,
    folder=True,
)
