"""The Learn page in a real browser: predictions, pictures that move, the keys, and a class."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.steps import (
    count_runs,
    download,
    figure,
    figures,
    live_numbers,
    numbers,
    settle,
    steady,
)

TITLES = (
    "One space for pictures and captions",
    "The cone",
    "The gap, and what temperature does to it",
    "Why a mean shift is not enough",
    "The few directions of the residual",
    "A bounded correction",
    "Meaning against fit",
    "What may and may not be claimed",
)

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, server):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(f"{server}/learn")
    heading(opened, 1)
    yield opened
    context.close()


def heading(page, step):
    page.get_by_role("heading", name=f"{step} of 8: {TITLES[step - 1]}", exact=True).wait_for()
    settle(page)
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_text("Something unexpected went wrong").count() == 0


def open_step(page, server, step):
    page.goto(f"{server}/learn?step={step}")
    heading(page, step)


def see(page, step):
    """Commit to a prediction with the keyboard, and see what is."""
    if step == 8:
        page.get_by_role("radio", name="No.", exact=True).press("Space")
    else:
        page.get_by_test_id("stSlider").get_by_role("slider").first.press("ArrowLeft")
    settle(page)
    button = page.get_by_role("button", name="See what is")
    expect(button).to_be_enabled(timeout=60_000)  # when the server has heard of the prediction
    button.press("Enter")
    page.get_by_text("You predicted").wait_for()
    settle(page)


def arrived(page):
    """Wait until a picture that opens at its beginning has come to rest; return its dial."""
    picture = page.locator(".aal:has(.aal-range)")
    picture.locator(".aal-clouds").scroll_into_view_if_needed()  # it waits until it is seen
    play = picture.get_by_role("button", name=re.compile("Play|Pause"))
    deadline = time.monotonic() + 30
    while "Play" not in play.inner_text() or not float(picture.get_attribute("data-value") or 0):
        assert time.monotonic() < deadline, "the picture did not come to rest"
        page.wait_for_timeout(100)
    return picture.locator(".aal-range")


def follow(page, before):
    """Wait until the numbers differ from those before."""
    page.wait_for_function(
        "old => JSON.stringify([...document.querySelectorAll('[data-testid=stMetricValue]')]"
        ".map(e => e.innerText)) !== old",
        arg=_as_json(before),
    )
    settle(page)
    return numbers(page)


def _as_json(values):
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


def move_dial(page, step):
    """Move the step's dial: picture and numbers follow, and the server runs nothing."""
    dial = arrived(page)
    settle(page)
    count_runs(page)
    before, picture = live_numbers(page), page.locator(".aal-clouds").screenshot()
    dial.press("Home")
    page.wait_for_timeout(300)
    assert live_numbers(page) != before
    assert page.locator(".aal-clouds").screenshot() != picture
    if step == 3:
        assert live_numbers(page)[0] == "0.674"  # the gap before any training
    assert page.evaluate("window.runs") == 0


def test_learn_from_first_to_last_step(page):
    for step in range(1, 9):
        heading(page, step)
        assert f"step={step}" in page.url
        if step < 8:
            assert page.get_by_test_id("stExpander").count() == 0  # no question before a guess
        see(page, step)
        if step in (1, 8):
            figures(page, 1)
        else:
            move_dial(page, step)
        if step == 8:
            break
        question = page.get_by_test_id("stExpander").first
        answer = question.get_by_test_id("stMarkdownContainer").last
        assert not answer.is_visible()
        question.locator("summary").press("Enter")
        answer.wait_for(state="visible")
        assert len(answer.inner_text()) > 80
        page.get_by_role("button", name="Next").click()
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_role("link", name="Load them").click()
    page.get_by_role("heading", name="Data", level=1).wait_for()


