"""What a session holds, as JSON and files: for the server's store and for a file of one's own."""

from __future__ import annotations

import json
import secrets
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from xxhash import xxh3_128

from anisoalign_core.align import ALIGNERS
from anisoalign_core.align.saved import load_aligner
from anisoalign_core.bench import Bench
from anisoalign_core.compare import Advice, Leaderboard
from anisoalign_core.compare.entries import CEILING
from anisoalign_core.compare.study import Study, Trial
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.atomic import atomic_path, atomic_write_text
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.limits import Limits, check_bytes
from anisoalign_core.files.source import Source, malformed, printable
from anisoalign_core.io.npz import ZIP_ERRORS, checked_archive
from anisoalign_core.io.pair_file import read_pair
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plain import from_plain
from anisoalign_core.samples import SAMPLES
from app.keeping import MANIFEST, Kept, Part, Piece, manifest_of, manifest_text
from app.widgets.correct import Choice
from app.widgets.learned import Learned
from app.widgets.selections import Selection

SUFFIX = ".studio.zip"
KIND = "a saved session"
MOST_MEMBERS = 64
DATE = (2020, 1, 1, 0, 0, 0)
Fetch = Callable[[str], Source]
Pages = dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True)
class PairSaid:
    """A pair: the file that holds it, or a sample, or what it is recognised by."""

    title: str
    digest: str
    names: tuple[str, ...]
    """Of its target and its source."""
    sample: str | None = None
    turned: bool = False
    part: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether its rows are not here: whoever opens this has to load them."""
        return self.part is None and self.sample is None


@dataclass(frozen=True)
class ChoiceSaid:
    """A method and its parameters."""

    method: str
    parameters: dict[str, Any]
    weigh: Literal["row", "thing"] = "row"

    @classmethod
    def of(cls, choice: Choice) -> ChoiceSaid:
        """Say a choice."""
        return cls(choice.method, dict(choice.parameters), choice.weigh)

    def choice(self) -> Choice:
        """Return the choice.

        Raises
        ------
        FormatError, ParameterError
            If there is no such method, or it has no such parameters.
        """
        if self.method not in ALIGNERS:
            raise FormatError(f'There is no method "{printable(self.method, 40)}" here.')
        parameters = {name: _plain(value) for name, value in self.parameters.items()}
        with malformed(
            "The choice on Correct", "a method's parameters", TypeError, LookupError, ValueError
        ):
            ALIGNERS[self.method].of(parameters)
        return Choice(self.method, parameters, self.weigh)


@dataclass(frozen=True)
class TrainingSaid:
    """A trained correction, and the file that holds it."""

    choice: ChoiceSaid
    seed: int
    holdout: float
    seconds: float
    part: str
    trained_at: dict[str, float] | None = None

    def read(self, fetch: Fetch, study: Callable[[int, float], Study]) -> Learned:
        """Return the training, on a study of its pair and split.

        Raises
        ------
        AnisoAlignError
            If its file does not hold it.
        """
        choice = self.choice.choice()
        method = load_aligner(fetch(self.part))
        under = study(self.seed, self.holdout)
        if method.name != choice.method or method.n_features_in_ != under.pair.dim:
            raise FormatError(f"{self.part} holds another correction than was said.")
        trial = Trial(under, method, choice.weigh)
        return Learned(trial, choice, (self.seed, self.holdout), self.trained_at, self.seconds)


@dataclass(frozen=True)
class SelectionSaid:
    """Rows of both sides."""

    target: tuple[int, ...]
    source: tuple[int, ...]
    origin: str

    def selection(self, pair: EmbeddingPair) -> Selection:
        """Return the selection.

        Raises
        ------
        FormatError
            If the pair has no such rows.
        """
        for rows, side in ((self.target, pair.target), (self.source, pair.source)):
            if rows and not 0 <= min(rows) <= max(rows) < len(side):
                raise FormatError("A kept selection names rows that the pair has not.")
        return Selection(self.target, self.source, self.origin)


Compared = Literal["board", "advice"]
COMPARED: dict[Compared, type[Leaderboard] | type[Advice]] = {
    "board": Leaderboard,
    "advice": Advice,
}
"""What Compare found, by what its files are called."""


@dataclass(frozen=True)
class ComparedSaid:
    """A board or advice, what it was asked under, and the file that holds its JSON."""

    kind: Compared
    asked: str
    digest: str
    """Of the pair that it is of."""
    part: str

    def read(self, fetch: Fetch) -> Leaderboard | Advice:
        """Return what was found.

        Raises
        ------
        FormatError, ParameterError
            If its file does not hold it, or names methods that are not here.
        """
        source = fetch(self.part)
        wrong = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
        with malformed(source.name, "what Compare found", *wrong):
            with source.open() as stream:
                found = COMPARED[self.kind].from_dict(json.loads(stream.read()))
            for one in found.entries:
                if one.method != CEILING:
                    one.build()
            _ = found.sentences
        return found


def write_compared(found: Leaderboard | Advice, path: Path) -> None:
    """Write what :meth:`ComparedSaid.read` reads."""
    atomic_write_text(path, json.dumps(found.to_dict()))


@dataclass(frozen=True)
class Contents:
    """All that is said of a session, apart from its files."""

    pair: PairSaid | None = None
    seed: int = 0
    holdout: float = 0.2
    choice: ChoiceSaid | None = None
    trainings: tuple[TrainingSaid, ...] = ()
    bench: str | None = None
    selections: dict[str, SelectionSaid] = field(default_factory=dict)
    pages: Pages = field(default_factory=dict)
    compared: tuple[ComparedSaid, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that this needs."""
        pair = None if self.pair is None else self.pair.part
        trained = (one.part for one in self.trainings)
        named = (pair, self.bench, *trained, *(one.part for one in self.compared))
        return tuple(name for name in named if name is not None)

    def without_vectors(self) -> Contents:
        """Return the same, with no more of the pair than what it is recognised by."""
        return self if self.pair is None else replace(self, pair=replace(self.pair, part=None))

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def contents_of(kept: Kept, name: str) -> Contents:
    """Return what is said of a session, held to its types and ranges.

    Raises
    ------
    FormatError
    """
    with malformed(name, KIND, ValueError, TypeError, RecursionError):
        found = from_plain(Contents, kept.session)
        if not set(found.files) <= kept.parts.keys():
            raise ValueError("a file that it names is missing")
        if not (0 <= found.seed < 2**31 and 0.05 <= found.holdout <= 0.5):
            raise ValueError("its split is out of range")
        sample = None if found.pair is None else found.pair.sample
        if sample is not None and sample not in SAMPLES:
            raise ValueError("it names a sample that is not bundled")
    return found


