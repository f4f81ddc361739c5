"""The verb that says what a place holds: a set, a model, or a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.cli.common import emit_json, open_set
from anisoalign_core.cli.options import spoken
from anisoalign_core.errors import AnisoAlignError, FormatError

if TYPE_CHECKING:
    from anisoalign_core.io.shards import ShardedSet

LOOK_ROWS = 2000
"""Rows of a set whose norms are looked at."""


def info(options: argparse.Namespace) -> None:
    """Print what a place holds."""
    from anisoalign_core.recipe import read_recipe

    first = options.source[0]
    if len(options.source) == 1 and first.endswith(".json"):
        body = {"kind": "recipe", "name": Path(first).name, **read_recipe(first).summary()}
    else:
        model = _model(first) if len(options.source) == 1 and first.endswith(".npz") else None
        body = _set(options) if model is None else model
    emit_json(body, options.json)
    if options.json != "-":
        for name, value in body.items():
            print(f"{name:<12} {spoken(_shown(value), options)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(each)}" for key, each in value.items())
    if isinstance(value, list):
        shown = ", ".join(map(_shown, value[:5]))
        return shown + (f", … ({len(value)} in all)" if len(value) > 5 else "")
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _set(options: argparse.Namespace) -> dict[str, Any]:
    from anisoalign_core.io.shards import stream_limits
    from anisoalign_core.numerics import row_norms
    from anisoalign_core.rows import valid_norms

    data, arrays = _opened(options)
    total, shard = data.rows, data.shards[0]
    looked = next(shard.chunks(min(LOOK_ROWS, max(total, 1)), about=True))
    about = looked.about.plain(stream_limits())
    norms = row_norms(np.asarray(looked.array))
    good = norms[valid_norms(norms)]
    labels = [] if about.labels is None else [str(name) for name in about.labels.columns]
    return {
        "kind": "embeddings",
        "name": data.name,
        "layout": data.layout,
        "rows": total,
        "dimensions": data.dim,
        "type": shard.facts.stored or str(shard.facts.dtype),
        "array": shard.key,
        **({"other arrays": [each for each in arrays if each != shard.key]} if arrays[1:] else {}),
        "shards": [one.name for one in data.shards],
        "bytes": sum(one.path.stat().st_size for one in data.shards),
        "ids": about.ids is not None,
        "captions": about.captions is not None,
        "labels": labels,
        "norms": {
            "of the first": len(norms),
            "smallest": float(good.min()) if len(good) else None,
            "median": float(np.median(good)) if len(good) else None,
            "largest": float(good.max()) if len(good) else None,
            "zero or not finite": int(len(norms) - len(good)),
        },
        "metadata": dict(shard.facts.metadata),
        "notes": [*shard.facts.notes, *about.notes],
    }


def _opened(options: argparse.Namespace) -> tuple[ShardedSet, tuple[str, ...]]:
    """Return the set that is meant and the arrays there are; without a modality any will do."""
    from anisoalign_core.files.places import as_path
    from anisoalign_core.io import array_keys
    from anisoalign_core.io.keys import find_key

    place = as_path(options.source[0])
    arrays: tuple[str, ...] = ()
    if len(options.source) == 1 and place.exists() and not place.is_dir():
        arrays = array_keys(place) if place.suffix.lower() != ".pkl" else ()
    if options.source_modality is None:
        options.source_modality = "text"
        if options.source_key is None and arrays and find_key(arrays, "text") is None:
            options.source_key = arrays[0]
    return open_set(options, "source"), arrays


def _model(path: str) -> dict[str, Any] | None:
    """Return what a model holds; None where the file is a set of arrays."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.io import array_keys

    try:
        method = load_aligner(path)
    except FormatError:
        if Path(path).exists() and _has_arrays(array_keys, path):
            return None
        raise
    known = getattr(method, "fitted_on_", None)
    return {
        "kind": "model",
        "name": Path(path).name,
        "method": method.name,
        "label": method.label,
        "dimensions": method.n_features_in_,
        "parameters": method.plain_params(),
        "bound": getattr(method, "bound_", None),
        "source rows": method.n_source_,
        "target rows": method.n_target_,
        "source": None if known is None else known["source"]["name"],
        "target": None if known is None else known["target"]["name"],
    }


def _has_arrays(keys: Any, path: str) -> bool:
    try:
        return "header" not in keys(path)
    except AnisoAlignError:
        return False
