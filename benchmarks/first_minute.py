"""From a word in the shell to Home's first numbers, with a new server each time.

A server has served nobody, and the browser has nothing of it. *Answers* is from the start of the
process to an answer of its health check; the rest is from the browser's request: *title* until
Home's heading stands, *numbers* until the cards do. *Work* is the processor time that the server
took meanwhile: it says the same on a busy machine.

Run ``python -m benchmarks.first_minute [--out docs/INSTALL.md]`` in the checkout; needs Chromium.
``--python`` is the interpreter of another environment that this version is installed in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.document import replace_section
from campaigns.load.server import Server

HOME = Path(__file__).resolve().parents[1] / "app" / "Home.py"
WAYS = {
    "anisoalign studio": "-m anisoalign_core.cli studio --headless --port PORT",
    "streamlit run app/Home.py": f"-m streamlit run {HOME} --server.port PORT "
    "--server.headless true",
}
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


def once(browser: Browser, command: list[str]) -> dict[str, float]:
    """Return the seconds of each part, for one new server."""
    given = lambda port: [str(port) if part == "PORT" else part for part in command]  # noqa: E731
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
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as where nobody set it
    rows = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, way in WAYS.items():
            command = [options.python, *way.split()]
            once(browser, command)  # compiles, and reads the disk
            runs = [once(browser, command) for _ in range(options.repeats)]
            cells = [f"`{name}`"]
            for part in PARTS:
                each = [run[part] for run in runs]
                cells.append(
                    f"{statistics.median(each):.1f} s ({min(each):.1f} to {max(each):.1f})"
                )
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
        browser.close()
    load = os.getloadavg()[0]
    lines = [
        f"Made by `python -m benchmarks.first_minute`: medians of {options.repeats} new servers, "
        f"and the least and most, on {os.cpu_count()} cores with a load of {load:.0f} at the end.",
        "",
        "| started by | server answers | title | first numbers | server's work for them |",
        "|---|---|---|---|---|",
        *rows,
    ]
    if options.out:
        replace_section(options.out, "first minute", "\n".join(lines))


if __name__ == "__main__":
    main()
