"""A reload, a second tab and a restart of the server bring a session back, to its browser alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import numpy as np
import pytest

from campaigns.load.server import Server
from tests.browser.steps import drop, go, settle
from tests.conftest import paired_world

pytestmark = pytest.mark.browser
PAIR = "600 pairs × 20 dimensions"
MODEL = "transformers, by name"


def opened(context, url):
    page = context.new_page()
    page.goto(url)
    arrived(page)
    return page


def arrived(page):
    page.get_by_role("heading", level=1).first.wait_for()
    settle(page)
    assert page.get_by_test_id("stException").count() == 0


def path_of(page):
    there = urlsplit(page.url)
    return f"{there.path}?{there.query}"


def trained(page):
    """What was trained, and how far its bounds were turned back."""
    page.get_by_text(PAIR).first.wait_for()
    page.get_by_text("Trained in").wait_for()
    slider = page.get_by_role("slider", name="share of its bounds")
    slider.wait_for()
    settle(page)
    assert float(slider.input_value()) == pytest.approx(0.5)


@pytest.fixture
def browser_context(browser):
    made = []

    def make():
        made.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        made[-1].set_default_timeout(60_000)
        return made[-1]

    yield make
    for context in made:
        context.close()


def test_a_session_comes_back_to_its_browser_and_to_nobody_else(browser_context, tmp_path):
    kept = {"ANISOALIGN_SESSION_ROOT": str(tmp_path / "kept")}
    y, x = paired_world(600, 20)
    for name, rows in (("image", x), ("text", y)):
        np.save(tmp_path / f"{name}.npy", rows)
    mine, other = browser_context(), browser_context()
    with Server(keep=120, environment=kept) as server:
        page = opened(mine, server.url)
        go(page, "Data")
        drop(page, tmp_path / "image.npy", tmp_path / "text.npy")
        page.get_by_role("button", name="Load", exact=True).click()
        page.get_by_text(PAIR).wait_for()
        seed = page.get_by_role("spinbutton", name="Seed")
        seed.fill("3")
        seed.press("Enter")
        settle(page)
        assert "session=" in page.url
        go(page, "Export")
        page.get_by_text("float16", exact=True).click()
        settle(page)
        go(page, "Encode")
        page.get_by_role("radio", name=MODEL, exact=True).click()
        settle(page)
        name = page.get_by_label("Name on the Hugging Face hub")
        name.fill("somebody/something")
        name.press("Enter")
        settle(page)
        go(page, "Correct")
        page.get_by_role("combobox", name="Method").click()
        page.get_by_role("option", name="AnisoAlign").click()
        settle(page)
        for steps in ("Steps of the prior", "Steps of the refinement"):
            box = page.get_by_role("spinbutton", name=steps)
            box.fill("10")
            box.press("Enter")
            settle(page)
        page.get_by_role("button", name="Train", exact=True).click()
        page.get_by_text("Trained in").wait_for()
        settle(page)
        dial = page.get_by_role("slider", name="share of its bounds")
        for _ in range(5):
            dial.press("PageDown")
        settle(page)
        page.wait_for_timeout(1500)  # the dial tells the server where it came to rest
        settle(page)
        page.reload()
        trained(page)
        page.goto("about:blank")
        page.go_back()
        page.get_by_text(PAIR).first.wait_for()
        settle(page)
        second = opened(mine, page.url)
        second.get_by_text(PAIR).first.wait_for()
        second.close()
        stranger = opened(other, page.url)  # whoever has the link, and another browser
        stranger.get_by_text("4,000 pairs × 128 dimensions").first.wait_for()
        assert stranger.get_by_text("This link was made for").count() == 1
        address = path_of(page)
        server.end()
        assert not server.faults()
    with Server(keep=120, environment=kept) as server:
        page.goto(server.url + address)
        trained(page)
        go(page, "Export")
        page.get_by_text("10 steps of the prior, 10 steps of the refinement").wait_for()
        assert page.get_by_role("radio", name="float16").is_checked()
        go(page, "Encode")
        assert page.get_by_role("radio", name=MODEL, exact=True).is_checked()
        name = page.get_by_label("Name on the Hugging Face hub")
        assert name.input_value() == "somebody/something"
        go(page, "Data")
        assert page.get_by_role("spinbutton", name="Seed").input_value() == "3"
        page.get_by_role("button", name="Forget this session").click()
        page.get_by_text("This session is not kept").wait_for()
        settle(page)
        assert "session=" not in page.url
        assert not [*(tmp_path / "kept").rglob("*-*.npz")]
        page.goto(server.url + address)
        arrived(page)
        page.get_by_text("4,000 pairs × 128 dimensions").first.wait_for()
        assert not server.faults()
