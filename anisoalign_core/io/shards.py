"""A set of embeddings that lies in one file or many, and is read piece by piece.

The set may be larger than memory: nothing here holds more than one piece of it, and limits on rows
and bytes do not apply. A single file is a set of one shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath

import numpy as np

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.digests import PassingDigest
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.places import (
    MAGIC,
    Stamp,
    as_path,
    changed,
    matching,
    natural,
    source_at,
    stamp_of,
)
from anisoalign_core.files.source import Choice, Source, printable, readable
from anisoalign_core.io import beside, clip_retrieval
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.delimited import METADATA_ENDING
from anisoalign_core.io.format import Format
from anisoalign_core.io.keys import select_key
from anisoalign_core.io.registry import by_suffix, file_format, files_in, suffix_of, suffixes
from anisoalign_core.rows import as_real_matrix

UNLIMITED = 2**62

Where = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Shard:
    """One file of a set.

    Attributes
    ----------
    path : Path
    name : str
        Below the folder of the set, with ``/`` between folders.
    key : str
    facts : ShardFacts
    metadata : Path or None
        The file that says what the rows are, in a folder of clip-retrieval.
    stamps : tuple of (Path, Stamp or None)
        The file and those that belong to it, as they were when it was opened.
    choice : Choice
        What was said of its columns.
    """

    path: Path
    name: str
    key: str
    facts: ShardFacts
    metadata: Path | None = None
    stamps: tuple[tuple[Path, Stamp | None], ...] = ()
    choice: Choice = field(default_factory=Choice)

    @property
    def format(self) -> Format:
        """How the file is read."""
        return _format_of(self.path, self.name)

    def chunks(
        self,
        rows: int,
        start: int = 0,
        stop: int | None = None,
        *,
        about: bool = False,
        digest: PassingDigest | None = None,
    ) -> Iterator[Chunk]:
        """Read rows ``start`` to ``stop`` in order, at most ``rows`` at a time.

        Parameters
        ----------
        rows : int
        start, stop : int
        about : bool
            Also read ids, captions and whatever else the file says of each row.
        digest : PassingDigest, optional
            Sees the bytes of the file.

        Raises
        ------
        AnisoAlignError
            If the file is not what its header says, or has changed since it was opened.
        """
        source = replace(source_at(self.path, self.name), digest=digest, choice=self.choice)
        limits = stream_limits()
        self.check_unchanged()
        known = self.about() if about else None
        found = self.format.open(source, limits).chunks(
            self.key, rows=rows, start=start, stop=stop, about=about, native=about
        )
        for chunk in found:
            if chunk.array.shape[1] != self.facts.dim:
                raise ShapeError(
                    f"{self.name} has rows of {chunk.array.shape[1]} numbers where it had "
                    f"{self.facts.dim}. It changed while it was read, or holds rows of several "
                    "lengths."
                )
            if known is None:
                yield chunk
            else:
                here = np.arange(start, start + len(chunk.array))
                yield Chunk(chunk.array, known.take(here))
            start += len(chunk.array)
        self.check_unchanged()

    def check_unchanged(self, *, alone: bool = False) -> None:
        """Refuse to go on if the file, or one that belongs to it, is not as it was when opened.

        Parameters
        ----------
        alone : bool
            Look at the file of the vectors only.

        Raises
        ------
        FormatError
        """
        for path, stamp in self.stamps:
            if stamp_of(path) != stamp and (path == self.path or not alone):
                raise changed(self.name if path == self.path else printable(path.name))

    def about(self) -> About | None:
        """Return what the files beside say of all rows; None where the file itself says it."""
        rows = self.facts.rows
        if self.metadata is not None:
            return clip_retrieval.read_metadata(self.metadata, rows, stream_limits())
        if self.format.lines:
            source = replace(source_at(self.path, self.name), choice=self.choice)
            inside = self.format.open(source, stream_limits()).said(self.key)
            return beside.read_beside(source, rows, stream_limits(), inside)
        return None


@dataclass(frozen=True)
class ShardedSet:
    """Embeddings of one modality in one file or many.

    Attributes
    ----------
    name : str
        What messages call it.
    modality : str
    layout : {"file", "folder", "clip-retrieval"}
        Whether one file was named, a folder or pattern or several files, or a folder of
        clip-retrieval.
    shards : tuple of Shard
        At least one; rows count on from one to the next.
    """

    name: str
    modality: str
    layout: str
    shards: tuple[Shard, ...]

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return self.shards[0].facts.dim

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(shard.facts.rows for shard in self.shards)

    @property
    def starts(self) -> list[int]:
        """Number of each shard's first row in the whole set."""
        return [0, *accumulate(shard.facts.rows for shard in self.shards)][:-1]

    def check_unchanged(self) -> None:
        """Refuse to go on if a file of vectors is not as it was when the set was opened.

        Raises
        ------
        FormatError
        """
        for shard in self.shards:
            shard.check_unchanged(alone=True)


