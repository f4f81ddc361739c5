"""Screenshots of the app for the README, in a headless Chromium against a running server.

Run ``streamlit run app/Home.py`` in one terminal and ``python benchmarks/pictures.py`` in another.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PAGES = ("spectra", "directions", "correct")
READY = (
    "() => document.querySelector('[data-testid=\"stApp\"]')"
    "?.getAttribute('data-test-script-state') === 'notRunning'"
)


def settle(page: Page) -> None:
    """Wait until the page's script has run and its figures are drawn."""
    page.locator("h1").first.wait_for()
    page.wait_for_timeout(1500)
    page.wait_for_function(READY)
    page.wait_for_timeout(1500)


def main() -> None:
    """Take one picture of each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--out", default="docs/pictures")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1180})
        for name in PAGES:
            page.goto(f"{options.url}/{name}")
            settle(page)
            page.screenshot(path=out / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
