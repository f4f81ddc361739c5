"""Verbs that read and write sets: fit, apply, convert, replay."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.cli.common import (
    emit_json,
    engine_of,
    pairing_of,
    parameters_of,
    places_of,
    say,
    say_read,
    telling,
)
from anisoalign_core.errors import FormatError, ParameterError

if TYPE_CHECKING:
    from anisoalign_core.align import Aligner
    from anisoalign_core.engine.jobs import Applied, ApplyJob

GOES_ON = "finished shards are kept; the same command goes on."


def fit(options: argparse.Namespace) -> None:
    """Fit a method and save it."""
    from anisoalign_core.align import ALIGNERS
    from anisoalign_core.engine.jobs import FitJob

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
        options.rows,
        options.sample_seed,
    )
    with engine_of(options) as engine, telling(options) as tell:
        method = job.run(engine, tell)
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
    from anisoalign_core.engine.jobs import run_apply
    from anisoalign_core.engine.recipes import StreamedRecipe
    from anisoalign_core.engine.resume import beside
    from anisoalign_core.files.atomic import atomic_write_text
    from anisoalign_core.files.places import as_path

    method, digest = _model(options.model)
    if options.target_partners or _only_whole(options, method):
        _whole(options, method)
        return
    if options.recipe and not as_path(options.recipe).parent.is_dir():
        raise FormatError(f"There is no folder to write the recipe {options.recipe} into.")
    job = _apply_job(options)
    options.kept = _kept(job)
    with engine_of(options) as engine, telling(options) as tell:
        done = run_apply(
            method,
            job,
            model_digest=digest,
            engine=engine,
            progress=tell,
            say=lambda words: say(options, words),
        )
    recipe = StreamedRecipe.of(method, job, done, digest)
    path = as_path(options.recipe) if options.recipe else beside(done.plan.out, ".recipe.json")
    atomic_write_text(path, recipe.to_json())
    done.finish()
    say(options, f"{done.rows:,} corrected rows in {options.out}; recipe in {path.name}")
    emit_json(_written(done) | {"recipe": str(path)}, options.json)


def convert(options: argparse.Namespace) -> None:
    """Write a set in another format."""
    from anisoalign_core.engine.jobs import run_apply

    if _at_once(options):
        _whole(options, None)
        return
    job = _apply_job(options)
    options.kept = _kept(job)
    with engine_of(options) as engine, telling(options) as tell:
        done = run_apply(
            None, job, engine=engine, progress=tell, say=lambda words: say(options, words)
        )
    done.finish()
    say(options, f"{done.rows:,} rows in {options.out}")
    emit_json(_written(done), options.json)


def replay(options: argparse.Namespace) -> bool:
    """Build a recipe's output again; False if it differs."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.engine.recipes import (
        StreamedRecipe,
        is_streamed_recipe,
        replay_streamed,
    )
    from anisoalign_core.recipe import read_recipe_text

    text = read_recipe_text(options.recipe)
    if not is_streamed_recipe(text):
        return _replay_in_memory(options, text)
    with engine_of(options) as engine, telling(options) as tell:
        again = replay_streamed(
            StreamedRecipe.from_json(text),
            options.out,
            source=places_of(options, "source") if options.source else None,
            target=places_of(options, "target") if options.target else None,
            applied_to=tuple(options.apply_to) if options.apply_to else None,
            method=load_aligner(options.model) if options.model else None,
            engine=engine,
            progress=tell,
            say=lambda words: say(options, words),
        )
    again.applied.finish()
    return _answer(options, again.identical, again.differences)


def _replay_in_memory(options: argparse.Namespace, text: str) -> bool:
    from anisoalign_core.io import load, save
    from anisoalign_core.recipe import Recipe, replay

    recipe = Recipe.from_json(text)
    if not (options.source and options.target):
        raise ParameterError(
            "This recipe was made in the app and does not say where its inputs lie. Give --source "
            "and --target."
        )
    sides = [
        load(
            places_of(options, side)[0],
            modality=getattr(recipe, side).modality,
            drop_invalid=options.drop_invalid,
        )
        for side in ("source", "target")
    ]
    again = replay(recipe, sides[0], sides[1])
    save(again.corrected, options.out)
    return _answer(options, again.identical, again.differences)


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


def _answer(options: argparse.Namespace, identical: bool, differences: tuple[str, ...]) -> bool:
    for difference in differences:
        say(options, difference)
    if not identical and not differences:
        say(options, "Inputs and versions agree, but the output differs in its last bits.")
    emit_json({"identical": identical, "differences": list(differences)}, options.json)
    if options.json != "-":
        print(
            "identical to the recipe's output"
            if identical
            else "NOT identical to the recipe's output"
        )
    return identical


def _apply_job(options: argparse.Namespace) -> ApplyJob:
    from anisoalign_core.engine.jobs import ApplyJob

    return ApplyJob(
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
    )


def _written(done: Applied) -> dict[str, Any]:
    return {
        "out": str(done.plan.out),
        "format": done.plan.format,
        "rows": done.rows,
        "resumed": done.resumed,
        "files": [asdict(one) for one in done.files],
    }


def _kept(job: ApplyJob) -> str:
    from anisoalign_core.io.registry import by_suffix

    return "nothing was written." if by_suffix(Path(job.out).suffix) else GOES_ON


def _suffix(options: argparse.Namespace) -> str:
    from anisoalign_core.io.registry import FORMATS

    given = FORMATS.get(options.format)
    return given.suffix if given and not given.folder else Path(options.out).suffix.lower()


def _at_once(options: argparse.Namespace) -> bool:
    """Whether the format is one that is written whole."""
    from anisoalign_core.io.registry import by_suffix

    how = by_suffix(_suffix(options))
    return how is not None and how.write is not None and not how.streams


def _only_whole(options: argparse.Namespace, method: Aligner) -> bool:
    """Whether the format, or the method, takes the whole set at once."""
    by_row = method.row_independent and not method.needs_partners
    return _at_once(options) or not by_row


def _whole(options: argparse.Namespace, method: Aligner | None) -> None:
    """Correct or convert one set in memory."""
    from anisoalign_core.engine.sampling import sample_set
    from anisoalign_core.io import load, save
    from anisoalign_core.io.shards import open_shards

    if options.shard_rows or options.training_json:
        raise ParameterError("This format, or this method, takes a set as one file.")
    wanted, given = _suffix(options), Path(options.out).suffix.lower()
    if options.format is not None and given != f".{options.format}":
        raise ParameterError(
            f"End the name {options.out} with .{options.format}: this format, or this method, "
            "takes a set as one file."
        )
    inputs = [Path(one).resolve() for one in places_of(options, "source")]
    if Path(options.out).resolve() in inputs:
        raise FormatError(f"{options.out} is an input of this job. Choose another name.")
    data = open_shards(
        places_of(options, "source"), modality=options.source_modality, key=options.source_key
    )
    source = sample_set(data, drop_invalid=options.drop_invalid)
    if method is None and not (options.normalise or source.provenance.was_normalised):
        raise ParameterError(
            f"{source.name} holds rows that are not unit, and {wanted} files hold unit rows here. "
            "Add --normalise, or choose another format."
        )
    if method is not None:
        partners = None
        if options.target_partners:
            partners = load(
                options.target_partners, modality="image", drop_invalid=options.drop_invalid
            )
        source = source.with_vectors(method.transform(source, partners))
    save(source, options.out, dtype=options.dtype or "float32")
    say(options, f"{len(source):,} rows in {options.out}")
    emit_json({"out": str(options.out), "rows": len(source)}, options.json)
