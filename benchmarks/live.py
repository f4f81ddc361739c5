"""The live picture in headless Chromium with software rendering, beside the same move by Plotly.

A *frame* runs from the event that a drag makes to the painted picture: the event is dispatched, the
picture draws in the next animation frame, one pixel is read back so that nothing is left to do, and
the clock is read. Waiting for the animation frame is in it. By Plotly, the same positions are set
by ``Plotly.restyle`` in the page that the figure makes, until it has drawn; a server's run and the
way there would come on top.

Run ``python -m benchmarks.live [--out docs/PERFORMANCE.md]`` in the checkout.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import anisoalign_core as aa
from anisoalign_core.compare.study import Study
from anisoalign_core.plots import before_after
from anisoalign_core.plots.live import picture
from anisoalign_core.plots.style import as_page
from benchmarks.document import replace_section
from benchmarks.slider import median_ms, world

POINTS = (4_000, 20_000, 50_000)
FRAMES = 40
DRAG = """
async (count) => {
  const picture = document.querySelector(".aal"), range = picture.querySelector("input");
  const canvas = picture.querySelector(".aal-moving");
  const gl = canvas.getContext("webgl2"), pixel = new Uint8Array(4), found = [];
  for (let i = 0; i < count; i += 1) {
    const from = performance.now();
    range.value = (1.5 * i) / count;
    range.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    found.push(performance.now() - from);
  }
  return found;
}
"""
RESTYLE = """
async (count) => {
  const plot = document.querySelector(".js-plotly-plot");
  const clouds = plot._fullData.filter((one) => one.x.length > 2);
  const trace = clouds.at(-1).index, x = Float32Array.from(clouds.at(-1).x), found = [];
  for (let i = 0; i < count; i += 1) {
    const from = performance.now();
    const moved = x.map((v) => v + 0.001 * i);
    await Plotly.restyle(plot, { x: [moved] }, [trace]);
    await new Promise(requestAnimationFrame);
    found.push(performance.now() - from);
  }
  return found;
}
"""


def frames(browser: Any, path: Path, script: str, count: int) -> float:
    """Return the median milliseconds of a move in a page on disk."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(2000)
    found = page.evaluate(script, count)
    page.close()
    return statistics.median(found[2:])


def measure(browser: Any, n: int, folder: Path) -> tuple[float, float, int]:
    """Return median milliseconds of a frame of both, and the bytes of the picture."""
    pair = world(n, 64)
    method = aa.BoundedTransport(bound=0.2).fit(pair.source, pair.target)
    made = aa.live(method, pair, rows=n)
    live = frames(browser, Path(made.to_html(folder / "live.html")), DRAG, FRAMES)
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 2)))[0].astype(np.float32)
    rows = [side.vectors @ plane for side in (pair.target, pair.source)]
    figure = before_after(
        *rows, method.transform(pair.source) @ plane, names=("image", "text"), axis_labels=("", "")
    )
    (folder / "plotly.html").write_text(as_page(figure, "before and after"))
    return live, frames(browser, folder / "plotly.html", RESTYLE, 12), len(made.payload)


def keyframes(n: int, d: int) -> tuple[float, float, int, int]:
    """Return seconds of the numbers and of the keyframes on the server, rows and bytes."""
    pair = world(n, d)
    study = Study(pair, pair.split(0, 0.2))
    trial = study.fit(aa.BoundedTransport(bound=0.2))
    _ = trial.sweep, study.reference, study.uncorrected, pair.digest
    plane = study.plane("gap")
    begun = time.perf_counter()
    curve = trial.curve()
    numbers = time.perf_counter() - begun
    made = picture(trial, plane, curve=curve)
    seconds = median_ms(lambda _: picture(trial, plane, curve=curve), 3) / 1000
    return numbers, seconds, len(made.arrays["source_rows"]), len(made.payload)


def main() -> None:
    """Print the section, or write it into a document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the document whose section is replaced")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    lines = [
        "## The live picture",
        "",
        "Made by `python -m benchmarks.live` on 2 cores: medians in headless Chromium with "
        "software rendering, from a drag's event to the painted frame, waiting for the frame "
        "included; beside it the same positions set by `Plotly.restyle`, to which a server's run "
        "would be added. The budget is 33 ms a frame at 20,000 points a side.",
        "",
        "| points a side | live picture (ms) | Plotly (ms) | ratio | picture (MB) |",
        "|---|---|---|---|---|",
    ]
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for n in POINTS:
            live, plotly, size = measure(browser, n, Path(folder))
            lines.append(
                f"| {n:,} | {live:.1f} | {plotly:.0f} | {plotly / live:.0f}× | {size / 1e6:.1f} |"
            )
        browser.close()
    numbers, seconds, rows, size = keyframes(50_000, 768)
    lines += [
        "",
        f"At 50,000 × 768 the server works keyframes for {rows:,} held-out rows of each side out "
        f"in {seconds:.2f} s, once ({size / 1e6:.1f} MB), after {numbers:.2f} s for the numbers "
        "along the bound. The budget is 1 s.",
    ]
    text = "\n".join(lines)
    if options.out:
        replace_section(options.out, "live", text)
    print(text)


if __name__ == "__main__":
    main()
