"""Folders of models as the Hugging Face hub has them: on this machine, or fetched from there."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

from anisoalign_core.encode.configs import NAME
from anisoalign_core.encode.registry import count_parameters, quiet_logs
from anisoalign_core.encode.weights import reach
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.digests import file_digest, list_digest
from anisoalign_core.files.source import first_line, malformed, printable, readable
from anisoalign_core.io.torch_file import DAMAGE, load_plain

REVISION = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*", re.ASCII)
WORDS = (".json", ".txt", ".model", ".jinja")
"""Configurations and vocabularies; code is never fetched."""
SAFE, PICKLED = "*.safetensors", "pytorch_model*.bin"
"""Names of weights; of the second kind only where a folder has none of the first."""
INDEX = f"{SAFE}.index.json"
Part = TypeVar("Part", bound=PurePath)
APART = ("onnx", "openvino", "coreml")
"""Folders of a model's versions for other programs."""


@dataclass(frozen=True)
class ModelFolder:
    """A folder with a model's configuration and weights.

    Attributes
    ----------
    path : Path
    name : str
        On the hub, or the folder's own.
    revision : str or None
        The commit that was fetched.
    weights : tuple of Path
        Files of weights: ``.safetensors``, or ``.bin`` of plain tensors where there are none.
    """

    path: Path
    name: str
    revision: str | None
    weights: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(file.stat().st_size for file in self.weights)

    @property
    def safe(self) -> bool:
        """Whether the weights are ``.safetensors``."""
        return all(fnmatchcase(file.name, SAFE) for file in self.weights)

    def about(self) -> dict[str, Any]:
        """Return what embeddings depend on of it: names, commit and digest of the weights.

        Of several files the digest is that of the lines that ``xxh128sum`` writes of them.
        """
        digests = {one.relative_to(self.path).as_posix(): file_digest(one) for one in self.weights}
        if len(digests) == 1:
            [(file, digest)] = digests.items()
            return {"tag": self.revision, "file": file, "digest": digest}
        return {"tag": self.revision, "files": digests, "digest": list_digest(digests)}

    def check_size(self, model: Any) -> None:
        """Refuse a model, built without memory, that has more parameters than there are bytes."""
        count = count_parameters(model)
        if count > self.size:
            raise FormatError(
                f"{self.name} declares {count:,} parameters, and its weights have {self.size:,} "
                "bytes, so they cannot be its own. Download or copy it again."
            )


def model_folder(
    name: str | None, revision: str | None, folder: Path | None, *, strict: bool = False
) -> ModelFolder:
    """Return a folder of a model: a local one, or one of the hub, downloaded once and kept.

    With ``strict``, every ``.bin`` must hold tensors alone, not only those of the weights: for
    libraries that let a model's own configuration say what is read.

    Raises
    ------
    ParameterError
        If neither or both are given, or the name is none of the hub's.
    FormatError
        If the folder holds no model, or weights that could run code.
    AnisoAlignError
        If the hub's cannot be had: why, and what to do.
    """
    if (name is None) == (folder is None):
        raise ParameterError(
            "Say which model is meant: its name on the Hugging Face hub (--model OWNER/NAME), or a "
            "local folder with checkpoint= (--checkpoint FOLDER); one of them."
        )
    if folder is not None:
        if revision is not None:
            raise ParameterError(
                f'A folder has no revisions, and "{printable(revision, 60)}" asks for one. Leave '
                "pretrained (--pretrained) out."
            )
        return _checked(folder, folder.resolve().name, None, strict)
    assert name is not None  # noqa: S101  (narrows)
    place, commit = _fetched(name, revision)
    return _checked(place, name, commit, strict)


def hub_bytes(name: str, revision: str | None = None) -> int:
    """Return how many bytes of a model of the hub are read, before anything is downloaded.

    Raises
    ------
    ParameterError, AnisoAlignError
        As :func:`model_folder`.
    """
    found = _listed_or_kept(name, revision)
    if isinstance(found, Path):
        return sum((found / file).stat().st_size for file in _files(found))
    return sum(found.sizes[file] for file in (*found.weights, *found.words))


@dataclass(frozen=True)
class _Listing:
    commit: str
    sizes: dict[str, int]
    weights: tuple[str, ...]
    words: tuple[str, ...]


