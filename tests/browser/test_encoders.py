"""The bench in a browser: kept over a reload, compared, played along the steps of training."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

import anisoalign_core as aa
from tests.browser.steps import drop, figure, go, settle
from tests.conftest import paired_world

pytestmark = pytest.mark.browser
PILLS = "[class*=st-key-bench_shown] button"
KEPT = "before => (localStorage.getItem('anisoalign-bench') ?? '') !== before"


def shown(page):
    """Names on the bench, and whether each is shown."""
    return page.locator(PILLS).evaluate_all(
        "pills => Object.fromEntries(pills.map(pill => [pill.innerText, "
        "[pill.ariaPressed, pill.ariaChecked].includes('true')]))"
    )


def rows_of(page):
    """Encoders in the table of dots, by their tick labels."""
    return (
        figure(page, "bench_table")
        .locator(".yaxislayer-above .ytick text, .yaxislayer-below .ytick text")
        .evaluate_all(
            "nodes => nodes.map(n => n.getAttribute('data-unformatted') || n.textContent)"
        )
    )


def keep(page, name):
    go(page, "Spectra")
    page.get_by_label("Keep what was measured of this set as").fill(name)
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("On the bench as").wait_for()
    settle(page)


def test_two_sets_are_kept_over_a_reload_compared_with_bundled_ones_and_a_run_is_played(
    page, tmp_path
):
    keep(page, "first of mine")
    page.wait_for_function(KEPT, arg="")
    before = page.evaluate("localStorage.getItem('anisoalign-bench')")
    y, x = paired_world(400, 24)
    for name, rows in (("image", x), ("text", y)):
        np.save(tmp_path / f"{name}.npy", rows)
    go(page, "Data")
    drop(page, tmp_path / "image.npy", tmp_path / "text.npy")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("400 pairs × 24 dimensions").wait_for()
    settle(page)
    keep(page, "second of mine")
    page.wait_for_function(KEPT, arg=before)
    page.reload()  # a new visit: the server holds nothing of the old one
    page.get_by_role("heading", level=1).wait_for()
    go(page, "Encoders")
    page.get_by_role("button", name="second of mine").wait_for()
    settle(page)
    names = shown(page)
    assert {"first of mine", "second of mine", "frozen at 100", "untrained"} <= set(names)
    page.locator(PILLS).get_by_text("untrained", exact=True).click()
    settle(page)
    assert names["untrained"] and not shown(page)["untrained"]
    table = figure(page, "bench_table")
    table.locator(".ytick").first.wait_for()
    expect(table).not_to_contain_text("untrained", timeout=60_000)
    drawn = " ".join(rows_of(page))
    for name in ("first of mine", "second of mine", "frozen at 100", "sigmoid", "gap-closing"):
        assert name in drawn
    assert "untrained" not in drawn
    assert page.get_by_text("No ranking").count()  # the second set shows other things
    clouds = figure(page, "bench_clouds")
    clouds.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = clouds.locator(".nsewdrag").first.bounding_box()
    corners = [(0.02, 0.05), (0.6, 0.05), (0.6, 0.9), (0.02, 0.9), (0.02, 0.06)]
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=8)
    page.mouse.up()
    page.get_by_role("button", name="Clear the selection").click()
    page.get_by_role("button", name="Clear the selection").wait_for(state="detached")
    settle(page)
    step = page.get_by_role("slider", name="Step")
    step.scroll_into_view_if_needed()
    at = page.get_by_text("or the last row before it")
    before = at.inner_text()
    step.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "before => [...document.querySelectorAll('p')].some(p => "
        "p.textContent.includes('or the last row before it') && p.textContent !== before)",
        arg=before,
    )
    assert page.get_by_test_id("stException").count() == 0


def test_several_files_make_encoders_and_what_is_none_is_named(page, tmp_path):
    files = []
    for name, seed in (("old", 0), ("new", 1)):
        y, x = paired_world(120, 16, seed=seed)
        for side, rows in (("image", x), ("text", y)):
            files.append(tmp_path / f"{name}_{side}.npy")
            np.save(files[-1], rows)
    report = aa.diagnose(aa.load_sample("scenes-captions"), rows=300)
    files.append(report.save(tmp_path / "earlier.json"))
    (tmp_path / "odd.json").write_text("{}")
    files.append(tmp_path / "odd.json")
    go(page, "Encoders")
    page.get_by_text("Add encoders").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(files)
    page.get_by_text("Found:").wait_for()
    page.get_by_role("button", name="Measure and add").click()
    page.get_by_role("button", name="new", exact=True).wait_for()
    settle(page)
    names = shown(page)
    assert {"old", "new", "small CLIP trained on rendered scenes"} <= set(names)
    assert "odd.json" in page.get_by_test_id("stAlert").first.inner_text()


LOSE_AN_ANSWER = """() => {
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        const lost = !window.lost && new TextDecoder().decode(data).includes("stored");
        if (lost) window.lost = true;
        else send.call(this, data);
    };
}"""


def test_what_a_browser_kept_and_cannot_be_read_harms_nothing(page):
    """It is said, also where the browser's first answer is lost."""
    page.evaluate("localStorage.setItem('anisoalign-bench', 'bm90IGEgYmVuY2g=')")
    page.evaluate(LOSE_AN_ANSWER)
    go(page, "Encoders")
    page.get_by_text("could not be read").first.wait_for()
    assert page.evaluate("window.lost")
    assert "frozen at 100" in shown(page)
