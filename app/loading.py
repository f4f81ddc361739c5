"""From what a person uploads or picks to an EmbeddingPair: all or nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Choice, Source
from anisoalign_core.io import load, load_bytes, load_pair, load_pair_bytes
from anisoalign_core.io.beside import read_ids
from anisoalign_core.io.captions import read_captions
from anisoalign_core.io.columns import plain_name
from anisoalign_core.io.keys import Role, role_of
from anisoalign_core.io.registry import suffix_of, suffixes
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.things import Things


@dataclass(frozen=True)
class Upload:
    """A file's bytes and the name its owner gave it; the name is data, never a path."""

    name: str
    data: bytes

    @property
    def source(self) -> Source:
        """What readers take."""
        return Source(self.name, data=self.data)


@dataclass(frozen=True)
class Side:
    """What was given for one modality."""

    modality: str
    vectors: Upload | None
    ids: Upload | None = None
    captions: Upload | None = None
    choice: Choice = field(default_factory=Choice)

    def read(self, drop_invalid: bool) -> EmbeddingSet:
        """Parse and check."""
        if self.vectors is None:
            raise FormatError(f"There is no file for {self.modality}. Choose one.")
        return load_bytes(
            self.vectors.data,
            self.vectors.name,
            modality=self.modality,
            drop_invalid=drop_invalid,
            ids=None if self.ids is None else read_ids(self.ids.source),
            captions=None if self.captions is None else read_captions(self.captions.source),
            id_column=self.choice.id_column,
            drop_columns=self.choice.drop_columns,
        )


SAYS: dict[str, Role] = {
    **dict.fromkeys(("photo", "photos", "picture", "pictures", "imgs", "frames"), "target"),
    **dict.fromkeys(("caption", "captions", "sentence", "sentences", "title", "titles"), "source"),
}
"""Words in files' names, besides those that columns have, and the side that they mean."""


def misplaced(target: Side, source: Side) -> Side | None:
    """Return a side whose file is called after the other side, and not after its own."""
    for side, role, other in ((target, "target", source), (source, "source", target)):
        if side.vectors is None:
            continue
        said = set(re.split(r"[^a-z]+", PurePath(side.vectors.name).name.lower()))
        if _names(said, other.modality, "source" if role == "target" else "target") and not _names(
            said, side.modality, role
        ):
            return side
    return None


def _names(said: set[str], modality: str, role: str) -> bool:
    """Whether words of a file's name mean a modality, which stands on a side."""
    own = role_of(modality) or role
    called = plain_name(modality)
    return bool({called, f"{called}s"} & said) or any(
        (SAYS.get(word) or role_of(word)) == own for word in said
    )


def turned(pair: EmbeddingPair) -> EmbeddingPair:
    """Return a pair the other way round: what was the target is to be corrected."""
    things = pair.groups
    return EmbeddingPair(
        pair.target,
        pair.source,
        pair.paired,
        pair.unmatched_target,
        pair.unmatched_source,
        pair.joined_by_id,
        None if things is None else Things(things.target, things.source, things.count),
    )


def pair_from_sides(
    source: Side,
    target: Side,
    by: Literal["row", "id", "none"],
    *,
    drop_invalid: bool = False,
) -> EmbeddingPair:
    """Read both sides and pair them."""
    return EmbeddingPair.match(
        source.read(drop_invalid),
        target.read(drop_invalid),
        by,
    )


def pair_from_upload(
    upload: Upload,
    target_modality: str,
    source_modality: str,
    *,
    drop_invalid: bool = False,
    choice: Choice | None = None,
) -> EmbeddingPair:
    """Read one file that holds both sides, paired by row."""
    return load_pair_bytes(
        upload.data,
        upload.name,
        target_modality=target_modality,
        source_modality=source_modality,
        drop_invalid=drop_invalid,
        id_column=None if choice is None else choice.id_column,
        drop_columns=() if choice is None else choice.drop_columns,
    )


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
    found, known = [], suffixes(uploads=True)
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


def pair_from_server(
    root: Path,
    source: str,
    target: str,
    modalities: tuple[str, str],
    by: Literal["row", "id", "none"],
    *,
    drop_invalid: bool = False,
    choices: Sequence[Choice] = (Choice(), Choice()),
) -> EmbeddingPair:
    """Read a pair from the server folder: two files, or the same file or folder twice."""
    source_modality, target_modality = modalities
    first, second = within(root, source), within(root, target)
    if first == second:
        return load_pair(
            first,
            target_modality=target_modality,
            source_modality=source_modality,
            drop_invalid=drop_invalid,
            id_column=choices[1].id_column,
            drop_columns=choices[1].drop_columns,
        )
    sides = [
        load(
            path,
            modality=modality,
            drop_invalid=drop_invalid,
            id_column=choice.id_column,
            drop_columns=choice.drop_columns,
        )
        for path, modality, choice in zip((first, second), modalities, choices, strict=True)
    ]
    return EmbeddingPair.match(sides[0], sides[1], by)
