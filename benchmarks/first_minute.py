"""From nothing to Home's first numbers: an empty environment, and a new server each time.

Each way is installed as its user would, into an environment of its own and from a copy of what is
committed here, and is started in another folder. A server has served nobody, and the browser has
nothing of it. *Answers* is from the start of the process to an answer of its health check; the rest
is from the browser's request: *title* until Home's heading stands, *numbers* until the cards do.
*Work* is the processor time that the server took meanwhile: it says the same on a busy machine.

Run ``python -m benchmarks.first_minute [--out docs/INSTALL.md]`` in the checkout; needs Chromium,
and whatever pip installs from.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from benchmarks.document import replace_section
from campaigns.load.server import Server

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = """
() => document.querySelectorAll('[data-testid="stMetricValue"]').length >= 4
  && [...document.querySelectorAll('[data-testid="stMetricValue"]')].every((one) => one.innerText)
"""
PARTS = ("answers", "title", "numbers", "work")
NOT_COUNTED = {"pip", "setuptools", "anisoalign-studio"}
TICKS = os.sysconf("SC_CLK_TCK")


class Way(NamedTuple):
    """What installs the app, and what starts it, with pip and Python of the new environment."""

    words: str
    install: tuple[str, ...]
    start: str


WAYS = (
    Way(
        "light: a wheel with `[app]`, and `anisoalign studio`",
        ("pip wheel --quiet --no-deps --wheel-dir wheels .", "pip install --quiet WHEEL[app]"),
        "-m anisoalign_core.cli studio --headless --port PORT",
    ),
    Way(
        "full: the README's first line",
        ("pip install --quiet -r requirements.txt",),
        "-m streamlit run CHECKOUT/app/Home.py --server.port PORT --server.headless true",
    ),
)


class Installed(NamedTuple):
    """What an installation took and what it left."""

    python: Path
    checkout: Path
    seconds: float
    processor: float
    packages: int
    mib: float


def run(line: str | list[str], where: Path) -> str:
    """Run a command and return what it says."""
    words = line.split() if isinstance(line, str) else line
    done = subprocess.run(words, cwd=where, check=True, capture_output=True, text=True)  # noqa: S603  (made here)
    return done.stdout


def install(way: Way, folder: Path) -> Installed:
    """Install a way into an empty environment."""
    checkout, environment = folder / "checkout", folder / "environment"
    run(["git", "clone", "--quiet", str(ROOT), str(checkout)], folder)
    run([sys.executable, "-m", "venv", str(environment)], folder)
    python = environment / "bin" / "python"
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for line in way.install:
        wheel = next((checkout / "wheels").glob("*.whl"), "") if "WHEEL" in line else ""
        run(f"{python} -m {line.replace('WHEEL', str(wheel))}", checkout)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    listed = run(f"{python} -m pip list --format=freeze", folder).splitlines()
    packages = len({line.partition("==")[0] for line in listed} - NOT_COUNTED)
    size = int(run(f"du -sk {environment}", folder).split()[0]) / 1024
    return Installed(python, checkout, seconds, processor, packages, size)


def work(server: Server) -> float:
    """Return the processor time of a server's process and its threads, in seconds."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    return sum(map(int, fields.split()[11:13])) / TICKS


def once(browser: Browser, way: Way, there: Installed) -> dict[str, float]:
    """Return the seconds of each part, for one new server."""

    def command(port: int) -> list[str]:
        start = way.start.replace("PORT", str(port)).replace("CHECKOUT", str(there.checkout))
        return [str(there.python), *start.split()]

    with Server(keep=1, every=60, command=command) as server:
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


def measure(browser: Browser, way: Way, repeats: int) -> tuple[str, list[str]]:
    """Install and start one way; return its row of each table."""
    with tempfile.TemporaryDirectory(prefix="first") as folder:
        there = install(way, Path(folder))
        installed = (
            f"| {way.words} | {there.packages} | {there.mib:,.0f} MB | {there.seconds:.0f} s | "
            f"{there.processor:.0f} s |"
        )
        print(installed, flush=True)
        first = once(browser, way, there)
        later = [once(browser, way, there) for _ in range(repeats)]
    rows = [f"| {way.words}, the very first start | " + cells([first])]
    rows.append(f"| {way.words}, later starts | " + cells(later))
    print(*rows, sep="\n", flush=True)
    return installed, rows


def cells(runs: list[dict[str, float]]) -> str:
    """Return medians, with the least and the most of several runs."""
    found = []
    for part in PARTS:
        each = sorted(run[part] for run in runs)
        beside = f" ({each[0]:.1f} to {each[-1]:.1f})" if len(each) > 1 else ""
        found.append(f"{statistics.median(each):.1f} s{beside}")
    return " | ".join(found) + " |"


def main() -> None:
    """Measure and print; write the tables when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):  # as where nobody set them
        os.environ.pop(name, None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        found = [measure(browser, way, options.repeats) for way in WAYS]
        browser.close()
    lines = [
        f"Made by `python -m benchmarks.first_minute`, on {os.cpu_count()} cores, Python "
        f"{sys.version_info.major}.{sys.version_info.minor}. How long pip waits depends on where "
        "it fetches from; its processor time does not.",
        "",
        "| installed | packages | on disk | installing | processor time of that |",
        "|---|---|---|---|---|",
        *(installed for installed, _ in found),
        "",
        f"Later starts are medians of {options.repeats} new servers, with the least and the most; "
        f"the load was {os.getloadavg()[0]:.0f} at the end.",
        "",
        "| started | server answers | title | first numbers | server's work for them |",
        "|---|---|---|---|---|",
        *(row for _, rows in found for row in rows),
    ]
    if options.out:
        replace_section(options.out, "first minute", "\n".join(lines))


if __name__ == "__main__":
    main()
