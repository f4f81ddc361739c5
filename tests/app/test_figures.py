"""Figures can be taken home: as a picture of either kind, or as a page that moves."""

import json
import tomllib

import numpy as np
import plotly.graph_objects as go

from anisoalign_core.plots.style import (
    DARK,
    GAP,
    SOURCE,
    TARGET,
    TRANSLUCENT,
    as_page,
    in_dark,
    shares,
)
from tests.app.test_pages import HOME, open_page


def options(at):
    return [
        json.loads(chart.proto.config)["toImageButtonOptions"] for chart in at.get("plotly_chart")
    ]


def test_the_camera_saves_what_the_session_prefers_on_every_page():
    at = open_page("spectra")
    assert {one["format"] for one in options(at)} == {"svg"}
    at.segmented_control(key="camera").set_value("png").run()
    assert {one["format"] for one in options(at)} == {"png"}
    assert "spectra" in {one["filename"] for one in options(at)}
    at.switch_page("../pages/export.py").run()
    assert not [one for one in at.segmented_control if one.key == "camera"], "no figure there"
    at.switch_page("../pages/directions.py").run()
    assert {one["format"] for one in options(at)} == {"png"}
    assert at.segmented_control(key="camera").value == "png"


def test_every_figure_offers_a_page_and_has_words_for_who_cannot_see_it():
    for name in ("spectra", "directions", "learn"):
        at = open_page(name)
        if name == "learn":
            at.button(key="learn_skip_1_0").click().run()
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


def light(colour):
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour, page, opacity):
    over = [
        round(opacity * int(colour[i : i + 2], 16) + (1 - opacity) * int(page[i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    low, high = sorted((light("#" + "".join(f"{v:02x}" for v in over)), light(page)))
    return (high + 0.05) / (low + 0.05)


def test_translucent_bars_of_the_target_are_seen_on_a_dark_page():
    config = HOME.parent / ".streamlit" / "config.toml"
    page = tomllib.loads(config.read_text())["theme"]["dark"]["backgroundColor"]
    assert contrast(TARGET, page, TRANSLUCENT) < 2  # why there is another
    assert contrast(DARK[TARGET], page, TRANSLUCENT) > 3  # WCAG 2.1, 1.4.11
    assert contrast(DARK[GAP], page, 1) / contrast(DARK[TARGET], page, 1) > 1.5  # told apart


def test_a_dark_page_changes_the_blues_and_nothing_else():
    edges, values = np.linspace(0, 1, 5), np.linspace(0, 1, 9)
    figure = go.Figure(
        [
            shares(values, edges, "image", TARGET),
            shares(values, edges, "text", SOURCE),
            go.Scatter(x=values, y=values, marker={"color": [TARGET, SOURCE] * 4 + [GAP]}),
        ]
    ).add_vline(x=0.5, line={"color": TARGET})
    shown = in_dark(figure)
    assert shown.data[0].marker.color == shown.layout.shapes[0].line.color == DARK[TARGET]
    assert list(shown.data[2].marker.color) == [DARK[TARGET], SOURCE] * 4 + [DARK[GAP]]
    assert shown.layout.shapes[0].x0 == 0.5 and figure.data[0].marker.color == TARGET
    back = shown.to_json()
    for blue, lighter in DARK.items():
        back = back.replace(lighter, blue)
    assert json.loads(back) == json.loads(figure.to_json())
