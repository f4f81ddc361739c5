"""From a click to the first numbers on Home, and the same after a reload, on two checkouts.

``git worktree add --detach ../before COMMIT`` and then ``python -m benchmarks.first --before
../before [--out docs/PERFORMANCE.md]``; needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Error, Page, sync_playwright

from benchmarks.document import replace_section
from benchmarks.slider import ROOT, world
from campaigns.load.server import Server

SIZES = ((1_126, 512), (50_000, 512))
PATIENCE = 600_000
"""Milliseconds that numbers may take."""
LOST_SECONDS = 20_000
"""Milliseconds after which a reload that shows another set has lost what was loaded."""
REST_SECONDS = 5.0
"""Until the server and the browser before are gone."""
KEPT_SECONDS = 60.0
"""The longest that keeping a set behind the page's back may take before the page is reloaded."""
NUMBER = "[data-testid=stMetric]:has-text('Gap between the means') [data-testid=stMetricValue]"


@contextmanager
def served(checkout: Path) -> Iterator[str]:
    """Serve the app of a checkout, with an empty folder of kept sessions."""

    def command(port: int) -> list[str]:
        options = ["--server.port", str(port), "--server.headless", "true"]
        options += ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
        home = str(checkout / "app" / "Home.py")
        return [sys.executable, "-m", "streamlit", "run", home, *options]

    with Server(120, command=command) as server:
        yield server.url


def numbers(page: Page, digest: str = "") -> None:
    """Wait for Home's first number, of a set by its digest in the sidebar."""
    card = page.get_by_test_id("stSidebarContent")
    if digest:
        card.get_by_text(digest).wait_for(timeout=PATIENCE)
    page.locator(NUMBER).wait_for(timeout=PATIENCE)


def load(page: Page, url: str, files: tuple[Path, Path]) -> str:
    """Load two files on Data; return the digest in the sidebar."""
    page.goto(f"{url}/data")
    zone = page.locator(".st-key-drop_0 input[type=file]")
    places = [page.locator(f".st-key-{side}_0") for side in ("target", "source")]
    zone.or_(places[0]).first.wait_for(state="attached", timeout=PATIENCE)
    if zone.count():
        zone.set_input_files(files)
    else:  # one place for each side, as it was
        for place, path in zip(places, files, strict=True):
            place.locator("input[type=file]").set_input_files(path)
            place.get_by_text(path.name).first.wait_for(timeout=PATIENCE)
            page.wait_for_timeout(1500)  # the other place is drawn anew
    card = page.get_by_test_id("stSidebarContent").locator("code")
    before = card.inner_text()
    page.locator(":is(.st-key-load, .st-key-two_load) button").click(timeout=PATIENCE)
    page.wait_for_function(
        "was => document.querySelector('[data-testid=stSidebarContent] code')?.innerText !== was",
        arg=before,
        timeout=PATIENCE,
    )
    return card.inner_text()


def measured(
    driver: Any, checkout: Path, files: tuple[Path, Path] | None
) -> tuple[float, float | None]:
    """Return seconds to the first numbers on a new server, and after a reload (None: lost)."""
    with served(checkout) as url:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        digest = ""
        if files is None:
            begun = time.perf_counter()
            page.goto(url)
        else:
            digest = load(page, url, files)
            begun = time.perf_counter()
            page.get_by_test_id("stSidebarNavItems").get_by_role("link", name="Home").click()
        numbers(page, digest)
        first = time.perf_counter() - begun
        page.get_by_text("Why this verdict").first.wait_for(timeout=PATIENCE)
        if files is not None:
            waited = time.perf_counter()
            while "session=" not in page.url and time.perf_counter() - waited < KEPT_SECONDS / 10:
                time.sleep(0.2)
            time.sleep(5)  # it is written behind the page's back
        begun = time.perf_counter()
        page.reload()
        again: float | None = None
        try:
            if digest:
                page.get_by_test_id("stSidebarContent").get_by_text(digest).wait_for(
                    timeout=LOST_SECONDS
                )
            numbers(page, digest)
            again = time.perf_counter() - begun
        except Error:
            pass  # another set is shown: what was loaded is lost
        browser.close()
    return first, again


def sets(folder: Path) -> Iterator[tuple[str, tuple[Path, Path] | None]]:
    """Yield each set's name and files; none for the bundled sample."""
    yield "the sample", None
    for rows, dim in SIZES:
        pair = world(rows, dim)
        written = (folder / f"image-{rows}.npy", folder / f"text-{rows}.npy")
        for path, side in zip(written, (pair.target, pair.source), strict=True):
            np.save(path, side.vectors)
        yield f"made, {rows:,} × {dim}", written


def commit(checkout: Path) -> str:
    """Return the commit of a checkout, and its date."""
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%h of %as"]
    done = subprocess.run(  # noqa: S603  (git itself)
        command, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def said(times: list[float | None]) -> str:
    """Return the median, or that it was lost."""
    known = [one for one in times if one is not None]
    return f"{statistics.median(known):.1f} s" if len(known) * 2 > len(times) else "lost"


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    checkouts = {"before": options.before.resolve(), "now": ROOT}
    lines = [
        "## From a click to the first numbers",
        "",
        f"Made by `python -m benchmarks.first`: medians of {options.repeats}, each on a new server "
        "and in a new browser, before and now in turn on one machine "
        f"({os.cpu_count()} cores). From the click on Home, the set being loaded, until its first "
        "number stands; of the sample, from asking a server that has served nobody yet. Then the "
        f"page is loaded anew. Before: commit {commit(checkouts['before'])}.",
        "",
        "| set | first numbers, before | now | ratio | after a reload, before | now |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        for name, files in sets(Path(folder)):
            found: dict[str, list[tuple[float, float | None]]] = {one: [] for one in checkouts}
            for _ in range(options.repeats):
                for which, place in checkouts.items():
                    time.sleep(REST_SECONDS)
                    found[which].append(measured(driver, place, files))
                    print(name, which, found[which][-1], flush=True)
            first = {w: statistics.median(one for one, _ in f) for w, f in found.items()}
            again = {w: said([one for _, one in f]) for w, f in found.items()}
            lines.append(
                f"| {name} | {first['before']:.1f} s | {first['now']:.1f} s "
                f"| {first['before'] / first['now']:.1f} | {again['before']} | {again['now']} |"
            )
            print(lines[-1], flush=True)
    if options.out:
        replace_section(options.out, "first", "\n".join(lines))


if __name__ == "__main__":
    main()
