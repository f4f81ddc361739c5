"""From what a person drops or picks to an EmbeddingPair: all or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Choice, Source
from anisoalign_core.io import load, load_bytes
from anisoalign_core.io.beside import read_ids
from anisoalign_core.io.captions import is_picture
from anisoalign_core.io.pair_file import read_pair
from anisoalign_core.io.reading import paired
from anisoalign_core.io.registry import suffix_of, suffixes
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from app.proposal import WAYS, Proposal, Way
from app.recognise import LINES, PAIR_KEYS, SHARD, Seen, captions_of, look, look_at_shards

SHARDS = "clip-retrieval"
"""What uploaded shards together are called."""


@dataclass(frozen=True)
class Given:
    """What is given as one thing: a file or a folder, pictures, or shards that belong together.

    Attributes
    ----------
    identity : str
    source : Source
        Its name is data, never a path.
    inside : tuple of Source
        The pictures, or the shards, where there are several.
    """

    identity: str
    source: Source
    inside: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """All its files."""
        return self.inside or (self.source,)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(
            len(one.data or b"") if one.path is None else size_below(one.path)
            for one in self.sources
        )

    def look(self) -> Seen:
        """Say what it is."""
        if not self.inside:
            return look(self.source)
        if is_picture(self.inside[0].name):
            return Seen(self.source.name, "pictures", count=len(self.inside), ids=True)
        return look_at_shards(self.source.name, self.inside)

    @contextmanager
    def opened(self) -> Iterator[Source]:
        """Yield what readers take; uploaded shards lie in a folder for that long."""
        if not self.inside:
            yield self.source
            return
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / SHARDS
            for one in self.inside:
                match = SHARD.fullmatch(PurePosixPath(one.name).name)
                assert match is not None and one.data is not None
                (folder / match[1]).mkdir(parents=True, exist_ok=True)
                (folder / match[1] / match[0]).write_bytes(one.data)
            yield Source(self.source.name, folder)


def together(files: Sequence[tuple[str, Source]]) -> list[Given]:
    """Put pictures together, and uploaded shards that clip-retrieval wrote; hidden files go."""
    files = [one for one in files if not any(p[0] in "._" for p in _parts(one[1].name))]
    pictures = [one for one in files if is_picture(one[1].name)]
    shards = [
        one for one in files if one[1].path is None and SHARD.fullmatch(_parts(one[1].name)[-1])
    ]
    if len({_parts(source.name)[-1].partition("_")[0] for _, source in shards}) < 2:
        shards = []
    grouped = {identity for identity, _ in (*pictures, *shards)}
    found = [Given(identity, source) for identity, source in files if identity not in grouped]
    for what, group in ((f"{len(pictures):,} pictures", pictures), (SHARDS, shards)):
        if len(group) == 1:
            found.append(Given(*group[0]))
        elif group:
            inside = tuple(source for _, source in group)
            found.append(Given("|".join(one for one, _ in group), Source(what, data=b""), inside))
    return found


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts or (".",)


def read_sides(
    given: Sequence[Given],
    proposal: Proposal,
    choices: Mapping[int, Choice],
    tell: Progress,
    *,
    drop_invalid: bool = False,
    encoder: str = "",
) -> tuple[EmbeddingPair, list[str]]:
    """Read what was given as it was understood, and pair it; notes say what did not fit.

    Parameters
    ----------
    given : sequence of Given
    proposal : Proposal
        With both sides, and nothing left to ask.
    choices : mapping of int to Choice
        Columns, by the file.
    tell : Progress
    drop_invalid : bool
    encoder : str
        Its name, in place of what files say.
    """
    sides: dict[Way, EmbeddingSet] = {}
    whole: EmbeddingPair | None = None
    notes: list[str] = []
    for way, side in proposal.sides.items():
        assert side.file is not None
        if side.array is not None and side.array.key in PAIR_KEYS and proposal.one_file:
            whole = whole or read_pair(given[side.file].source)
            sides[way] = getattr(whole, way)
            if proposal.names[way] != way:
                sides[way] = replace(sides[way], modality=proposal.names[way])
        else:
            lines = [read_ids(given[i].source) for i in proposal.given("ids", way)]
            choice = choices.get(side.file, Choice())
            more: dict[str, Any] = {
                "modality": proposal.names[way],
                "key": None if side.array is None else side.array.key,
                "drop_invalid": drop_invalid,
                "ids": lines[0] if lines else None,
                "id_column": choice.id_column,
                "drop_columns": choice.drop_columns,
            }
            with given[side.file].opened() as source:
                if source.path is None:
                    sides[way] = load_bytes(source.data or b"", source.name, **more)
                else:
                    sides[way] = load(source.path, **more)
        if encoder:
            known = replace(sides[way].provenance, model=encoder)
            sides[way] = replace(sides[way], provenance=known)
        sides[way], said = _furnished(sides[way], way, given, proposal, tell)
        notes += said
    first, second = sides["source"], sides["target"]
    if whole is not None and proposal.by == "row":
        return replace(whole, source=first, target=second), notes
    if proposal.one_file and proposal.by == "row":
        return paired(first, second), notes
    return EmbeddingPair.match(first, second, proposal.by or "none"), notes


def add_to(
    pair: EmbeddingPair, given: Sequence[Given], proposal: Proposal, tell: Progress
) -> tuple[EmbeddingPair, list[str]]:
    """Add captions and pictures to the pair that is loaded."""
    sides: dict[Way, EmbeddingSet] = {}
    notes: list[str] = []
    for way in WAYS:
        sides[way], said = _furnished(getattr(pair, way), way, given, proposal, tell)
        notes += said
    return replace(pair, source=sides["source"], target=sides["target"]), notes


def _furnished(
    data: EmbeddingSet, way: Way, given: Sequence[Given], proposal: Proposal, tell: Progress
) -> tuple[EmbeddingSet, list[str]]:
    """Add a side's pictures and captions; captions of their own come before those of pictures."""
    from anisoalign_core.encode.furnish import furnish
    from anisoalign_core.encode.inputs import find_items

    notes: list[str] = []
    files = proposal.given("pictures", way)
    if files:
        items = find_items([source for i in files for source in given[i].sources])
        by = proposal.parts[files[0]].by or "id"
        data, said = furnish(data, None, items, by=by, progress=tell)
        notes += said
    for i in proposal.given("captions", way):
        by = proposal.parts[i].by or "id"
        data, said = furnish(data, captions_of(given[i].source), by=by)
        notes += said
    return data, notes


