"""What a person does on the pages, how long each step takes, and whose numbers they see."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import requests

from anisoalign_core.align import ALIGNERS
from anisoalign_core.metrics import METRICS
from anisoalign_core.plots.live.pack import unpack
from app.widgets.common import three
from campaigns.load.client import Session
from campaigns.load.page import ClientError
from campaigns.load.people import CONTEST, CONTEST_SPLITS, Expected, Facts, Person

NUMBER = re.compile(r"-?\d[\d.,]*(?:e[-+]?\d+)?")
DIGEST = re.compile(r"`([0-9a-f]{8})`")
TRIES = 5
Files = Mapping[str, tuple[str, bytes]]


@dataclass
class Log:
    """What all sessions saw and waited for.

    Attributes
    ----------
    everybody : mapping
        Person → what the library gives for them.
    seconds : dict
        Step → how long each person waited for it.
    checked : int
        Numbers and digests that were compared.
    mismatches : list of dict
        Those that were not the person's own, and whose they were.
    problems : list of str
        Errors on pages, and connections lost.
    repeated : int
        Downloads that had to be asked for again.
    """

    everybody: Mapping[int, Expected]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    checked: int = 0
    mismatches: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    repeated: int = 0
    runs: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        begun = time.perf_counter()
        yield
        with self.lock:
            self.seconds[name].append(time.perf_counter() - begun)

    def check(self, person: Person, seen: Facts) -> None:
        """Compare what a page says with what the library gives for the person's own files."""
        facts = self.everybody[person.number].facts
        pages = {page for page, _ in seen}
        for key, words in facts.items():
            if key[0] in pages:
                self.compare(person, key, words, seen.get(key, "nothing"))

    def card(self, person: Person, session: Session) -> None:
        """Check whose set the sidebar names."""
        found = {digest for text in session.texts() for digest in DIGEST.findall(text)}
        digest = self.everybody[person.number].facts["sidebar", "digest"]
        self.compare(person, ("sidebar", "digest"), digest, " ".join(sorted(found)))

    def compare(self, person: Person, key: tuple[str, str], words: str, seen: str) -> None:
        """Count, and where it is another's number say whose."""
        whose = [n for n, other in self.everybody.items() if other.facts.get(key) == seen]
        with self.lock:
            self.checked += 1
            if seen != words:
                self.mismatches.append(
                    {
                        "person": str(person.number),
                        "page": key[0],
                        "what": key[1],
                        "expected": words,
                        "seen": seen,
                        "whose": ", ".join(map(str, whose)) or "nobody's",
                    }
                )

    def trouble(self, person: Person, words: str) -> None:
        """Note an error on a page, or a lost connection."""
        with self.lock:
            self.problems.append(f"{person.number}: {words}")


def cards(session: Session, page: str) -> Facts:
    """Every number in cards, with those beside it."""
    found: Facts = {}
    for node, after in pairwise(session.nodes()):
        if node.kind == "metric":
            beside = NUMBER.findall(after.proto.body) if after.kind == "markdown" else []
            found[page, node.proto.label] = " ".join([node.proto.body, *beside])
    return found | live_cards(session, page)


def live_cards(session: Session, page: str) -> Facts:
    """Every exact number of a live picture, with that of the raw source."""
    raw: dict[str, float] = {}
    scores: dict[str, float] = {}
    for node in session.nodes():
        if node.kind == "bidi_component" and node.proto.bytes:
            raw |= {card["name"]: card["raw"] for card in unpack(node.proto.bytes)[0]["cards"]}
        elif node.kind == "bidi_component":
            scores |= json.loads(node.proto.json).get("scores", {})  # other components have none
    return {
        (page, METRICS[name].card): f"{three(scores[name])} {three(value)}"
        for name, value in raw.items()
        if name in scores
    }


