"""Verbs that read and write sets: fit, apply, convert, replay."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.cli.common import (
    columns_of,
    emit_json,
    pairing_of,
    parameters_of,
    places_of,
    running,
    say,
    say_read,
)
from anisoalign_core.errors import FormatError

if TYPE_CHECKING:
    from anisoalign_core.align import Aligner

NOTHING = "nothing was written."
GOES_ON = "finished shards are kept; the same command goes on."


def fit(options: argparse.Namespace) -> None:
    """Fit a method and save it."""
    from anisoalign_core.align import ALIGNERS
    from anisoalign_core.recipe import FitJob

    out = Path(options.out)
    if not out.parent.is_dir():
        raise FormatError(f'There is no folder "{out.parent}" to write {out.name} into.')
    job = FitJob(
        places_of(options, "source"),
        places_of(options, "target"),
        options.method,
        parameters_of(options, ALIGNERS[options.method]),
        options.source_modality,
        options.target_modality,
        options.source_key,
        options.target_key,
        options.drop_invalid,
        pairing_of(options),
        options.split_seed,
        options.holdout,
        "thing",
        options.weigh,
        options.rows,
        options.sample_seed,
        columns_of(options, "source"),
        columns_of(options, "target"),
    )
    with running(options) as how:
        method = job.run(how["engine"], how["progress"])
    method.save(out)
    read: dict[str, Any] = method.fitted_on_
    for side in ("source", "target"):
        known = read[side]
        say_read(options, known["name"], known["rows"], known["dim"], known["dropped_rows"])
    if hasattr(method, "bound_"):
        say(options, f"bound {method.bound_:g}")
    say(options, f"{method.label} fitted on {method.n_source_:,} + {method.n_target_:,} rows.")
    emit_json({"model": str(out), "method": method.name, **read}, options.json)


def apply(options: argparse.Namespace) -> None:
    """Correct a set and write it, with its recipe."""
    from anisoalign_core.files.places import as_path

    method, digest = _model(options.model)
    if options.recipe and not as_path(options.recipe).parent.is_dir():
        raise FormatError(f"There is no folder to write the recipe {options.recipe} into.")
    _write(options, method, digest)


def convert(options: argparse.Namespace) -> None:
    """Write a set in another format."""
    _write(options, None)


def _write(options: argparse.Namespace, method: Aligner | None, digest: str = "") -> None:
    """Write a set, corrected where there is a method: then its recipe too."""
    from anisoalign_core.engine.resume import beside
    from anisoalign_core.files.atomic import atomic_write_text
    from anisoalign_core.files.places import as_path
    from anisoalign_core.io import load
    from anisoalign_core.io.registry import by_suffix
    from anisoalign_core.recipe import ApplyJob, FileRecipe, run_apply

    job = ApplyJob(
        source=places_of(options, "source"),
        out=str(options.out),
        modality=options.source_modality,
        key=options.source_key,
        form=options.format,
        dtype=options.dtype,
        shard_rows=options.shard_rows,
        drop_invalid=options.drop_invalid,
        training_json=options.training_json,
        normalise=getattr(options, "normalise", False),
        columns=columns_of(options, "source"),
    )
    partners = getattr(options, "target_partners", None)
    if partners or job.at_once(method):
        drop = options.drop_invalid
        known = load(partners, modality="image", drop_invalid=drop) if partners else None
        rows = job.run_whole(method, known)
        say(options, f"{rows:,} rows in {options.out}")
        emit_json({"out": str(options.out), "rows": rows}, options.json)
        return
    options.kept = NOTHING if by_suffix(Path(job.out).suffix) else GOES_ON
    with running(options) as how:
        done = run_apply(method, job, model_digest=digest, **how)
    body = {
        "out": str(done.plan.out),
        "format": done.plan.format,
        "rows": done.rows,
        "resumed": done.resumed,
        "files": [asdict(one) for one in done.files],
    }
    words = f"{done.rows:,} rows in {options.out}"
    if method is not None:
        path = as_path(options.recipe) if options.recipe else beside(done.plan.out, ".recipe.json")
        atomic_write_text(path, FileRecipe.of(method, job, done, digest).to_json())
        words = f"{done.rows:,} corrected rows in {options.out}; recipe in {path.name}"
        body["recipe"] = str(path)
    done.finish()
    say(options, words)
    emit_json(body, options.json)


def replay(options: argparse.Namespace) -> bool:
    """Build a recipe's output again; False if it differs."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.recipe import read_recipe
    from anisoalign_core.recipe import replay as replayed

    recipe = read_recipe(options.recipe)
    with running(options) as how:
        again = replayed(
            recipe,
            places_of(options, "source") if options.source else None,
            places_of(options, "target") if options.target else None,
            options.out,
            applied_to=options.apply_to,
            method=load_aligner(options.model) if options.model else None,
            drop_invalid=options.drop_invalid,
            folder=Path(options.recipe).parent,
            **how,
        )
    for difference in again.differences:
        say(options, difference)
    if not again.identical and not again.differences:
        say(options, "Inputs and versions agree, but the output differs in its last bits.")
    body = {"identical": again.identical, "differences": list(again.differences)}
    emit_json(body, options.json)
    if options.json != "-":
        print(f"{'identical' if again.identical else 'NOT identical'} to the recipe's output")
    return again.identical


def _model(path: str) -> tuple[Aligner, str]:
    """Read a model, and the digest of the very file that was read."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.files.digests import file_digest
    from anisoalign_core.files.places import changed, stamp_of

    stamp = stamp_of(Path(path))
    method = load_aligner(path)
    digest = file_digest(Path(path))
    if stamp_of(Path(path)) != stamp:
        raise changed(Path(path).name)
    return method, digest
