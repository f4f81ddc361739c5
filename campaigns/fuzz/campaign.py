"""One campaign: many damaged inputs for one reader, within limits of time, memory and doing."""

from __future__ import annotations

import hashlib
import mmap
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from types import FrameType
from typing import Any

import anisoalign_core
from anisoalign_core.errors import AnisoAlignError
from campaigns.fuzz.mutations import LONGEST, Mutator
from campaigns.fuzz.readers import Reader

SECONDS = 5.0
"""Processor time that one input may take."""
HEADROOM = 2 << 30
"""Bytes of addresses that a campaign may take beyond what it begins with."""
GROWTH = 256 << 20
"""Bytes of memory by which one input may raise the peak: eight times the limit of an array."""
POOL = 600
"""Inputs kept to go on from."""
TRACED = 16
"""Every so many inputs the lines that run are looked at."""

LIBRARY = str(Path(anisoalign_core.__file__).parent)
FORBIDDEN = frozenset(
    "os.system os.exec os.posix_spawn os.spawn os.fork os.forkpty os.startfile pty.spawn "
    "subprocess.Popen socket.connect socket.bind socket.sendto urllib.Request ctypes.dlopen "
    "pickle.find_class os.remove os.rename os.rmdir os.chmod os.link os.symlink shutil.rmtree "
    "webbrowser.open".split()
)
"""Events of the interpreter that no reader may cause."""


class Forbidden(BaseException):
    """A reader did what no reader may do."""


class TooSlow(BaseException):
    """A reader took longer than :data:`SECONDS`."""


@dataclass
class Canary:
    """Watches what the interpreter is asked to do by its own thread, while it is armed."""

    folder: str
    armed: bool = False
    seen: list[str] = field(default_factory=list)
    thread: int = field(default_factory=get_ident)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed or get_ident() != self.thread:
            return
        wrong = event in FORBIDDEN
        if event == "open" and isinstance(arguments[0], str | bytes):
            mode, flags = arguments[1], arguments[2]
            writes = any(letter in "wax+" for letter in mode or "") or (mode is None and flags & 3)
            wrong = bool(writes) and not str(arguments[0]).startswith(self.folder)
        elif event == "exec":
            file = getattr(arguments[0], "co_filename", "")
            wrong = not (file.endswith(".py") or file.startswith(("<frozen", "<string>")))
        if wrong:
            self.seen.append(event)
            self.armed = False
            raise Forbidden(event)


_CANARY: Canary | None = None


def canary(folder: Path) -> Canary:
    """Return the process's only canary: hooks cannot be taken out again."""
    global _CANARY
    if _CANARY is None:
        _CANARY = Canary(str(folder))
        sys.addaudithook(_CANARY)
    _CANARY.folder, _CANARY.seen = str(folder), []
    return _CANARY


@dataclass
class Outcome:
    """What came of one input: ``accepted``, ``refused``, or the name of a crash."""

    kind: str
    signature: tuple[Any, ...]
    report: str = ""

    @property
    def is_crash(self) -> bool:
        return self.kind not in ("accepted", "refused")


def run_one(
    reader: Reader, data: bytes, folder: Path, watch: Canary, *, armed: bool = True
) -> Outcome:
    """Give one input to a reader."""
    watch.seen = []
    begun = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        watch.armed = armed
        result = reader.read(data, folder)
        outcome = Outcome("accepted", ("accepted", str(result)))
    except AnisoAlignError as error:
        outcome = Outcome("refused", _signature(error))
        if not str(error).strip() or not str(error).isprintable():
            outcome = Outcome("refused without one sentence", _signature(error), repr(str(error)))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        text = "".join(traceback.format_exception(error, limit=-12))
        outcome = Outcome(type(error).__name__, _signature(error), text[-4000:])
    finally:
        watch.armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
    if watch.seen and not outcome.is_crash:
        outcome = Outcome("Forbidden", ("forbidden", *watch.seen), " ".join(watch.seen))
    took = time.process_time() - begun
    if took > SECONDS and not outcome.is_crash:
        outcome = Outcome("TooSlow", ("slow",), f"{took:.1f} s")
    return outcome


def _signature(error: BaseException) -> tuple[Any, ...]:
    """Which lines an error came through, and what it says without the particulars."""
    lines: list[Any] = [type(error).__name__, re.sub(r'"[^"]*"|[\d,.]+', "", str(error))[:40]]
    seen: BaseException | None = error
    while seen is not None and len(lines) < 60:
        step = seen.__traceback__
        while step is not None:
            lines.append((step.tb_frame.f_code.co_name, step.tb_lineno))
            step = step.tb_next
        seen = seen.__cause__ or seen.__context__
    return tuple(lines)