def test_the_class_taken_home_moves_with_the_network_cut(page, server, browser, tmp_path):
    open_step(page, server, 7)
    path, name = download(page, "Take this class home")
    assert name == "modality-gap-class.html"
    path = path.rename(tmp_path / name)
    assert path.stat().st_size < 8_000_000
    context = browser.new_context(offline=True)
    home = context.new_page()
    wrong, asked = [], []
    home.on("pageerror", lambda error: wrong.append(str(error)))
    home.on("request", lambda request: asked.append(request.url))
    home.goto(path.as_uri())
    home.locator("#step7 .aal[data-frames]").wait_for()
    assert home.locator(".aal").count() == 9
    for step in range(2, 8):
        part = home.locator(f"#step{step}")
        dial = part.locator(".aal-range").first
        dial.scroll_into_view_if_needed()
        before = part.locator(".aal-number").all_inner_texts()
        dial.press("End" if step in (2, 3) else "Home")  # training opens at its beginning
        home.wait_for_timeout(200)
        assert part.locator(".aal-number").all_inner_texts() != before
    found = home.get_by_text("On the way it was as much as 1.12")
    assert not found.is_visible()
    home.locator("#step3 summary").first.click()
    found.wait_for(state="visible")
    answer = home.get_by_text("In these four runs, yes")
    assert not answer.is_visible()
    home.locator("#step3 summary").last.click()
    answer.wait_for(state="visible")
    assert not wrong
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    context.close()


def test_the_ball_is_drawn_and_turns_with_its_slider(page, server):
    open_step(page, server, 6)
    see(page, 6)
    page.get_by_role("radio", name="On a ball").press("Space")
    settle(page)
    ball = figure(page, "learn_ball_bound")
    ball.locator("canvas").first.wait_for()
    assert ball.evaluate("node => node.data[0].type") == "surface"
    before = steady(page)
    slider = page.get_by_role("slider", name="Bound α")
    slider.focus()
    page.keyboard.press("End")
    after = follow(page, before)
    assert float(after[2]) > float(before[2])  # covers more
    assert float(after[1]) < float(before[1])  # and keeps less


def test_the_story_can_be_walked_with_the_keyboard_and_found_again(page):
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    heading(page, 2)
    page.get_by_role("radio", name="5 Residual").press("Space")
    heading(page, 5)
    page.go_back()  # the browser's own button: every step is an entry of its history
    heading(page, 2)
    page.go_forward()
    heading(page, 5)
    page.reload()
    heading(page, 5)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("heading", name="Export", level=1).wait_for()
    settle(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Learn", exact=True).click()
    heading(page, 5)


def test_a_moved_dial_keeps_its_place_when_one_comes_back(page, server):
    open_step(page, server, 5)
    see(page, 5)
    arrived(page)
    dial = page.get_by_role("slider", name="Leading directions K")
    dial.press("ArrowRight")
    page.wait_for_timeout(200)
    after = live_numbers(page)
    page.get_by_role("button", name="Next").click()
    heading(page, 6)
    page.get_by_role("button", name="Back").click()
    heading(page, 5)
    page.wait_for_timeout(500)
    assert live_numbers(page) == after
    assert dial.input_value() == "11"


def student(browser, server, code):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(f"{server}/learn?class={code}")
    heading(opened, 3)
    return opened


def test_a_class_of_two_predicts_sees_and_follows(page, server, browser):
    open_step(page, server, 3)
    page.get_by_test_id("stPopoverButton").get_by_text("Class").click()
    page.get_by_role("button", name="Begin a class").click()
    found = page.get_by_role("heading", name=re.compile("^[A-Z0-9]{3} [A-Z0-9]{4}$"))
    code = found.inner_text().replace(" ", "")
    page.get_by_alt_text(f"QR code of {server}/learn?class={code}").wait_for()
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > 20
    one = student(browser, server, code)
    one.get_by_test_id("stSlider").get_by_role("slider").press("ArrowLeft")
    one.get_by_role("button", name="Vote").press("Enter")
    one.get_by_text("Your vote: 0.6").wait_for()
    one.reload()  # the same browser has the same vote
    heading(one, 3)
    one.get_by_text("Your vote: 0.6").wait_for()
    page.get_by_text("1 of 1 here have voted").wait_for()
    assert one.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Show what is").click()
    one.get_by_text("Your vote was 0.6; it is 0.973, more than that.").wait_for()
    arrived(one)
    page.get_by_role("button", name="Next").click()
    heading(one, 4)
    page.get_by_role("button", name="End the class").click()
    one.get_by_text("This class has ended").wait_for()
    one.context.close()
