"""A class on the bundled sample: everybody walks Learn, Home, Spectra and Correct at once.

Twice: as people do, who think between two steps, and as a class does that is told to press the same
button now. What is the sample's alone is computed once for everybody, so these pages are to answer
however many come.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anisoalign_core.align import ALIGNERS
from anisoalign_core.samples import sample_report
from app.session import DEFAULT_SAMPLE
from app.widgets.common import three
from app.widgets.correct import PLANES
from app.widgets.learn import STEPS
from campaigns.load.campaign import KEEP, summary
from campaigns.load.page import ClientError
from campaigns.load.server import Server
from campaigns.load.visitor import Visitor

PEOPLE = 60
THINKS = (5.0, 15.0)
"""Seconds between two steps of one person: uniform between these, seeded."""
ARRIVES = 30.0
"""Seconds within which all open the app."""
BREATH = 0.5
"""Seconds between everybody's answers and the next step that all take at once."""
MEDIAN, P95 = 2.0, 5.0
"""Seconds that a step may take on each page."""
WAYS = ("thinking", "together", "together, new server")
CARD = "Gap between the means"
Act = Callable[[Visitor, np.random.Generator], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """What one person does: on which page, in words, and how."""

    page: str
    words: str
    act: Act


def opens(title: str) -> Step:
    """Choose a page in the sidebar."""
    return Step(title, "open the page", lambda one, _: one.go(title))


def presses(page: str, words: str, name: str) -> Step:
    """Press a button."""
    return Step(page, words, lambda one, _: one.click(name))


def chooses(page: str, words: str, name: str, *values: Any) -> Step:
    """Set a widget to one of some values, drawn with the person's seed."""

    def act(one: Visitor, rng: np.random.Generator) -> Awaitable[None]:
        return one.choose(name, values[rng.integers(len(values))])

    return Step(page, words, act)


def learn() -> list[Step]:
    """Walk the story: predict, see what is, and move what the server has to answer."""
    page = "Learn"

    def predicts(one: Visitor, rng: np.random.Generator) -> Awaitable[None]:
        node = one.widget("From ")
        return one.choose("From ", node.proto.options[rng.integers(len(node.proto.options))])

    def another_caption(one: Visitor, rng: np.random.Generator) -> Awaitable[None]:
        options = one.widget("learn_caption").proto.options
        return one.choose("learn_caption", options[rng.integers(len(options))])

    def another_claim(one: Visitor, rng: np.random.Generator) -> Awaitable[None]:
        options = one.widget("learn_claim").proto.options
        return one.choose("learn_claim", options[rng.integers(1, len(options))])

    moves = {
        1: [
            chooses(page, "the encoder before training", "learn_encoder", "Before training"),
            Step(page, "another caption", another_caption),
        ],
        2: [
            chooses(page, "on a ball", "learn_cone_view", "On a ball"),
            chooses(page, "open the cone", "learn_opening", *range(10, 120, 5)),
        ],
        3: [
            chooses(page, "on a ball", "learn_gap_view", "On a ball"),
            chooses(page, "turn the cones apart", "learn_angle", *range(0, 150, 10)),
        ],
        4: [chooses(page, "another way to shift", "learn_shift_method", "ReAlign", "Rotation")],
        6: [
            chooses(page, "on a ball", "learn_bounded_view", "On a ball"),
            chooses(page, "move the bound", "learn_alpha", "0", "0.1", "0.5", "1"),
        ],
    }
    found = [opens(page)]
    for number in range(1, len(STEPS)):
        found += [
            Step(page, "predict", predicts),
            presses(page, f"see what is, step {number}", f"learn_see_{number}_0"),
            *moves.get(number, []),
            presses(page, f"next, to step {number + 1}", "learn_next"),
        ]
    return [*found, Step(page, "another claim", another_claim)]


def correct() -> list[Step]:
    """Move the bound, look along another plane, and choose methods."""
    page = "Correct"

    def bound(one: Visitor, rng: np.random.Generator) -> Awaitable[None]:
        return one.choose("bound", round(float(rng.uniform(0, 1.5)), 2))

    def method(name: str) -> Step:
        words = f"choose {ALIGNERS[name].label}"
        return chooses(page, words, "method", ALIGNERS[name].label)

    return [
        opens(page),
        *[Step(page, "move the bound", bound)] * 3,
        chooses(page, "look along another plane", "plane", *list(PLANES)[1:]),
        method("realign"),
        method("coral"),
        method("bounded"),
        Step(page, "move the bound", bound),
    ]


def walk() -> list[Step]:
    """Everything that one person does, in order."""
    return [*learn(), opens("Home"), opens("Spectra"), *correct(), opens("Home")]


@dataclass
class Waited:
    """What everybody waited for, and what went wrong.

    Attributes
    ----------
    seconds : dict
        (Page, step) → how long each person waited.
    cpu : dict
        (Page, step) → seconds of the server's processors for each person, where all took it at
        once.
    problems : list of str
    """

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)
    bytes: int = 0
    gap: str = field(
        default_factory=lambda: three(sample_report(DEFAULT_SAMPLE).bias.centroid_gap.value)
    )
    """What Home is to say."""

    async def take(self, one: Visitor, step: Step, rng: np.random.Generator) -> None:
        """Take a step; note how long it took, and errors on the page."""
        clock = asyncio.get_running_loop()
        begun = clock.time()
        await step.act(one, rng)
        self.seconds[step.page, step.words].append(clock.time() - begun)
        self.problems += [f"{step.page}, {step.words}: {words}" for words in one.errors()]
        if step.page == "Home":
            self.check(one)

    def check(self, one: Visitor) -> None:
        """Compare a number on Home with the library's."""
        seen = one.metrics().get(CARD)
        if seen != self.gap:
            self.problems.append(f"Home: {CARD} is {seen} instead of {self.gap}")

    def pages(self) -> dict[str, dict[str, float]]:
        """Summarise by page."""
        found: dict[str, list[float]] = defaultdict(list)
        for (page, _), taken in self.seconds.items():
            found[page] += taken
        return {page: summary(taken) for page, taken in found.items()}

    def steps(self) -> dict[str, dict[str, float]]:
        """Summarise by step, with the server's work for each where it is known."""
        return {
            f"{page}: {words}": summary(taken)
            | ({"cpu": round(sum(cpu) / len(cpu), 4)} if (cpu := self.cpu[page, words]) else {})
            for (page, words), taken in self.seconds.items()
        }