class Lines:
    """Lines of the library that ran."""

    def __init__(self) -> None:
        self.known: set[tuple[str, int]] = set()
        self.fresh = False

    @contextmanager
    def traced(self) -> Iterator[None]:
        self.fresh, before = False, sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(LIBRARY) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        place = frame.f_code.co_filename, frame.f_lineno
        if place not in self.known:
            self.known.add(place)
            self.fresh = True
        return self._line


class Scratch:
    """Counts and the input at hand, in a file that outlives the process."""

    HEAD = struct.Struct("<QQQQ")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(self.HEAD.size + LONGEST))
        with path.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), 0)

    def put(self, inputs: int, accepted: int, refused: int, data: bytes) -> None:
        size = self.HEAD.size
        self._map[size : size + len(data)] = data
        self._map[:size] = self.HEAD.pack(inputs, accepted, refused, len(data))

    def get(self) -> tuple[int, int, int, bytes]:
        inputs, accepted, refused, length = self.HEAD.unpack(self._map[: self.HEAD.size])
        return inputs, accepted, refused, self._map[self.HEAD.size : self.HEAD.size + length]


@dataclass
class Found:
    """What a campaign came to."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    crashes: dict[str, int] = field(default_factory=dict)
    pool: int = 0
    lines: int = 0
    saved: list[str] = field(default_factory=list)


@contextmanager
def alarmed() -> Iterator[None]:
    """Stop an input after :data:`SECONDS` of processor time."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)


def campaign(
    reader: Reader,
    inputs: int,
    seed: int,
    *,
    corpus: Path | None = None,
    scratch: Scratch | None = None,
    seconds: float | None = None,
    limited: bool = False,
) -> Found:
    """Try damaged inputs, going on from those that did something new.

    Parameters
    ----------
    reader : Reader
    inputs : int
    seed : int
    corpus : Path, optional
        Where inputs that crash are kept.
    scratch : Scratch, optional
    seconds : float, optional
        Stop after this long.
    limited : bool
        Limit the addresses of this process: for a process of its own.
    """
    found, lines = Found(), Lines()
    rng = random.Random(f"{reader.name} {seed}")
    end = None if seconds is None else time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory(prefix="fuzz") as place,
        warnings.catch_warnings(),
        alarmed(),
    ):
        warnings.simplefilter("ignore")
        folder = Path(place)
        watch = canary(folder)
        pool = [data for data in reader.seeds(folder) if len(data) <= LONGEST]
        fixed = len(pool)
        for data in pool:  # whatever is imported late is imported now
            run_one(reader, data, folder, watch, armed=False)
        if limited:
            _limit_memory()
        mutate = Mutator(rng, reader.tokens, reader.edits)
        signatures: set[int] = set()
        reported: dict[str, int] = {}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while found.inputs < inputs and (end is None or time.monotonic() < end):
            known = found.inputs < fixed
            if known:
                data = pool[found.inputs]
            else:
                base = pool[
                    rng.randrange(fixed) if rng.random() < 0.3 else rng.randrange(len(pool))
                ]
                data = mutate(base, rng.choice(pool))[:LONGEST]
            if scratch is not None:
                scratch.put(found.inputs, found.accepted, found.refused, data)
            if known or found.inputs % TRACED == 0:
                with lines.traced():
                    outcome = run_one(reader, data, folder, watch)
                new = lines.fresh
            else:
                outcome, new = run_one(reader, data, folder, watch), False
            found.inputs += 1
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if (now - peak) * 1024 > GROWTH and not outcome.is_crash:
                outcome = Outcome("TooMuchMemory", ("memory",), f"{(now - peak) >> 10} MiB")
            peak = max(peak, now)
            found.accepted += outcome.kind == "accepted"
            found.refused += outcome.kind == "refused"
            mark = hash(outcome.signature)
            if not known and not outcome.is_crash and (new or mark not in signatures):
                if len(pool) >= POOL:
                    pool[rng.randrange(fixed, len(pool))] = data
                else:
                    pool.append(data)
            signatures.add(mark)
            if outcome.is_crash:
                found.crashes[outcome.kind] = found.crashes.get(outcome.kind, 0) + 1
                what = f"{outcome.kind} {mark}"
                reported[what] = reported.get(what, 0) + 1
                if reported[what] == 1 and corpus is not None:
                    found.saved.append(keep(corpus, reader, data, outcome.report))
    found.pool, found.lines = len(pool), len(lines.known)
    return found


def keep(corpus: Path, reader: Reader, data: bytes, report: str) -> str:
    """Save an input that crashed; return its name."""
    name = hashlib.sha256(data).hexdigest()[:16]
    folder = corpus / reader.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    print(f"--- {reader.name}/{name} ({len(data)} bytes)\n{report}", file=sys.stderr, flush=True)
    return f"{reader.name}/{name}"


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