def open_shards(
    where: Where, *, modality: str, key: str | None = None, choice: Choice | None = None
) -> ShardedSet:
    """Find the shards of a set and read their headers.

    Parameters
    ----------
    where : str, Path, or a sequence of them
        A file, a folder, a pattern such as ``"texts/part_*.npy"``, or several files. Files are
        put in natural order: 2 before 10. A folder holds shards of one format, or is one that
        clip-retrieval wrote. URLs that fsspec knows are paths too. Files without rows are left
        out.
    modality : str
        Chooses among several arrays, as in :func:`anisoalign_core.load`.
    key : str, optional
        Name of the array or column.
    choice : Choice, optional
        Which column holds the ids, and which are left out, where names do not tell.

    Raises
    ------
    FormatError
        If there is no such file, a folder holds several formats, or a file is not what its suffix
        says or holds no real numbers.
    ShapeError
        If shards differ in dimension, or none has rows.
    """
    choice = choice or Choice()
    if isinstance(where, Sequence) and not isinstance(where, str):
        if not where:
            raise FormatError("No file or folder was given. Name at least one.")
        if len(where) != 1:
            paths = sorted((as_path(each) for each in where), key=natural)
            return _of_files(f"{len(paths)} files", paths, modality, key, choice)
        where = where[0]
    path = as_path(where)
    shown = printable(path.name or str(path))
    with readable(shown):
        if path.is_dir():
            return _of_folder(path, shown, modality, key, choice)
        if path.exists():
            return _of_files(shown, [path], modality, key, choice, "file")
    if MAGIC.search(str(where)):
        return _of_files(shown, matching(str(where)), modality, key, choice)
    raise FormatError(f'There is no file or folder "{printable(str(where))}". Check the path.')


def _stamps(path: Path, metadata: Path | None = None) -> tuple[tuple[Path, Stamp | None], ...]:
    """Stamps of a file and of those that belong to it, whether they are there or not."""
    also = [] if metadata is None else [metadata]
    if _format_of(path, path.name).lines:
        also += [path.with_suffix(end) for end in beside.ENDINGS]
    return tuple((each, stamp_of(each)) for each in (path, *also))


def stream_limits() -> Limits:
    """Limits of reading piece by piece: what would only bound memory does not apply."""
    return replace(
        Limits.from_env(), max_rows=UNLIMITED, max_bytes=UNLIMITED, max_text_bytes=UNLIMITED
    )


def _of_folder(
    path: Path, shown: str, modality: str, key: str | None, choice: Choice
) -> ShardedSet:
    if any((path / part).is_dir() for part in clip_retrieval.FOLDERS.values()):
        return _of_clip_retrieval(path, shown, modality, key)
    special = files_in(path)
    if special:
        return _of_files(shown, special, modality, key, choice)
    found = [
        each
        for each in path.iterdir()
        if by_suffix(suffix_of(each.name)) is not None
        and not each.name.startswith(".")
        and not each.name.endswith(METADATA_ENDING)
        and each.is_file()
    ]
    kinds = sorted({suffix_of(each.name) for each in found})
    if not found:
        raise FormatError(
            f"{shown} is a folder without shards: it holds none of {', '.join(suffixes())}, nor "
            "img_emb/img_emb_0.npy. Give a file, or a folder of embeddings."
        )
    if len(kinds) > 1:
        raise FormatError(
            f"{shown} holds shards of several formats ({', '.join(kinds)}). Name those that are "
            f'meant, for example "{shown}/*{kinds[0]}".'
        )
    return _of_files(shown, sorted(found, key=natural), modality, key, choice)


def _of_clip_retrieval(path: Path, shown: str, modality: str, key: str | None) -> ShardedSet:
    source, limits = Source(shown, path), stream_limits()
    found = clip_retrieval.keys(source, limits)
    picked = select_key(found, modality=modality, key=key, name=shown)
    parts, headers = clip_retrieval.checked_shards(source, limits)
    part = clip_retrieval.FOLDERS[picked]
    metadata = parts[clip_retrieval.METADATA]
    shards = tuple(
        Shard(
            file,
            f"{part}/{file.name}",
            "array",
            ShardFacts(header.shape[0], header.shape[1], header.dtype),
            metadata.get(number),
            _stamps(file, metadata.get(number)),
        )
        for (number, file), header in zip(parts[part].items(), headers[part], strict=True)
        if header.shape[0]
    )
    return _checked(ShardedSet(f"{shown}/{part}", modality, "clip-retrieval", shards))


def _of_files(
    shown: str,
    paths: list[Path],
    modality: str,
    key: str | None,
    choice: Choice,
    layout: str = "folder",
) -> ShardedSet:
    limits = stream_limits()
    shards: list[Shard] = []
    for path in paths:
        source = replace(source_at(path), choice=choice)
        how = _format_of(path, source.name)
        # files that must be read whole keep their limits
        bounds = limits if how.streams else Limits.from_env()
        if not path.exists():
            raise FormatError(f'There is no file "{printable(str(path))}". Check the path.')
        stamps = _stamps(path)
        opened = how.open(source, bounds)
        picked = select_key(opened.keys, modality=modality, key=key, name=source.name)
        facts = opened.facts(picked)
        if facts.rows == 0:
            continue
        shards.append(Shard(path, path.name, picked, facts, stamps=stamps, choice=choice))
        if facts.dim != shards[0].facts.dim:
            raise ShapeError(
                f"{source.name} has rows of {facts.dim} numbers, {shards[0].name} of "
                f"{shards[0].facts.dim}. Shards of one set need one dimension."
            )
    names = [PurePosixPath(shard.name).name for shard in shards]
    if len(set(names)) < len(names):
        raise FormatError("Two shards have one name, in different folders. Give one folder.")
    return _checked(ShardedSet(shown, modality, layout, tuple(shards)))


def _format_of(path: Path, name: str) -> Format:
    found = file_format(path)
    if found is None:
        raise FormatError(
            f"{name} has no known suffix. Known are {', '.join(suffixes())}, and folders that "
            "clip-retrieval wrote."
        )
    return found


def _checked(data: ShardedSet) -> ShardedSet:
    """Refuse a set that is empty or holds no real numbers, by what the headers say."""
    if not data.shards:
        raise ShapeError(f"{data.name} has no rows. Check how it was written.")
    for shard in data.shards:
        as_real_matrix(np.zeros((1, shard.facts.dim), dtype=shard.facts.dtype), shard.name)
    return data