def _listed(name: str, revision: str | None) -> _Listing:
    """Ask the hub which files a model has."""
    from huggingface_hub import HfApi, constants

    if not NAME.fullmatch(name):
        raise ParameterError(
            f'"{printable(name, 80)}" is no name of a model on the Hugging Face hub; those are '
            "like OWNER/NAME. Give a local folder with checkpoint= (--checkpoint FOLDER)."
        )
    if revision is not None and not REVISION.fullmatch(revision):
        raise ParameterError(
            f'"{printable(revision, 80)}" is no revision of a model: give a branch, tag or commit '
            "with pretrained= (--pretrained)."
        )
    try:
        reach(constants.ENDPOINT)
        with quiet_logs():
            found = HfApi().model_info(name, revision=revision, files_metadata=True)
    except Exception as error:  # whatever the hub's client raises
        raise _not_had(name, revision, error) from error
    sizes = {one.rfilename: int(one.size or 0) for one in found.siblings or ()}
    files = _together([PurePosixPath(file) for file in sizes])
    words = tuple(file for file in map(str, files) if file.endswith(WORDS))
    return _Listing(str(found.sha), sizes, tuple(map(str, _weights(files))), words)


def _files(place: Path) -> list[Path]:
    return _together(file.relative_to(place) for file in place.rglob("*") if file.is_file())


def _together(files: Iterable[Part]) -> list[Part]:
    """Return the files that are not of a version for another program."""
    return sorted(file for file in files if not set(file.parts[:-1]) & set(APART))


def _weights(files: Sequence[Part]) -> list[Part]:
    """Return the files of weights, folder by folder."""
    safe = [file for file in files if fnmatchcase(file.name, SAFE)]
    folders = {file.parent for file in safe}
    pickled = [file for file in files if fnmatchcase(file.name, PICKLED)]
    return sorted([*safe, *(file for file in pickled if file.parent not in folders)])


def _listed_or_kept(name: str, revision: str | None) -> _Listing | Path:
    """Ask the hub; where it cannot be asked, return what this machine keeps of the model."""
    from huggingface_hub import snapshot_download

    try:
        return _listed(name, revision)
    except ParameterError:
        raise
    except AnisoAlignError as refused:
        try:
            return Path(snapshot_download(name, revision=revision, local_files_only=True))
        except Exception:  # it is not there either: the first reason is the one to tell
            raise refused from refused.__cause__


def _fetched(name: str, revision: str | None) -> tuple[Path, str]:
    """Download what a model needs, or find it in this machine's cache where there is no network."""
    from huggingface_hub import snapshot_download

    found = _listed_or_kept(name, revision)
    if isinstance(found, Path):
        return found, found.name
    wanted = [*found.weights, *found.words]
    try:
        with quiet_logs():
            place = snapshot_download(name, revision=found.commit, allow_patterns=wanted)
    except Exception as error:  # whatever the hub's client raises
        raise _not_had(name, revision, error) from error
    return Path(place), found.commit


def _not_had(name: str, revision: str | None, error: Exception) -> AnisoAlignError:
    inner = getattr(error, "reason", None)
    reason = first_line(inner if isinstance(inner, BaseException) else error)
    at = f" at {printable(revision, 60)}" if revision else ""
    return AnisoAlignError(
        f"The model {name}{at} could not be had from the Hugging Face hub ({reason}). Check the "
        "name and the connection, or give a local folder with checkpoint= (--checkpoint FOLDER)."
    )


def _checked(place: Path, name: str, revision: str | None, strict: bool) -> ModelFolder:
    with readable(place.name):
        if not place.is_dir():
            raise FormatError(
                f"{place} is no folder. Give one that save_pretrained wrote, with the "
                "configuration, the weights and the tokenizer."
            )
        files = _files(place)
    weights = [place / file for file in _weights(files)]
    if not weights:
        raise FormatError(
            f"{place.name} holds no weights: no file is called {SAFE} or {PICKLED}. Give a folder "
            "that save_pretrained wrote."
        )
    for file in files:
        if file.suffix == ".bin" and (place / file in weights or strict):
            _only_tensors(place / file)
    missing = [
        one
        for index in files
        if fnmatchcase(index.name, INDEX)
        for one in _named_by(place / index)
        if not one.is_file()
    ]
    if missing:
        raise FormatError(
            f"{name} lacks {missing[0].name}, which its index of weights names. Copy or download "
            "it again."
        )
    return ModelFolder(place, name, revision, tuple(weights))


def _named_by(index: Path) -> list[Path]:
    """Return the files that an index of weights of the kind that is used names."""
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return sorted(index.parent / PurePosixPath(name).name for name in names)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{index.name} is no index of weights: {first_line(error)}.") from error


def _only_tensors(file: Path) -> None:
    """Refuse a file of weights that holds more than tensors, whoever is to read it afterwards."""
    errors = (RuntimeError, ValueError, TypeError, AttributeError)
    with readable(file.name), malformed(file.name, "a PyTorch file", *errors, *DAMAGE):
        try:
            load_plain(file)
        except pickle.UnpicklingError as error:
            raise FormatError(
                f"{file.name} holds Python objects besides tensors, which are never loaded because "
                f"they can run code. Take the model's .safetensors version, without this file."
            ) from error
