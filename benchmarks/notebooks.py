"""Run the notebooks of docs/notebooks and store what they show, small enough for a repository.

``python -m benchmarks.notebooks`` runs each in a kernel and writes it back. Figures keep plotly's
own type, which notebooks let people move, and get a still picture for places that draw nothing
(drawn in a headless Chromium); the HTML with its 4.6 MB of script, which a run makes again, is left
out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import plotly.graph_objects as go
from playwright.sync_api import Page, sync_playwright

from anisoalign_core.plots.style import as_page
from tests.notebooks import PLOTLY, run

PLACE = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
WIDTH = 760
STILL = """(size) => Plotly.toImage(document.querySelector(".plotly-graph-div"),
    {format: "png", width: size[0], height: size[1]})"""


def still(page: Page, found: dict[str, Any]) -> str:
    """Return a figure as PNG in base64, on white: it is seen on light and dark pages alike."""
    figure = go.Figure(data=found["data"], layout=found["layout"])
    figure.update_layout(paper_bgcolor="#fff")
    page.set_content(as_page(figure, "figure"))
    page.wait_for_function("() => document.querySelector('.plotly-graph-div .main-svg')")
    url: str = page.evaluate(STILL, [WIDTH, figure.layout.height or 450])
    return url.partition("base64,")[2]


def store(path: Path, page: Page) -> None:
    """Run one notebook and write it back with what it showed."""
    notebook = run(nbformat.read(path, as_version=4))
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY in data:
                del data["text/html"]
                data["image/png"] = still(page, data[PLOTLY])
                output["metadata"] = {}
    notebook.metadata["language_info"] = {"name": "python"}  # no versions: they are not its point
    nbformat.write(notebook, path)
    print(path, f"{len(json.dumps(notebook)) / 1e6:.2f} MB")


def main() -> None:
    """Store every notebook."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-unsafe-swiftshader"],
        )
        page = browser.new_page()
        for path in sorted(PLACE.glob("*.ipynb")):
            store(path, page)
        browser.close()


if __name__ == "__main__":
    main()
