"""What search tools keep: the cache of the massive text embedding benchmark, and FAISS indexes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits, check_declared, check_text_size
from anisoalign_core.files.places import is_local
from anisoalign_core.files.source import Source, malformed
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.format import Format, WholeFile

VECTORS, DIMENSION, INDEX = "vectors.npy", "dimension", "index.json"
"""The cache: raw float32 rows without a header, their length, and which row each digest has."""


def cache_in(folder: Path) -> list[Path]:
    """Return the file of a cache's vectors; none where the folder is no such cache."""
    there = all((folder / name).is_file() for name in (VECTORS, DIMENSION, INDEX))
    return [folder / VECTORS] if there else []


def is_cache(path: Path) -> bool:
    """Whether a file is the vectors of a cache."""
    return path.name == VECTORS and bool(cache_in(path.parent))


def open_cache(source: Source, limits: Limits) -> WholeFile:
    """Read the rows of a cache that its index names; their digests are the ids.

    Raises
    ------
    FormatError, LimitError
    """
    if source.path is None:
        raise FormatError(f"{source.name} belongs to a folder and cannot be read from an upload.")
    name, folder = source.name, source.path.parent
    texts = {}
    for part in (DIMENSION, INDEX):
        beside = Source(f"{folder.name}/{part}", folder / part)
        check_text_size(beside.size, beside.name, Limits.from_env())
        with beside.open() as stream:
            texts[part] = stream.read()
    errors = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
    with malformed(name, "a cache of embeddings", *errors):
        dim = int(texts[DIMENSION])
        places = {str(key): int(row) for key, row in json.loads(texts[INDEX]).items()}
        rows = np.array(sorted(places.values()), dtype=np.intp)
        if dim < 1 or source.size % (4 * dim) or (np.diff(rows) == 0).any():
            raise ValueError(f"{source.size:,} bytes are no rows of {dim} numbers, one for each id")
        if len(rows) and not 0 <= rows[0] <= rows[-1] < source.size // (4 * dim):
            raise ValueError("its index names rows that are not there")
    check_declared(len(rows), dim, 4, name, Limits.from_env())

    def read(key: str) -> tuple[Chunk, dict[str, str]]:
        with source.open() as stream:
            held = np.frombuffer(
                stream.read((int(rows[-1]) + 1 if len(rows) else 0) * 4 * dim), "<f4"
            )
        order = sorted(places, key=places.__getitem__)
        return Chunk(held.reshape(-1, dim)[rows], About(np.array(order, dtype=object))), {}

    return WholeFile(name, ("vectors",), read)


def open_index(source: Source, limits: Limits) -> WholeFile:
    """Read the vectors of a flat FAISS index through faiss, where it is installed.

    Raises
    ------
    FormatError
        If faiss is not installed, or the index does not keep the vectors themselves.
    LimitError
    """
    if source.path is None or not is_local(source.path):
        raise FormatError(f"{source.name} is a FAISS index, which is read from this disk only.")
    try:
        faiss: Any = import_module("faiss")  # it has no types
    except ImportError as error:
        raise FormatError(
            f"{source.name} is a FAISS index, and faiss is not installed. Install it (pip install "
            'faiss-cpu), or save the vectors: np.save("embeddings.npy", '
            "index.reconstruct_n(0, index.ntotal))."
        ) from error
    with malformed(source.name, "a FAISS index", RuntimeError, ValueError, MemoryError):
        outer: Any = faiss.read_index(str(source.path))
    ids, index = None, outer
    if hasattr(outer, "id_map"):
        ids = np.array([str(key) for key in faiss.vector_to_array(outer.id_map)], dtype=object)
        index = faiss.downcast_index(outer.index)
    kind = type(index).__name__
    if not kind.startswith("IndexFlat"):
        raise FormatError(
            f"{source.name} is a FAISS index of the kind {kind}, which does not keep the vectors "
            "as they were. Save the embeddings themselves as .npy."
        )
    check_declared(index.ntotal, index.d, 4, source.name, Limits.from_env())
    chunk = Chunk(index.reconstruct_n(0, index.ntotal), About(ids))
    return WholeFile(source.name, ("vectors",), lambda key: (chunk, {}))


CACHE = Format(
    "mteb-cache",
    (".npy",),
    "cache folder of the massive text embedding benchmark, read only",
    open_cache,
    uploads=False,
    folder=True,
    inside=cache_in,
)
FAISS = Format(
    "faiss", (".faiss", ".index"), "flat FAISS index, read only", open_index, uploads=False
)
