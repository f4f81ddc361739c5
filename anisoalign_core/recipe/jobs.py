"""Fits and corrections as they are asked for on the command line.

A job is plain data. Running it twice on the same machine and the same files gives the same bytes,
so two jobs and what was measured when they ran make a recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from anisoalign_core.align import ALIGNERS, Aligner
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.engine.facts import FileFacts, SetFacts
from anisoalign_core.engine.local import LocalEngine
from anisoalign_core.engine.outputs import OutputPlan, plan_outputs
from anisoalign_core.engine.resume import Work, begin
from anisoalign_core.engine.sampling import read_sides, sample_set
from anisoalign_core.engine.streaming import (
    Engine,
    check_row_by_row,
    fit_streamed,
    is_row_by_row,
    write_streamed,
)
from anisoalign_core.engine.write import Change, preflight
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.source import Choice
from anisoalign_core.io import save
from anisoalign_core.io.preflight import Preflight
from anisoalign_core.io.registry import FORMATS, by_suffix
from anisoalign_core.io.shards import ShardedSet, open_shards
from anisoalign_core.numerics import Progress
from anisoalign_core.recipe.facts import SplitBy, match_again, versions
from anisoalign_core.rows import NormRange

Say = Callable[[str], None]


@dataclass(frozen=True)
class FitJob:
    """Fit a method on two sets.

    Attributes
    ----------
    source, target : tuple of str
        Files, a folder or a pattern, as :func:`anisoalign_core.open_shards` takes them.
    method : str
    parameters : dict
        Those that differ from the method's defaults.
    source_modality, target_modality : str
    source_key, target_key : str or None
    drop_invalid : bool
    pairing : {"none", "row", "id"}
    split_seed : int or None
        Fit on the fit parts of this split only.
    holdout : float
    split_by : {"thing", "row"}
        What a split keeps together.
    weigh : {"row", "thing"}
        Whether each row or each thing (the rows of one id) has weight one.
    rows : int or None
        Fit on a sample of at most this many rows of each side, in memory.
    sample_seed : int
    source_columns, target_columns : Choice
        Which column of each side holds the ids, and which are left out.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    source_modality: str = "text"
    target_modality: str = "image"
    source_key: str | None = None
    target_key: str | None = None
    drop_invalid: bool = False
    pairing: Literal["none", "row", "id"] = "none"
    split_seed: int | None = None
    holdout: float = 0.2
    split_by: SplitBy = "row"  # as jobs before 0.2 were run
    weigh: SplitBy = "row"
    rows: int | None = None
    sample_seed: int = 0
    source_columns: Choice = field(default_factory=Choice)
    target_columns: Choice = field(default_factory=Choice)

    @property
    def streams(self) -> bool:
        """Whether the fit needs no rows in memory: only moments, of all rows of each side."""
        pairs_matter = self.pairing == "id" or (self.pairing == "row" and self.drop_invalid)
        method = ALIGNERS[self.method]
        all_rows = self.split_seed is None and self.rows is None and self.weigh == "row"
        return method.moments is not None and all_rows and not pairs_matter

    def open(self) -> tuple[ShardedSet, ShardedSet]:
        """Find the shards of source and target."""
        sides = (
            (self.source, self.source_modality, self.source_key, self.source_columns),
            (self.target, self.target_modality, self.target_key, self.target_columns),
        )
        source, target = (
            open_shards(places, modality=modality, key=key, choice=columns)
            for places, modality, key, columns in sides
        )
        return source, target

    def run(self, engine: Engine | None = None, progress: Progress | None = None) -> Aligner:
        """Fit; what was read is kept in the model as ``fitted_on_``.

        Raises
        ------
        AnisoAlignError
        """
        source, target = self.open()
        method = ALIGNERS[self.method].of(self.parameters)
        if self.streams:
            if self.pairing == "row":
                if source.rows != target.rows:
                    raise ParameterError(
                        f"{source.name} has {source.rows:,} rows and {target.name} has "
                        f"{target.rows:,}, so row i cannot belong to row i. Leave --paired out: "
                        f"{method.label} reads no pairs."
                    )
            _, read_source, read_target = fit_streamed(
                method,
                source,
                target,
                drop_invalid=self.drop_invalid,
                engine=engine,
                progress=progress,
            )
            source.check_unchanged()
            target.check_unchanged()
        else:
            read_source, read_target = self._fit_in_memory(method, source, target, progress)
        method.fitted_on_ = {
            "job": asdict(self),
            "source": asdict(read_source),
            "target": asdict(read_target),
        }
        return method

    def _fit_in_memory(
        self, method: Aligner, source: ShardedSet, target: ShardedSet, progress: Progress | None
    ) -> tuple[SetFacts, SetFacts]:
        if (method.needs_pairs or method.needs_partners) and self.pairing == "none":
            raise ParameterError(
                f"{self.method} learns from pairs: add --paired (row i belongs to row i) or "
                "--join-ids."
            )
        sides = read_sides(
            source,
            target,
            self.pairing,
            rows=self.rows,
            random_state=self.sample_seed,
            drop_invalid=self.drop_invalid,
        )
        found = []  # before a fit of hours, after which the files may not be what was read
        for data, side in zip((source, target), sides, strict=True):
            known = side.provenance
            norms = NormRange(len(side), len(known.dropped_rows), known.norm_min, known.norm_max)
            files = [FileFacts.of(shard) for shard in data.shards]
            data.check_unchanged()
            found.append(SetFacts.of(data, norms, files))
        pair = match_again(*sides, self.pairing, self.split_by)
        split = (
            None
            if self.split_seed is None
            else pair.split(self.split_seed, self.holdout, self.split_by)
        )
        method.fit_pair(pair, split, weigh=self.weigh, progress=progress)
        return found[0], found[1]


