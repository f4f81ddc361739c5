"""How an engine writes one file, and what must be true before: pure functions for any process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anisoalign_core.align.base import Aligner
from anisoalign_core.engine.facts import FileFacts
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.engine.passes import RawBlock, raw_blocks
from anisoalign_core.errors import FormatError, InvalidRowsError, ShapeError
from anisoalign_core.files.atomic import AtomicFiles, atomic_files, make_folder
from anisoalign_core.files.digests import PassingDigest
from anisoalign_core.files.flushing import flushing
from anisoalign_core.files.places import COPY_BYTES, is_local
from anisoalign_core.io import lines
from anisoalign_core.io.chunks import About, Chunk, joined
from anisoalign_core.io.clip_retrieval import check_metadata, write_metadata
from anisoalign_core.io.preflight import Preflight, PreflightCounter, training_ids
from anisoalign_core.io.shards import ShardedSet, stream_limits
from anisoalign_core.numerics import BLOCK_ROWS, UNIT_TOLERANCE, row_norms
from anisoalign_core.rows import NormRange, valid_norms

Run = Callable[[Callable[[RawBlock], Any], Iterable[RawBlock]], Iterator[Any]]
"""Applies a function to blocks and yields the results in order, as ``map`` does."""


@dataclass(frozen=True)
class Change:
    """What is done with each block: correct it, normalise it, or give it another type only."""

    method: Aligner | None
    unit: bool
    dtype: str

    @classmethod
    def of(cls, method: Aligner | None, plan: OutputPlan) -> Change:
        """Return what a plan does, with or without a method."""
        return cls(method, method is not None or plan.normalise, plan.dtype)

    def __call__(self, raw: RawBlock) -> tuple[Chunk, NormRange]:
        """Return the block as it is written, and what was measured of its rows.

        Raises
        ------
        InvalidRowsError
        """
        if not self.unit:
            return _recoded(raw, self.dtype)
        block = raw.unit()
        rows = block.rows
        try:
            rows = rows if self.method is None else self.method.correct(rows)
        except InvalidRowsError as error:
            raise InvalidRowsError(
                f"{raw.name}, from row {raw.first:,}: {error}", [r + raw.first for r in error.rows]
            ) from error
        return Chunk(rows.astype(self.dtype, copy=False), block.about), block.norms

    def measured(self, plan: OutputPlan, outputs: Sequence[Output]) -> NormRange:
        """Measure the rows of files that are there already, as is done when they are written."""
        blocks = (raw for output in outputs for raw in _blocks(plan, output, False, None))
        norms = (raw.unit().norms if self.unit else self(raw)[1] for raw in blocks)
        return sum(norms, NormRange())


def _recoded(raw: RawBlock, dtype: str) -> tuple[Chunk, NormRange]:
    """Give the rows of one block another type, and nothing else, but leave out invalid ones."""
    array, about = raw.chunk.array, raw.chunk.about
    numbers = np.arange(len(array))
    if raw.drop_invalid:
        numbers = np.flatnonzero(valid_norms(row_norms(array)))
        if len(numbers) < len(array):
            array, about = array[numbers], about.take(numbers)
    with np.errstate(over="ignore", invalid="ignore"):
        out = array.astype(dtype, copy=False)
    lost = raw.first + numbers[(np.isinf(out) & np.isfinite(array)).any(axis=1)]
    if len(lost):
        raise InvalidRowsError(
            f"Row {lost[0]} of {raw.name} holds a number too large for {dtype}. Keep float32, or "
            "normalise the rows first.",
            lost.tolist(),
        )
    return Chunk(out, about), NormRange(len(out), len(raw.chunk.array) - len(out))


@dataclass(frozen=True)
class Written:
    """One file that was written, and what was measured of its rows on the way in."""

    facts: FileFacts
    norms: NormRange


def write_output(
    plan: OutputPlan,
    output: Output,
    change: Change,
    *,
    run: Run = map,
    digests: dict[str, PassingDigest] | None = None,
) -> Written:
    """Write one file, and what belongs beside it: whole or not at all.

    Parameters
    ----------
    plan : OutputPlan
    output : Output
    change : Change
    run : callable, default map
    digests : dict, optional
        Filled with the digest of each input shard, by name.

    Raises
    ------
    AnisoAlignError
        If the rows, or what is said of them, cannot be written in that format or that place, or an
        input changes meanwhile.
    """
    path = plan.path(output)
    make_folder(path.parent)
    copied = output.copied and not plan.drop_invalid and _copies(plan, output)
    norms, said = NormRange(), list[About]()
    beside = (plan.how.lines or plan.format == "clip-retrieval") and not copied
    limits = stream_limits()

    def chunks() -> Iterator[Chunk]:
        nonlocal norms
        empty: Chunk | None = None
        for chunk, measured in run(change, _blocks(plan, output, not copied, digests)):
            norms = norms + measured
            if len(chunk.array):
                yield described(chunk)
            else:
                empty = chunk
        if norms.rows == 0 and empty is not None:  # then the file says so
            if plan.format == "revision":
                raise ShapeError(
                    f"Every row of {output.pieces[0].shard.name} is invalid, and a chunk without "
                    "records cannot be read. Leave the file out."
                )
            yield described(empty)

    def described(chunk: Chunk) -> Chunk:
        about = chunk.about if plan.how.native else chunk.about.plain(limits)
        if beside:
            said.append(replace(about, native=None))
        return Chunk(chunk.array, about)

    writer = plan.how.write
    assert writer is not None  # noqa: S101  (plans are made of formats that can be written)
    digest = PassingDigest()
    with _only_text(output.name), atomic_files(clean=plan.is_file) as waiting:
        temporary = waiting.add(path)
        with flushing(temporary) as stream:
            expected = None if plan.drop_invalid else output.rows
            watched = digest.passing(stream)
            rows = writer(watched, chunks(), plan.modality, _described(plan, output), expected)
        if copied:
            for source, goal in _beside(plan, output):
                with source.open("rb") as read, waiting.add(goal).open("wb") as write:
                    shutil.copyfileobj(read, write, COPY_BYTES)
        elif beside:
            _write_beside(waiting, plan, output, said)
        for piece in output.pieces:
            piece.shard.check_unchanged()
        facts = FileFacts(output.name, rows, temporary.stat().st_size, digest.of(temporary))
    return Written(facts, norms)


def _blocks(
    plan: OutputPlan, output: Output, about: bool, digests: dict[str, PassingDigest] | None
) -> Iterator[RawBlock]:
    for piece in output.pieces:
        digest = None
        if digests is not None:
            digest = digests.setdefault(piece.shard.name, PassingDigest())
        blocks = raw_blocks(piece, drop_invalid=plan.drop_invalid, about=about, digest=digest)
        if about and plan.how.every_id:
            blocks = (_with_ids(raw, piece.first - piece.start, plan) for raw in blocks)
        yield from blocks


def _with_ids(raw: RawBlock, begin: int, plan: OutputPlan) -> RawBlock:
    """Let row numbers of the whole set serve as ids where the input brings none."""
    about = raw.chunk.about
    if getattr(about.native, "form", None) == plan.format:
        return raw  # keeps its own
    about = about.plain(stream_limits())
    if about.ids is None:
        first = begin + raw.first
        numbers = np.arange(first, first + len(raw.chunk.array))
        about = replace(about, ids=numbers.astype(str).astype(object))
    return replace(raw, chunk=Chunk(raw.chunk.array, about))


def _described(plan: OutputPlan, output: Output) -> dict[str, str]:
    known = dict(output.pieces[0].shard.facts.metadata)
    known.pop("digest", None)  # of other vectors
    return {**known, **plan.metadata}


@contextmanager
def _only_text(name: str) -> Iterator[None]:
    """Refuse what is no text: a pickle can hold half of a surrogate pair, and no other file."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise FormatError(
            f"An id, caption or label for {name} is not valid text (half a surrogate pair), so "
            "nothing was written. Mend it in the input."
        ) from error