OPENS = Step("Home", "open the app", lambda one, _: one.open())


async def thinking(server: Server, people: int, seed: int) -> Waited:
    """Let everybody walk by themselves, with time to think between two steps."""
    waited = Waited()

    async def person(number: int) -> None:
        rng = np.random.default_rng([seed, number])
        one = Visitor(server.url)
        await asyncio.sleep(rng.uniform(0, ARRIVES))
        try:
            for step in (OPENS, *walk()):
                await waited.take(one, step, rng)
                if step.page == "Spectra":
                    await one.answer_keeper()
                await asyncio.sleep(rng.uniform(*THINKS))
        except ClientError as error:
            waited.problems.append(f"person {number}: {error}")
        finally:
            waited.bytes += one.bytes
            await one.close()

    await asyncio.gather(*map(person, range(people)))
    return waited


async def together(server: Server, people: int, seed: int) -> Waited:
    """Let everybody take every step at the same moment; the next one when all have an answer."""
    waited = Waited()
    visitors = [Visitor(server.url) for _ in range(people)]
    chance = [np.random.default_rng([seed, number]) for number in range(people)]
    try:
        for step in (OPENS, *walk()):
            before = server.cpu()
            tasks = [waited.take(one, step, rng) for one, rng in zip(visitors, chance, strict=True)]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            waited.cpu[step.page, step.words].append((server.cpu() - before) / people)
            failed = [one for one in answers if isinstance(one, BaseException)]
            if failed:
                waited.problems.append(f"{step.page}, {step.words}: {failed[0]}")
                break
            if step.page == "Spectra":
                await asyncio.gather(*(one.answer_keeper() for one in visitors))
            await asyncio.sleep(BREATH)
    finally:
        waited.bytes = sum(one.bytes for one in visitors)
        await asyncio.gather(*(one.close() for one in visitors))
    return waited


def class_on_sample(people: int = PEOPLE, seed: int = 0) -> Any:
    """Hold the class on a new server each way, and once more at once where it was there before."""
    found: dict[str, Any] = {"people": people, "seed": seed, "steps": len(walk()) + 1}
    ways: list[list[tuple[str, Any]]] = [
        [("together, new server", together), ("together", together)],
        [("thinking", thinking)],
    ]
    faults: list[str] = []
    for acts in ways:
        with Server(KEEP) as server:
            base = server.resident()
            for name, act in acts:
                found[name] = measured(server, act, people, seed) | {"base": round(base, 1)}
                print(f"{name}: {found[name]['pages']}", flush=True)
            faults += server.faults()
    found["faults"] = faults
    found["checked"] = sum(found[name]["runs"] for acts in ways for name, _ in acts)
    return found


def measured(server: Server, act: Any, people: int, seed: int) -> dict[str, Any]:
    """Hold one class, and summarise what it cost."""
    begun, cpu, load = server.now(), server.cpu(), os.getloadavg()[0]
    own = resource.getrusage(resource.RUSAGE_SELF)
    waited: Waited = asyncio.run(act(server, people, seed))
    seconds, used = server.now() - begun, resource.getrusage(resource.RUSAGE_SELF)
    runs = sum(map(len, waited.seconds.values()))
    return {
        "runs": runs,
        "load": round(load, 1),
        "seconds": round(seconds, 1),
        "cpu_per_step": round((server.cpu() - cpu) / max(runs, 1), 4),
        "clients_cpu_per_step": round(
            (used.ru_utime + used.ru_stime - own.ru_utime - own.ru_stime) / max(runs, 1), 4
        ),
        "kib_per_step": round(waited.bytes / max(runs, 1) / 1024, 1),
        "peak": round(server.peak(begun), 1),
        "problems": waited.problems[:50],
        "pages": waited.pages(),
        "by_step": waited.steps(),
    }


def failures(found: Any) -> list[str]:
    """Say what of the promises was not kept."""
    words = [f"an error stands in the server's log: {line}" for line in found["faults"][:3]]
    for name in WAYS:
        one = found[name]
        if one["problems"]:
            words.append(f"{len(one['problems'])} errors, {name}, such as {one['problems'][0]}")
        for page, taken in one["pages"].items():
            for part, most in (("median", MEDIAN), ("p95", P95)):
                if taken[part] > most:
                    words.append(f"{page}, {name}: {part} of {taken[part]} s, above {most:g} s")
    return words