@dataclass(frozen=True)
class ApplyJob:
    """Correct a set with a fitted model and write it.

    Attributes
    ----------
    source : tuple of str
    out : str
        A file, or a folder; see :func:`plan_outputs`.
    modality : str
    key : str or None
    form, dtype : str or None
    shard_rows : int or None
    drop_invalid : bool
    training_json : str or None
        ReVision chunks only: the training data whose ids must all be there.
    normalise : bool
        Where nothing is corrected: place the rows on the unit sphere all the same. ReVision chunks
        always are.
    columns : Choice
        Which column holds the ids, and which are left out.
    """

    source: tuple[str, ...]
    out: str
    modality: str = "text"
    key: str | None = None
    form: str | None = None
    dtype: Literal["float32", "float16"] | None = None
    shard_rows: int | None = None
    drop_invalid: bool = False
    training_json: str | None = None
    normalise: bool = False
    columns: Choice = field(default_factory=Choice)

    @property
    def suffix(self) -> str:
        """Suffix of the output's name, or of the one file that its format is."""
        given = FORMATS.get(self.form or "")
        return given.suffix if given and not given.folder else Path(self.out).suffix.lower()

    def at_once(self, method: Aligner | None) -> bool:
        """Whether the format, or the method, takes the whole set at once: see :meth:`run_whole`."""
        how = by_suffix(self.suffix)
        whole_file = how is not None and how.write is not None and not how.streams
        return whole_file or (method is not None and not is_row_by_row(method))

    def open(self) -> ShardedSet:
        """Find the shards of the input."""
        return open_shards(self.source, modality=self.modality, key=self.key, choice=self.columns)

    def run_whole(self, method: Aligner | None, partners: EmbeddingSet | None = None) -> int:
        """Correct or convert the set in memory, as one file; return its rows.

        Raises
        ------
        AnisoAlignError
        """
        if self.shard_rows or self.training_json:
            raise ParameterError("This format, or this method, takes a set as one file.")
        if self.form is not None and Path(self.out).suffix.lower() != f".{self.form}":
            raise ParameterError(
                f"End the name {self.out} with .{self.form}: this format, or this method, "
                "takes a set as one file."
            )
        if Path(self.out).resolve() in [Path(one).resolve() for one in self.source]:
            raise FormatError(f"{self.out} is an input of this job. Choose another name.")
        rows = sample_set(self.open(), drop_invalid=self.drop_invalid)
        if method is not None:
            rows = rows.with_vectors(method.transform(rows, partners))
        elif not (self.normalise or rows.provenance.was_normalised):
            raise ParameterError(
                f"{rows.name} holds rows that are not unit, and {self.suffix} files hold unit rows "
                "here. Add --normalise, or choose another format."
            )
        save(rows, self.out, dtype=self.dtype or "float32")
        return len(rows)

    def plan(self, method: Aligner | None) -> tuple[ShardedSet, OutputPlan]:
        """Find the shards and decide what is written."""
        data = self.open()
        described = {"modality": self.modality}
        if method is not None:
            described["method"] = method.name
        plan = plan_outputs(
            data,
            self.out,
            form=self.form,
            dtype=self.dtype,
            shard_rows=self.shard_rows,
            drop_invalid=self.drop_invalid,
            method="converted" if method is None else method.name,
            metadata=described,
        )
        unit = method is not None or self.normalise or plan.format == "revision"
        return data, replace(
            plan, normalise=unit, metadata=described | ({"normalised": "true"} if unit else {})
        )


