"""The two recipes as JSON: of rows in memory, and of whole files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar, Literal

from anisoalign_core.align import ALIGNERS, Aligner
from anisoalign_core.engine.facts import FileFacts, SetFacts
from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.plain import from_plain
from anisoalign_core.recipe.facts import InputFacts, SplitBy, versions
from anisoalign_core.recipe.jobs import Applied, ApplyJob, FitJob

RECIPE_FORMAT = "anisoalign-recipe"


class AnyRecipe:
    """What both recipes share: JSON, and what must be true of one before it is replayed."""

    FORMAT_VERSION: ClassVar[int]
    method: str
    parameters: dict[str, Any]
    versions: dict[str, str]

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        known: Any = asdict(self)  # type: ignore[call-overload]
        body = {"format": RECIPE_FORMAT, "format_version": self.FORMAT_VERSION, **known}
        return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Recipe | FileRecipe:
        """Read what :meth:`to_json` of either recipe wrote.

        Raises
        ------
        FormatError
            If the text is not a recipe of this version.
        """
        try:
            body = _body(text)
            found: Recipe | FileRecipe
            if body.pop("format_version") == Recipe.FORMAT_VERSION:
                found = from_plain(Recipe, body)
            else:
                found = from_plain(FileRecipe, body)
            found.check()
            return found
        except AnisoAlignError:
            raise
        except ValueError as error:
            why = str(error).rstrip(".")
            raise FormatError(f"This is not a recipe written by this library: {why}.") from error

    def check(self) -> None:
        """Refuse what cannot be replayed, now and not amid a replay.

        Raises
        ------
        ValueError
        """
        _check_method(self.method, self.parameters)

    @property
    def other_versions(self) -> list[str]:
        """Say in sentences which libraries are others here than they were."""
        here = versions()
        return [
            f"{name} is {here.get(name, 'absent')} here and was {version}."
            for name, version in self.versions.items()
            if here.get(name) != version
        ]


@dataclass(frozen=True)
class Recipe(AnyRecipe):
    """How corrected vectors were made of rows in memory.

    Attributes
    ----------
    source, target : InputFacts
    pairing : {"row", "id", "none"}
        How the inputs were matched on reading.
    method : str
        Name in :data:`anisoalign_core.ALIGNERS`.
    parameters : dict
        All constructor parameters, with ``bound="auto"`` resolved to the bound in force.
    fit_on : {"all", "split"}
        All rows, or the fit parts of the split below.
    split_seed, split_holdout : int and float
    split_by : {"thing", "row"}
        What a split keeps together; recipes that do not say so were split by row.
    weigh : {"row", "thing"}
        What counted the same in a fit that needs no pairs.
    output_digest : str
        sha256 of the corrected float32 rows.
    versions : dict
    scores_before, scores_after : dict of str to float
        On held-out rows, under the split below.
    """

    FORMAT_VERSION = 1

    source: InputFacts
    target: InputFacts
    pairing: Literal["row", "id", "none"]
    method: str
    parameters: dict[str, Any]
    fit_on: Literal["all", "split"]
    split_seed: int
    split_holdout: float
    output_digest: str
    versions: dict[str, str] = field(default_factory=dict)
    scores_before: dict[str, float] = field(default_factory=dict)
    scores_after: dict[str, float] = field(default_factory=dict)
    weigh: SplitBy = "row"
    split_by: SplitBy = "row"  # as recipes before 0.2 were made

    def check(self) -> None:
        """See :meth:`AnyRecipe.check`."""
        super().check()
        if not 0 < self.split_holdout < 1 or self.split_seed < 0:
            raise ValueError("its split is none")

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling of the recipe, as plain values."""
        return {
            "method": self.method,
            "parameters": self.parameters,
            "source": self.source.name,
            "target": self.target.name,
            "output": self.output_digest,
            "versions": self.versions,
        }

    def python_lines(self, target: str, source: str, out: str) -> str:
        """Return Python that rebuilds the output from the two files."""
        aligner = ALIGNERS[self.method]
        given, usual = (
            one.get_params(deep=False) for one in (aligner.of(self.parameters), aligner())
        )
        changed = {key: value for key, value in given.items() if value != usual[key]}
        keywords = ", ".join(f"{key}={value!r}" for key, value in changed.items())
        groups = sorted({type(one).__name__ for one in changed.values() if is_dataclass(one)})
        drop = ", drop_invalid=True" if self._drops else ""
        lines = [
            "import anisoalign_core as aa",
            *[f"from {aligner.__module__} import {', '.join(groups)}"] * bool(groups),
            "",
            f"target = aa.load({target!r}, modality={self.target.modality!r}{drop})",
            f"source = aa.load({source!r}, modality={self.source.modality!r}{drop})",
        ]
        rows = ("source", "target")
        weigh = ', weigh="thing"' if self.weigh == "thing" else ""
        whole = self._matters or self.fit_on == "split" or bool(weigh)
        if whole:
            lines.append(f"pair = aa.EmbeddingPair.match(source, target, by={self.pairing!r})")
            rows = ("pair.source", "pair.target")
        fit = f"fit({rows[0]}, {rows[1]})"
        if whole:
            fit = f"fit_pair(pair{weigh})"
        if self.fit_on == "split":
            by = ', by="row"' if self.split_by == "row" else ""
            lines.append(f"split = pair.split({self.split_seed}, {self.split_holdout}{by})")
            fit = f"fit_pair(pair, split{weigh})"
        lines += [
            f"method = aa.{aligner.__name__}({keywords}).{fit}",
            f"corrected = {rows[0]}.with_vectors(method.transform({rows[0]}))",
            f"aa.save(corrected, {out!r})",
        ]
        return "\n".join(lines)

    def cli_lines(self, target: str, source: str, out: str) -> str:
        """Return shell commands that rebuild the output, for a fit on all rows."""
        options = []
        short = {knob.parameter for knob in ALIGNERS[self.method].knobs if knob.option}
        for key, value in self._given:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            flag = f"--{key} {{}}" if key in short else f"--param {key}={{}}"
            options.append(flag.format(quote(text)))
        extra = (
            " --join-ids" if self.pairing == "id" else " --paired" if self._matters else ""
        ) + (" --drop-invalid" if self._drops else "")
        drop = " --drop-invalid" if self._drops else ""
        extra += " --weigh thing" if self.weigh == "thing" else ""
        fit = (
            f"anisoalign fit --method {self.method} {' '.join(options)} --target {quote(target)} "
            f"--source {quote(source)}{extra} --out model.npz"
        )
        if self.fit_on == "split":
            fit += f" --split-seed {self.split_seed} --holdout {self.split_holdout}"
            if self.pairing == "row" and not self._matters:
                fit += " --paired"
        apply = (
            f"anisoalign apply --model model.npz --source {quote(source)}{drop} --out {quote(out)}"
        )
        return f"{fit}\n{apply}"

    @property
    def _given(self) -> list[tuple[str, Any]]:
        """Parameters that differ from the method's defaults, sorted."""
        usual = ALIGNERS[self.method]().plain_params()
        return [(k, v) for k, v in sorted(self.parameters.items()) if v != usual.get(k)]

    @property
    def _drops(self) -> bool:
        return bool(self.source.dropped_rows or self.target.dropped_rows)

    @property
    def _matters(self) -> bool:
        """Whether matching changed which rows are there."""
        return self.pairing == "id" or (self.pairing == "row" and self._drops)


