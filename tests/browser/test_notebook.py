"""A notebook as HTML, opened from disk in a browser without a network: its figures are drawn."""

import pytest

from tests.notebooks import as_html, of_cells, run

pytestmark = pytest.mark.browser
CELLS = (
    "import numpy as np\nfrom anisoalign_core import plots",
    "plots.angles(np.linspace(0, 1, 5))",
    "plots.few_coordinates([0.5, 0.8])",
)


def test_figures_are_drawn_from_disk_without_a_network(browser, tmp_path):
    file = tmp_path / "notebook.html"
    file.write_text(as_html(run(of_cells(CELLS))), encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    page.locator(".plotly-graph-div .main-svg").first.wait_for()
    drawn = page.locator(".plotly-graph-div").evaluate_all(
        "divs => divs.map(div => div.querySelectorAll('.point').length)"
    )
    assert drawn == [5, 2]
    context.close()
