"""Saving what is fitted and reading it back: no pickle, and nothing but fitted state is set.

Aligners are written and read here; scorers (:mod:`anisoalign_core.scoring`) by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.align.base import Aligner
from anisoalign_core.align.sketch import check_sketch
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, FormatError, InvalidRowsError
from anisoalign_core.matrices import Matrix, SpanMatrix, from_arrays, to_arrays

if TYPE_CHECKING:
    from anisoalign_core.files.source import Source

FORMAT = "anisoalign"
FORMAT_VERSION = 1
SPANS_VERSION = 2
"""Of files with matrices held on a span, which a reader of version 1 refuses by its number."""
UNLIMITED = 2**62
NAMES = "feature_names_in_"
"""Names of the columns of a table that was fitted: the one array of text."""


def write_aligner(method: Aligner, path: Path) -> Path:
    """Write a fitted aligner; see :meth:`Aligner.save`."""
    return write_fitted(method, path, FORMAT)


def write_fitted(method: Any, path: Path, form: str) -> Path:
    """Write what has a name, plain parameters and fitted attributes, whole or not at all.

    Parameters
    ----------
    method : Aligner or Scorer
        Its ``parts`` are the fitted attributes that are dataclasses of arrays.
    path : Path
    form : str
        What the file says that it is.
    """
    from anisoalign_core.files.atomic import atomic_path

    scalars: dict[str, Any] = {}
    matrices: dict[str, Matrix] = {}
    for key, value in sorted(vars(method).items()):
        if not key.endswith("_"):
            continue
        if key in method.parts and value is not None:
            for part in fields(value):
                entry = getattr(value, part.name)
                if entry is not None:
                    matrices[f"{key}.{part.name}"] = entry
        elif key == NAMES:
            scalars[key] = value.tolist()
        elif isinstance(value, np.ndarray | SpanMatrix):
            matrices[key] = value
        else:
            scalars[key] = value
    header: dict[str, Any] = {
        "format": form,
        "format_version": FORMAT_VERSION,
        "method": method.name,
        "parameters": method.plain_params(),
        "fitted": scalars,
    }
    arrays: dict[str, npt.NDArray[Any]] = {}
    for key, matrix in matrices.items():
        arrays |= to_arrays(key, matrix)
    spans = [key for key, value in matrices.items() if isinstance(value, SpanMatrix)]
    if spans:  # several may be held on one basis, which is written once
        first = {id(array): key for key, array in reversed(arrays.items())}
        same = {key: first[id(array)] for key, array in arrays.items() if first[id(array)] != key}
        header |= {"format_version": SPANS_VERSION, "spans": spans, "same": same}
        arrays = {key: array for key, array in arrays.items() if key not in same}
    text = json.dumps(header, sort_keys=True).encode()
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, header=np.frombuffer(text, dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    return path


def load_aligner(path: str | Path | Source) -> Aligner:
    """Read a fitted aligner that :meth:`Aligner.save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : str, Path or Source
        A file, or its bytes under a name.

    Raises
    ------
    FormatError
        If the file is not such a model.
    LimitError
        If it declares more bytes than the limits allow.
    ShapeError, ParameterError
        If its parts do not fit together, or a parameter is outside its range.
    """
    from anisoalign_core.align.methods import ALIGNERS

    found: Aligner = read_fitted(path, FORMAT, ALIGNERS, _complete)
    return found


def read_fitted(
    path: str | Path | Source,
    form: str,
    known: Mapping[str, Any],
    complete: Callable[[Any, dict[str, Matrix], dict[str, Any]], None],
) -> Any:
    """Read what :func:`write_fitted` wrote.

    Parameters
    ----------
    path : str, Path or Source
    form : str
        What the file must say that it is.
    known : mapping of name to class
    complete : callable(method, arrays, scalars)
        Sets fitted state (:func:`set_fitted`), and raises where it does not fit together.

    Raises
    ------
    FormatError, LimitError, ShapeError, ParameterError
        As :func:`load_aligner`.
    """
    from anisoalign_core.files.limits import Limits
    from anisoalign_core.files.source import Source, printable
    from anisoalign_core.io.npz import read_members

    if isinstance(path, Source):
        source, name = path, path.name
    else:
        path = Path(path)
        if not path.is_file():
            raise FormatError(f"There is no model file at {path.name}. Check the path.")
        source, name = Source(printable(path.name), path), path.name
    limits = replace(Limits.from_env(), max_rows=UNLIMITED, max_dim=UNLIMITED)  # bytes count
    try:
        arrays = read_members(source, limits, "header")
    except FormatError as error:
        raise FormatError(f"{name} is not a model saved by this library. {error}") from error
    try:
        header = json.loads(arrays.pop("header").tobytes())
        versions = (FORMAT_VERSION, SPANS_VERSION)
        if header["format"] != form or header["format_version"] not in versions:
            raise FormatError(
                f"{name} was written by another version of this library, or is no file of the "
                f"kind {form}."
            )
        method = known[header["method"]].of(header["parameters"])
        complete(method, _matrices(arrays, header), header["fitted"])
    except AnisoAlignError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise FormatError(_no_model(name, type(error).__name__)) from error
    except RecursionError as error:
        raise FormatError(_no_model(name, "it is nested too deeply")) from error
    return method


def _matrices(arrays: dict[str, npt.NDArray[Any]], header: dict[str, Any]) -> dict[str, Matrix]:
    """Arrays of a file, once more where it says so, and matrices on a span made of theirs."""
    for key, value in arrays.items():
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{key} holds no numbers")
    found = arrays | {key: arrays[first] for key, first in header.get("same", {}).items()}
    spans = {name: from_arrays(name, found) for name in header.get("spans", ())}
    return found | spans


def set_fitted(
    method: Any, arrays: dict[str, Matrix], scalars: dict[str, Any]
) -> tuple[dict[str, Matrix], dict[str, Any]]:
    """Set fitted attributes, and nothing else, to what a file says.

    Returns
    -------
    whole, made : dict
        Attributes that are arrays, and those that are dataclasses of them.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a name is no fitted attribute's, or a part is not whole or not finite.
    """
    parts: dict[str, dict[str, Any]] = {}
    for key, value in arrays.items():
        owner, dot, part = key.partition(".")
        if dot:
            known = (value.basis, value.inner) if isinstance(value, SpanMatrix) else (value,)
            if not all(np.isfinite(one).all() for one in known):
                raise ValueError(f"{key} is not finite")
            parts.setdefault(owner, {})[part] = value
    whole = {key: value for key, value in arrays.items() if "." not in key}
    made = {owner: method.parts[owner](**entries) for owner, entries in parts.items()}
    for key, value in (scalars | whole | made).items():
        if not key.isidentifier() or not key.endswith("_") or key.startswith("_"):
            raise KeyError(key)
        if callable(getattr(type(method), key, None)):
            raise KeyError(key)
        if key in method.parts and key not in made and value is not None:
            raise TypeError(f"{key} is not whole")
        setattr(method, key, np.array(value, dtype=object) if key == NAMES else value)
    return whole, made


def _complete(method: Aligner, arrays: dict[str, Matrix], scalars: dict[str, Any]) -> None:
    """Set an aligner's fitted attributes, and try them."""
    whole, made = set_fitted(method, arrays, scalars)
    if "sketch_" in whole:
        check_sketch(np.asarray(whole["sketch_"]))
    if scalars.get("fitted_on_") is not None:
        _ = [str(scalars["fitted_on_"][side]["name"]) for side in ("source", "target")]
    for key in ("n_features_in_", "n_source_", "n_target_"):
        if type(getattr(method, key)) is not int or getattr(method, key) < 2:
            raise ValueError(f"{key} is no number of at least 2")
    dim = method.n_features_in_
    if any(getattr(part, "dim", dim) != dim for part in made.values()):
        raise FormatError("This model holds a map of another dimension than it declares.")
    _try(method)


def _try(method: Aligner) -> None:
    """Correct one row: what does not fit together is found now and not when it is used."""
    d = method.n_features_in_
    method.check_parameters(d)
    method._check_loaded()
    row = EmbeddingSet.from_array(np.full((1, d), d**-0.5, dtype=np.float32), modality="any")
    with np.errstate(all="ignore"):
        try:
            corrected = method.transform(row, row if method.needs_partners else None)
            method.transform_target(row)
        except InvalidRowsError:  # this row has no place under the map; others may
            return
    if corrected.shape != (1, d) or not abs(np.linalg.norm(corrected) - 1.0) < 1e-5:
        raise ValueError("it does not give unit rows")


def _no_model(name: str, why: str) -> str:
    return (
        f"{name} is not a model saved by this library ({why}). Fit one with anisoalign fit, or "
        "with method.save."
    )
