"""Classes that vote together on the Learn page: in this process's memory alone, for some hours.

A class is found by a short code, led by whoever holds its secret, and holds for each browser at
most one vote a question: the number of an option. Browsers are told apart by a keyed hash under a
key that is the class's own, so that a vote leads back to nobody. No text is ever taken.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from anisoalign_core.errors import AnisoAlignError, LimitError, ParameterError
from anisoalign_core.teach import MOST_OPTIONS

LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"
"""Of codes: no vowels, which make words, and nothing that looks like another."""
LENGTH = 7
"""28⁷ = 1.3e10 codes."""
MEMBERS = 500
"""Browsers that may vote in one class."""
QUESTIONS = 40
"""Questions that one class holds votes for; the story has 12."""
VOTES = (12, 20.0)
"""Votes, changes included, that one browser may give in so many seconds."""
WRONG_EACH, WRONG_ALL = (5, 60.0), (300, 60.0)
"""Wrong codes in so many seconds: from one browser, and from all."""
REMEMBERED = 2000
"""Browsers whose wrong codes are counted at a time."""
PRESENT_SECONDS = 15.0
ABSENT_SECONDS = 1800.0
"""After which a class without whoever leads it is forgotten, as if its hours were over."""

Question = tuple[int, int]
"""A step of the story, from 1, and which of its questions, from 0."""


class ClassOver(AnisoAlignError):
    """The class has ended, or its hours are over."""


@dataclass(frozen=True)
class Lead:
    """What whoever leads a class holds: its code, which all may know, and its secret."""

    code: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Now:
    """What a member of a class is told.

    Attributes
    ----------
    at : (int, int)
        The question that the class is at.
    shown : bool
        Whether what is, is shown; votes no longer change then.
    vote : int or None
        This browser's own.
    """

    at: Question
    shown: bool
    vote: int | None


@dataclass(frozen=True)
class Tally:
    """What whoever leads is told of the question at hand.

    Attributes
    ----------
    counts : tuple of int
        Votes for each option.
    present : int
        Browsers that were seen in the last seconds.
    shown : bool
    """

    counts: tuple[int, ...]
    present: int
    shown: bool


class Pace:
    """At most so many of something in so many seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._times: deque[float] = deque()

    def full(self, now: float) -> bool:
        """Whether there were as many as there may be."""
        while self._times and now - self._times[0] >= self.seconds:
            self._times.popleft()
        return len(self._times) >= self.most

    def count(self, now: float) -> None:
        """Count one."""
        self._times.append(now)


@dataclass(eq=False)
class _Member:
    seen: float
    pace: Pace = field(default_factory=lambda: Pace(*VOTES))


@dataclass(eq=False)
class _Class:
    secret: str
    until: float
    led: float
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    leader: bytes = b""
    at: Question = (1, 0)
    shown: set[Question] = field(default_factory=set)
    votes: dict[Question, dict[bytes, int]] = field(default_factory=dict)
    members: dict[bytes, _Member] = field(default_factory=dict)

    @property
    def end(self) -> float:
        """When it is forgotten."""
        return min(self.until, self.led + ABSENT_SECONDS)

    def name(self, browser: str) -> bytes:
        """Return what a browser is called in this class alone."""
        return hashlib.blake2b(browser.encode(), key=self.key, digest_size=16).digest()


def tidy(code: str) -> str:
    """Return a code as it was given out, from how a person types it."""
    return "".join(each for each in code[:40].upper() if each in LETTERS)[: LENGTH + 1]