class Visit:
    """One person's visit, step by step.

    Parameters
    ----------
    person : Person
    url : str
        Of the server.
    log : Log
    timeout : float
        Seconds that any one answer may take.
    """

    def __init__(self, person: Person, url: str, log: Log, timeout: float = 900) -> None:
        self.person, self.log, self.loads = person, log, 0
        self.corrected = False
        with log.step("open Home"):
            self.session = Session(url, timeout).open()
        self.well()

    def well(self, card: bool = False) -> None:
        """Note errors on the page, and check whose set it is."""
        for words in self.session.errors():
            self.log.trouble(self.person, words)
        if card:
            self.log.card(self.person, self.session)

    def load(self, files: Files) -> None:
        """Upload and load the person's files, and choose a split."""
        session, log = self.session, self.log
        with log.step("open Data"):
            session.go("Data")
        with log.step("drop files"):
            session.upload(f"drop_{self.loads}", *files.values())
        with log.step("load"):
            session.click("load")
        self.loads += 1
        with log.step("choose a split"):
            session.choose("seed_input", self.person.seed)
        session.choose("holdout_slider", self.person.holdout)
        self.well(card=True)

    def page(self, title: str, step: str) -> None:
        """Go to a page."""
        with self.log.step(step):
            self.session.go(title)
        self.well(card=True)

    def home(self, step: str = "open Home again") -> None:
        """Read Home."""
        self.page("Home", step)
        self.log.check(self.person, cards(self.session, "Home"))

    def spectra(self) -> None:
        """Read Spectra: its cards, and its table to six digits."""
        self.page("Spectra", "open Spectra")
        facts = cards(self.session, "Spectra")
        for table in self.session.tables():
            if "read against" in table:
                rows = table["value"].items()
                facts |= {("Spectra", str(name)): f"{value:.6g}" for name, value in rows}
        self.log.check(self.person, facts)

    def directions(self) -> None:
        """Read the sentence about the first direction."""
        self.page("Directions", "open Directions")
        words = next((text for text in self.session.texts() if "It holds" in text), "")
        numbers = " ".join(number.rstrip(".") for number in NUMBER.findall(words))
        self.log.check(self.person, {("Directions", "the gap's direction"): numbers})

    def bound(self, at: float) -> None:
        """Move the slider of Correct."""
        with self.log.step("move the bound"):
            self.session.choose("bound", at)
        self.well(card=False)
        self.log.check(self.person, cards(self.session, f"bound {at}"))

    def correct(self, bounds: int = 1) -> None:
        """Move the slider, then choose the method to end with."""
        person, session, wish = self.person, self.session, self.person.wish
        self.page("Correct", "open Correct")
        if self.corrected:  # the page remembers what was chosen
            session.choose("method", ALIGNERS["bounded"].label)
            if wish.before:
                session.choose(wish.key, wish.before)
        self.corrected = True
        for at in (*person.bounds[1:bounds], person.bounds[0]):
            self.bound(at)
        method = ALIGNERS[wish.method]
        label = method.label + (" (uses pairs)" if method.needs_pairs else "")
        with self.log.step("choose a method or its parameter"):
            session.choose("method", label)
        if wish.key:
            with self.log.step("choose a method or its parameter"):
                session.choose(wish.key, wish.value)
        self.well(card=True)
        self.log.check(person, cards(session, "own method"))

    def offers(self, button: str) -> bool:
        """Whether the page has a button, by its key."""
        found = self.session.screen.all("button")
        return any(node.proto.id.endswith(f"-{button}") for node in found)

    def compare(self) -> None:
        """Run a small contest and read its table."""
        session = self.session
        self.page("Compare", "open Compare")
        session.choose("compare_methods", *(ALIGNERS[name].label for name in CONTEST))
        session.choose("compare_splits", str(CONTEST_SPLITS))
        if self.offers("compare_run"):  # or it was done before
            with self.log.step("compare two methods on three splits"):
                session.click("compare_run")
        self.well(card=True)
        found: Facts = {}
        for table in session.tables():
            if "reads" in table:
                for row in table.itertuples(index=False):
                    found["Compare", row[0]] = " | ".join(row[1:])
        self.log.check(self.person, found)

    def export(self) -> None:
        """Take the corrected vectors home."""
        self.page("Export", "correct every row, on Export")
        words = next((text for text in self.session.texts() if "digest `" in text), "")
        with self.log.step("download"):
            data = self.download()
        shown = {
            ("Export", "digest"): words.partition("digest `")[2].partition("`")[0],
            ("Export", "file"): hashlib.sha256(data).hexdigest(),
        }
        self.log.check(self.person, shown)

    def download(self) -> bytes:
        """Download, again where the server has let go of the file before it was fetched."""
        for _ in range(TRIES):
            try:
                return self.session.download("download_0")
            except requests.HTTPError as error:
                if error.response.status_code != 404:
                    raise
                with self.log.lock:
                    self.log.repeated += 1
        raise ClientError(f"the download failed {TRIES} times")

    def close(self, abruptly: bool = False) -> None:
        """Close the window, or lose the connection."""
        with self.log.lock:
            self.log.runs += self.session.runs
        if abruptly:
            self.session.drop()
        else:
            self.session.close()
