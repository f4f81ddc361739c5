"""The section on load in docs/RELIABILITY.md, from what the runs measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.document import replace_section
from campaigns.load.campaign import BASE_MIB, EACH_MIB, KEEP, TIMES_SET
from campaigns.load.lesson import MEDIAN, P95, THINKS
from campaigns.load.soak import CLASS, EVERY, HOURS, INTERACTIONS, LARGE, SMALL

INTRODUCTION = """## Many people at once

Sessions that speak Streamlit's own protocol with a real server upload sets of their own (in files
that all have the same names), measure, correct, compare and take corrected vectors home, all at the
same time. Every number in cards and tables, the digest in the sidebar and every byte of the
exported file is compared with what the library gives for that person's own files; a number that is
another person's would be recognised as theirs. The same check with three people is part of the
tests (`tests/campaigns/test_load.py`)."""

FOUND = """
**Found and fixed** on the way:

* A limit of BLAS to one thread that two sessions held at once was never lifted: newer threadpoolctl
  obeys only the first thread that set one. It also kept that thread, and with it all that an ended
  session had held.
* Freed arrays stayed in the allocator's arenas: after six sessions the process was more than twice
  as large as what was in use. The app has glibc return blocks above 1 MiB at once, and gives back
  the rest when a session's state is let go.
* Streamlit collects all cycles after each run of each page, which took longer than the run: four
  fifths of the time that Python's lock was held. It is done every half minute for everybody's runs
  at once, and when data are let go.
* Results of the sample that several asked for at once were computed by each, and those who waited
  filled a queue that takes 50; now the first one computes it, and the others wait for that.
* Figures of the sample were built anew for each run; products of a few hundred rows ran on two
  threads of BLAS, which waited for each other for longer than they worked.
* Torch's number of threads stayed at one for sessions that began while another encoded.