def _copies(plan: OutputPlan, output: Output) -> bool:
    """Whether all that is known of the rows lies beside the vectors, and can be copied."""
    shard = output.pieces[0].shard
    if plan.format == "clip-retrieval":
        return shard.metadata is not None
    return plan.how.lines and shard.format.lines and shard.metadata is None


def _beside(plan: OutputPlan, output: Output) -> list[tuple[Path, Path]]:
    """Files beside the one shard of an output, and where their copies go.

    Raises
    ------
    FormatError, ShapeError
        If they speak of another number of rows, or a file that lies there would be read as theirs.
    """
    shard, path = output.pieces[0].shard, plan.path(output)
    metadata = plan.metadata_path(output)
    if metadata is not None and shard.metadata is not None:
        check_metadata(shard.metadata, shard.facts.rows)
        make_folder(metadata.parent)
        return [(shard.metadata, metadata)]
    shard.about()
    pairs = [
        (shard.path.with_suffix(ending), path.with_suffix(ending))
        for ending in (lines.IDS_ENDING, lines.CAPTIONS_ENDING)
    ]
    for source, goal in pairs:
        if not source.exists():
            lines.refuse_stale(goal, path, "ids" if "ids" in goal.name else "captions")
    there = [(source, goal) for source, goal in pairs if source.exists()]
    # an output of the same name in the same folder shares them with its input
    return [(source, goal) for source, goal in there if not _same(source, goal)]


