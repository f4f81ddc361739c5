"""A bench of encoders, saved and opened as one file."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from anisoalign_core.bench.kept import KEPT, Found, Kept, keep
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    JoinError,
    LimitError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.files.atomic import atomic_write_bytes
from anisoalign_core.files.limits import MIB, Limits, size_text
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.gap.agreement import FEWEST
from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.gap.encoders import SHARE, EncoderComparison, compare
from anisoalign_core.gap.report import GapReport
from anisoalign_core.gap.run import Run
from anisoalign_core.gap.saved import report_of, report_text
from anisoalign_core.io import load_bytes, to_bytes
from anisoalign_core.io.npz import ZIP_ERRORS, checked_archive
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plain import from_plain

VERSION = 1
KIND = "a bench of encoders"
SUFFIX = ".bench.zip"
MOST = 100
"""Encoders, and as many runs, on a bench."""
MOST_BYTES = 256 * MIB
"""Of everything in a bench, unpacked."""
LONGEST = 200
"""Characters in a name."""
DATE = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class BenchEntry:
    """One encoder on a bench.

    Attributes
    ----------
    name : str
    report : GapReport
    note : str
        A sentence about it.
    kept : Kept
        A few rows, what they find, and the trade-off; empty where only numbers are known.
    """

    name: str
    report: GapReport
    note: str = ""
    kept: Kept = field(default_factory=lambda: Kept(None, None, None))

    @classmethod
    def measure(
        cls,
        name: str,
        pair: EmbeddingPair,
        *,
        note: str = "",
        report: GapReport | None = None,
        rows: int = KEPT,
        random_state: int = 0,
        progress: Progress | None = None,
    ) -> BenchEntry:
        """Diagnose a pair, unless its report is known, and keep what a bench shows of it."""
        tell = progress or (lambda fraction, words: None)
        known = report or diagnose(
            pair, random_state=random_state, progress=lambda f, w: tell(0.6 * f, w)
        )
        kept = keep(
            pair, rows=rows, random_state=random_state, progress=lambda f, w: tell(0.6 + 0.4 * f, w)
        )
        return cls(name, known, note, kept)


@dataclass(frozen=True)
class _Listed:
    name: str
    note: str
    report: str
    rows: tuple[str, str] | None
    modalities: tuple[str, str] | None
    found: Found | None
    tradeoff: dict[str, tuple[float, ...]] | None


@dataclass(frozen=True)
class _Contents:
    bench_version: int
    entries: tuple[_Listed, ...]
    runs: tuple[str, ...]
    baseline: str


@dataclass(frozen=True, eq=False)
class Bench:
    """Encoders and training runs, side by side. Immutable: every change is a new bench.

    Attributes
    ----------
    entries : tuple of BenchEntry
        Names differ.
    runs : tuple of Run
        Names differ.
    baseline : str
        The encoder that others are read against; empty for none.
    """

    entries: tuple[BenchEntry, ...] = ()
    runs: tuple[Run, ...] = ()
    baseline: str = ""

    def __post_init__(self) -> None:
        """Refuse names that repeat, and more than a bench holds."""
        for what, names in (
            ("encoders", [one.name for one in self.entries]),
            ("runs", [one.name for one in self.runs]),
        ):
            if len(names) > MOST:
                raise LimitError(f"A bench holds at most {MOST} {what}; remove some first.")
            for name in names:
                if not name.strip() or len(name) > LONGEST:
                    raise ParameterError(f"A name has 1 to {LONGEST} characters.")
                if names.count(name) > 1:
                    raise ParameterError(
                        f'There are two {what} called "{printable(name)}". Rename one.'
                    )
        if self.baseline and self.baseline not in [one.name for one in self.entries]:
            raise ParameterError(f'There is no encoder "{printable(self.baseline)}" here.')

    def get(self, name: str) -> BenchEntry:
        """Return an encoder by name.

        Raises
        ------
        ParameterError
            If there is none of that name.
        """
        found = next((one for one in self.entries if one.name == name), None)
        if found is None:
            raise ParameterError(f'There is no encoder "{printable(name)}" here.')
        return found

    def with_entry(self, entry: BenchEntry) -> Bench:
        """Return a bench with one more encoder, under a name that is free."""
        taken = [one.name for one in self.entries]
        return replace(self, entries=(*self.entries, replace(entry, name=free(entry.name, taken))))

    def with_run(self, run: Run) -> Bench:
        """Return a bench with one more run, under a name that is free."""
        name = free(run.name, [one.name for one in self.runs])
        return replace(self, runs=(*self.runs, replace(run, name=name)))

    def with_all(self, other: Bench) -> Bench:
        """Return a bench with everything of another one added."""
        found = self
        for entry in other.entries:
            found = found.with_entry(entry)
        for run in other.runs:
            found = found.with_run(run)
        return found

    def without(self, names: Iterable[str], runs: Iterable[str] = ()) -> Bench:
        """Return a bench without some encoders and runs."""
        away, stopped = set(names), set(runs)
        return replace(
            self,
            entries=tuple(one for one in self.entries if one.name not in away),
            runs=tuple(one for one in self.runs if one.name not in stopped),
            baseline="" if self.baseline in away else self.baseline,
        )

    def renamed(self, names: Mapping[str, str]) -> Bench:
        """Return a bench with other names: old → new.

        Raises
        ------
        ParameterError
            If a name is taken or empty.
        """
        return replace(
            self,
            entries=tuple(
                replace(one, name=names.get(one.name, one.name).strip()) for one in self.entries
            ),
            baseline=names.get(self.baseline, self.baseline).strip(),
        )

    def compare(self, *, gallery: int | None = None, percent: int = SHARE) -> EncoderComparison:
        """Set the encoders beside each other; directions are compared on the kept rows.

        Raises
        ------
        ParameterError
            If there is no encoder.
        """
        reports = {one.name: one.report for one in self.entries}
        known = {one.name: one.kept.rows for one in self.entries if one.kept.rows is not None}
        first = next(iter(known), None)
        same = {}
        if first is not None and (items := self.get(first).report.items) and items.digest:
            ids = set(known[first].target.ids)
            same = {
                name: rows
                for name, rows in known.items()
                if self.get(name).report.items == items
                and len(ids.intersection(rows.target.ids)) >= FEWEST
            }
        return compare(reports, pairs=same, gallery=gallery, percent=percent)

    def to_bytes(self) -> bytes:
        """Return the bench as one file; the same bench gives the same bytes.

        A zip archive of ``bench.json``, reports as ``diagnose --json`` writes them, runs as
        monitors write them, and kept rows as ``.npz`` of float16: each part can be read alone.
        """
        parts: dict[str, bytes] = {}
        listed = []
        for number, one in enumerate(self.entries):
            report, rows = f"reports/{number:02d}.json", one.kept.rows
            parts[report] = report_text(one.report).encode()
            names = None
            if rows is not None:
                names = (f"rows/{number:02d}.source.npz", f"rows/{number:02d}.target.npz")
                for name, side in zip(names, (rows.source, rows.target), strict=True):
                    parts[name] = to_bytes(side, ".npz", dtype="float16")
            listed.append(
                _Listed(
                    one.name,
                    one.note,
                    report,
                    names,
                    None if rows is None else (rows.source.modality, rows.target.modality),
                    one.kept.found,
                    one.kept.tradeoff,
                )
            )
        runs = tuple(f"runs/{number:02d}.jsonl" for number in range(len(self.runs)))
        parts |= {name: run.to_bytes() for name, run in zip(runs, self.runs, strict=True)}
        contents = _Contents(VERSION, tuple(listed), runs, self.baseline)
        text = json.dumps(asdict(contents), indent=1, ensure_ascii=False, allow_nan=False)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {"bench.json": text.encode(), **parts}.items():
                about = zipfile.ZipInfo(name, DATE)
                about.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(about, data)
        return stream.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the bench, whole or not at all."""
        out = Path(path)
        atomic_write_bytes(out, self.to_bytes())
        return out

    @classmethod
    def load(cls, path: str | Path | Source) -> Bench:
        """Open a bench.

        Raises
        ------
        FormatError
            If the file is no bench, is damaged, or is of a later version.
        LimitError
            If it holds more than a bench may.
        """
        source = path if isinstance(path, Source) else Source(Path(path).name, Path(path))
        with malformed(source.name, KIND, TypeError, KeyError, RecursionError, *ZIP_ERRORS):
            return _opened(source)


