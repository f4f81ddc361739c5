"""UMAPs behind the page's back: in a process of their own, which all sessions of a server share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.geometry.umap_map import JointMap, sampled
from anisoalign_core.geometry.umap_plan import Fitted, MapPlan, map_plan, pace
from anisoalign_core.pairs import EmbeddingPair
from app.places import Place
from app.server import server

ROOT = Path(__file__).resolve().parent.parent
PACE_SECONDS = 60.0
"""For so long what was measured of the machine's pace is taken to hold."""
PROCESS = (sys.executable, "-m", "anisoalign_core.geometry.umap_process")
IDLE_SECONDS = 900.0
"""After so long without a map the process ends, and gives its memory back."""


@dataclass(eq=False)
class Job:
    """A map that is being made.

    Attributes
    ----------
    plan : MapPlan
        What was planned when it was asked for; renewed when its turn comes.
    seconds : float
        What it takes by that plan, at the machine's pace then.
    state : {"waiting", "running", "done", "failed", "cancelled"}
    words : str
        What is going on, or why it failed.
    """

    pair: EmbeddingPair
    fit_on: Fitted
    place: Place
    plan: MapPlan
    seconds: float
    state: str = "waiting"
    words: str = ""
    made: JointMap | None = None
    begun: float = 0.0
    done: float = 0.0
    told: float = 0.0
    kill: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in ("done", "failed", "cancelled")

    def cancel(self) -> None:
        """Stop it, also in the middle of work; nothing is kept."""
        self.state = "cancelled"
        if self.kill is not None:
            self.kill()

    def tell(self, done: float, words: str) -> None:
        """Take in how far it is."""
        self.done, self.words, self.told = done, words, time.monotonic()

    def share(self) -> float:
        """Return how much is done: what was told last, and what time since then makes likely."""
        since = (time.monotonic() - self.told) / max(self.seconds, 1e-3)
        return self.plan.within(self.done, self.done + since)

    def left(self) -> float:
        """Return the seconds that are left, by the plan first and ever more by its own pace."""
        share = self.share()
        by_plan = (1 - share) * self.seconds
        own = (time.monotonic() - self.begun) * (1 - share) / max(share, 0.01)
        weight = min(2 * share, 1.0)
        return weight * own + (1 - weight) * by_plan


class Mapper:
    """The process that makes maps, one at a time; safe to use from all threads.

    Parameters
    ----------
    command : sequence of str
        What starts it.
    """

    def __init__(self, command: Sequence[str] = PROCESS) -> None:
        self.command = command
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._warm = False
        self._used = time.monotonic()
        self._pace = (-PACE_SECONDS, 1.0)

    def seconds(self, pair: EmbeddingPair, fit_on: Fitted) -> float:
        """Estimate how long a map takes now."""
        return self.plan(pair, fit_on).total * self.pace()

    def plan(self, pair: EmbeddingPair, fit_on: Fitted) -> MapPlan:
        """Return what a map takes: more where the process has made none yet."""
        return map_plan(len(pair.target), len(pair.source), fit_on, cold=not self._warm)

    def pace(self) -> float:
        """Return how much slower this machine is at the moment than where plans were timed."""
        if time.monotonic() - self._pace[0] > PACE_SECONDS:
            self._pace = time.monotonic(), pace()
        return self._pace[1]

    def begin(self, pair: EmbeddingPair, fit_on: Fitted, place: Place) -> Job:
        """Begin a map in the background."""
        job = Job(pair, fit_on, place, self.plan(pair, fit_on), self.seconds(pair, fit_on))
        threading.Thread(target=self._run, args=(job,), name="map", daemon=True).start()
        return job

    def _run(self, job: Job) -> None:
        def wait(before: int) -> None:
            job.words = f"waiting for {before + 1} other jobs on this server"
            if job.over or job.place.left:
                raise AnisoAlignError("nobody waits for it any more")

        try:
            with server().long.turn(wait), self._turn:
                if not job.over:
                    self._make(job)
        except AnisoAlignError as error:
            job.words = str(error)
            job.state = "cancelled" if job.state == "cancelled" else "failed"
        except (OSError, ValueError):
            if job.state != "cancelled":
                job.state, job.words = "failed", "The process that makes maps has ended."
        finally:
            job.kill = None

    def _make(self, job: Job) -> None:
        process = self._started()
        job.kill = process.kill
        job.plan = self.plan(job.pair, job.fit_on)
        job.seconds = job.plan.total * self.pace()
        job.begun = job.told = time.monotonic()
        if job.state == "cancelled":
            return
        job.state = "running"
        with tempfile.TemporaryDirectory(prefix="map") as folder:
            rows, out = Path(folder) / "rows.npz", Path(folder) / "map.npz"
            drawn = sampled(job.pair.target.vectors, job.pair.source.vectors, random_state=0)
            target, source = job.pair.target.vectors[drawn[0]], job.pair.source.vectors[drawn[1]]
            np.savez(rows, target=target, source=source)
            asked = {"rows": str(rows), "out": str(out), "fit_on": job.fit_on, "seed": 0}
            assert process.stdin is not None and process.stdout is not None  # they are pipes
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                said = json.loads(line)
                if "error" in said:
                    raise AnisoAlignError(said["error"])
                if "made" in said:
                    break
                job.tell(said["done"], said["words"])
                if job.place.left:
                    job.cancel()
            else:
                raise OSError("the process has ended")
            with np.load(out, allow_pickle=False) as held:
                job.made = JointMap(
                    held["target"],
                    held["source"],
                    drawn[0],
                    drawn[1],
                    int(held["reduced_to"]),
                    job.fit_on,
                )
        self._warm, self._used = True, time.monotonic()
        job.state = "done"
        timer = threading.Timer(IDLE_SECONDS, self._end_idle)
        timer.daemon = True
        timer.start()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._warm = False
            path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            self._process = subprocess.Popen(  # noqa: S603  (our own)
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        return self._process

    def _end_idle(self) -> None:
        if time.monotonic() - self._used >= IDLE_SECONDS:
            self.end()

    def end(self) -> None:
        """End the process, unless it is at work; the next map starts another."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self._process, self._warm = None, False
        finally:
            self._turn.release()


@cache
def mapper() -> Mapper:
    """Return the server's own."""
    return Mapper()
