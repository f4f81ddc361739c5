"""The recipe of whole files: two jobs and what was measured when they ran, and its replay."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from anisoalign_core.align import Aligner
from anisoalign_core.engine.facts import FileFacts, SetFacts, file_differences
from anisoalign_core.engine.jobs import Applied, ApplyJob, FitJob, Say, run_apply
from anisoalign_core.engine.streaming import Engine
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.numerics import Progress
from anisoalign_core.plain import from_plain
from anisoalign_core.recipe import RECIPE_FORMAT, check_method, recipe_body, versions

STREAMED_VERSION = 2


@dataclass(frozen=True)
class StreamedRecipe:
    """How files were made: the fit, the correction, and the digest of every file.

    Attributes
    ----------
    fit : dict or None
        ``job``, ``source`` and ``target``: a :class:`FitJob` and what it read. None for a model
        that does not say what it was fitted on.
    apply : dict
        ``job``, ``input``, ``files`` and ``preflight``: an :class:`ApplyJob`, what it read and
        wrote, and what was found before ReVision chunks were written.
    method : str
    parameters : dict
        All parameters of the method, with ``bound="auto"`` resolved.
    model_digest : str
    versions : dict
    """

    fit: dict[str, Any] | None
    apply: dict[str, Any]
    method: str
    parameters: dict[str, Any]
    model_digest: str
    versions: dict[str, str]

    @classmethod
    def of(cls, method: Aligner, job: ApplyJob, applied: Applied, model: str) -> StreamedRecipe:
        """Write down what was done."""
        fitted_on = getattr(method, "fitted_on_", None)
        done = {
            "job": asdict(job),
            "input": applied.read.to_dict(),
            "files": [asdict(one) for one in applied.files],
            "preflight": applied.preflight and applied.preflight.to_dict(),
        }
        return cls(fitted_on, done, method.name, method.resolved_params(), model, versions())

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        body = {"format": RECIPE_FORMAT, "format_version": STREAMED_VERSION, **asdict(self)}
        return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> StreamedRecipe:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        FormatError
        """
        try:
            recipe = from_plain(cls, recipe_body(text, STREAMED_VERSION))
            recipe._check()
            return recipe
        except (ValueError, KeyError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"This is not a recipe written by this library: {why}.") from error

    def _check(self) -> None:
        """Read every part, so that what is wrong is said now and not amid a replay."""
        check_method(self.method, self.parameters)
        ApplyJob.from_dict(self.apply["job"])
        SetFacts.from_dict(self.apply["input"])
        for each in self.apply["files"] if isinstance(self.apply["files"], list) else [None]:
            from_plain(FileFacts, each)
        if self.fit is not None:
            job = FitJob.from_dict(self.fit["job"])
            check_method(job.method, job.parameters)
            for side in ("source", "target"):
                SetFacts.from_dict(self.fit[side])

    @property
    def files(self) -> tuple[FileFacts, ...]:
        """The files that were written."""
        return tuple(FileFacts(**each) for each in self.apply["files"])


def is_streamed_recipe(text: str) -> bool:
    """Whether a recipe is one of whole files, which :func:`replay_streamed` rebuilds."""
    try:
        body = json.loads(text)
        return bool(body["format"] == RECIPE_FORMAT and body["format_version"] == STREAMED_VERSION)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


@dataclass(frozen=True)
class StreamedReplay:
    """What a replay wrote, whether it is the same, and what differs, in sentences."""

    applied: Applied
    identical: bool
    differences: tuple[str, ...]


def replay_streamed(
    recipe: StreamedRecipe,
    out: str,
    *,
    source: tuple[str, ...] | None = None,
    target: tuple[str, ...] | None = None,
    applied_to: tuple[str, ...] | None = None,
    method: Aligner | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> StreamedReplay:
    """Fit and correct again as a recipe says, and compare every file with what was written down.

    Parameters
    ----------
    recipe : StreamedRecipe
    out : str
        Where the output goes now.
    source, target : tuple of str, optional
        Where the fitted sets lie now; by default where they lay.
    applied_to : tuple of str, optional
        Where the corrected set lies now; by default ``source``, if that was fitted *and* corrected.
    method : Aligner, optional
        The fitted model, instead of fitting again.
    engine, progress, say
        As :func:`run_apply`.

    Raises
    ------
    ParameterError
        If the recipe does not say what the model was fitted on and none is given.
    """
    differences = [
        f"{name} is {versions().get(name, 'absent')} here and was {version}."
        for name, version in recipe.versions.items()
        if versions().get(name) != version
    ]
    job = ApplyJob.from_dict(recipe.apply["job"])
    if method is None:
        if recipe.fit is None:
            raise ParameterError(
                "This recipe does not say what its model was fitted on, since the model was made "
                "in Python. Give the model with --model."
            )
        asked = FitJob.from_dict(recipe.fit["job"])
        same = asked.source == job.source
        fit_job = replace(asked, source=source or asked.source, target=target or asked.target)
        if applied_to is None and same:
            applied_to = fit_job.source
        method = fit_job.run(engine, progress)
        again: dict[str, Any] = method.fitted_on_
        for side in ("source", "target"):
            now, then = SetFacts.from_dict(again[side]), SetFacts.from_dict(recipe.fit[side])
            differences += file_differences(now.files, then.files, f"The fitted {side}")
    job = replace(job, source=applied_to or job.source, out=out)
    applied = run_apply(method, job, engine=engine, progress=progress, say=say)
    then = SetFacts.from_dict(recipe.apply["input"])
    if job.source != (source or ()) or recipe.fit is None:
        differences += file_differences(applied.read.files, then.files, "The corrected set")
    now_files, then_files = applied.files, recipe.files
    identical = [one.digest for one in now_files] == [one.digest for one in then_files]
    if not identical:
        differences += file_differences(now_files, then_files, "The output")
    return StreamedReplay(applied, identical, tuple(differences))
