"""Figures show in a notebook, and in what nbconvert makes of it without a network."""

import pytest

from tests.notebooks import as_html, figures, of_cells, run

SETUP = "import numpy as np\nimport anisoalign_core as aa\nfrom anisoalign_core import plots"
FIGURES = (
    "plots.angles(np.linspace(0, 1, 5))",
    "plots.spectra(np.ones(4), np.ones(4), names=('</script><b>image', 'text'))",
    "plots.few_coordinates([0.5, 0.8]).show()",
)


@pytest.fixture(scope="module")
def notebook():
    return run(of_cells([SETUP, *FIGURES]))


def test_every_figure_is_html_beside_plotlys_own_type(notebook):
    found = figures(notebook)
    assert len(found) == len(FIGURES)
    assert all(one["text/html"].count("plotly-graph-div") == 1 for one in found)


def test_the_drawing_script_comes_once_and_first_and_from_no_network(notebook):
    first, *others = (one["text/html"] for one in figures(notebook))
    assert len(first) > 1e6 and all(len(other) < 50_000 for other in others)
    assert not any("src=" in other for other in others)
    assert "src=" not in first[: first.index("plotly.js v")]


def test_nbconvert_shows_every_figure(notebook):
    page = as_html(notebook)
    assert page.count("plotly-graph-div") == len(FIGURES)
    assert page.count("Plotly.newPlot(") >= len(FIGURES)
    assert "</script><b>image" not in page


@pytest.mark.parametrize(
    "wish",
    [
        "import os; os.environ['PLOTLY_RENDERER'] = 'plotly_mimetype'",
        "from anisoalign_core import plots\nimport plotly.io as pio\n"
        "pio.renderers.default = 'plotly_mimetype'",
    ],
)
def test_who_wishes_for_another_renderer_has_it(wish):
    (found,) = figures(run(of_cells([wish, SETUP, FIGURES[0]])))
    assert "text/html" not in found


def test_a_cell_that_runs_again_brings_the_script_again():
    """The front end has thrown away what the cell showed, and the script with it."""
    again = (
        "import plotly.io as pio\nfrom anisoalign_core.plots import notebook\n"
        "said = [('a', 1), ('b', 2), ('a', 3), ('a', 3), ('b', 4)]\n"
        "notebook._here = iter(said).__next__\n"
        "kind, fig = pio.renderers['anisoalign'], plots.angles(np.ones(2)).to_dict()\n"
        "[len(kind.to_mimebundle(fig)['text/html']) > 1e6 for _ in said]"
    )
    notebook = run(of_cells([SETUP, again]))
    (output,) = notebook.cells[-1].outputs
    assert output["data"]["text/plain"] == "[True, False, True, False, False]"
