"""Run a notebook in a kernel of its own, from this checkout, and write it as HTML."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

ROOT = Path(__file__).parent.parent
PLOTLY = "application/vnd.plotly.v1+json"


def of_cells(sources: Sequence[str]) -> Any:
    """Return a notebook of cells of code."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def run(notebook: Any) -> Any:
    """Run all cells; the first that fails raises."""
    where = {"metadata": {"path": str(ROOT)}}
    return NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()


def shown(notebook: Any) -> list[dict[str, Any]]:
    """What cells displayed: each output's bundle, by type."""
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    return [one["data"] for one in outputs if "data" in one]


def figures(notebook: Any) -> list[dict[str, Any]]:
    """Bundles of the figures among them."""
    return [data for data in shown(notebook) if PLOTLY in data]


def as_html(notebook: Any) -> str:
    """Return what ``nbconvert --to html`` writes; what it cannot represent is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not able to be represented")
        page: str = HTMLExporter().from_notebook_node(notebook)[0]
    return page
