"""From a word in the shell to Home's first numbers, with a new server each time.

A server has served nobody, and the browser has nothing of it. *Answers* is from the start of the
process to an answer of its health check; the rest is from the browser's request: *title* until
Home's heading stands, *numbers* until the cards do. *Work* is the processor time that the server
took meanwhile: it says the same on a busy machine.

Run ``python -m benchmarks.first_minute [--out docs/INSTALL.md]`` in the checkout; needs Chromium.
``--command "anisoalign studio --headless --port PORT"`` measures what is installed elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.document import replace_section
from campaigns.load.server import Server

HOME = f"{shlex.quote(sys.executable)} -m streamlit run {Path('app/Home.py').resolve()}"
CHECKOUT = f"{HOME} --server.port PORT --server.headless true --server.fileWatcherType none"
NUMBERS = """
() => document.querySelectorAll('[data-testid="stMetricValue"]').length >= 4
  && [...document.querySelectorAll('[data-testid="stMetricValue"]')].every((one) => one.innerText)
"""
PARTS = ("answers", "title", "numbers", "work")
TICKS = os.sysconf("SC_CLK_TCK")


def work(server: Server) -> float:
    """Return the processor time of a server's process and its threads, in seconds."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    return sum(map(int, fields.split()[11:13])) / TICKS


def once(browser: Browser, command: str) -> dict[str, float]:
    """Return the seconds of each part, for one new server."""
    given = lambda port: shlex.split(command.replace("PORT", str(port)))  # noqa: E731
    with Server(keep=1, every=60, command=given) as server:
        found = {"answers": server.now()}
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(120_000)
        begun, worked = time.perf_counter(), work(server)
        page.goto(server.url, wait_until="commit")
        page.get_by_role("heading", name="AnisoAlign Studio").wait_for()
        found["title"] = time.perf_counter() - begun
        page.wait_for_function(NUMBERS)
        found["numbers"] = time.perf_counter() - begun
        found["work"] = work(server) - worked
        context.close()
    return found


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--command", default=CHECKOUT)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as where nobody set it
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        once(browser, options.command)  # compiles, and reads the disk
        runs = []
        for _ in range(options.repeats):
            runs.append(once(browser, options.command))
            print({name: round(taken, 2) for name, taken in runs[-1].items()}, flush=True)
        browser.close()
    found = {name: [run[name] for run in runs] for name in PARTS}
    load = os.getloadavg()[0]
    lines = [
        f"Made by `python -m benchmarks.first_minute`: medians of {options.repeats} new servers, "
        f"and the least and most, on {os.cpu_count()} cores with a load of {load:.0f} at the end.",
        "",
        "| server answers | title | first numbers | server's work for them |",
        "|---|---|---|---|",
        "".join(
            f"| {statistics.median(each):.2f} s ({min(each):.2f} to {max(each):.2f}) "
            for each in found.values()
        )
        + "|",
    ]
    print("\n".join(lines))
    if options.out:
        replace_section(options.out, "first minute", "\n".join(lines))


if __name__ == "__main__":
    main()
