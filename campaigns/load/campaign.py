"""Many sessions at once, each with a set of its own, twice on one server."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any

from campaigns.load.client import Session
from campaigns.load.people import Expected, Person, expected, told_apart
from campaigns.load.server import MIB, Server
from campaigns.load.visit import Files, Log, Visit

KEEP = 10
"""Seconds that the server keeps a session whose connection is gone (Streamlit's default: 120)."""
LEAST_APART = 0.5
"""Any two people's numbers differ at least by this share on every page, to the digits shown."""
BASE_MIB = 400
"""Memory ceiling of the server itself, with everything imported and the samples loaded."""
TIMES_SET, EACH_MIB = 8, 24
"""Memory ceiling of one session: so many times its set as float32, and so many MiB besides."""
MOST_KEPT = 1.1
"""Memory after the second round, over that after the first."""
STRANGER = 10_007
"""The number of a person who warms the server up, with a small set."""


def prepare(people: Sequence[Person]) -> tuple[dict[int, Files], dict[int, Expected]]:
    """Make everybody's files, and everything that they should see.

    Raises
    ------
    ValueError
        If two people's numbers are too alike to tell whose a wrong one is.
    """
    files: dict[int, Files] = {one.number: one.files() for one in people}
    everybody = {one.number: expected(one, files[one.number]) for one in people}
    alike = {page: part for page, part in told_apart(list(everybody.values())).items()}
    if alike and min(alike.values()) < LEAST_APART:
        raise ValueError(f"two people are too alike to be told apart: {alike}")
    return files, everybody


def whole_visit(
    person: Person, files: Files, url: str, log: Log, together: threading.Barrier
) -> None:
    """Visit every page; all come at once, and nobody leaves before all are done."""
    try:
        together.wait()
        visit = Visit(person, url, log)
        try:
            visit.load(files)
            visit.home("measure the gap, on Home")
            visit.spectra()
            visit.directions()
            visit.correct()
            if person.compares:
                visit.compare()
            visit.export()
            visit.home()
            together.wait()  # all are done, and their sessions held: a look at the memory
            together.wait()
        finally:
            visit.close()
    except threading.BrokenBarrierError:
        pass  # another's trouble, which is noted
    except Exception as error:  # also what nobody foresaw: the others must not wait for ever
        log.trouble(person, f"{type(error).__name__}: {error}")
        together.abort()


def all_at_once(
    people: Sequence[Person], files: dict[int, Files], server: Server, log: Log
) -> dict[str, float]:
    """Let everybody visit at once; return the memory while they did and once they were done."""
    together = threading.Barrier(len(people) + 1)
    begun = server.now()
    threads = [
        threading.Thread(
            target=whole_visit, args=(one, files[one.number], server.url, log, together)
        )
        for one in people
    ]
    for thread in threads:
        thread.start()
    held = 0.0
    try:
        together.wait()
        together.wait()
        held = server.resident()
        together.wait()
    except threading.BrokenBarrierError:
        pass  # noted by whoever had trouble
    for thread in threads:
        thread.join()
    return {"held": held, "peak": server.peak(begun), "seconds": server.now() - begun}


def forgotten(server: Server) -> float:
    """Wait until the server has let go of ended sessions; return its memory.

    It does so when the next session ends, so two short ones come and go.
    """
    for _ in range(2):
        time.sleep(server.keep + 1)
        Session(server.url, 900).open().close()
        time.sleep(1)
    return server.resident()


def warm_up(server: Server) -> float:
    """Let one person with a small set visit, so that all code is loaded; return the memory."""
    stranger = Person(STRANGER, 500, 32, compares=True)
    files, everybody = prepare([stranger])
    log = Log(everybody)
    all_at_once([stranger], files, server, log)
    if log.mismatches or log.problems:
        raise RuntimeError(f"the first visit failed: {log.problems} {log.mismatches}")
    return forgotten(server)


def ceiling(people: Sequence[Person]) -> float:
    """MiB that the server may take while everybody visits."""
    sets = sum(8 * one.rows * one.dim for one in people) / MIB
    return BASE_MIB + TIMES_SET * sets + EACH_MIB * len(people)


def campaign(sessions: int, rows: int, dim: int, rounds: int = 2, keep: int = KEEP) -> Any:
    """Run the campaign and return what was measured."""
    people = [Person(n, rows, dim, compares=n % 5 == 4) for n in range(sessions)]
    print(f"computing what {sessions} people should see …", flush=True)
    files, everybody = prepare(people)
    log = Log(everybody)
    with Server(keep) as server:
        base = warm_up(server)
        found = []
        for number in range(rounds):
            memory = all_at_once(people, files, server, log)
            memory["after"] = forgotten(server)
            found.append({name: round(value, 1) for name, value in memory.items()})
            print(f"round {number + 1}: {found[-1]}", flush=True)
        threads, faults = server.threads(), server.faults()
    return {
        "sessions": sessions,
        "rows": rows,
        "dim": dim,
        "layouts": sorted({one.layout for one in people}),
        "methods": sorted({one.wish.method for one in people}),
        "told_apart": told_apart(list(everybody.values())),
        "base": round(base, 1),
        "rounds": found,
        "ceiling": round(ceiling(people), 1),
        "threads": threads,
        "steps": {name: summary(seconds) for name, seconds in log.seconds.items()},
        **outcome(log, faults),
    }


def outcome(log: Log, faults: Sequence[str]) -> dict[str, Any]:
    """Return what was compared, and what went wrong."""
    return {
        "checked": log.checked,
        "runs": log.runs,
        "mismatches": log.mismatches,
        "problems": log.problems,
        "downloads_repeated": log.repeated,
        "faults": list(faults),
    }


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Return how often a step was taken, and its median, 95th percentile and worst time."""
    ordered = sorted(seconds)
    return {
        "times": len(ordered),
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)], 2),
        "worst": round(ordered[-1], 2),
    }


def failures(found: Any) -> list[str]:
    """Say what of the campaign's promises was not kept."""
    words = common_failures(found)
    peak = max(one["peak"] for one in found["rounds"])
    if peak > found["ceiling"]:
        words.append(f"memory peaked at {peak} MiB, above {found['ceiling']}")
    first, last = found["rounds"][0]["after"], found["rounds"][-1]["after"]
    if last > MOST_KEPT * first:
        words.append(f"memory after the last round is {last} MiB, after the first {first}")
    return words


def common_failures(found: Any) -> list[str]:
    """Say what campaign and soak both promise and did not keep."""
    return [
        f"{len(found[name])} {words}, such as {found[name][0]}"
        for name, words in (
            ("mismatches", "numbers were not the person's own"),
            ("problems", "errors met people"),
            ("faults", "errors stand in the server's log"),
        )
        if found[name]
    ]
