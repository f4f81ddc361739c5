"""Figures that many runs show and none changes: what is sent of them is made once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import plotly.graph_objects as go

from anisoalign_core.plots.style import in_dark


class Drawn(go.Figure):  # type: ignore[misc]  # plotly has no types
    """A figure that is not changed any more."""

    _sent: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is sent, made when it is first asked for; to be read only."""
        if self._sent is None:
            self._sent = super().to_dict()
        return self._sent

    @cached_property
    def _on_dark(self) -> Drawn:
        return Drawn(in_dark(self))


def on_dark(figure: go.Figure) -> go.Figure:
    """Return a figure as a dark page shows it."""
    return figure._on_dark if isinstance(figure, Drawn) else in_dark(figure)