def free(name: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken, with a number where it is."""
    text = name.encode("utf-8", "replace").decode()  # a file's name may hold what is no text
    known, name = set(taken), text.strip()[:LONGEST].strip() or "encoder"
    number, found = 1, name
    while found in known:
        number += 1
        ending = f" ({number})"
        found = f"{name[: LONGEST - len(ending)]}{ending}"
    return found


def _opened(source: Source) -> Bench:
    with checked_archive(source, Limits(max_bytes=MOST_BYTES), KIND) as archive:
        members = archive.infolist()
        if len(members) > 4 * MOST + 1:
            raise LimitError(f"{source.name} holds {len(members):,} files, more than a bench may.")
        whole = sum(one.file_size for one in members)
        if whole > MOST_BYTES:
            raise LimitError(
                f"{source.name} unpacks to {size_text(whole)}; a bench holds at most "
                f"{size_text(MOST_BYTES)}."
            )
        parts = _Parts(
            source.name, {one.filename: _member(archive, one, source) for one in members}
        )
    body = json.loads(parts["bench.json"], parse_constant=_refused)
    version = body.get("bench_version") if isinstance(body, dict) else None
    if type(version) is not int or not 1 <= version <= VERSION:
        raise FormatError(
            f"{source.name} has bench version {printable(str(version), 20)}, and this version of "
            f"AnisoAlign reads up to {VERSION}. Update AnisoAlign, or check the file."
        )
    contents = from_plain(_Contents, body)
    try:
        return Bench(
            tuple(_entry(listed, parts) for listed in contents.entries),
            tuple(Run.load(parts.source(name)) for name in contents.runs),
            contents.baseline,
        )
    except (ShapeError, JoinError, InvalidRowsError, ParameterError) as error:
        raise FormatError(f"{source.name} is no sound bench. {error}") from error


def _member(archive: zipfile.ZipFile, about: zipfile.ZipInfo, source: Source) -> bytes:
    with archive.open(about) as stream:
        data = stream.read(about.file_size + 1)  # of a size: what it inflates to is no more
    if len(data) != about.file_size:
        raise FormatError(f"{source.name} is damaged: a file in it has another size than it says.")
    return data


class _Parts:
    """Files of a bench, by the names that its contents list give them."""

    def __init__(self, name: str, held: Mapping[str, bytes]) -> None:
        self.name = name
        self._held = held
        self.left = MOST_BYTES
        """Bytes that rows may still take in memory: archives in the archive may unpack again."""

    def __getitem__(self, part: str) -> bytes:
        """Return a file's bytes, or say that it is missing."""
        if part not in self._held:
            raise FormatError(
                f'{self.name} has no file "{printable(part, 60)}" in it. It is damaged, or no '
                "bench; save it again."
            )
        return self._held[part]

    def source(self, part: str) -> Source:
        """Return a file under a name that messages can show."""
        return Source(f"{self.name}: {printable(part, 60)}", data=self[part])

    def rows(self, part: str, modality: str) -> EmbeddingSet:
        """Read rows of a side."""
        name = f"{self.name}:{printable(part.removesuffix('.npz'), 60)}.npz".replace("/", ":")
        try:
            limits = Limits(max_bytes=max(self.left, 1))
            found = load_bytes(self[part], name, modality=modality, limits=limits)
        except LimitError as error:
            raise LimitError(
                f"{name} unpacks to more rows than a bench holds, which is at most "
                f"{size_text(MOST_BYTES)}."
            ) from error
        self.left -= found.vectors.nbytes
        return found


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def _entry(listed: _Listed, parts: _Parts) -> BenchEntry:
    part = parts.source(listed.report)
    report, rows, kept = report_of(part.data or b"", part.name), None, 0
    if listed.rows is not None and listed.modalities is not None:
        source, target = map(parts.rows, listed.rows, listed.modalities)
        rows, kept = EmbeddingPair(source, target, paired=True), len(target)
    found, curves = listed.found, listed.tradeoff
    if found is not None:
        for ahead in (found.ahead_of_target, found.ahead_of_source):
            if len(ahead) != kept or not all(0 <= one < found.searched for one in ahead):
                raise ValueError("what the kept rows find does not fit to them")
    if curves is not None:
        bounds = curves.get("bound", ())
        if not bounds or any(len(one) != len(bounds) for one in curves.values()):
            raise ValueError("a trade-off has no bound for each of its points")
        if not all(math.isfinite(value) for one in curves.values() for value in one):
            raise ValueError("a trade-off has a number that is not finite")
    return BenchEntry(listed.name, report, listed.note, Kept(rows, found, curves))
