"""Every supported format: what it is called, and who reads and writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source, pickle_error, printable
from anisoalign_core.io import (
    clip_retrieval,
    delimited,
    lines,
    npy,
    npz,
    parquet,
    safetensors,
    torch_file,
)
from anisoalign_core.io.tables import Payload, RawTable

Writer = Callable[[BinaryIO, Payload], None]


@dataclass(frozen=True)
class Format:
    """One way to keep embeddings in a file or folder.

    Attributes
    ----------
    name : str
    suffixes : tuple of str
        Lower case, with the dot; empty for a folder.
    description : str
        One line for a person who chooses.
    keys : callable (source, limits) -> tuple of str
        Names of the arrays that can be embeddings.
    reader : callable (source, limits, key) -> RawTable
    writer : callable (stream, payload) or None
        None where the format is only read, or is a folder.
    beside : callable (payload, path) -> dict of Path to bytes, or None
        Files that are written next to the file, for what it cannot hold itself.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    keys: Callable[[Source, Limits], tuple[str, ...]]
    reader: Callable[[Source, Limits, str], RawTable]
    writer: Writer | None = None
    beside: Callable[[Payload, Path], dict[Path, bytes]] | None = None


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            "npy",
            (".npy",),
            "NumPy array (the default): vectors; ids and captions in text files beside",
            npy.keys,
            npy.read,
            npy.write,
            lines.sidecars,
        ),
        Format(
            "npz",
            (".npz",),
            "NumPy archive: one or more arrays with ids, captions and labels",
            npz.keys,
            npz.read,
            npz.write,
        ),
        Format(
            "safetensors",
            (".safetensors",),
            "Safetensors: vectors and metadata; ids and captions in text files beside",
            safetensors.keys,
            safetensors.read,
            safetensors.write,
            lines.sidecars,
        ),
        Format(
            "parquet",
            (".parquet",),
            "Parquet table: ids, captions, vectors, labels; Embedding Atlas opens it",
            parquet.keys,
            parquet.read,
            parquet.write,
        ),
        Format(
            "torch",
            (".pt", ".pth"),
            "PyTorch tensors, read only",
            torch_file.keys,
            torch_file.read,
        ),
        Format(
            "csv",
            (".csv",),
            "Comma-separated text for small sets, read only",
            delimited.keys,
            delimited.read,
        ),
        Format(
            "tsv",
            (".tsv",),
            "Tab-separated vectors with a metadata file, for the TensorBoard projector",
            delimited.keys,
            delimited.read,
            delimited.write_tsv,
            delimited.metadata_file,
        ),
        Format(
            "clip-retrieval",
            (),
            "Folder as written by clip-retrieval: float16 shards of images, texts and metadata",
            clip_retrieval.keys,
            clip_retrieval.read,
        ),
    )
}
"""Every format by name."""

FOLDER = FORMATS["clip-retrieval"]


def format_of(source: Source) -> Format:
    """Return the format that a source's suffix names; folders are clip-retrieval's.

    Raises
    ------
    FormatError
    """
    if source.path is not None and source.path.is_dir():
        return FOLDER
    called = source.name if source.path is None else source.path.name
    suffix = PurePosixPath(called).suffix.lower()
    found = next((each for each in FORMATS.values() if suffix in each.suffixes), None)
    if found is not None:
        return found
    if suffix in (".pkl", ".pickle", ".joblib"):
        refused = pickle_error(source.name)
        if suffix == ".pkl":
            raise FormatError(
                f"{refused} ReVision chunks are read by the command line and open_shards."
            )
        raise refused
    known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
    raise FormatError(
        f"{source.name} has no known suffix. Known are {known}, and folders that clip-retrieval "
        "wrote."
    )


def writer_of(suffix: str, name: str) -> tuple[Format, Writer]:
    """Return the format and writer that a suffix names.

    Raises
    ------
    FormatError
    """
    for each in FORMATS.values():
        if suffix.lower() in each.suffixes and each.writer is not None:
            return each, each.writer
    known = ", ".join(s for each in FORMATS.values() if each.writer for s in each.suffixes)
    raise FormatError(
        f'{name} cannot be written: "{printable(suffix, 20)}" is not among {known}. A name '
        "without suffix makes a clip-retrieval folder."
    )