def data_root() -> Path | None:
    """Folder on the server that people may read from, or None when the server allows none."""
    return _root("ANISOALIGN_DATA_ROOT")


def export_root() -> Path | None:
    """Folder on the server that large exports may be written to, or None."""
    return _root("ANISOALIGN_EXPORT_ROOT")


def _root(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).resolve() if value and Path(value).is_dir() else None


def within(root: Path, relative: str) -> Path:
    """Resolve a path below ``root``, links included.

    Raises
    ------
    FormatError
        If it leaves the folder or does not exist.
    """
    try:
        path = (root / relative).resolve()
        there = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, links in a ring
        raise FormatError(f'"{relative[:80]}" is no path in the server folder.') from error
    if not path.is_relative_to(root):
        raise FormatError(f'"{relative}" is outside the folder that this server opens.')
    if not there:
        raise FormatError(f'There is no "{relative}" in the server folder.')
    return path


def size_below(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def listing(root: Path, limit: int = 500) -> list[str]:
    """Files and clip-retrieval folders below ``root`` that can be loaded, as relative paths."""
    found, known = [], {*suffixes(uploads=True), *LINES, ".zip"}
    for path in sorted(root.rglob("*")):
        if path.is_dir() and (path / "img_emb").is_dir():
            found.append(f"{path.relative_to(root)}/")
        elif suffix_of(path.name) in known and path.parent.name not in {
            "img_emb",
            "text_emb",
            "metadata",
        }:
            found.append(str(path.relative_to(root)))
        if len(found) == limit:
            break
    return found
