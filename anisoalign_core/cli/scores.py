"""The verb that corrects scores: scores."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.cli.common import emit_json, parameters_of, say
from anisoalign_core.cli.options import add_json, add_parameters
from anisoalign_core.errors import FormatError, ParameterError

if TYPE_CHECKING:
    from anisoalign_core.embeddings import EmbeddingSet
    from anisoalign_core.numerics import Float32

SETS = {
    "queries": "text",
    "gallery": "image",
    "reference_queries": "text",
    "reference_gallery": "image",
}
"""Each set, and which array of a file it is unless told otherwise."""
OUTPUTS = ("out", "out_queries", "out_scores", "save")


def add_scores(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: choices are those of the registry."""
    from anisoalign_core.scoring import SCORERS

    parser.add_argument("--scorer", required=True, choices=tuple(SCORERS), help="which correction")
    add_parameters(parser, "a parameter of the scorer, as JSON; repeatable")
    words = {
        "queries": "rows that ask",
        "gallery": "rows that are searched",
        "reference_queries": "rows like the queries that the scorer is fitted on; default: the "
        "queries",
        "reference_gallery": "gallery rows that it is fitted on; default: the gallery",
    }
    for name, usual in SETS.items():
        option = name.replace("_", "-")
        needed = not name.startswith("reference")
        parser.add_argument(
            f"--{option}", nargs="+", metavar="PLACE", required=needed, help=words[name]
        )
        if needed:
            chooses = "what its rows are; chooses among the arrays of a file"
            parser.add_argument(f"--{option}-modality", default=usual, metavar="NAME", help=chooses)
    for option, what in (
        ("out", "gallery rows with columns added, for an index of largest inner products"),
        ("out-queries", "queries with columns added: their inner products with --out are scores"),
        ("out-scores", "the score of every query with every gallery row, queries × gallery"),
    ):
        parser.add_argument(f"--{option}", metavar="FILE.npy", help=f"write {what} (float32)")
    parser.add_argument("--save", metavar="SCORER.npz", help="write the fitted scorer")
    add_json(parser, "what was fitted and written")
    lines = [f"  {name}: {kind.summary}" for name, kind in SCORERS.items()]
    parser.epilog = "\n".join(["scorers:", *lines, "", parser.epilog or ""])


def scores(options: argparse.Namespace) -> None:
    """Fit a scorer and write its rows, queries or scores."""
    from anisoalign_core.numerics import blocks
    from anisoalign_core.scoring import SCORERS

    _check_outputs(options)
    kind: Any = SCORERS[options.scorer]
    scorer = kind.of(parameters_of(options, kind))
    scorer.check_parameters()
    sets = {name: _read(options, name) for name in SETS if getattr(options, name)}
    fitted = {
        side: sets.get(f"reference_{side}", sets[side])
        for side in ("queries", "gallery")
        if getattr(kind, f"needs_{side}") or options.scorer == "none"
    }
    if kind.needs_queries and "reference_queries" not in sets:
        say(
            options,
            "The reference queries are the queries themselves: right for answering these, but "
            "recall on them is flattered. Give others as --reference-queries to judge the scorer.",
        )
    scorer.fit(**fitted)
    rows, queries = scorer.export(sets["gallery"]), scorer.export_queries(sets["queries"])
    parts = (queries[part] @ rows.T for part in blocks(len(queries), 1024))
    writers: dict[str, Callable[[str], object]] = {
        "out": lambda path: _write(path, rows.shape, [rows]),
        "out_queries": lambda path: _write(path, queries.shape, [queries]),
        "out_scores": lambda path: _write(path, (len(queries), len(rows)), parts),
        "save": scorer.save,
    }
    written = {name: getattr(options, name) for name in OUTPUTS if getattr(options, name)}
    done: list[str] = []
    for name, path in written.items():
        writers[name](path)
        done.append(path)
        options.kept = f"{', '.join(done)} {'is' if len(done) == 1 else 'are'} written."
    added = rows.shape[1] - scorer.n_features_in_
    say(
        options,
        f"{scorer.label} fitted on {scorer.n_queries_:,} queries and {scorer.n_gallery_:,} gallery "
        f"rows; {added} column{'s' if added > 1 else ''} added. Written: "
        f"{', '.join(written.values())}.",
    )
    body = {
        "scorer": scorer.name,
        "parameters": scorer.plain_params(),
        "queries": len(queries),
        "gallery": len(rows),
        "dimensions": scorer.n_features_in_,
        "columns_added": added,
        "fitted_on": {"queries": scorer.n_queries_, "gallery": scorer.n_gallery_},
        "written": written,
    }
    emit_json(body, options.json)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse before any work what could not be written after it."""
    given = [(name, getattr(options, name)) for name in OUTPUTS if getattr(options, name)]
    if not given:
        raise ParameterError("Nothing is to be written; give --out, --out-queries, --out-scores.")
    for name, path in given:
        suffix = ".npz" if name == "save" else ".npy"
        if not path.endswith(suffix):
            raise FormatError(f"--{name.replace('_', '-')} is {path}; its name ends with {suffix}.")
        if not Path(path).parent.is_dir():
            raise FormatError(f'There is no folder "{Path(path).parent}" to write into.')
    places = [Path(path).resolve() for _, path in given]
    if len(set(places)) < len(places):
        raise ParameterError("Two outputs have one name. Give each its own.")


def _read(options: argparse.Namespace, name: str) -> EmbeddingSet:
    from anisoalign_core.engine.sampling import sample_set
    from anisoalign_core.io.shards import open_shards

    side = name.removeprefix("reference_")
    modality = getattr(options, f"{side}_modality")
    found = sample_set(open_shards(tuple(getattr(options, name)), modality=modality))
    say(options, f"{name.replace('_', ' ')}: {found.name}, {len(found):,} × {found.dim}")
    return found


def _write(path: str, shape: tuple[int, ...], parts: Iterable[Float32]) -> None:
    """Write a float32 array, whole or not at all, part by part."""
    import numpy as np

    from anisoalign_core.files.atomic import atomic_path

    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(np.ascontiguousarray(part, dtype="<f4").data)
