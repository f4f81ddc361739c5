"""Figures in notebooks: shown where plotly's own type is known, and where only HTML is.

In a kernel plotly sends figures as ``application/vnd.plotly.v1+json`` alone, which JupyterLab and
VS Code draw, and ``nbconvert --to html`` leaves out. HTML goes beside it here. The drawing script,
some 4.6 MB, comes with it once, not from a network: a lecture hall may have none.
"""

from __future__ import annotations

import os
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer

from anisoalign_core.plots.style import as_div, drawing_script

PLOTLY, OURS = "plotly_mimetype", "anisoalign"


class InPlace(MimetypeRenderer):  # type: ignore[misc]
    """Figures as HTML; the first of a notebook, or of its cell run again, brings the script."""

    def __init__(self) -> None:
        self._brought: list[tuple[object, object]] = []  # shared: plotly shows with copies of this

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        """Return the figure as HTML."""
        div = as_div(go.Figure(fig_dict))
        cell, run = _here()
        if not self._brought or (
            cell and cell == self._brought[0][0] and run != self._brought[0][1]
        ):
            self._brought[:] = [(cell, run)]
            div = f"<script>{drawing_script()}</script>{div}"
        return {"text/html": div}


def _here() -> tuple[object, object]:
    """Return the cell that runs, where the front end says it, and which run it is."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    said = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return said.get("metadata", {}).get("cellId"), getattr(shell, "execution_count", None)


def show_as_html() -> None:
    """Let figures bring HTML along, where plotly chose by itself not to.

    ``PLOTLY_RENDERER`` and ``plotly.io.renderers.default``, set after this library is loaded, keep
    the last word.
    """
    if pio.renderers.default == PLOTLY and "PLOTLY_RENDERER" not in os.environ:
        pio.renderers[OURS] = InPlace()
        pio.renderers.default = f"{PLOTLY}+{OURS}"
