"""What is on the screen at once: on a telephone, in the dark, and while something is measured."""

from __future__ import annotations

import re
import urllib.request

import numpy as np
import pytest

from tests.browser.steps import cut_off, drop, figure, go, settle
from tests.conftest import paired_world

pytestmark = pytest.mark.browser
PAGES = "home data encode spectra directions correct compare export encoders learn".split()
HIGH, WIDE = 844, 390
READABLE, SEEN = 4.5, 3.0
"""Contrasts that WCAG asks for, of text and of shapes."""
HUNDRED = {"home": "of 100; chance 1 %", "encoders": "among 100 things", "learn": "among 100."}
"""What pages say of the one size of gallery."""


def luminance(colour):
    shares = np.asarray(colour, float) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    """(L₁ + 0.05)/(L₂ + 0.05) of two colours, WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def channels(text):
    if text.startswith("#"):
        return [int(text[at : at + 2], 16) for at in (1, 3, 5)]
    return [float(part) for part in re.findall(r"[\d.]+", text)[:3]]


def style(page, selector, name):
    return channels(page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{name}"))


def boxes(page, selector):
    found = page.locator(selector)
    found.first.wait_for()
    return [found.nth(at).bounding_box() for at in range(found.count())]


def home_is_short(page):
    """Cards lie in two columns, and the page is one screen and a half."""
    for cards in (".stMetric", ".stPageLink"):
        found = [box for box in boxes(page, f"[data-testid=stMain] {cards}") if box is not None]
        assert {len({round(box["x"]) for box in found})} == {2}
    end = page.locator("[data-testid=stMain] p").last.bounding_box()
    top = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    assert end["y"] + end["height"] + top <= 1.5 * HIGH


def dial_and_picture_are_seen_together(page):
    picture = page.locator(".aal[data-frames]")
    picture.wait_for()
    page.get_by_role("slider", name="Bound α").evaluate("e => e.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(300)
    for part in (".aal-range", ".aal-clouds"):
        (box,) = boxes(page, part)
        assert box["y"] >= 0 and box["y"] + box["height"] <= HIGH
    cards = boxes(page, ".aal-card")
    assert len({round(box["x"]) for box in cards}) == 2


def bars_are_seen_through(page):
    """Translucent bars stand out from the page, and a legend's dots are large enough to see."""
    bars = figure(page, "histogram").evaluate(
        """node => node.data.map(t =>
            [t.marker?.color ?? t.fillcolor, t.opacity ?? t.marker?.opacity ?? 1])"""
    )
    under = style(page, "[data-testid=stApp]", "backgroundColor")
    for colour, opacity in bars:
        through = opacity * np.array(channels(colour)) + (1 - opacity) * np.array(under)
        if colour.lower() == "#6aa8ff":
            assert contrast(through, under) >= SEEN
    assert any(colour.lower() == "#6aa8ff" and opacity < 1 for colour, opacity in bars)
    dots = figure(page, "clouds").locator(".legendpoints path")
    dots.first.wait_for()
    assert min(dots.nth(at).bounding_box()["width"] for at in range(dots.count())) >= 6


def words_on_buttons_are_told_from_them(page):
    for selector in ("[data-testid=stBaseButton-primary]", "[data-tag]"):
        words = style(page, f"{selector} :is(p, span):not(:has(*))", "color")
        assert contrast(words, style(page, selector, "backgroundColor")) >= READABLE


CHECKS = {
    "home": home_is_short,
    "correct": dial_and_picture_are_seen_together,
    "directions": bars_are_seen_through,
    "compare": words_on_buttons_are_told_from_them,
}


def test_every_page_fits_a_telephone_in_the_dark(browser, server):
    """Pages answer and paint; nothing is wider than the screen, cut off, or too dim to be seen."""
    context = browser.new_context(
        viewport={"width": WIDE, "height": HIGH}, color_scheme="dark", reduced_motion="reduce"
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    for name in PAGES:
        address = f"{server}/{'' if name == 'home' else name}"
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        page.goto(address)
        page.get_by_role("heading", level=1).first.wait_for()
        settle(page)
        assert page.get_by_test_id("stException").count() == 0
        assert page.get_by_text("Something unexpected went wrong").count() == 0
        assert not cut_off(page), name
        if name in HUNDRED:
            page.get_by_text(HUNDRED[name]).first.wait_for()
        CHECKS.get(name, lambda page: None)(page)
    context.close()


def test_that_nothing_is_to_align_stays_in_sight(page):
    """Correct, Compare and Export say it in a line that scrolling does not take away."""
    page.get_by_role("button", name="The same, untrained encoder").click()
    page.get_by_text("There is nothing to align").first.wait_for()
    settle(page)
    page.set_viewport_size({"width": 1440, "height": 500})  # so that all three pages scroll
    for name in ("Correct", "Compare", "Export"):
        go(page, name)
        line = page.locator(".st-key-verdict_line")
        assert "There is nothing to align" in line.inner_text()
        if name == "Correct":
            card = page.locator(".aal-card", has_text="Partners' cosine")
            assert "shuffled" in card.inner_text()
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 1e6)")
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") > 100
        box = line.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 500
        painted = line.evaluate("e => getComputedStyle(e).backgroundColor")
        assert painted == page.locator("[data-testid=stApp]").evaluate(
            "e => getComputedStyle(e).backgroundColor"
        )


CARDS = """waiting => {
    const cards = [...document.querySelectorAll('[data-testid=stMetricValue]')].map(e => {
        const box = e.getBoundingClientRect();
        return {value: e.innerText.trim(), x: Math.round(box.x), y: Math.round(box.y)};
    });
    return cards.length === 5 && cards.slice(2).every(card =>
        (card.value === "–") === waiting) && cards;
}"""
"""The five cards of Home, once the last three are waited for, or are there."""


def test_a_large_set_shows_gap_and_share_in_their_place_before_the_rest(page, tmp_path):
    """Home's cards do not move when those that take longer are filled in."""
    y, x = paired_world(6000, 12)
    for name, rows in (("image", x), ("text", y)):
        np.save(tmp_path / f"{name}.npy", rows)
    go(page, "Data")
    drop(page, tmp_path / "image.npy", tmp_path / "text.npy")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("6,000 pairs × 12 dimensions").wait_for()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Home", exact=True).click()
    first = page.wait_for_function(CARDS, arg=True).json_value()
    assert float(first[0]["value"]) > 0 and first[1]["value"].endswith("%")
    later = page.wait_for_function(CARDS, arg=False).json_value()
    assert [card["value"] for card in later[:2]] == [card["value"] for card in first[:2]]
    places = [[(card["x"], card["y"]) for card in cards] for cards in (first, later)]
    assert places[0] == places[1]
