"""The notebooks of docs/ run from top to bottom, and hold what they showed."""

import json
import time
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import ROOT, as_html, figures, run, shown

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MOST_BYTES = 1_000_000
CELLS = 10


def read(path: Path):
    return nbformat.read(path, as_version=4)


def test_there_are_two():
    names = {path.stem for path in NOTEBOOKS}
    assert names == {"a_new_encoder", "choosing_a_correction"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_ten_cells_and_what_they_showed_and_is_small(path):
    stored = read(path)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert len(code) == CELLS
    assert [cell.execution_count for cell in code] == list(range(1, CELLS + 1))
    assert path.stat().st_size < MOST_BYTES
    assert figures(stored) and all("image/png" in one for one in figures(stored))
    page = as_html(stored)
    assert page.count('src="data:image/png;base64,') == len(figures(stored))
    text = json.dumps(stored)
    assert str(ROOT) not in text and "/home/" not in text and "Warning" not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_the_same_kinds_of_things(path):
    stored, begun = read(path), time.perf_counter()
    ran = run(read(path))
    assert time.perf_counter() - begun < 100, "a reader waits"
    kinds = [set(one) - {"text/html", "image/png"} for one in shown(stored)]
    assert [set(one) - {"text/html", "image/png"} for one in shown(ran)] == kinds
    assert not [
        o for cell in ran.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"
    ]
    assert as_html(ran).count("plotly-graph-div") == len(figures(stored))