def _same(source: Path, goal: Path) -> bool:
    return is_local(source) and is_local(goal) and goal.exists() and source.samefile(goal)


def _write_beside(
    waiting: AtomicFiles, plan: OutputPlan, output: Output, said: list[About]
) -> None:
    """Write what was said of the rows, chunk by chunk, where the format keeps it."""
    about = joined(said)
    path, metadata = plan.path(output), plan.metadata_path(output)
    if metadata is None:
        for goal, text in lines.sidecars(about, path).items():
            waiting.add(goal).write_bytes(text)
        return
    make_folder(metadata.parent)
    with waiting.add(metadata).open("wb") as stream:
        write_metadata(stream, about)


def preflight(
    plan: OutputPlan,
    data: ShardedSet,
    training_json: str | None,
    say: Callable[[str], None],
) -> Preflight:
    """Read ids and norms once, say what was found, and refuse what the loader could not use.

    Parameters
    ----------
    plan : OutputPlan
    data : ShardedSet
    training_json : str or None
    say : callable(words)

    Raises
    ------
    FormatError
        With the reason, before anything is written.
    """
    wanted = None if training_json is None else training_ids(training_json)
    counter, limits, first = PreflightCounter(), stream_limits(), 0
    for shard in data.shards:
        for chunk in shard.chunks(BLOCK_ROWS, about=True):
            array, ids = chunk.array, chunk.about.plain(limits).ids
            numbers = np.arange(first, first + len(array))
            first += len(array)
            ids = numbers.astype(str).astype(object) if ids is None else ids
            norms = row_norms(array)
            kept = valid_norms(norms)
            if not (np.abs(norms - 1.0) <= UNIT_TOLERANCE).all():
                # as they will be written: on the unit sphere
                array = array / np.where(kept, norms, 1.0)[:, None]
            if plan.drop_invalid:
                array, ids = array[kept], ids[kept]
            counter.add(array, ids)
    found = counter.finish(wanted, data.dim)
    for sentence in found.sentences:
        say(sentence)
    if found.refusal is not None:
        raise FormatError(f"{found.refusal} Nothing was written.")
    return found
