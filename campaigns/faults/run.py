"""Disturb what writes, as often as you like: ``python -m campaigns.faults.run --kills 320``.

Each scenario is run undisturbed first, and then again and again: killed at a random time or at a
chosen event of the file system, on a full disk, in a folder or on a mount that is read-only, and
with an input that changes meanwhile. After each fault every file under a final name must be what it
was or what it becomes undisturbed, every input what it was, and the next run must end the work with
the same bytes and leave nothing over.

Each scenario has a process of its own, which forks a child for every run. The same seed asks for
the same faults. Disks that are full or read-only need root, to mount a small one; without, a limit
on the size of files and permissions stand for them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.document import read_results
from campaigns.faults.children import ENVIRONMENT
from campaigns.faults.scenarios import BLOCK, SCENARIOS, Tally

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
FINDINGS = HERE / "findings.json"
DOCUMENT = HERE.parent.parent / "docs" / "RELIABILITY.md"
KILLS = ("time", "event")
WORDS = {
    "time": "killed at a random time",
    "event": "killed at an event of the file system",
    "full": "disk full",
    "limit": "no file may grow further",
    "permission": "folder without permission",
    "mount": "read-only mount",
    "changed": "input changed during the run",
}
"""Every fault, in words."""
OTHERS = {"full": 3, "limit": 3, "permission": 2, "mount": 2, "changed": 24}
"""Faults besides kills, in each scenario."""
PATIENCE = 4
"""Tries for each fault that may come too late to strike."""


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 if anything was not survived."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenario", default="all", help="a name, several with commas, or all")
    parser.add_argument("--kills", type=int, default=320, help="over all scenarios")
    parser.add_argument("--others", type=float, default=1.0, help="times the usual other faults")
    parser.add_argument("--seed", type=int, help="by default after those known")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", type=Path, nargs="?", const=DOCUMENT, help="write the section")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--wanted", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        return work(options.scenario, options.wanted, options.seed, options.worker)
    if options.render is not None:
        from campaigns.faults.report import render

        render(options.out, FINDINGS, options.render)
        return 0
    names = list(SCENARIOS) if options.scenario == "all" else options.scenario.split(",")
    seed = options.seed
    if seed is None:
        known = read_results(options.out).values()
        seed = max((run["seed"] for each in known for run in each["runs"]), default=-1) + 1
    bad = False
    for number, name in enumerate(names):
        run = scenario(name, wanted(name, number, len(names), options), seed)
        results = read_results(options.out)
        results.setdefault(name, {"runs": []})["runs"].append(run)
        text = json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        options.out.write_text(text, encoding="utf-8")
        bad |= any(each["problems"] for each in run["faults"].values())
        say(name, run)
    return int(bad)


def wanted(name: str, number: int, count: int, options: argparse.Namespace) -> dict[str, int]:
    """Share the kills among the scenarios; half of them at a random time, half at an event."""
    kills = options.kills * (number + 1) // count - options.kills * number // count
    found = {"time": kills // 2, "event": kills - kills // 2}
    for fault, times in OTHERS.items():
        if fault != "changed" or SCENARIOS[name].changes:
            found[fault] = round(times * options.others)
    return found


def scenario(name: str, faults: dict[str, int], seed: int) -> dict[str, Any]:
    """Disturb one scenario, in a process of its own, and return the counts."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-m", "campaigns.faults.run", "--worker", folder]
        command += ["--scenario", name, "--seed", str(seed), "--wanted", json.dumps(faults)]
        done = subprocess.run(
            command,
            env={**os.environ, **ENVIRONMENT},
            cwd=HERE.parent.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise SystemExit(f"{name} could not be disturbed.")
    found = json.loads(done.stdout.splitlines()[-1])
    minutes = round((time.monotonic() - begun) / 60, 2)
    return {"seed": seed, "faults": found, "minutes": minutes}


def work(names: str, faults: dict[str, int], seed: int, base: Path) -> int:
    """Disturb scenarios here, and print the counts of all."""
    from campaigns.faults.disks import can_mount

    mounts = can_mount(base)
    tallies = {fault: Tally() for fault in faults}
    for name in names.split(","):
        disturb(name, faults, seed, base, tallies, mounts=mounts)
    print(json.dumps({fault: asdict(tally) for fault, tally in tallies.items()}))
    return 0


def disturb(
    name: str,
    faults: dict[str, int],
    seed: int,
    base: Path,
    tallies: dict[str, Tally],
    *,
    mounts: bool,
) -> None:
    """Inject faults into one scenario until each has struck as often as asked for."""
    from anisoalign_core.engine import pieces
    from campaigns.faults.stage import Stage
    from campaigns.faults.trials import FAULTS

    pieces.BLOCK_ROWS = BLOCK
    for module in SCENARIOS[name].imports:
        import_module(module)
    if threading.active_count() > 1:
        raise RuntimeError("Threads of Python run, which no child would have.")
    stage = Stage(SCENARIOS[name], base / name)
    for fault, times in faults.items():
        if FAULTS[fault].mounts and not mounts:
            continue
        rng, tally = random.Random(f"{name} {fault} {seed}"), tallies[fault]
        struck = 0
        for _ in range(PATIENCE * times):
            if struck == times:
                break
            found = FAULTS[fault].inject(stage, rng)
            if not found.happened:
                tally.missed += 1
                continue
            struck += 1
            tally.injected += 1
            tally.survived += not found.problems
            tally.problems += found.problems
            if not found.problems:
                tally.after[found.after] = tally.after.get(found.after, 0) + 1


def say(name: str, run: dict[str, Any]) -> None:
    """Print what a scenario came to."""
    for fault, tally in run["faults"].items():
        print(f"{name} {fault}: {tally['survived']} of {tally['injected']} {tally['after']}")
        for problem in tally["problems"]:
            print(f"  {problem}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
