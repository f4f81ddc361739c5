"""From an :class:`EmbeddingSet` to a file, a folder or the bytes of a download."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.files.atomic import PlainStream, atomic_files
from anisoalign_core.io import clip_retrieval
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.registry import writer_of
from anisoalign_core.numerics import blocks

Dtype = Literal["float32", "float16"]


def save(
    embedding_set: EmbeddingSet,
    path: str | Path,
    *,
    dtype: Dtype = "float32",
    metadata: Mapping[str, object] | None = None,
    projection: npt.ArrayLike | None = None,
) -> Path:
    """Write a set in the format that the suffix names: whole or not at all.

    =================  ===========================================================================
    ``.npy``           vectors; ids in ``<stem>.ids.txt`` and captions in ``<stem>.captions.txt``
                       when the set has them
    ``.npz``           uncompressed; key = modality, with ids, captions, labels, metadata
    ``.safetensors``   tensor named after the modality, metadata; ids and captions as for ``.npy``
    ``.parquet``       ``id``, ``caption``, ``embedding``, labels, projection, metadata
    ``.tsv``           vectors; ids, captions and labels in ``<stem>.metadata.tsv``
    no suffix          clip-retrieval folder, always float16; a second set completes the folder
    =================  ===========================================================================

    The same set gives the same bytes.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    path : str or Path
    dtype : {"float32", "float16"}
        :func:`float16_error` measures what float16 costs.
    metadata : mapping, optional
        Kept as text where the format has room, besides modality, model and digest.
    projection : (n, 2) array, optional
        Written to ``.parquet`` as ``projection_x`` and ``projection_y``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    FormatError
        If the suffix is unknown or the format cannot hold the ids.
    ParameterError, ShapeError
        If ``dtype`` or ``projection`` is not as described.
    PlaceError
        If the disk is full, or the place may not be written to.
    """
    path = Path(path)
    if not path.suffix or path.is_dir():
        chunk, _ = _chunk(embedding_set, "float16", metadata, projection)
        return clip_retrieval.write(chunk.array, chunk.about, embedding_set.modality, path)
    chosen, write = writer_of(path.suffix, path.name)
    chunk, described = _chunk(embedding_set, dtype, metadata, projection)
    beside = chosen.beside(chunk.about, path) if chosen.beside is not None else {}
    with atomic_files() as files:
        with files.add(path).open("wb") as stream:
            plain = cast(BinaryIO, PlainStream(stream))
            write(plain, [chunk], embedding_set.modality, described, len(embedding_set))
        for companion, text in beside.items():
            files.add(companion).write_bytes(text)
    return path


def to_bytes(
    embedding_set: EmbeddingSet,
    suffix: str,
    *,
    dtype: Dtype = "float32",
    metadata: Mapping[str, object] | None = None,
    projection: npt.ArrayLike | None = None,
) -> bytes:
    """Return what :func:`save` would write as one file, without the files beside it.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    suffix : str
        Such as ``".npz"``.
    dtype, metadata, projection
        As in :func:`save`.

    Raises
    ------
    FormatError, ParameterError, ShapeError
    """
    _, write = writer_of(suffix, f"embeddings{suffix}")
    chunk, described = _chunk(embedding_set, dtype, metadata, projection)
    write(stream := io.BytesIO(), [chunk], embedding_set.modality, described, len(embedding_set))
    return stream.getvalue()


def float16_error(vectors: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Measure what storing unit rows as float16 costs.

    Parameters
    ----------
    vectors : (n, d) float

    Returns
    -------
    largest : float
        ``max |x − x₁₆|`` over all entries.
    angular : float
        ``max 1 − cos(x, x₁₆)`` over the rows.
    """
    largest = angular = 0.0
    for part in blocks(len(vectors)):
        exact = np.asarray(vectors[part], dtype=np.float64)
        rounded = exact.astype(np.float16).astype(np.float64)
        difference = rounded - exact
        largest = max(largest, float(np.abs(difference).max(initial=0.0)))
        a, b = np.linalg.norm(exact, axis=1), np.linalg.norm(rounded, axis=1)
        # 1 − cos = (‖x − y‖² − (‖x‖ − ‖y‖)²) / (2 ‖x‖ ‖y‖) without cancellation
        gap = np.einsum("ij,ij->i", difference, difference) - (a - b) ** 2
        angular = max(angular, float((gap / (2 * a * b)).max(initial=0.0)))
    return largest, angular


def _chunk(
    embedding_set: EmbeddingSet,
    dtype: str,
    metadata: Mapping[str, object] | None,
    projection: npt.ArrayLike | None,
) -> tuple[Chunk, dict[str, str]]:
    """Return the rows with what is said of them, and the metadata."""
    if dtype not in ("float32", "float16"):
        raise ParameterError(f'dtype is "{dtype}"; choose "float32" or "float16".')
    rows = len(embedding_set)
    plane = None if projection is None else np.asarray(projection, dtype=np.float32)
    if plane is not None and plane.shape != (rows, 2):
        raise ShapeError(f"The projection has shape {plane.shape}, not ({rows}, 2).")
    provenance = embedding_set.provenance
    described: dict[str, object] = {
        "modality": embedding_set.modality,
        "digest": embedding_set.digest,
        "normalised": "true",
    }
    if provenance.model is not None:
        described["model"] = provenance.model
    ids = embedding_set.ids
    numbered = provenance.ids_are_rows and ids.tolist() == [str(row) for row in range(rows)]
    about = About(
        None if numbered else ids,
        embedding_set.captions,
        embedding_set.labels,
        projection=plane,
    )
    text = {key: str(value) for key, value in (described | dict(metadata or {})).items()}
    return Chunk(embedding_set.vectors.astype(dtype, copy=False), about), text
