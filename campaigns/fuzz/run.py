"""Fuzz the readers for as long as you like: ``python -m campaigns.fuzz.run --reader all``.

Every reader gets damaged copies of good files. Whatever is neither a good result nor an
AnisoAlignError of one sentence is a crash: another exception, more than five seconds, much memory,
the end of the process, or anything that the interpreter is asked to do besides reading (running
programs, opening other files for writing, connecting). Crashes are kept in
``tests/campaigns/corpus`` and replayed with every run of the tests.

Each batch runs in a process of its own, one at a time, so that a reader that ends its process is
reported like any other. The same seed gives the same inputs on the same code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.document import read_results

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / "tests" / "campaigns" / "corpus"
RESULTS = HERE / "results.json"
FINDINGS = HERE / "findings.json"
DOCUMENT = HERE.parent.parent / "docs" / "RELIABILITY.md"
BATCH = 25_000


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 if anything crashed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reader", default="all", help="a name, several with commas, or all")
    parser.add_argument("--inputs", type=int, default=100_000, help="each reader, over all runs")
    parser.add_argument("--seed", type=int, help="of the first batch; by default after those known")
    parser.add_argument("--seconds", type=float, help="stop a batch after so long")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", type=Path, nargs="?", const=DOCUMENT, help="write the section")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        return work(options)
    if options.render is not None:
        from campaigns.fuzz.report import render

        render(options.out, FINDINGS, options.render)
        return 0
    from campaigns.fuzz.readers import READERS

    names = list(READERS) if options.reader == "all" else options.reader.split(",")
    crashed = False
    for name in names:
        results = read_results(options.out)
        done = results.get(name, {"runs": []})
        seed = options.seed
        if seed is None:
            seed = max((run["seed"] for run in done["runs"]), default=-1) + 1
        left = options.inputs - sum(run["inputs"] for run in done["runs"])
        if options.seed is not None:
            left = options.inputs
        while left > 0:
            run = batch(name, min(left, options.batch), seed, options.seconds)
            crashed |= bool(run["crashes"])
            results = read_results(options.out)
            results.setdefault(name, {"runs": []})["runs"].append(run)
            text = json.dumps(results, indent=1, sort_keys=True) + "\n"
            options.out.write_text(text, encoding="utf-8")
            print(name, run, flush=True)
            left -= run["inputs"] if options.seconds is None else left
            seed += 1
    return int(crashed)


def batch(name: str, inputs: int, seed: int, seconds: float | None) -> dict[str, Any]:
    """Run one batch in a process of its own and return its counts."""
    from campaigns.fuzz.campaign import Scratch, keep
    from campaigns.fuzz.readers import ENVIRONMENT, READERS

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="batch") as folder:
        place = Path(folder) / "now"
        scratch = Scratch(place)
        command = [sys.executable, "-m", "campaigns.fuzz.run", "--worker", str(place)]
        command += ["--reader", name, "--inputs", str(inputs), "--seed", str(seed)]
        command += [] if seconds is None else ["--seconds", str(seconds)]
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}
        environment = {**os.environ, **ENVIRONMENT, **threads, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode == 0 and lines:
            found = json.loads(lines[-1])
        else:
            tried, accepted, refused, data = scratch.get()
            what = f"process ended ({done.returncode})"
            saved = keep(CORPUS, READERS[name], data, what)
            found = {"inputs": tried + 1, "accepted": accepted, "refused": refused}
            found |= {"crashes": {what: tried + 1 - accepted - refused}, "saved": [saved]}
    return {"seed": seed, **found, "minutes": round((time.monotonic() - begun) / 60, 2)}


def work(options: argparse.Namespace) -> int:
    """Run one batch here."""
    from campaigns.fuzz.campaign import Scratch, campaign
    from campaigns.fuzz.readers import READERS

    found = campaign(
        READERS[options.reader],
        options.inputs,
        options.seed,
        corpus=CORPUS,
        scratch=Scratch(options.worker),
        seconds=options.seconds,
        limited=True,
    )
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
