"""A class's two hours in minutes: people come, go, lose their connection and change their minds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import requests

from campaigns.load.campaign import common_failures, forgotten, outcome, prepare, summary, warm_up
from campaigns.load.client import Session
from campaigns.load.page import ClientError
from campaigns.load.people import Person
from campaigns.load.server import Server
from campaigns.load.visit import Files, Log, Visit

CLASS, EVERY, HOURS = 20, 40, 2
INTERACTIONS = CLASS * HOURS * 3600 // EVERY
"""What a class of so many makes in so many hours, one each every so many seconds."""
AT_ONCE = 8
KEEP = 10
SMALL, LARGE = (1_000, 128), (5_000, 512)
NUMBERS_SMALL, NUMBERS_LARGE = range(100, 110), range(200, 202)
SHARE_LARGE = 0.1
PAUSE_ARRIVAL, PAUSE_ACT = 1.0, 0.05
"""Mean seconds between arrivals, and between what one person does."""
PATIENCE, TRIES = 20.0, 5
"""Seconds that one who comes back waits before they ask again, and how often they do."""
TIMEOUT = 180.0
MOST_GROWTH = 0.05
"""Drift of the memory over the last half, as a share of its mean there."""
WRONG_FILES = {
    "notes.npy": b"these are no embeddings",
    "cut.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9, 4)",
    "empty.npz": b"PK\x05\x06" + bytes(18),
}


@dataclass
class Stay:
    """One person's stay.

    Attributes
    ----------
    visit : Visit
    rng : numpy Generator
        What decides what they do.
    did : Counter
        What all people did, by name.
    """

    visit: Visit
    rng: np.random.Generator
    did: Counter[str]

    def slide(self) -> None:
        """Correct, with the slider moved about."""
        self.visit.correct(bounds=len(self.visit.person.bounds))

    def take_home(self) -> None:
        """Correct and export."""
        self.visit.correct()
        self.visit.export()

    def look(self) -> None:
        """Read a page."""
        pages = (self.visit.home, self.visit.spectra, self.visit.directions)
        pages[self.rng.integers(len(pages))]()

    def wrong_file(self) -> None:
        """Load what holds no embeddings: it is refused, and the loaded set stays."""
        visit, session = self.visit, self.visit.session
        session.go("Data")
        names = list(WRONG_FILES)
        name = names[self.rng.integers(len(names))]
        session.upload(f"drop_{visit.loads}", (name, WRONG_FILES[name]))
        if not session.errors():
            visit.log.trouble(visit.person, "a wrong file was not refused")
        visit.log.card(visit.person, session)

    def cancel(self) -> None:
        """Start a comparison and cancel it."""
        visit, session = self.visit, self.visit.session
        visit.page("Compare", "open Compare")
        session.choose("compare_splits", "10")
        if not visit.offers("compare_run"):  # all ten are done already
            return
        session.click("compare_run", wait=False)
        session.follow(
            lambda message: message.HasField("script_finished") or visit.offers("cancel_Comparing")
        )
        if visit.offers("cancel_Comparing"):
            session.click("cancel_Comparing")
            self.did["cancelled in time"] += 1
        visit.well(card=True)

    def lose_connection(self) -> None:
        """Lose the connection in the middle of work, and come back to the same session."""
        visit, session = self.visit, self.visit.session
        titles = ("Home", "Spectra", "Directions", "Correct")
        session.page = session.pages[titles[self.rng.integers(len(titles))]]
        session.query, session.states = "", {}
        session.rerun(wait=False)
        time.sleep(self.rng.exponential(PAUSE_ACT))
        visit.close(abruptly=True)
        visit.session = Session(session.url, PATIENCE, resume=session)
        self.come_back()
        visit.session.timeout = session.timeout
        visit.well(card=True)

    def come_back(self) -> None:
        """Ask for the page until it comes: the first answers may go to the lost connection."""
        for _ in range(TRIES):
            try:
                self.visit.session.open()
                return
            except ClientError:
                self.did["asked again after reconnecting"] += 1
        self.visit.log.trouble(self.visit.person, "the page did not come back")

    def compare(self) -> None:
        """Run a small contest."""
        self.visit.compare()


ACTS: dict[str, tuple[float, Callable[[Stay], None]]] = {
    "look": (0.4, Stay.look),
    "slide": (0.25, Stay.slide),
    "take home": (0.12, Stay.take_home),
    "wrong file": (0.08, Stay.wrong_file),
    "lose connection": (0.08, Stay.lose_connection),
    "compare": (0.04, Stay.compare),
    "cancel": (0.03, Stay.cancel),
}


@dataclass
class Class:
    """Everybody who comes and goes."""

    people: Sequence[Person]
    files: dict[int, Files]
    server: Server
    log: Log
    seed: int
    did: Counter[str] = field(default_factory=Counter)
    seats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    over: threading.Event = field(default_factory=threading.Event)

    def hold(self, interactions: int, minutes: float) -> None:
        """Let people arrive until so many interactions were made, or the time is over."""
        rng = np.random.default_rng(self.seed)
        deadline = time.monotonic() + 60 * minutes
        present = []
        while self.log.runs < interactions and time.monotonic() < deadline:
            time.sleep(rng.exponential(PAUSE_ARRIVAL))
            self.seats.acquire()
            person = self.people[self._who(rng)]
            thread = threading.Thread(target=self._stay, args=(person, len(present)))
            thread.start()
            present.append(thread)
        self.over.set()
        for thread in present:
            thread.join()

    def _who(self, rng: np.random.Generator) -> int:
        large = len(NUMBERS_LARGE)
        if rng.random() < SHARE_LARGE:
            return int(rng.integers(large))
        return int(rng.integers(large, len(self.people)))

    def _stay(self, person: Person, number: int) -> None:
        rng = np.random.default_rng([self.seed, number])
        names = list(ACTS)
        weights = [ACTS[name][0] for name in names]
        try:
            stay = Stay(Visit(person, self.server.url, self.log, TIMEOUT), rng, self.did)
            self.did["came"] += 1
            try:
                stay.visit.load(self.files[person.number])
                for name in rng.choice(names, size=rng.integers(4, 16), p=weights):
                    if self.over.is_set():
                        break
                    ACTS[str(name)][1](stay)
                    self.did[str(name)] += 1
                    time.sleep(rng.exponential(PAUSE_ACT))
            finally:
                stay.visit.close(abruptly=bool(rng.random() < 0.3))
        except (ClientError, OSError, requests.RequestException) as error:
            self.log.trouble(person, f"{type(error).__name__}: {error}")
        finally:
            self.seats.release()


def soak(interactions: int = INTERACTIONS, minutes: float = 15, seed: int = 0) -> Any:
    """Hold the class and return what was measured."""
    people = [Person(n, *LARGE) for n in NUMBERS_LARGE]
    people += [Person(n, *SMALL, compares=True) for n in NUMBERS_SMALL]
    print(f"computing what {len(people)} people should see …", flush=True)
    files, everybody = prepare(people)
    log = Log(everybody)
    with Server(KEEP) as server:
        base = warm_up(server)
        begun = server.now()
        held = Class(people, files, server, log, seed)
        held.hold(interactions, minutes)
        ended = server.now()
        after = forgotten(server)
        samples = [(at, size) for at, size in server.samples if begun <= at <= ended]
        threads, faults = server.threads(), server.faults()
    return {
        "interactions": log.runs,
        "wanted": interactions,
        "minutes": round((ended - begun) / 60, 1),
        "seed": seed,
        "did": dict(sorted(held.did.items())),
        "base": round(base, 1),
        "peak": round(max(size for _, size in samples), 1),
        "after": round(after, 1),
        "threads": threads,
        "trend": trend(samples),
        "memory": thinned(samples),
        "steps": {name: summary(seconds) for name, seconds in log.seconds.items()},
        **outcome(log, faults),
    }


def trend(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Fit a line to the memory over the last half: MiB per minute, drift over it, and its mean."""
    half = (samples[0][0] + samples[-1][0]) / 2
    at, size = np.array([sample for sample in samples if sample[0] >= half]).T
    slope = float(np.polyfit(at, size, 1)[0])
    return {
        "per_minute": round(60 * slope, 2),
        "drift": round(slope * float(at[-1] - at[0]), 1),
        "mean": round(float(size.mean()), 1),
    }


def thinned(samples: Sequence[tuple[float, float]], points: int = 60) -> list[list[float]]:
    """Return the memory at some moments: minutes and MiB."""
    step = max(len(samples) // points, 1)
    return [[round((at - samples[0][0]) / 60, 2), round(size)] for at, size in samples[::step]]


def failures(found: Any) -> list[str]:
    """Say what of the soak's promises was not kept."""
    words = common_failures(found)
    drift, mean = found["trend"]["drift"], found["trend"]["mean"]
    if drift > MOST_GROWTH * mean:
        words.append(f"memory grew by {drift} MiB over the last half, of {mean}")
    if found["interactions"] < found["wanted"]:
        words.append(f"only {found['interactions']} of {found['wanted']} interactions were made")
    return words
