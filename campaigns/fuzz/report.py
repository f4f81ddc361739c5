"""The section on fuzzing in docs/RELIABILITY.md, from what the runs counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.document import replace_section
from campaigns.fuzz.campaign import GROWTH, SECONDS
from campaigns.fuzz.readers import READERS
from campaigns.fuzz.run import CORPUS

INTRODUCTION = """## Fuzzing the readers

Every reader is given damaged copies of good files: bits flipped, parts cut out, doubled, moved or
taken from another file, lengths and numbers changed, words of the format put in, headers, JSON and
members of archives changed and their lengths and checksums mended, and bytes that mean nothing.
Inputs that reach new lines, or are refused in a new place, are damaged further. A good result or an
`AnisoAlignError` of one sentence passes. Anything else is a crash: another exception, a result that
breaks its promise (rows that are not finite unit rows, ids that are not one text each), more than
{seconds:g} seconds of processor time, {memory} MiB more memory, the end of the process, or an
attempt to run a program, connect, or write another file, which an audit hook of the interpreter
reports.

Run more with `python -m campaigns.fuzz.run --reader all --inputs 200000`;
`tests/campaigns/test_corpus.py` replays every input that ever crashed and some fresh ones with
each run of the tests.
"""

NUMBERS = """### Hostile numbers

`tests/numerics/test_hostile_data.py` fits every method, and writes a report and scores, on rows
that are of low rank, constant, duplicated, nearly antipodal, in an extreme cone, huge, denormal, at
the ends of float16, two, in two dimensions, or far fewer than dimensions: finite unit rows come
out, or a sentence says why not. Under random orthogonal maps, scalings of the input and orders of
the rows the results turn with the space, stay, and stay. Found and fixed:
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
    counted: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    fixed: dict[str, Any] = json.loads(findings.read_text(encoding="utf-8"))
    lines = [
        "| what is read | inputs | accepted | refused | crashes before fixes | last crash-free |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    totals = [0, 0, 0, 0, 0]
    for name, reader in READERS.items():
        numbers = _numbers(counted.get(name, {"runs": []})["runs"])
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        lines.append(f"| {reader.what} | " + " | ".join(f"{n:,}" for n in numbers) + " |")
    lines.append("| all | " + " | ".join(f"**{n:,}**" for n in totals) + " |")
    numbers = [f"* {one['what']} {one['fix']}" for one in fixed.pop("numbers")]
    said = [
        f"* **{READERS[name].what}.** {one['what']} {one['fix']}"
        for name, found in fixed.items()
        for one in found
    ]
    kept = sum(1 for _ in CORPUS.glob("*/*"))
    last = [name for name, each in counted.items() if each["runs"] and each["runs"][-1]["crashes"]]
    remaining = ", ".join(READERS[name].what for name in last) or "none known"
    text = "\n".join(
        [
            INTRODUCTION.format(seconds=SECONDS, memory=GROWTH >> 20),
            *lines,
            "",
            "*Last crash-free*: inputs in a row, up to the latest, without a crash.",
            "",
            f"**Found and fixed** ({kept} inputs kept and replayed):",
            "",
            *said,
            "",
            f"**Crashes that remain**: {remaining}.",
            "",
            NUMBERS,
            *numbers,
        ]
    )
    replace_section(document, "fuzzing", text)


def _numbers(runs: list[dict[str, Any]]) -> list[int]:
    inputs, accepted, refused = (sum(r[k] for r in runs) for k in ("inputs", "accepted", "refused"))
    crashes = sum(sum(run["crashes"].values()) for run in runs)
    last = 0
    for run in reversed(runs):
        if run["crashes"]:
            break
        last += run["inputs"]
    return [inputs, accepted, refused, crashes, last]
