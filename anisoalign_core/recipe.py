"""What was done, as JSON: enough to build the same corrected file again, and to check it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from anisoalign_core import __version__
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError
from anisoalign_core.numerics import Float32, Progress
from anisoalign_core.pairs import EmbeddingPair, Split
from anisoalign_core.plain import from_plain

RECIPE_FORMAT = "anisoalign-recipe"
RECIPE_VERSION = 1
LIBRARIES = ("numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class InputFacts:
    """One input set as it was read."""

    name: str
    files: tuple[str, ...]
    modality: str
    rows: int
    dim: int
    digest: str
    vectors_digest: str
    was_normalised: bool
    norm_range: tuple[float, float]
    dropped_rows: int

    @classmethod
    def of(cls, data: EmbeddingSet) -> InputFacts:
        """Facts of a set."""
        known = data.provenance
        return cls(
            name=known.name,
            files=known.files,
            modality=data.modality,
            rows=len(data),
            dim=data.dim,
            digest=data.digest,
            vectors_digest=vectors_digest(data.vectors),
            was_normalised=known.was_normalised,
            norm_range=(known.norm_min, known.norm_max),
            dropped_rows=len(known.dropped_rows),
        )


@dataclass(frozen=True)
class Recipe:
    """How corrected vectors were made.

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
    output_digest : str
        sha256 of the corrected float32 rows.
    versions : dict
    scores_before, scores_after : dict of str to float
        On held-out rows, under the split below.
    """

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

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        body = {"format": RECIPE_FORMAT, "format_version": RECIPE_VERSION, **asdict(self)}
        return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        FormatError
            If the text is not a recipe of this version.
        """
        try:
            recipe = from_plain(cls, recipe_body(text, RECIPE_VERSION))
            check_method(recipe.method, recipe.parameters)
            if not 0 < recipe.split_holdout < 1 or recipe.split_seed < 0:
                raise ValueError("its split is none")
            return recipe
        except ValueError as error:
            raise FormatError(f"This is not a recipe written by this library: {error}.") from error

    def python_lines(self, target: str, source: str, out: str) -> str:
        """Return Python that rebuilds the output from the two files."""
        from anisoalign_core.align import ALIGNERS

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
        if self._matters:
            lines.append(f"pair = aa.EmbeddingPair.match(source, target, by={self.pairing!r})")
            rows = ("pair.source", "pair.target")
        fit = rows
        if self.fit_on == "split":
            if not self._matters:
                lines.append(f"pair = aa.EmbeddingPair.match(source, target, by={self.pairing!r})")
                rows = ("pair.source", "pair.target")
            lines.append(f"split = pair.split({self.split_seed}, {self.split_holdout})")
            parts = ("fit_pairs",) * 2 if aligner.needs_pairs else ("fit_source", "fit_target")
            fit = tuple(  # type: ignore[assignment]
                f"{side}.take(split.{part})" for side, part in zip(rows, parts, strict=True)
            )
        lines += [
            f"method = aa.{aligner.__name__}({keywords}).fit({fit[0]}, {fit[1]})",
            f"corrected = {rows[0]}.with_vectors(method.transform({rows[0]}))",
            f"aa.save(corrected, {out!r})",
        ]
        return "\n".join(lines)

    def cli_lines(self, target: str, source: str, out: str) -> str:
        """Return shell commands that rebuild the output, for a fit on all rows."""
        from shlex import quote

        from anisoalign_core.align import ALIGNERS

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
        from anisoalign_core.align import ALIGNERS

        usual = ALIGNERS[self.method]().plain_params()
        return [(k, v) for k, v in sorted(self.parameters.items()) if v != usual.get(k)]

    @property
    def _drops(self) -> bool:
        return bool(self.source.dropped_rows or self.target.dropped_rows)

    @property
    def _matters(self) -> bool:
        """Whether matching changed which rows are there."""
        return self.pairing == "id" or (self.pairing == "row" and self._drops)


