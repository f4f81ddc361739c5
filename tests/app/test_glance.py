"""Numbers first: what is quick is on the screen before the rest is measured, at its place."""

from __future__ import annotations

import pytest

from anisoalign_core import gap
from anisoalign_core.gap.diagnose import diagnose
from app.widgets.glance import FIRST_ROWS, SOON
from tests.app.test_pages import open_page, pair_of


@pytest.mark.parametrize("page", ["home", "spectra"])
def test_gap_and_share_are_there_before_the_rest_is_measured(page, monkeypatch):
    pair = pair_of(n=FIRST_ROWS + 1, d=4)

    def stop(*given, **more):
        if more.get("parts") != ():
            raise RuntimeError("the long measurement begins")
        return diagnose(*given, **more)

    monkeypatch.setattr(gap, "diagnose", stop)
    at = open_page(page, pair)
    assert at.error  # it went no further
    shown = {metric.label: metric.value for metric in at.metric}
    assert float(shown["Gap between the means"]) > 0
    if page == "home":
        assert shown["Residual share"].endswith("%") and shown["Residual anisotropy"] == "–"
        assert any(SOON in one.value for one in at.caption)
    monkeypatch.undo()
    at = open_page(page, pair)
    assert not at.exception and "Something" not in str([e.value for e in at.error])
    assert not any(SOON in one.value for one in at.caption)
    later = {metric.label: metric.value for metric in at.metric}
    assert later["Gap between the means"] == shown["Gap between the means"]
    if page == "home":
        assert later["Residual share"] == shown["Residual share"]


def test_small_sets_and_samples_are_measured_at_once(monkeypatch):
    asked = []

    def whole(*given, **more):
        asked.append(more.get("parts"))
        return diagnose(*given, **more)

    monkeypatch.setattr(gap, "diagnose", whole)
    assert not open_page("home", pair_of()).exception
    assert asked == [None]
    assert not open_page("home").exception
    assert asked == [None]  # the sample's report is kept beside it
