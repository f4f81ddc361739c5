"""Every supported format, and how a name chooses among them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Source, pickle_error, printable
from anisoalign_core.io import (
    clip_retrieval,
    datasets,
    delimited,
    indexes,
    npy,
    npz,
    parquet,
    revision,
    safetensors,
    torch_file,
)
from anisoalign_core.io.format import Format, Writer

FORMATS: dict[str, Format] = {
    "npy": npy.FORMAT,
    "npz": npz.FORMAT,
    "safetensors": safetensors.FORMAT,
    "parquet": parquet.FORMAT,
    "torch": torch_file.FORMAT,
    "csv": delimited.CSV,
    "tsv": delimited.TSV,
    "clip-retrieval": clip_retrieval.FORMAT,
    "revision": revision.FORMAT,
    "datasets": datasets.FORMAT,
    "mteb-cache": indexes.CACHE,
    "faiss": indexes.FAISS,
}
"""Every format by name. The first of a suffix is meant by a file that has it."""


def by_suffix(suffix: str) -> Format | None:
    """Return the format of files with a suffix, in any case, if there is one."""
    return next((each for each in FORMATS.values() if suffix.lower() in each.suffixes), None)


def suffix_of(name: str) -> str:
    """Return the suffix that tells a file's format, in lower case: ``.csv``, ``.csv.gz``."""
    parts = PurePosixPath(name.lower()).suffixes
    return "".join(parts[-2:] if parts[-1:] == [".gz"] else parts[-1:])


def suffixes(*, uploads: bool = False, written: bool = False, several: bool = False) -> list[str]:
    """Return the suffixes of all formats, or of those that can do what is asked.

    Parameters
    ----------
    uploads : bool
        Only of files that are read from uploads.
    written : bool
        Only of single files that are written.
    several : bool
        Only of files that can hold both sides.
    """
    found = [
        suffix
        for each in FORMATS.values()
        if (each.uploads or not uploads)
        and (not written or (each.write is not None and not each.folder))
        and (each.several or not several)
        for suffix in each.suffixes
    ]
    return list(dict.fromkeys(found))


def streamed() -> dict[str, Format]:
    """Return the formats that are written piece by piece, by name."""
    return {name: each for name, each in FORMATS.items() if each.streams and each.write}


def files_in(folder: Path) -> list[Path]:
    """Return the files of vectors in a folder that some tool writes so; none in any other.

    Raises
    ------
    FormatError
        If it is such a folder and cannot be read as one.
    """
    for each in FORMATS.values():
        found = [] if each.inside is None else list(each.inside(folder))
        if found:
            return found
    return []


def file_format(path: Path) -> Format | None:
    """Return the format of a file by its name, and by what lies beside it."""
    return indexes.CACHE if indexes.is_cache(path) else by_suffix(suffix_of(path.name))


def format_of(source: Source) -> Format:
    """Return the format that a source's suffix names; folders are clip-retrieval's or datasets'.

    Raises
    ------
    FormatError
    """
    path = source.path
    if path is not None and path.is_dir():
        return datasets.FORMAT if datasets.files_in(path) else clip_retrieval.FORMAT
    found = by_suffix(suffix_of(source.name)) if path is None else file_format(path)
    if found is not None and found.loads and (found.uploads or path is not None):
        return found
    if found is not None and found.loads:
        raise FormatError(
            f"{source.name} is read from disk only ({found.description}). Save the vectors as .npy."
        )
    if found is not None or suffix_of(source.called) in (".pickle", ".joblib"):
        refused = pickle_error(source.name)
        if found is None:
            raise refused
        raise FormatError(
            f"{refused} ReVision chunks are read by the command line and open_shards."
        )
    raise FormatError(
        f"{source.name} has no known suffix. Known are {', '.join(suffixes(uploads=True))}, and "
        "folders that clip-retrieval wrote."
    )


def writer_of(suffix: str, name: str) -> tuple[Format, Writer]:
    """Return the format and writer of single files with a suffix.

    Raises
    ------
    FormatError
    """
    found = by_suffix(suffix)
    if found is not None and found.write is not None and not found.folder:
        return found, found.write
    raise FormatError(
        f'{name} cannot be written: "{printable(suffix, 20)}" is not among '
        f"{', '.join(suffixes(written=True))}. A name without suffix makes a clip-retrieval folder."
    )
