"""Figures that many runs show: the same as drawn anew, and made once."""

import json

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from anisoalign_core.plots.style import TARGET, in_dark
from app.widgets.drawn import Drawn, on_dark


@pytest.fixture
def figure():
    return go.Figure(go.Bar(x=[1, 2], y=[3.0, 4.0], marker={"color": TARGET}))


def test_what_is_sent_is_that_of_the_figure_and_made_once(figure):
    drawn = Drawn(figure)
    assert json.loads(pio.to_json(drawn)) == json.loads(pio.to_json(figure))
    assert drawn.to_dict() is drawn.to_dict()


def test_on_a_dark_page_it_is_coloured_once(figure):
    drawn = Drawn(figure)
    assert json.loads(pio.to_json(on_dark(drawn))) == json.loads(pio.to_json(in_dark(figure)))
    assert TARGET not in pio.to_json(on_dark(drawn))
    assert on_dark(drawn) is on_dark(drawn)
    assert on_dark(figure) == in_dark(figure)
