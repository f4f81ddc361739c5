"""The README's moving picture: the live picture's dial, turned up and back, on the bundled sample.

What moves is the picture of ``aa.live`` itself, in a headless Chromium: clouds, numbers, curves and
the nearest pictures of a caption are what a person sees there. Nothing is drawn here. The same
Chromium makes the same bytes.

Run ``python -m benchmarks.moving`` in the checkout; needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Page, sync_playwright

import anisoalign_core as aa

WIDTH, SCALE = 1160, 1.3
LARGEST = 1.5
UP, BACK = 28, 14
"""Frames of the way up and of the way back."""
FRAME_MS, BELOW_MS, ABOVE_MS = 90, 1600, 2600
CAPTION = "A huge brown square on the right."
BORDER = "#d0d7de"
LOOK = """
h1, footer, .aal-words, .aal-button, .aal-stage .aal-bar { display: none; }
body { margin: 0; padding: 16px 20px 20px; max-width: none; }
.aal-item:nth-child(n + 7) { display: none; }
"""
TURN = """
async (value) => {
  const range = document.querySelector(".aal input");
  range.value = value;
  range.dispatchEvent(new Event("input"));
  for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
}
"""


def smooth(count: int) -> list[float]:
    """Return so many positions from 0 to 1 that begin and end slowly; 0 is left out."""
    steps = [n / count for n in range(1, count + 1)]
    return [t * t * (3 - 2 * t) for t in steps]


def positions() -> list[tuple[float, int]]:
    """Return where the dial stands in each frame, and for how many milliseconds."""
    up = [(LARGEST * t, FRAME_MS) for t in smooth(UP)]
    back = [(LARGEST * (1 - t), FRAME_MS) for t in smooth(BACK)]
    return [(0.0, BELOW_MS), *up[:-1], (LARGEST, ABOVE_MS), *back[:-1]]


def taken(page: Page, value: float) -> Image.Image:
    """Turn the dial, and return what the page shows then, with a hair line around it."""
    page.evaluate(TURN, value)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return ImageOps.expand(ImageOps.crop(shown, 1), 1, BORDER)


def frames(url: str) -> list[Image.Image]:
    """Return the picture at all positions of the dial."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": WIDTH, "height": WIDTH},
            device_scale_factor=SCALE,
            color_scheme="light",
        )
        page.goto(url)
        page.add_style_tag(content=LOOK)
        page.locator(".aal-chooser").select_option(label=CAPTION)
        page.evaluate(TURN, LARGEST)
        tall = page.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        page.set_viewport_size({"width": WIDTH, "height": tall})
        found = [taken(page, value) for value, _ in positions()]
        browser.close()
    return found


def main() -> None:
    """Write the moving picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/live.webp"))
    parser.add_argument("--quality", type=int, default=70)
    options = parser.parse_args()
    pair = aa.load_sample()
    method = aa.BoundedTransport(bound=0.2).fit(pair.source, pair.target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "live.html"
        aa.live(method, pair).to_html(path)
        shown = frames(path.as_uri())
    out: Path = options.out
    shown[0].save(
        out,
        save_all=True,
        append_images=shown[1:],
        duration=[time for _, time in positions()],
        loop=0,
        quality=options.quality,
        method=6,
        minimize_size=True,
    )
    print(f"{out}: {len(shown)} frames, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