class Classes:
    """All classes of a server; safe to use from all sessions' threads.

    Parameters
    ----------
    at_once : int
        Classes at a time; 0 for none at all.
    hours : float
        After which a class is forgotten, votes and all.
    clock : callable, optional
        Seconds that only rise.
    """

    def __init__(
        self, at_once: int, hours: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.at_once, self.seconds, self._clock = at_once, 3600.0 * hours, clock
        self._classes: dict[str, _Class] = {}
        self._wrong: OrderedDict[str, Pace] = OrderedDict()
        self._wrong_all = Pace(*WRONG_ALL)
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return how many classes there are."""
        self.forget_old()
        return len(self._classes)

    @property
    def offered(self) -> bool:
        """Whether this server has classes at all."""
        return self.at_once > 0

    def begin(self, browser: str, at: Question = (1, 0)) -> Lead:
        """Begin a class, led from this browser; a class that it led before ends.

        Raises
        ------
        LimitError
            If there are as many as the server allows.
        """
        with self._lock:
            self.forget_old()
            for code, one in list(self._classes.items()):
                if one.leader == one.name(browser):
                    del self._classes[code]
            if len(self._classes) >= self.at_once:
                raise LimitError(
                    f"This server holds {self.at_once} classes at once, and all are taken. Try "
                    "again when one has ended, or go on without votes."
                    if self.offered
                    else "This server holds no classes; its owner may allow them with "
                    "ANISOALIGN_MAX_CLASSES."
                )
            code = ""
            while not code or code in self._classes:
                code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
            now = self._clock()
            begun = _Class(secrets.token_urlsafe(24), now + self.seconds, now, at=at)
            begun.leader = begun.name(browser)
            self._classes[code] = begun
            self._wake()
            return Lead(code, begun.secret)

    def join(self, code: str, browser: str) -> str:
        """Find a class by what a person typed, and become one of its members.

        Returns
        -------
        str
            The code as it was given out.

        Raises
        ------
        ParameterError
            If there is no such class.
        LimitError
            If the class is full, or there were too many wrong codes.
        """
        with self._lock:
            now, known = self._clock(), tidy(code)
            mine = self._wrong.get(browser)
            if self._wrong_all.full(now) or (mine is not None and mine.full(now)):
                raise LimitError("Too many wrong codes were tried. Wait a minute, then try again.")
            self.forget_old()
            if known not in self._classes:
                self._wrong_all.count(now)
                self._wrong.setdefault(browser, Pace(*WRONG_EACH)).count(now)
                self._wrong.move_to_end(browser)
                while len(self._wrong) > REMEMBERED:
                    self._wrong.popitem(last=False)
                raise ParameterError(
                    "There is no class of this code now. Look at the code again, or ask whoever "
                    "leads the class: it may have ended."
                )
            self._member(self._classes[known], browser)
            return known

    def led_from(self, code: str, browser: str) -> Lead | None:
        """Return the lead of a class to the browser that began it, else None."""
        with self._lock:
            one = self._classes.get(code)
            if one is None or one.leader != one.name(browser):
                return None
            return Lead(code, one.secret)

    def now(self, code: str, browser: str) -> Now:
        """Return where a class is, and this browser's vote there.

        Raises
        ------
        ClassOver
            If it has ended.
        LimitError
            If it is full, and this browser is no member.
        """
        with self._lock:
            one = self._found(code)
            self._member(one, browser).seen = self._clock()
            vote = one.votes.get(one.at, {}).get(one.name(browser))
            return Now(one.at, one.at in one.shown, vote)

    def vote(self, code: str, browser: str, question: Question, option: int) -> None:
        """Give this browser's one vote for a question, or change it.

        Raises
        ------
        ClassOver
            If the class has ended.
        ParameterError
            If the class is at another question, what is was shown, or there is no such option.
        LimitError
            If votes come too fast, or the class is full.
        """
        with self._lock:
            one = self._found(code)
            if question != one.at or question in one.shown:
                raise ParameterError(
                    "The class has gone on, so this vote was not counted. Look at where it is now."
                )
            if not 0 <= option < MOST_OPTIONS:
                raise ParameterError("There is no such option; choose one of those shown.")
            member, now = self._member(one, browser), self._clock()
            if member.pace.full(now):
                raise LimitError("Votes come too fast. Wait a few seconds, then change yours.")
            if question not in one.votes and len(one.votes) >= QUESTIONS:
                raise LimitError("This class has voted on as many questions as it can hold.")
            member.pace.count(now)
            one.votes.setdefault(question, {})[one.name(browser)] = option

    def move(self, lead: Lead, at: Question) -> None:
        """Take the class to a question.

        Raises
        ------
        ClassOver
            If it has ended, or the secret is not that of the class.
        """
        with self._lock:
            self._led(lead).at = at

    def show(self, lead: Lead, shown: bool = True) -> None:
        """Show the class what is, or hide it and let votes change again.

        Raises
        ------
        ClassOver
            If it has ended, or the secret is not that of the class.
        """
        with self._lock:
            one = self._led(lead)
            (one.shown.add if shown else one.shown.discard)(one.at)

    def tally(self, lead: Lead, options: int) -> Tally:
        """Return the votes on the question at hand, and how many are here.

        Parameters
        ----------
        lead : Lead
        options : int
            How many the question has.

        Raises
        ------
        ClassOver
            If it has ended, or the secret is not that of the class.
        """
        with self._lock:
            one, now = self._led(lead), self._clock()
            given = list(one.votes.get(one.at, {}).values())
            counts = tuple(given.count(option) for option in range(options))
            here = sum(now - each.seen < PRESENT_SECONDS for each in one.members.values())
            return Tally(counts, here, one.at in one.shown)

    def end(self, lead: Lead) -> None:
        """End a class: its votes are forgotten. To end one that has ended is no harm."""
        with self._lock:
            one = self._classes.get(lead.code)
            if one is not None and secrets.compare_digest(one.secret, lead.secret):
                del self._classes[lead.code]

    def forget_old(self) -> None:
        """Forget classes whose hours are over, or that nobody leads any more."""
        with self._lock:
            now = self._clock()
            for code in [code for code, one in self._classes.items() if now >= one.end]:
                del self._classes[code]

    def _wake(self) -> None:
        """See to it that the class which ends first is forgotten then, also where nobody asks."""
        with self._lock:
            if self._timer is None and self._classes:
                first = min(one.end for one in self._classes.values())
                self._timer = threading.Timer(max(first - self._clock(), 0.0) + 1.0, self._ring)
                self._timer.daemon = True
                self._timer.start()

    def _ring(self) -> None:
        with self._lock:
            self._timer = None
            self.forget_old()
            self._wake()

    def _found(self, code: str) -> _Class:
        self.forget_old()
        one = self._classes.get(code)
        if one is None:
            raise ClassOver("This class has ended. What you see is yours to go on with.")
        return one

    def _led(self, lead: Lead) -> _Class:
        one = self._found(lead.code)
        if not secrets.compare_digest(one.secret, lead.secret):
            raise ClassOver("This window leads no class.")
        one.led = self._clock()
        return one

    def _member(self, one: _Class, browser: str) -> _Member:
        """Return a browser's membership, a new one where there is room; the lock is held."""
        name = one.name(browser)
        if name not in one.members:
            if len(one.members) >= MEMBERS:
                raise LimitError(f"This class is full: {MEMBERS} browsers are in it.")
            one.members[name] = _Member(self._clock())
        return one.members[name]