Known, of Streamlit's own: besides the downloads above, a page that comes back after a lost
connection may wait for a run whose messages went to the old one; any click makes it go on."""


def render(results: Path, document: Path) -> None:
    """Write the section.

    Parameters
    ----------
    results : Path
        What the runs measured.
    document : Path
    """
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    parts = [INTRODUCTION]
    if "campaign" in found:
        parts += campaign_words(found["campaign"])
    if "sample" in found:
        parts += sample_words(found["sample"])
    if "soak" in found:
        parts += soak_words(found["soak"])
    for name, one in found.items():
        parts += [f"\n**Not kept** ({name}): {words}." for words in one["failures"]]
    parts.append(FOUND)
    replace_section(document, "load", "\n".join(parts))


def campaign_words(found: Any) -> list[str]:
    """Say what the campaign measured."""
    rounds = found["rounds"]
    peak = max(one["peak"] for one in rounds)
    apart = min(found["told_apart"].values())
    lines = [
        "",
        f"### {found['sessions']} sessions at {found['rows']:,} × {found['dim']} each",
        "",
        f"`python -m campaigns.load.run --sessions {found['sessions']}`, {len(rounds)} rounds on "
        f"one server. **{len(found['mismatches'])}** of {found['checked']:,} numbers were not the "
        f"person's own, {len(found['problems'])} errors met people, {len(found['faults'])} stand "
        "in the server's log. The two people most alike differ in "
        f"{apart:.0%} of a page's numbers, to the digits shown.",
        *again(found),
        "",
        f"**Memory**: at most **{peak:,.0f} MiB**, under a ceiling of **{found['ceiling']:,.0f} "
        f"MiB**: {BASE_MIB} for the server, and for each session {TIMES_SET} times its set as "
        f"float32 and {EACH_MIB} MiB.",
        "",
        "| | MiB |",
        "|---|---:|",
        f"| server, code and samples loaded | {found['base']:,.0f} |",
    ]
    for number, one in enumerate(rounds, start=1):
        lines += [
            f"| round {number}, highest | {one['peak']:,.0f} |",
            f"| round {number}, all done and still there | {one['held']:,.0f} |",
            f"| round {number}, after all have gone | {one['after']:,.0f} |",
        ]
    lines += [
        "",
        f"Streamlit keeps a session for `server.disconnectedSessionTTL` seconds ({KEEP} here, 120 "
        "by default) after its connection is gone, and lets go of it when the next one ends.",
        "",
        "**Waiting**, with everybody at the same step at once:",
        "",
        *steps(found),
    ]
    return lines


WAYS = {
    "thinking": "as people do, with {low:g} to {high:g} s between two steps, on a new server",
    "together, new server": "everybody presses the same button at once, on a new server",
    "together": "the same once more, on that server",
}


def sample_words(found: Any) -> list[str]:
    """Say what a class on the bundled sample measured."""
    low, high = THINKS
    errors = sum(len(found[name]["problems"]) for name in WAYS)
    lines = [
        "",
        f"### {found['people']} people on the bundled sample",
        "",
        "`python -m campaigns.load.run --sample`, one server on two cores that it shares with the "
        f"clients. Each of {found['people']} walks Learn (predicts, sees what is, moves what the "
        f"server answers), Home, Spectra and Correct: {found['steps']} steps, with what a browser "
        "fetches and asks by itself. What is the sample's alone is computed once for everybody. "
        f"{found['checked']:,} steps, {errors} errors met people, {len(found['faults'])} stand in "
        f"the server's log. The aim is {MEDIAN:g} s at the median and {P95:g} s at the 95th "
        "percentile.",
        "",
        "| | page | steps | median | 95th percentile | worst |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, words in WAYS.items():
        for page, one in found[name]["pages"].items():
            seconds = " | ".join(f"{one[part]:.2f} s" for part in ("median", "p95", "worst"))
            said = words.format(low=low, high=high)
            lines.append(f"| {said} | {page} | {one['times']} | {seconds} |")
    lines += [
        "",
        "| | server's work, a step | clients' | sent | highest memory | load before |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, words in WAYS.items():
        one = found[name]
        work = [f"{1000 * one[part]:.0f} ms" for part in ("cpu_per_step", "clients_cpu_per_step")]
        lines.append(
            f"| {words.format(low=low, high=high)} | {' | '.join(work)} "
            f"| {one['kib_per_step']:.0f} KiB | {one['peak']:,.0f} MiB | {one['load']:g} |"
        )
    return lines


def soak_words(found: Any) -> list[str]:
    """Say what the soak measured."""
    trend = found["trend"]
    did = ", ".join(f"{name} {times:,}" for name, times in found["did"].items() if name != "came")
    return [
        "",
        "### Two hours of a class, compressed",
        "",
        f"{CLASS} people who each do something every {EVERY} seconds make {INTERACTIONS:,} "
        f"interactions in {HOURS} hours. `python -m campaigns.load.run --soak` made "
        f"{found['interactions']:,} in {found['minutes']:g} minutes: {found['did'].get('came', 0)} "
        f"people came and went, with sets of {SMALL[0]:,} × {SMALL[1]} and {LARGE[0]:,} × "
        f"{LARGE[1]}, and left with and without a word ({did}). "
        f"**{len(found['mismatches'])}** of {found['checked']:,} numbers were not the person's "
        f"own, {len(found['problems'])} errors met people, {len(found['faults'])} stand in the "
        f"server's log; {found['threads']} threads were left.",
        *again(found),
        "",
        f"**Memory** over the last half: {trend['per_minute']:+.1f} MiB a minute, "
        f"{trend['drift']:+.0f} MiB in all of {trend['mean']:,.0f} on average; at most "
        f"{found['peak']:,.0f} MiB, {found['base']:,.0f} before anybody came and "
        f"{found['after']:,.0f} after all had gone.",
        "",
        *steps(found),
    ]


def again(found: Any) -> list[str]:
    """Say how many downloads had to be asked for again."""
    times = found["downloads_repeated"]
    if not times:
        return []
    return [
        "",
        f"{times} downloads were not there any more when they were fetched, and were there when "
        "the button was pressed again: Streamlit lets go of a file that was made for a button when "
        "two runs of anybody's pages end between making and fetching it.",
    ]


def steps(found: Any) -> list[str]:
    """Return the table of steps."""
    lines = ["| step | times | median | 95th percentile | worst |", "|---|---:|---:|---:|---:|"]
    for name, one in found["steps"].items():
        seconds = " | ".join(f"{one[part]:.1f} s" for part in ("median", "p95", "worst"))
        lines.append(f"| {name} | {one['times']} | {seconds} |")
    return lines
