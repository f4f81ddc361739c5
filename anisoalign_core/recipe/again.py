"""Making what a recipe says: once, and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from anisoalign_core.align import ALIGNERS, Aligner
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.engine import Engine
from anisoalign_core.engine.facts import SetFacts, file_differences
from anisoalign_core.errors import ParameterError
from anisoalign_core.io import load, save
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plain import from_plain
from anisoalign_core.recipe.facts import InputFacts, SplitBy, match_again, vectors_digest, versions
from anisoalign_core.recipe.inputs import inputs_beside
from anisoalign_core.recipe.jobs import Say, run_apply
from anisoalign_core.recipe.written import FileRecipe, Fitted, Recipe

Side = EmbeddingSet | str | Path | Sequence[str]
"""A set, or the place where it lies."""


def cook(
    pair: EmbeddingPair,
    method: str,
    parameters: Mapping[str, Any],
    *,
    fit_on: Literal["all", "split"] = "all",
    split_seed: int = 0,
    split_holdout: float = 0.2,
    split_by: SplitBy = "thing",
    weigh: SplitBy = "row",
    progress: Progress | None = None,
    scores_before: Mapping[str, float] | None = None,
    scores_after: Mapping[str, float] | None = None,
) -> tuple[Any, EmbeddingSet, Recipe]:
    """Fit a method, correct the source, and write down how.

    Parameters
    ----------
    pair : EmbeddingPair
    method : str
        Name in :data:`anisoalign_core.ALIGNERS`.
    parameters : mapping
        Constructor parameters.
    fit_on, split_seed, split_holdout, split_by, weigh
        See :class:`Recipe`.

    Returns
    -------
    aligner : Aligner
        Fitted.
    corrected : EmbeddingSet
        The source's rows, ids and captions with corrected vectors.
    recipe : Recipe
    """
    aligner = ALIGNERS[method].of(parameters)
    part = pair.split(split_seed, split_holdout, split_by) if fit_on == "split" else None
    training, applying = _share(progress, 0.9) if aligner.trains else (None, progress)
    aligner.fit_pair(pair, part, weigh=weigh, progress=training)
    partners = pair.partners() if aligner.needs_partners else None
    corrected = pair.source.with_vectors(
        aligner.transform(pair.source, partners, progress=applying)
    )
    pairing: Literal["row", "id", "none"] = "none"
    if pair.paired:
        pairing = "id" if pair.joined_by_id else "row"
    recipe = Recipe(
        source=InputFacts.of(pair.source),
        target=InputFacts.of(pair.target),
        pairing=pairing,
        method=method,
        parameters=aligner.resolved_params(),
        fit_on=fit_on,
        split_seed=split_seed,
        split_holdout=split_holdout,
        split_by=split_by,
        weigh=weigh,
        output_digest=vectors_digest(corrected.vectors),
        versions=versions(),
        scores_before=dict(scores_before or {}),
        scores_after=dict(scores_after or {}),
    )
    return aligner, corrected, recipe


def _share(progress: Progress | None, part: float) -> tuple[Progress | None, Progress | None]:
    """Split a progress callback between two pieces of work."""
    if progress is None:
        return None, None
    return (
        lambda fraction, words: progress(part * fraction, words),
        lambda fraction, words: progress(part + (1 - part) * fraction, words),
    )


@dataclass(frozen=True)
class Replay:
    """What :func:`replay` rebuilt, and what differed from the recipe, in sentences.

    Attributes
    ----------
    corrected : EmbeddingSet or None
        None where whole files were written.
    identical : bool
    differences : tuple of str
    """

    corrected: EmbeddingSet | None
    identical: bool
    differences: tuple[str, ...]


def replay(
    recipe: Recipe | FileRecipe,
    source: Side | None = None,
    target: Side | None = None,
    out: str | Path | None = None,
    *,
    applied_to: Sequence[str] | None = None,
    method: Aligner | None = None,
    drop_invalid: bool = False,
    folder: str | Path | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Replay:
    """Build a recipe's output again and compare it with the digests that were written down.

    Parameters
    ----------
    recipe : Recipe or FileRecipe
    source, target : EmbeddingSet, or places of files; optional for recipes of files
        The inputs of a recipe of rows; where the fitted sets of a recipe of files lie now, by
        default where they lay.
    out : str or Path
        Where the output goes now; optional for recipes of rows.
    applied_to : sequence of str, optional
        Recipes of files: where the corrected set lies now; by default ``source``, if that was
        fitted *and* corrected.
    method : Aligner, optional
        Recipes of files: the fitted model, instead of fitting again.
    drop_invalid : bool
        Where a recipe of rows is given places: leave out zero or NaN rows on reading.
    folder : str or Path, optional
        Where inputs of a recipe of rows that are not given are looked for, by their digests.
    engine, progress, say
        Recipes of files: as :func:`~anisoalign_core.recipe.jobs.run_apply`.

    Raises
    ------
    ParameterError
        If something is needed that neither the recipe nor the call says.
    AnisoAlignError
    """
    if isinstance(recipe, Recipe):
        given = {"source": source, "target": target}
        if folder is not None:
            given |= inputs_beside(recipe, folder, [side for side in given if given[side] is None])
        return _of_rows(recipe, given["source"], given["target"], out, drop_invalid)
    if out is None:
        raise ParameterError("This is a recipe of whole files: say with out where they go.")
    places = _places(source), _places(target)
    return _of_files(recipe, *places, str(out), _places(applied_to), method, engine, progress, say)


def _of_rows(
    recipe: Recipe,
    source: Side | None,
    target: Side | None,
    out: str | Path | None,
    drop_invalid: bool,
) -> Replay:
    if source is None or target is None:
        raise ParameterError(
            "This recipe was made in the app and does not say where its inputs lie. Give --source "
            "and --target."
        )
    sides = [
        given
        if isinstance(given, EmbeddingSet)
        else load(_one(given), modality=then.modality, drop_invalid=drop_invalid)
        for given, then in ((source, recipe.source), (target, recipe.target))
    ]
    pair = match_again(sides[0], sides[1], recipe.pairing, recipe.split_by)
    differences = []
    for role, now, then in (
        ("source", pair.source, recipe.source),
        ("target", pair.target, recipe.target),
    ):
        digest = vectors_digest(now.vectors)  # without ids: the same rows may come without them
        if digest != then.vectors_digest:
            differences.append(
                f"The {role} is not what the recipe was made from: {len(now)} rows with digest "
                f"{digest[:12]} instead of {then.rows} rows with {then.vectors_digest[:12]}."
            )
    _, corrected, again = cook(
        pair,
        recipe.method,
        recipe.parameters,
        fit_on=recipe.fit_on,
        split_seed=recipe.split_seed,
        split_holdout=recipe.split_holdout,
        split_by=recipe.split_by,
        weigh=recipe.weigh,
    )
    if out is not None:
        save(corrected, out)
    identical = again.output_digest == recipe.output_digest
    return Replay(corrected, identical, (*differences, *recipe.other_versions))


def _of_files(
    recipe: FileRecipe,
    source: tuple[str, ...] | None,
    target: tuple[str, ...] | None,
    out: str,
    applied_to: tuple[str, ...] | None,
    method: Aligner | None,
    engine: Engine | None,
    progress: Progress | None,
    say: Say | None,
) -> Replay:
    differences, job, then = recipe.other_versions, recipe.apply.job, recipe.fit
    if method is None:
        if then is None:
            raise ParameterError(
                "This recipe does not say what its model was fitted on, since the model was made "
                "in Python. Give the model with --model."
            )
        asked = then.job
        fit_job = replace(asked, source=source or asked.source, target=target or asked.target)
        if applied_to is None and asked.source == job.source:
            applied_to = fit_job.source
        method = fit_job.run(engine, progress)
        now = from_plain(Fitted, method.fitted_on_)
        differences += _differ(now.source, then.source, "The fitted source")
        differences += _differ(now.target, then.target, "The fitted target")
    job = replace(job, source=applied_to or job.source, out=out)
    applied = run_apply(method, job, engine=engine, progress=progress, say=say)
    if job.source != (source or ()) or then is None:
        differences += _differ(applied.read, recipe.apply.input, "The corrected set")
    digests = [[one.digest for one in files] for files in (applied.files, recipe.apply.files)]
    identical = digests[0] == digests[1]
    if not identical:
        differences += file_differences(applied.files, recipe.apply.files, "The output")
    applied.finish()
    return Replay(None, identical, tuple(differences))


def _differ(now: SetFacts, then: SetFacts, what: str) -> list[str]:
    return file_differences(now.files, then.files, what)


def _one(side: str | Path | Sequence[str]) -> str | Path:
    return side if isinstance(side, str | Path) else side[0]


def _places(side: Side | None) -> tuple[str, ...] | None:
    if side is None or isinstance(side, str | Path):
        return None if side is None else (str(side),)
    if isinstance(side, EmbeddingSet):
        raise ParameterError("This is a recipe of whole files: give the places of its inputs.")
    return tuple(side)
