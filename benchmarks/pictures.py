"""Screenshots of the app, in a headless Chromium against a running server.

Run ``streamlit run app/Home.py`` in one terminal and ``python -m benchmarks.pictures`` in another:
that makes the pictures of docs/WALKTHROUGH.md. ``--review FOLDER`` takes every page whole, light
and dark, wide, narrow and as a telephone has it, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WALKED = {"spectra": "", "directions": "", "correct": "", "learn": "?step=6"}
"""Pages of the walk-through's pictures, and what their addresses ask for."""
SHOW = "Show it without a prediction"
PAGES = (
    "",
    "data",
    "encode",
    "spectra",
    "directions",
    "correct",
    "compare",
    "export",
    "encoders",
    "learn",
)
WIDTHS = (1440, 900, 390)
TALLEST = 8000
READY = (
    "() => document.querySelector('[data-testid=\"stApp\"]')"
    "?.getAttribute('data-test-script-state') === 'notRunning'"
)


def settle(page: Page) -> None:
    """Wait until the page's script has run and its figures are drawn."""
    page.locator("h1").first.wait_for()
    page.wait_for_timeout(1500)
    page.wait_for_function(READY, timeout=120_000)
    page.wait_for_timeout(1500)


def for_walkthrough(browser: Browser, url: str, out: Path) -> None:
    """Take the walk-through's pictures: the top of some pages."""
    for name, query in WALKED.items():
        page = browser.new_page(viewport={"width": 1440, "height": 1180})  # a visit of its own
        page.goto(f"{url}/{name}{query}")
        settle(page)
        for button in page.get_by_role("button", name=SHOW).all():
            button.click()
            settle(page)
            page.wait_for_timeout(6000)  # its picture runs once by itself
        page.screenshot(path=out / f"{name}.png")
        print(out / f"{name}.png")
        page.close()


def for_review(browser: Browser, url: str, out: Path) -> None:
    """Take every page from top to bottom, in both themes and widths; name what it overflows."""
    for theme in ("light", "dark"):
        for width in WIDTHS:
            page = browser.new_page(
                viewport={"width": width, "height": 1000},
                color_scheme=theme,  # type: ignore[arg-type]
            )
            for name in PAGES:
                page.set_viewport_size({"width": width, "height": 1000})
                page.goto(f"{url}/{name}")
                settle(page)
                main = "document.querySelector('[data-testid=stMain]')"
                height = page.evaluate(f"{main}.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(height + 40, TALLEST)})
                page.wait_for_timeout(2000)
                wide = page.evaluate(f"{main}.scrollWidth > {main}.clientWidth + 1")
                path = out / f"{name or 'home'}-{theme}-{width}.png"
                page.screenshot(path=path)
                print(path, "wider than the page" if wide else "")
            page.close()


def main() -> None:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--review", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    out: Path = options.review or options.out
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        (for_review if options.review else for_walkthrough)(browser, options.url, out)
        browser.close()


if __name__ == "__main__":
    main()