@dataclass(frozen=True)
class Applied:
    """What a correction read and wrote.

    Attributes
    ----------
    work : Work
    read : SetFacts
    files : tuple of FileFacts
    preflight : Preflight or None
        What was found before ReVision chunks were written.
    """

    work: Work
    read: SetFacts
    files: tuple[FileFacts, ...]
    preflight: Preflight | None = None

    @property
    def plan(self) -> OutputPlan:
        """Where everything went."""
        return self.work.plan

    @property
    def resumed(self) -> int:
        """Files that an earlier run had finished."""
        return len(self.work.finished)

    def finish(self) -> None:
        """Take away what would let the job go on: call it when nothing is left to write."""
        self.work.done()

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return sum(one.rows for one in self.files)


def run_apply(
    method: Aligner | None,
    job: ApplyJob,
    *,
    model_digest: str = "",
    engine: Engine | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Applied:
    """Correct a set and write it; without a method, write it in another form.

    A folder is filled shard by shard. Started again after it was killed, the same job goes on at
    the first shard that is not there, and ends with the same bytes.

    Parameters
    ----------
    method : Aligner or None
    job : ApplyJob
    model_digest : str
        Digest of the model's file: part of what makes two jobs the same.
    engine : Engine, optional
    progress : callable(fraction, words), optional
    say : callable(words), optional
        Is told what the pre-flight of ReVision chunks found, and what is left to do.

    Raises
    ------
    AnisoAlignError
    """
    engine, say = engine or LocalEngine(), say or (lambda words: None)
    data, plan = job.plan(method)
    if method is not None:
        check_row_by_row(method, plan)
    checked = None
    if plan.format == "revision":
        checked = preflight(plan, data, job.training_json, say)
    elif job.training_json is not None:
        raise ParameterError("A training file is compared with ReVision chunks only.")
    identity = {**asdict(job), "model": model_digest, "versions": versions()}
    work = begin(plan, identity)
    if work.finished:
        say(f"{len(work.finished)} of {len(plan.outputs)} files are there already; going on.")
    try:
        written, digests = write_streamed(
            method, plan, outputs=work.unfinished, engine=engine, progress=progress
        )
    except AnisoAlignError:
        work.undone()
        raise
    files = work.finished_facts() | {one.facts.name: one.facts for one in written}
    before = Change.of(method, plan).measured(plan, work.finished)
    norms = sum((one.norms for one in written), before)
    read = [FileFacts.of(shard, digests.get(shard.name)) for shard in data.shards]
    data.check_unchanged()
    ordered = tuple(files[output.name] for output in plan.outputs)
    return Applied(work, SetFacts.of(data, norms, read), ordered, checked)
