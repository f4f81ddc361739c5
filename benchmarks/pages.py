"""Server time of what people do on the pages with a set of 50,000 × 512, and Home's first paint.

Run ``python -m benchmarks.pages [--out docs/PERFORMANCE.md]`` in the checkout; needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright
from streamlit.testing.v1 import AppTest

import anisoalign_core as aa
from app.session import Loaded
from benchmarks.document import replace_section
from benchmarks.slider import ROOT, world

ROWS, DIM = 50_000, 512
PAGES = ("data", "encode", "spectra", "directions", "correct", "compare", "export", "learn")
Act = Callable[[AppTest, int], Any]
ACTS: dict[str, dict[str, Act]] = {
    "directions": {
        "colour by a label": lambda at, n: at.selectbox(key="colour_by").select(
            ("part", "modality")[n % 2]
        ),
        "search captions": lambda at, n: at.text_input(key="search").set_value(f"thing {n + 7}"),
        "another selected row's neighbours": lambda at, n: at.selectbox(
            key="neighbours_of"
        ).select_index(n + 1),
        "another direction": lambda at, n: at.selectbox(key="first_kind").select(
            ("residual", "gap", "target", "source")[n % 4]
        ),
    },
    "correct": {
        "move the bound": lambda at, n: at.number_input(key="bound").set_value(
            round(0.3 + 0.05 * n, 2)
        ),
    },
}


def told_world() -> aa.EmbeddingPair:
    """Return a large pair with captions and labels."""
    pair, rng = world(ROWS, DIM), np.random.default_rng(0)
    words = rng.choice(["red", "blue", "green", "small", "large"], ROWS)
    captions = [f"a {word} thing {row}" for row, word in enumerate(words)]
    table = pd.DataFrame({"part": rng.choice(list("abcdef"), ROWS)})
    source = aa.EmbeddingSet.from_array(
        pair.source.vectors, modality="text", captions=captions, labels=table
    )
    target = aa.EmbeddingSet.from_array(pair.target.vectors, modality="image")
    return aa.EmbeddingPair(source, target, paired=True)


def seconds(work: Callable[[], AppTest]) -> float:
    """Wall time of one run of a page, which must not fail."""
    begun = time.perf_counter()
    at = work()
    taken = time.perf_counter() - begun
    if at.exception or at.error:
        raise RuntimeError("the page failed while it was measured")
    return taken


def measure(repeats: int) -> list[tuple[str, str, float]]:
    """Return page, act, and the median seconds of server time."""
    at = AppTest.from_file(ROOT / "app" / "Home.py", default_timeout=600)
    at.session_state["loaded"] = Loaded(told_world(), "benchmark")
    at.session_state["results"] = OrderedDict()
    found = [("home", "opened first", seconds(at.run))]
    for name in PAGES:
        opened = seconds(at.switch_page(f"../pages/{name}.py").run)
        found.append((name, "opened first", opened))
        again = statistics.median(seconds(at.run) for _ in range(repeats))
        found.append((name, "run again", again))
        for words, act in ACTS.get(name, {}).items():
            times = [seconds(act(at, n).run) for n in range(repeats + 1)][1:]
            found.append((name, words, statistics.median(times)))
    return found


def first_paint() -> float:
    """Seconds from asking a server that has served nobody yet for Home until its title stands."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["run", str(ROOT / "app" / "Home.py"), "--server.port", str(port)]
    server = subprocess.Popen(  # noqa: S603  (our own app)
        [sys.executable, "-m", "streamlit", *command, "--server.headless", "true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)  # noqa: S310  (our own server)
                break
            except OSError:
                time.sleep(0.1)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            begun = time.perf_counter()
            page.goto(url)
            page.get_by_role("heading", name="AnisoAlign Studio").wait_for()
            taken = time.perf_counter() - begun
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    return taken


def main() -> None:
    """Measure and print; write the table when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    paint = statistics.median(first_paint() for _ in range(options.repeats))
    lines = [
        "## Pages",
        "",
        f"Made by `python -m benchmarks.pages`: medians of {options.repeats} in one run on 2 "
        f"cores, with an uploaded set of {ROWS:,} × {DIM}, captions and a label. Server time of a "
        "whole run of the page; what is *opened first* shows its progress. Budget for everything "
        "else: 1 s. "
        f"Home's title stands **{paint:.1f} s** after a browser first asks a server that has "
        "served nobody yet (budget 3 s).",
        "",
        "| page | act | server time |",
        "|---|---|---|",
    ]
    print(f"first paint {paint:.2f} s")
    for page, act, taken in measure(options.repeats):
        lines.append(f"| {page} | {act} | {taken:.2f} s |")
        print(lines[-1], flush=True)
    if options.out:
        replace_section(options.out, "pages", "\n".join(lines))


if __name__ == "__main__":
    main()