def new_part(kind: str, suffix: str) -> str:
    """Return a name for a file."""
    return f"{kind}-{secrets.token_hex(8)}{suffix}"


def read_bench(source: Source) -> Bench:
    """Return a bench that was kept."""
    return Bench.load(source)


@dataclass(frozen=True, eq=False)
class Opened:
    """A session from a file: what is said of it, and what was read."""

    contents: Contents
    pair: EmbeddingPair | None
    files: Mapping[str, bytes]

    def fetch(self, name: str) -> Source:
        """Return one of its files."""
        return Source(name, data=self.files[name])


def pack(contents: Contents, pieces: Mapping[str, Piece], path: Path) -> Path:
    """Write a session as one file, through a folder of its own.

    Raises
    ------
    AnisoAlignError
        If there is no room on the disk.
    """
    with tempfile.TemporaryDirectory() as folder, atomic_path(path) as temporary:
        parts = {}
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in contents.files:
                one = Path(folder) / name
                pieces[name].write(one)
                parts[name] = Part(one.stat().st_size, file_digest(one))
                archive.write(one, name)
                one.unlink()
            text = manifest_text("", parts, contents.plain())
            archive.writestr(zipfile.ZipInfo(MANIFEST, DATE), text)
    return path


def unpack(source: Source, most_bytes: int) -> Opened:
    """Open a session's file; nothing is taken over until all of it is sound.

    Parameters
    ----------
    source : Source
    most_bytes : int
        Bytes that it may unpack to.

    Raises
    ------
    FormatError
        If it is no such file, or is damaged.
    LimitError
        If it holds more than may be.
    """
    limits, name = replace(Limits.from_env(), max_bytes=most_bytes), source.name
    with checked_archive(source, limits, KIND) as archive:
        with malformed(name, KIND, KeyError, *ZIP_ERRORS):
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise LimitError(
                    f"{name} holds {len(members):,} files, more than a session's file has."
                )
            total = sum(one.file_size for one in members)
            check_bytes(total, f"{name} unpacks to", name, limits)
            kept = manifest_of(_member(archive, MANIFEST, name), name)
            contents = contents_of(kept, name)
            files = {}
            for part in contents.files:
                data = files[part] = _member(archive, part, name)
                known = kept.parts[part]
                if known != Part(len(data), xxh3_128(data).hexdigest()):
                    raise FormatError(f"{name} is damaged: {part} in it is not what was saved.")
    said, pair = contents.pair, None
    if said is not None and said.part is not None:
        pair = read_pair(Source(f"{name}: {said.part}", data=files[said.part]), limits)
        if pair.digest != said.digest:
            raise FormatError(f"{name} is damaged: it holds another pair than it says.")
        files = {part: data for part, data in files.items() if part != said.part}
    if contents.choice is not None:
        contents.choice.choice()
    for one in contents.trainings:
        one.choice.choice()
        load_aligner(Source(f"{name}: {one.part}", data=files[one.part]))
    if contents.bench is not None:
        read_bench(Source(f"{name}: {contents.bench}", data=files[contents.bench]))
    for found in contents.compared:
        found.read(lambda part: Source(f"{name}: {part}", data=files[part]))
    return Opened(contents, pair, files)


def _member(archive: zipfile.ZipFile, part: str, name: str) -> bytes:
    if part not in archive.namelist():
        raise FormatError(
            f'{name} has no file "{printable(part, 60)}" in it. It is damaged, or no session; '
            "save it again."
        )
    about = archive.getinfo(part)
    with archive.open(about) as stream:
        data = stream.read(about.file_size + 1)
    if len(data) != about.file_size:
        raise FormatError(f"{name} is damaged: a file in it has another size than it says.")
    return data


def _plain(value: object) -> Any:
    """Return a parameter's value: plain, or a tuple of plain ones."""
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FormatError("A parameter of the session is neither a number nor a text.")
