"""Which of the files that somebody gives is which: by names, by what is written inside, by rows.

Nothing here knows Streamlit, and headers alone are read wherever a format has them. What names and
content leave open is a question; it is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import captions, npy, parquet
from anisoalign_core.io.beside import read_ids
from anisoalign_core.io.captions import TABLES, Captions, is_picture, read_captions
from anisoalign_core.io.cells import cells, read_text
from anisoalign_core.io.chunks import table_shape
from anisoalign_core.io.columns import Meaning, meaning
from anisoalign_core.io.delimited import NoVectors
from anisoalign_core.io.named import BY_ID
from anisoalign_core.io.registry import files_in, format_of

Kind = Literal["vectors", "pair", "captions", "ids", "pictures", "session", "nothing"]

MODALITIES: dict[str, str] = {
    "image": "image images img imgs im photo photos picture pictures vision visual frames target",
    "video": "video videos vid",
    "protein": "protein proteins structure structures",
    "molecule": "molecule molecules mol mols smiles",
    "audio": "audio audios sound sounds speech music",
    "sequence": "sequence sequences seq seqs",
    "text": "text texts txt tx caption captions sentence sentences title titles source",
}
"""Words that name a modality; of two files, the one whose modality stands first is the target."""
MEANS = {word: each for each, words in MODALITIES.items() for word in words.split()}
CAPTION_WORDS = re.compile(r"captions?|titles?|sentences?")
IDS_WORDS = re.compile(r"ids?|keys?|(file)?names?")
SHARD = re.compile(r"(img_emb|text_emb|metadata)_(\d{1,9})\.(npy|parquet)")
LINES = frozenset((*TABLES, *captions.LINES, ".json", ".jsonl", ".token")) - {""}
PAIR_KEYS = ("target.vectors", "source.vectors")
"""Arrays of a pair as one file."""
SESSION, BENCH = ".studio.zip", ".bench.zip"


@dataclass(frozen=True)
class Array:
    """An array of a file that can be embeddings."""

    key: str
    rows: int
    dim: int

    @property
    def size(self) -> str:
        """Rows × dimensions."""
        return f"{self.rows:,} × {self.dim:,}"


@dataclass(frozen=True)
class Seen:
    """What a file's name and its header say.

    Attributes
    ----------
    name : str
    kind : Kind
    arrays : tuple of Array
        Of vectors.
    count : int
        Captions, ids or pictures.
    ids : bool
        Whether its rows have ids, or its captions and pictures have names.
    numbered : bool
        Whether the names of its captions are whole numbers, as those of rows are.
    model : str
        The encoder, where the file says it.
    inside : str
        The modality, where the file says it.
    columns : mapping of str to Meaning
    problem : str
        Why it cannot be used: one sentence.
    """

    name: str
    kind: Kind
    arrays: tuple[Array, ...] = ()
    count: int = 0
    ids: bool = False
    numbered: bool = False
    model: str = ""
    inside: str = ""
    columns: Mapping[str, Meaning] = field(default_factory=dict)
    problem: str = ""

    @property
    def lines(self) -> bool:
        """Whether it is text, which can be a table of anything."""
        return _suffix(self.name) in LINES

    @property
    def modality(self) -> str:
        """What it says it is, inside or by its name; empty where it says nothing, or two things."""
        named = said(self.name)
        inside = {each for one in self.arrays for each in said(one.key)} or said(self.inside)
        if len(named) != 1:
            named = frozenset(inside & named if named else inside)
        elif len(inside) == 1 and inside != named:
            return ""
        return next(iter(named)) if len(named) == 1 else ""


def said(name: str) -> frozenset[str]:
    """Return the modalities that the words of a name mean; its folder speaks where it is silent."""
    for part in reversed(PurePosixPath(name).parts[-2:]):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", PurePosixPath(part).stem).lower()
        found = frozenset(MEANS[word] for word in re.findall("[a-z]+", words) if word in MEANS)
        if found:
            return found
    return frozenset()


def _suffix(name: str) -> str:
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def look(source: Source) -> Seen:
    """Say what a file is, from its header where it has one; never an error, but a problem in words.

    Raises
    ------
    MemoryError
    """
    name = source.name
    try:
        return _look(source, Limits.from_env())
    except AnisoAlignError as error:
        return Seen(name, "nothing", problem=str(error))


def look_at_shards(name: str, shards: Sequence[Source]) -> Seen:
    """Say what shards that clip-retrieval wrote hold together, by the headers of the vectors."""
    arrays = []
    try:
        for key, part in (("image", "img_emb"), ("text", "text_emb")):
            headers = [
                npy.read_header(one, Limits.from_env()) for one in shards if f"{part}_" in one.name
            ]
            if headers:
                rows = sum(header.shape[0] for header in headers)
                arrays.append(Array(key, rows, headers[0].shape[-1]))
    except AnisoAlignError as error:
        return Seen(name, "nothing", problem=str(error))
    ids = any("metadata_" in one.name for one in shards)
    return Seen(name, "vectors", tuple(arrays), ids=ids)


def _look(source: Source, limits: Limits) -> Seen:
    name, suffix = source.name, _suffix(source.name)
    if name.lower().endswith(SESSION):
        return Seen(name, "session")
    if name.lower().endswith(BENCH):
        raise FormatError(f"{name} is a bench of encoders, which is opened on the page Encoders.")
    folder = source.path if source.path is not None and source.path.is_dir() else None
    known = folder is not None and (files_in(folder) or (folder / "img_emb").is_dir())
    if is_picture(name) or suffix == ".zip" or (folder is not None and not known):
        from anisoalign_core.encode.images import ImageLimits
        from anisoalign_core.encode.search import find_images

        try:
            count = len(find_images([source], ImageLimits()))
        except FormatError as error:
            if suffix != ".zip":
                raise
            words = "Embeddings are not read from a zip: unpack it, and drop its folder."
            raise FormatError(f"{error} {words}") from error
        return Seen(name, "pictures", count=count, ids=True)
    if (suffix not in LINES and suffix != ".parquet") or folder is not None:
        return _vectors(source, limits, folder)
    problem: AnisoAlignError | None = None
    if suffix in (*TABLES, ".parquet"):
        try:
            found = _vectors(source, limits, None)
            if "caption" not in found.columns.values() or max(a.dim for a in found.arrays) > 3:
                return found
        except AnisoAlignError as error:
            problem = error
    try:
        return _words(source, ids=problem is None or isinstance(problem, NoVectors))
    except AnisoAlignError as error:
        raise (problem or error) from error


def _vectors(source: Source, limits: Limits, folder: Path | None) -> Seen:
    """Open a file of vectors: names, rows and dimensions of its arrays."""
    inside = [] if folder is None else files_in(folder)
    found = Source(source.name, inside[0]) if len(inside) == 1 else source
    opened: Any = format_of(found).open(found, limits)
    arrays, model, modality = [], "", ""
    for key in opened.keys:
        head = getattr(opened, "head", None)
        shape, metadata = (None, {}) if head is None else head(key)
        table = None if shape is None else table_shape(shape)
        if table is None:
            facts = opened.facts(key)  # which also says what is wrong with one that is no table
            table, metadata = (facts.rows, facts.dim), facts.metadata
        arrays.append(Array(key, *table))
        model = model or str(metadata.get("model", ""))
        modality = modality or str(metadata.get("modality", ""))
    if not arrays:
        raise FormatError(f"{source.name} holds no array of numbers with rows and columns.")
    columns = dict(getattr(opened, "meanings", dict)())
    keys = {one.key for one in arrays}
    if keys >= set(PAIR_KEYS):
        both = tuple(one for key in PAIR_KEYS for one in arrays if one.key == key)
        return Seen(source.name, "pair", both, ids=True)
    ids = "id" in columns.values() or keys == {BY_ID}
    ids = ids or (folder is not None and (folder / "metadata").is_dir())
    return Seen(
        source.name,
        "vectors",
        tuple(arrays),
        ids=ids,
        model=model,
        inside=modality if len(arrays) == 1 else "",
        columns=columns,
    )


def captions_of(source: Source) -> Captions:
    """Read captions; also from a Parquet table, as clip-retrieval keeps them beside its vectors.

    Raises
    ------
    FormatError, LimitError
    """
    limits = Limits.from_env()
    if _suffix(source.name) != ".parquet":
        return read_captions(source, limits)
    about = parquet.open_table(source, limits).about()
    if about.captions is None:
        raise FormatError(
            f"{source.name} holds neither vectors nor captions. Name a column of lists of numbers "
            "embedding, or one of text caption."
        )
    names = None if about.ids is None else tuple(about.ids)
    return Captions(source.name, names, tuple(about.captions))


def _words(source: Source, ids: bool) -> Seen:
    """Tell captions from ids: by the name, else ids are unlike each other and have no spaces."""
    name = source.name
    words = re.findall("[a-z]+", PurePosixPath(name).stem.lower())
    ids_named = any(IDS_WORDS.fullmatch(word) for word in words)
    captions_named = any(CAPTION_WORDS.fullmatch(word) for word in words)
    captions_named = captions_named or (not ids_named and any("text" in said(w) for w in words))
    found: Captions | None = None
    problem: AnisoAlignError | None = None
    try:
        found = captions_of(source)
    except AnisoAlignError as error:
        problem = error
    if found is not None and found.names is None and not captions_named:
        like_ids = len(set(found.texts)) == len(found.texts) and not any(
            " " in text for text in found.texts
        )
        found = None if ids_named or like_ids else found
    if found is not None:
        names = found.names or ()
        numbered = bool(names) and all(one.isdigit() for one in names)
        return Seen(name, "captions", count=len(found.texts), ids=bool(names), numbered=numbered)
    if problem is not None and (captions_named or not ids):
        raise problem
    try:
        if problem is not None and not ids_named and _suffix(name) in TABLES:
            rows = cells(read_text(source, Limits.from_env()), source)[0]
            titles = next(rows, (0, list[str]()))[1]
            if not any(meaning(title) == "id" for title in titles):
                raise problem
        return Seen(name, "ids", count=len(read_ids(source)))
    except AnisoAlignError as error:
        raise (problem or error) from error