@dataclass(frozen=True)
class Fitted:
    """A fit, and the sets that it read."""

    job: FitJob
    source: SetFacts
    target: SetFacts


@dataclass(frozen=True)
class Corrected:
    """A correction: what it read and wrote, and what was found before ReVision chunks."""

    job: ApplyJob
    input: SetFacts
    files: tuple[FileFacts, ...]
    preflight: dict[str, Any] | None = None


@dataclass(frozen=True)
class FileRecipe(AnyRecipe):
    """How files were made: the fit, the correction, and the digest of every file.

    Attributes
    ----------
    fit : Fitted or None
        None for a model that does not say what it was fitted on.
    apply : Corrected
    method : str
    parameters : dict
        All parameters of the method, with ``bound="auto"`` resolved.
    model_digest : str
    versions : dict
    """

    FORMAT_VERSION = 2

    fit: Fitted | None
    apply: Corrected
    method: str
    parameters: dict[str, Any]
    model_digest: str
    versions: dict[str, str]

    @classmethod
    def of(cls, method: Aligner, job: ApplyJob, applied: Applied, model: str) -> FileRecipe:
        """Write down what was done."""
        known = getattr(method, "fitted_on_", None)
        checked = None if applied.preflight is None else applied.preflight.to_dict()
        return cls(
            None if known is None else from_plain(Fitted, known),
            Corrected(job, applied.read, applied.files, checked),
            method.name,
            method.resolved_params(),
            model,
            versions(),
        )

    def check(self) -> None:
        """See :meth:`AnyRecipe.check`."""
        super().check()
        if self.fit is not None:
            _check_method(self.fit.job.method, self.fit.job.parameters)

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling of the recipe, as plain values."""
        return {
            "method": self.method,
            "parameters": json.loads(json.dumps(self.parameters)),
            "source": self.fit and self.fit.source.name,
            "target": self.fit and self.fit.target.name,
            "applied to": self.apply.input.name,
            "rows": sum(one.rows for one in self.apply.files),
            "files": [one.name for one in self.apply.files],
            "versions": self.versions,
        }


def read_recipe(path: str | Path) -> Recipe | FileRecipe:
    """Read a recipe file of either kind.

    Raises
    ------
    FormatError
        If it cannot be read or is not a recipe.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path.name} cannot be read ({type(error).__name__}).") from error
    return Recipe.from_json(text)


def _body(text: str) -> dict[str, Any]:
    """Return the fields of a recipe's JSON, its version among them."""
    try:
        body = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not isinstance(body, dict) or "format" not in body or "format_version" not in body:
        raise ValueError("it has no format")
    known = (Recipe.FORMAT_VERSION, FileRecipe.FORMAT_VERSION)
    if body.pop("format") != RECIPE_FORMAT or body["format_version"] not in known:
        raise FormatError("This recipe was written by another version of this library.")
    return body


def _check_method(method: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a method that is not there, and parameters that it does not have."""
    if method not in ALIGNERS:
        raise ValueError("its method is not known")
    if not set(parameters) <= set(ALIGNERS[method]().plain_params()):
        raise ValueError(f"{method} has no such parameters")
