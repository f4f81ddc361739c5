"""Figures can be taken home: as a picture of either kind, or as a page that moves."""

import json

import plotly.graph_objects as go

from anisoalign_core.plots.style import as_page
from tests.app.test_pages import open_page


def options(at):
    return [
        json.loads(chart.proto.config)["toImageButtonOptions"] for chart in at.get("plotly_chart")
    ]


def test_the_camera_saves_what_the_session_prefers_on_every_page():
    at = open_page("spectra")
    assert {one["format"] for one in options(at)} == {"svg"}
    at.segmented_control(key="format_spectra").set_value("png").run()
    assert {one["format"] for one in options(at)} == {"png"}
    assert "spectra" in {one["filename"] for one in options(at)}
    at.switch_page("../pages/directions.py").run()
    assert {one["format"] for one in options(at)} == {"png"}


def test_every_figure_offers_a_page_and_has_words_for_who_cannot_see_it():
    for name in ("spectra", "directions", "learn"):
        at = open_page(name)
        charts = at.get("plotly_chart")
        pages = [
            b
            for b in at.get("download_button")
            if b.proto.id.endswith("html") or "html_" in b.proto.id
        ]
        assert len(charts) == len(pages) > 0
        assert all(len(chart.proto.alt) > 10 for chart in charts)


def test_a_page_of_a_figure_fetches_nothing_and_its_title_is_data():
    page = as_page(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), "<script>alert(1)</script> & more")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "Plotly.newPlot" in page and len(page) > 1_000_000
    head = page[: page.index("<script>")]
    assert "src=" not in head and "href=" not in head
    assert 'src="http' not in page and "cdn.plot.ly/plotly" not in page