def recipe_body(text: str, version: int) -> dict[str, Any]:
    """Return the fields of a recipe's JSON.

    Raises
    ------
    FormatError
        If it was written by another version.
    ValueError
        If it is no recipe.
    """
    try:
        body = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not isinstance(body, dict) or "format" not in body or "format_version" not in body:
        raise ValueError("it has no format")
    if (body.pop("format"), body.pop("format_version")) != (RECIPE_FORMAT, version):
        raise FormatError("This recipe was written by another version of this library.")
    return body


def check_method(method: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a method that is not there, and parameters that it does not have.

    Raises
    ------
    ValueError
    """
    from anisoalign_core.align import ALIGNERS

    if method not in ALIGNERS:
        raise ValueError("its method is not known")
    known = ALIGNERS[method]().plain_params()
    if not set(parameters) <= set(known):
        raise ValueError(f"{method} has no such parameters")


def vectors_digest(vectors: Float32) -> str:
    """Return the sha256 of the shape and the float32 bytes of rows, without their ids."""
    sha = hashlib.sha256(repr(vectors.shape).encode())
    sha.update(np.ascontiguousarray(vectors, dtype="<f4").data)
    return sha.hexdigest()


def versions() -> dict[str, str]:
    """Versions that a bit-for-bit replay depends on."""
    found = {"anisoalign-studio": __version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in LIBRARIES}


def fit_rows(pair: EmbeddingPair, needs_pairs: bool, split: Split | None) -> tuple[Any, Any]:
    """Return the source and target sets a method is fitted on: all rows, or a split's parts."""
    if split is None:
        return pair.source, pair.target
    if needs_pairs:
        return pair.source.take(split.fit_pairs), pair.target.take(split.fit_pairs)
    return pair.source.take(split.fit_source), pair.target.take(split.fit_target)


def cook(
    pair: EmbeddingPair,
    method: str,
    parameters: Mapping[str, Any],
    *,
    fit_on: Literal["all", "split"] = "all",
    split_seed: int = 0,
    split_holdout: float = 0.2,
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
    fit_on, split_seed, split_holdout
        See :class:`Recipe`.

    Returns
    -------
    aligner : Aligner
        Fitted.
    corrected : EmbeddingSet
        The source's rows, ids and captions with corrected vectors.
    recipe : Recipe
    """
    from anisoalign_core.align import ALIGNERS

    aligner = ALIGNERS[method].of(parameters)
    part = pair.split(split_seed, split_holdout) if fit_on == "split" else None
    training, applying = _share(progress, 0.9) if aligner.trains else (None, progress)
    aligner.fit(*fit_rows(pair, aligner.needs_pairs, part), progress=training)
    partners = pair.target if aligner.needs_partners else None
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
    """What :func:`replay` rebuilt, and what differed from the recipe, in sentences."""

    corrected: EmbeddingSet
    identical: bool
    differences: tuple[str, ...]


def replay(recipe: Recipe, source: EmbeddingSet, target: EmbeddingSet) -> Replay:
    """Build a recipe's output again and compare it with the digest that was written down.

    Parameters
    ----------
    recipe : Recipe
    source, target : EmbeddingSet
        The inputs, as :func:`anisoalign_core.load` reads them.
    """
    pair = EmbeddingPair.match(source, target, recipe.pairing)
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
    here = versions()
    differences += [
        f"{name} is {here.get(name, 'absent')} here and was {version}."
        for name, version in recipe.versions.items()
        if here.get(name) != version
    ]
    _, corrected, again = cook(
        pair,
        recipe.method,
        recipe.parameters,
        fit_on=recipe.fit_on,
        split_seed=recipe.split_seed,
        split_holdout=recipe.split_holdout,
    )
    identical = again.output_digest == recipe.output_digest
    return Replay(corrected, identical, tuple(differences))


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file.

    Raises
    ------
    FormatError
        If it cannot be read or is not a recipe.
    """
    return Recipe.from_json(read_recipe_text(path))


def read_recipe_text(path: str | Path) -> str:
    """Read the text of a recipe file.

    Raises
    ------
    FormatError
        If it cannot be read.
    """
    path = Path(path)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path.name} cannot be read ({type(error).__name__}).") from error
