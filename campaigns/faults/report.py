"""The section on faults in docs/RELIABILITY.md, from what the runs counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.document import replace_section
from campaigns.faults.run import KILLS, WORDS
from campaigns.faults.scenarios import SCENARIOS

INTRODUCTION = """## Faults

Everything that writes is disturbed, again and again: killed with SIGKILL, half of the times at a
random moment and half at a chosen event of the file system (a file made, half of a block written, a
flush, a renaming, a removal); on a disk that is full, or where no file may grow further; in a
folder without permission and on a read-only mount; and while an input is cut off, appended to,
rewritten in place, replaced or deleted by another program. Half of the runs that write single files
find older ones in their place. A fault is survived if

* every file under a final name is what it was, what it becomes undisturbed, or not there, byte for
  byte, and a file never lies beside ids, captions or metadata of another run,
* every input is what it was,
* where writing failed, or an input changed, one message says which file, why, and what to do; the
  exit code is 3 for a place that cannot be written and 2 for an input; nothing temporary is left,
* the same command, run again, ends the work with the same bytes and leaves nothing over,
* of an input that changed, what came out belongs to the bytes before or to those after, and its
  recipe has their digest; otherwise it was refused.

Run more with `python -m campaigns.faults.run --kills 320`; `tests/campaigns/test_faults.py` does a
few of each with every run of the tests. Sets are small ({shards} shards of {rows} × {dim}, in
blocks of {block} rows). Full disks and read-only mounts are small ones of their own, for which the
script must be root; otherwise a limit on the size of files, and permissions, stand for them.
"""

AFTERWARDS = """*Resumed*: finished shards were kept, and the job went on. *Restarted*: it began
anew. *Was done*: the process was killed when everything was written. A kill that came too late does
not count.

What a killed process leaves: temporary files with names such as `.out-0123456789abcdef.npy`. The
next run that writes the same file, or goes on with the same folder, removes them; those that a
living process writes are locked, and stay. Where there are no locks (some network file systems)
they stay too, and may be deleted by hand. In a folder that a job was filling,
`.anisoalign-job.json` says which job may go on there. Behind a URL, where nothing can be locked, a
part of a copy has a name such as `.0123456789abcdef-out.npy`; jobs that fill folders remove those.

The app's Export page is driven by Streamlit's test driver and killed with its process: a server
that browsers are connected to is not started for it.
"""


def render(results: Path, findings: Path, document: Path) -> None:
    """Write the section.

    Parameters
    ----------
    results : Path
        Counts of the runs.
    findings : Path
        What was found and fixed, in words.
    document : Path
    """
    from campaigns.faults.scenarios import BLOCK, DIM, ROWS, SHARDS

    counted: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    fixed: list[dict[str, str]] = json.loads(findings.read_text(encoding="utf-8"))
    faults = {
        name: [run["faults"] for run in counted.get(name, {"runs": []})["runs"]]
        for name in SCENARIOS
    }
    kills = _sum(run[kind] for runs in faults.values() for run in runs for kind in KILLS)
    bad = [
        f"{SCENARIOS[name].what}: {problem}"
        for name, runs in faults.items()
        for run in runs
        for tally in run.values()
        for problem in tally["problems"]
    ]
    text = "\n".join(
        [
            INTRODUCTION.format(shards=SHARDS, rows=ROWS, dim=DIM, block=BLOCK),
            f"**{kills['injected']:,} kills, {kills['survived']:,} survived; "
            f"{kills['injected'] - kills['survived']:,} lost or half files.**",
            "",
            *_by_scenario(faults),
            "",
            *_by_fault(faults),
            "",
            AFTERWARDS,
            "**Found and fixed**:",
            "",
            *(f"* {one['what']} {one['fix']}" for one in fixed),
            "",
            "**Not survived**: " + ("; ".join(bad) if bad else "none known."),
        ]
    )
    replace_section(document, "faults", text)


def _by_scenario(faults: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = [
        "| what was disturbed | kills | survived | resumed | restarted | was done | other faults "
        "| survived |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in faults.items():
        kills = _sum(run[kind] for run in runs for kind in KILLS)
        others = _sum(run[kind] for run in runs for kind in run if kind not in KILLS)
        lines.append(f"| {SCENARIOS[name].what} | {_numbers(kills, others)} |")
    kills = _sum(run[kind] for runs in faults.values() for run in runs for kind in KILLS)
    others = _sum(
        run[kind] for runs in faults.values() for run in runs for kind in run if kind not in KILLS
    )
    return [*lines, f"| all | {_numbers(kills, others)} |"]


def _numbers(kills: Counter[str], others: Counter[str]) -> str:
    keys = ("injected", "survived", "resumed", "restarted", "was done")
    found = [kills[key] for key in keys] + [others["injected"], others["survived"]]
    return " | ".join(f"{number:,}" for number in found)


def _by_fault(faults: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = ["| fault | injected | survived | what came of it |", "|---|---:|---:|---|"]
    for kind, words in WORDS.items():
        total = _sum(run[kind] for runs in faults.values() for run in runs if kind in run)
        injected, survived = total.pop("injected", 0), total.pop("survived", 0)
        after = ", ".join(f"{what} {count:,}" for what, count in total.most_common())
        lines.append(f"| {words} | {injected:,} | {survived:,} | {after} |")
    return lines


def _sum(tallies: Iterable[dict[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(injected=tally["injected"], survived=tally["survived"], **tally["after"])
    return total
