"""What verbs share: reading sets, telling how far they are, and writing answers."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from anisoalign_core.cli.options import spoken
from anisoalign_core.errors import ParameterError

if TYPE_CHECKING:
    from anisoalign_core.align import Aligner
    from anisoalign_core.embeddings import EmbeddingSet
    from anisoalign_core.engine import Engine
    from anisoalign_core.files.source import Choice
    from anisoalign_core.io.shards import ShardedSet
    from anisoalign_core.numerics import Progress
    from anisoalign_core.pairs import EmbeddingPair
    from anisoalign_core.scoring import Scorer

SAMPLE = "sample:"
"""Before the name of a bundled sample, in the place of a file."""
EVERY = 2.0
"""Seconds between two lines of progress where standard error is not a terminal."""


def say(options: argparse.Namespace, words: str) -> None:
    """Write a line to standard error, in the verb's own options, unless quiet."""
    if not options.quiet:
        print(spoken(words, options), file=sys.stderr, flush=True)


@dataclass
class Teller:
    """Progress on standard error, with an estimate of what is left.

    On a terminal one line is written over; elsewhere there is a line every two seconds, and the
    last one.
    """

    quiet: bool
    _begun: float = field(default_factory=time.monotonic)
    _told: float = 0.0
    _length: int = 0

    def __call__(self, fraction: float, words: str) -> None:
        """Say that this part of the work is done."""
        now = time.monotonic()
        if self.quiet or (now - self._told < (0.1 if self._line else EVERY) and fraction < 1.0):
            return
        self._told = now
        text = f"{fraction:4.0%} {words}{self._left(fraction, now)}"
        if self._line:
            print(f"\r{text:<{self._length}}", end="", file=sys.stderr, flush=True)
            self._length = len(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line that was written over."""
        if self._length:
            print(f"\r{'':<{self._length}}\r", end="", file=sys.stderr, flush=True)
            self._length = 0

    @property
    def _line(self) -> bool:
        return sys.stderr.isatty()

    def _left(self, fraction: float, now: float) -> str:
        taken = now - self._begun
        if not 0.02 < fraction < 1.0 or taken < 1.0:
            return ""
        seconds = taken * (1.0 - fraction) / fraction
        return f", about {seconds:.0f} s left" if seconds < 90 else f", {seconds / 60:.0f} min left"


@contextmanager
def telling(options: argparse.Namespace) -> Iterator[Progress]:
    """Yield a callback for progress that ends its line however the work ends."""
    teller = Teller(options.quiet)
    try:
        yield teller
    finally:
        teller.end()


@contextmanager
def engine_of(options: argparse.Namespace) -> Iterator[Engine]:
    """Yield the engine that the options ask for: this machine's cores, or a Dask cluster."""
    if options.scheduler is None and options.workers is None:
        from anisoalign_core.engine import LocalEngine

        if options.threads is not None and options.threads < 1:
            raise ParameterError(f"--threads is {options.threads}; give at least 1.")
        yield LocalEngine() if options.threads is None else LocalEngine(options.threads)
        return
    from anisoalign_core.engine.dask import connected

    with connected(options.scheduler, options.workers) as engine:
        yield engine


@contextmanager
def running(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what jobs take besides: an engine, and whom they tell how far they are."""
    with engine_of(options) as engine, telling(options) as tell:
        yield {"engine": engine, "progress": tell, "say": lambda words: say(options, words)}


def places_of(options: argparse.Namespace, side: str) -> tuple[str, ...]:
    """Return the places that ``--source`` or ``--target`` names; a bundled sample is its file."""
    from anisoalign_core.samples import sample_file

    part = "image" if side == "target" else "text"
    return tuple(
        str(sample_file(one.removeprefix(SAMPLE), part)) if one.startswith(SAMPLE) else one
        for one in getattr(options, side)
    )


def columns_of(options: argparse.Namespace, side: str) -> Choice:
    """Return what the options say of the columns of one side: its own options before the others."""
    from anisoalign_core.files.source import Choice

    def chosen(what: str) -> Any:
        own = getattr(options, f"{side}_{what}", None)
        return getattr(options, what) if own is None else own

    return Choice(chosen("id_column"), tuple(chosen("drop_columns") or ()))


def open_set(options: argparse.Namespace, side: str) -> ShardedSet:
    """Find the shards of one side (``source`` or ``target``)."""
    from anisoalign_core.io.shards import open_shards

    return open_shards(
        places_of(options, side),
        modality=getattr(options, f"{side}_modality"),
        key=getattr(options, f"{side}_key"),
        choice=columns_of(options, side),
    )


def read_pair(options: argparse.Namespace) -> tuple[EmbeddingPair, dict[str, Any] | None]:
    """Read source and target, or a stated sample of them.

    Returns
    -------
    pair : EmbeddingPair
    sample : dict or None
        What was sampled, for the answer's JSON; None if every row was read.
    """
    from anisoalign_core.engine.sampling import read_sides
    from anisoalign_core.samples import load_sample

    by = pairing_of(options)
    if options.rows < 0:
        raise ParameterError(f"--rows is {options.rows}; give a number of rows, or 0 for all.")
    bundled = {one for one in (*options.source, *options.target) if one.startswith(SAMPLE)}
    if bundled and len(options.source) == len(options.target) == 1:
        sides = [
            getattr(load_sample(one.removeprefix(SAMPLE)), side)
            if one.startswith(SAMPLE)
            else _read_one(options, side)
            for side, one in (("source", options.source[0]), ("target", options.target[0]))
        ]
        for side in sides:
            _say_set(options, side)
        return _matched(options, sides[0], sides[1], by), None
    source, target = (open_set(options, side) for side in ("source", "target"))
    source_set, target_set = read_sides(
        source,
        target,
        by,
        rows=options.rows or None,
        random_state=options.sample_seed,
        drop_invalid=options.drop_invalid,
    )
    sampled: dict[str, Any] = {}
    for side, data, read in (("source", source, source_set), ("target", target, target_set)):
        total = data.rows
        _say_set(options, read)
        if read.provenance.rows_read < total:
            sampled[side] = {"rows": read.provenance.rows_read, "of": total}
            say(
                options,
                f"{data.name}: a sample of {read.provenance.rows_read:,} of {total:,} rows, seed "
                f"{options.sample_seed} (--rows 0 reads all).",
            )
    found = sampled | {"seed": options.sample_seed} if sampled else None
    return _matched(options, source_set, target_set, by), found


def _matched(
    options: argparse.Namespace,
    source: EmbeddingSet,
    target: EmbeddingSet,
    by: Literal["row", "id", "none"],
) -> EmbeddingPair:
    """Pair two sets, and say how many rows belong together and which have no partner."""
    from anisoalign_core.io.reading import pair_words
    from anisoalign_core.pairs import EmbeddingPair

    pair = EmbeddingPair.match(source, target, by)
    if pair.paired:
        say(options, pair_words(pair))
    return pair


def sample_note(sample: dict[str, Any] | None) -> list[str]:
    """Say in sentences what was sampled."""
    if sample is None:
        return []
    return [
        f"The {side} is a sample of {sample[side]['rows']:,} of {sample[side]['of']:,} rows, seed "
        f"{sample['seed']}."
        for side in ("source", "target")
        if side in sample
    ]


def _read_one(options: argparse.Namespace, side: str) -> EmbeddingSet:
    from anisoalign_core.engine.sampling import sample_set

    return sample_set(open_set(options, side), drop_invalid=options.drop_invalid)


def pairing_of(options: argparse.Namespace) -> Literal["row", "id", "none"]:
    """Return how the options pair source and target."""
    return "id" if options.join_ids else "row" if options.paired else "none"


def _say_set(options: argparse.Namespace, found: EmbeddingSet) -> None:
    say_read(options, found.name, len(found), found.dim, len(found.provenance.dropped_rows))
    for note in found.provenance.notes:
        say(options, note)


def say_read(options: argparse.Namespace, name: str, rows: int, dim: int, dropped: int) -> None:
    """Say what was read of a set, and warn where its covariance is singular."""
    say(options, f"{name}: {rows:,} × {dim}" + (f", {dropped:,} dropped" if dropped else ""))
    if rows < dim:
        say(
            options,
            f"warning: {name} has fewer rows than dimensions; its covariance is singular "
            "and is shrunk (Ledoit–Wolf) where it is inverted.",
        )


def emit(text: str, path: str) -> None:
    """Write text to a file, whole or not at all; ``-`` is standard output."""
    from anisoalign_core.files.atomic import atomic_write_text

    if path == "-":
        print(text)
    else:
        atomic_write_text(path, text + "\n")


def emit_json(body: Any, path: str | None) -> None:
    """Write JSON where an option asks for it."""
    if path:
        emit(json.dumps(body, indent=2, allow_nan=False, ensure_ascii=False), path)


def parameters_of(
    options: argparse.Namespace, method: type[Aligner] | type[Scorer]
) -> dict[str, Any]:
    """Return the parameters of a method or scorer that the options give, checked for their kind."""
    from anisoalign_core.cli.knobs import given as options_given

    known = method().plain_params()
    given = options_given(options)
    for entry in options.param:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ParameterError(f'--param {entry}: write NAME=VALUE, for example "sigma=0.05".')
        try:
            given[name] = json.loads(text)
        except json.JSONDecodeError:
            given[name] = text
    found_by_itself = {knob.parameter for knob in method.knobs if knob.auto}
    for name, value in given.items():
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise ParameterError(f"{method.name} has no parameter {name!r}; it has: {has}.")
        usual = known[name]
        several = name.endswith("_bounds") and isinstance(value, list)
        number = usual is None or isinstance(usual, int | float)
        if number and not several and not isinstance(value, int | float):
            raise ParameterError(f"{name} is {value!r}; give a number.")
        if isinstance(usual, str) and not isinstance(value, str) and name not in found_by_itself:
            raise ParameterError(f"{name} is {value!r}; give a name.")
    return given
