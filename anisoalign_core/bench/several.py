"""Pairs among many files: a folder, or a common name, for each encoder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from anisoalign_core.bench.bench import free
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import Source, printable
from anisoalign_core.io import (
    has_pair,
    has_pair_bytes,
    load,
    load_bytes,
    load_pair,
    load_pair_bytes,
)
from anisoalign_core.io.beside import read_ids
from anisoalign_core.io.captions import read_captions
from anisoalign_core.io.columns import SOURCE_NAMES, TARGET_NAMES, plain_name
from anisoalign_core.io.registry import suffix_of, suffixes
from anisoalign_core.pairs import EmbeddingPair

IDS, CAPTIONS = ".ids.txt", ".captions.txt"
PARTS = ("img_emb", "text_emb", "metadata")
"""Folders inside one of clip-retrieval."""


@dataclass(frozen=True)
class Several:
    """Files that make one pair.

    Attributes
    ----------
    name : str
        Of the folder, or what the files' names have in common.
    target, source : Source
        The same one where a file holds both.
    beside : dict of str to Source
        Ids and captions, by the name of their file.
    """

    name: str
    target: Source
    source: Source
    beside: dict[str, Source] = field(default_factory=dict)

    def read(self) -> EmbeddingPair:
        """Read both sides and pair them: by id where both have ids, else by row.

        Raises
        ------
        AnisoAlignError
            As reading and pairing them does.
        """
        if self.target is self.source:
            if self.target.path is not None:
                return load_pair(self.target.path)
            return load_pair_bytes(self.target.data or b"", self.target.called)
        target, source = self._side(self.target, "image"), self._side(self.source, "text")
        named = not (target.provenance.ids_are_rows or source.provenance.ids_are_rows)
        return EmbeddingPair.match(source, target, "id" if named else "row")

    def _side(self, file: Source, modality: str) -> EmbeddingSet:
        if file.path is not None:  # ids and captions beside it are found there
            return load(file.path, modality=modality)
        stem = _stem(file.name)
        ids, captions = (self.beside.get(stem + ending) for ending in (IDS, CAPTIONS))
        return load_bytes(
            file.data or b"",
            file.called,
            modality=modality,
            ids=None if ids is None else read_ids(ids),
            captions=None if captions is None else read_captions(captions),
        )


def find_several(files: Sequence[Source]) -> tuple[list[Several], list[str]]:
    """Find the pairs among files, by their folders or by what their names have in common.

    ``clip/image.npy`` and ``clip/text.npy`` are the pair "clip", as are ``clip_image.npy`` and
    ``clip_text.npy``; a file alone that holds both sides is a pair by itself.

    Parameters
    ----------
    files : sequence of Source
        Names may have folders, separated by ``/``.

    Returns
    -------
    pairs : list of Several
        In the order of their names; names differ.
    left : list of str
        A sentence for each group that makes no pair.
    """
    known = suffixes(uploads=True)
    beside: dict[str, Source] = {}
    groups: dict[str, list[Source]] = {}
    for file in files:
        if any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(file.name).parts):
            continue  # what systems put beside files
        if file.name.endswith((IDS, CAPTIONS)):
            beside[file.name] = file
        elif suffix_of(file.name) in known:
            groups.setdefault(_group(file.name), []).append(file)
    found: list[Several] = []
    left: list[str] = []
    taken: set[str] = set()
    for group in sorted(groups):
        try:
            target, source = _sides(groups[group])
        except AnisoAlignError as error:
            left.append(f"{printable(group or 'the files', 80)}: {error}")
            continue
        short = PurePosixPath(group).name
        name = free(group if short in taken else short, taken)
        taken.add(name)
        found.append(Several(name, target, source, beside))
    return found, left


def _stem(name: str) -> str:
    return name.removesuffix(suffix_of(name))


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", PurePosixPath(name).name.lower()) if word]


def _side_of(name: str) -> str:
    """Tell the side that a file's name speaks of: its whole stem, or one of its words."""
    stem = PurePosixPath(_stem(name)).name
    for side, names in (("source", SOURCE_NAMES), ("target", TARGET_NAMES)):
        if plain_name(stem) in names:
            return side
    words = _words(stem)
    sides = {
        side
        for side, names in (("source", SOURCE_NAMES), ("target", TARGET_NAMES))
        if any(word in names for word in words)
    }
    return sides.pop() if len(sides) == 1 else ""


def _group(name: str) -> str:
    """Return the folder, or for a file without one its name less the word that tells the side."""
    path = PurePosixPath(name)
    inside = path.parent.name in PARTS
    folder = path.parent.parent if inside else path.parent
    if inside or str(folder) != ".":
        return "" if str(folder) == "." else str(folder)
    sides = {*SOURCE_NAMES, *TARGET_NAMES}
    words = re.split(r"([^A-Za-z0-9]+)", _stem(path.name))
    kept = [part for part in words if plain_name(part) not in sides]
    joined = re.sub(r"([_\-. ])\1+", r"\1", "".join(kept))
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", joined)


def _holds_both(file: Source) -> bool:
    if file.path is not None:
        return has_pair(file.path)
    return has_pair_bytes(file.data or b"", file.called)


def _sides(files: Sequence[Source]) -> tuple[Source, Source]:
    """Return target and source among the files of one group."""
    by_side: dict[str, list[Source]] = {"target": [], "source": [], "": []}
    for file in files:
        by_side[_side_of(file.name)].append(file)
    target, source, rest = by_side["target"], by_side["source"], by_side[""]
    if len(target) == len(source) == 1:
        return target[0], source[0]
    if len(files) == 1 and _holds_both(files[0]):
        return files[0], files[0]
    if len(rest) == 1 and len(target) + len(source) == 1:
        return (target or rest)[0], (source or rest)[0]
    names = ", ".join(printable(PurePosixPath(file.name).name, 40) for file in files[:4])
    raise FormatError(
        f"It is not clear which of its files are the two sides ({names}). Name them with image "
        "and text, or target and source, one of each in a folder."
    )
