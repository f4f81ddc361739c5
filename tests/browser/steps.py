"""What a person does in the browser, and how to wait for the page to follow."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


QUIET = """() => {
    // fields of Streamlit's messages, and how a run ends that another one follows
    const number = { rerun: 11, begun: 4, ended: 6, early: 2 };
    if (!window.asked) {
        window.asked = "nothing";
        const send = WebSocket.prototype.send, heard = new WeakSet();
        const hear = ({ data }) => {
            const bytes = new Uint8Array(data);
            let at = 0;
            const varint = () => {
                let value = 0, shift = 1;
                for (;; shift *= 128) {
                    const byte = bytes[at++];
                    value += (byte & 127) * shift;
                    if (byte < 128) return value;
                }
            };
            while (at < bytes.length) {
                const tag = varint(), field = Math.floor(tag / 8);
                const value = varint(); // or the length of what follows
                if (field === number.begun) window.asked = "begun";
                if (field === number.ended && window.asked === "begun")
                    window.asked = value === number.early ? "something" : "nothing";
                if (tag % 8 === 2) at += value;
            }
        };
        WebSocket.prototype.send = function (data) {
            if (!heard.has(this)) {
                heard.add(this);
                this.addEventListener("message", hear);
            }
            if (data[0] === number.rerun * 8 + 2) window.asked = "something";
            return send.call(this, data);
        };
    }
    const app = document.querySelector('[data-testid="stApp"]');
    const state = app?.getAttribute('data-test-script-state');
    if (state !== 'notRunning' || window.asked !== "nothing") window.quiet = undefined;
    else window.quiet ??= performance.now();
    return performance.now() - window.quiet > 100;
}"""
"""Whether nothing runs, and nothing was asked for that the server has not yet begun."""


def settle(page):
    """Wait until the script has run to its end, also where the server is too busy to begin it."""
    page.evaluate(QUIET)
    page.wait_for_timeout(400)
    page.wait_for_function(QUIET)


def figure(page, key):
    """Return a figure by its key: a page's figures are drawn in any order."""
    return page.locator(f".st-key-{key} .js-plotly-plot")


def go(page, name):
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()
    settle(page)
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_text("Something unexpected went wrong").count() == 0


def numbers(page):
    return page.get_by_test_id("stMetricValue").all_inner_texts()


def steady(page):
    """Wait until the numbers have stayed the same for a while."""
    while True:
        settle(page)
        seen = numbers(page)
        page.wait_for_timeout(1500)
        settle(page)
        if numbers(page) == seen:
            return seen


def figures(page, at_least):
    page.wait_for_function(
        f"() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= {at_least}"
    )


def live_numbers(page):
    return page.locator(".aal-number").all_inner_texts()


def move_bound(page, steps):
    slider = page.get_by_role("slider", name="Bound α")
    settle(page)
    values = live_numbers(page)
    slider.focus()
    for _ in range(steps):
        page.keyboard.press("ArrowRight")
    deadline = time.monotonic() + 30
    while live_numbers(page) == values or any("≈" in text for text in live_numbers(page)):
        assert time.monotonic() < deadline, "the numbers did not follow the bound"
        page.wait_for_timeout(100)
    settle(page)
    return float(slider.input_value())


def select_rows(page):
    """Draw a lasso over the target's cloud; its rows and their neighbours appear."""
    settle(page)
    plot = figure(page, "clouds")
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)  # the page settles into place while its thumbnails load
    box = plot.bounding_box()
    corners = [(0.36, 0.25), (0.51, 0.25), (0.51, 0.8), (0.36, 0.8), (0.36, 0.25)]
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=8)
    page.mouse.up()
    page.get_by_text("Selected (drawn)").first.wait_for()
    page.get_by_text("Neighbours in all dimensions of").first.wait_for()
    settle(page)
    assert page.get_by_text("Something unexpected went wrong").count() == 0


def drop(page, *paths):
    """Give files to the Data page's zone."""
    page.locator(".st-key-drop_0 input[type=file]").set_input_files(paths)
    page.get_by_text("Encoder", exact=True).or_(page.get_by_role("alert")).first.wait_for()
    settle(page)


def download(page, label):
    with page.expect_download() as caught:
        page.get_by_role("button", name=re.compile(label)).first.click()
    return Path(caught.value.path()), caught.value.suggested_filename


def count_runs(page):
    """Count the script's runs from here on: each begins by leaving "notRunning"."""
    page.evaluate(
        """() => {
            window.runs = 0;
            const app = document.querySelector('[data-testid="stApp"]');
            new MutationObserver((all) => {
                for (const one of all) {
                    const now = app.getAttribute("data-test-script-state");
                    if (now === "running" && one.oldValue !== "running") window.runs += 1;
                }
            }).observe(app, { attributes: true, attributeOldValue: true,
                              attributeFilter: ["data-test-script-state"] });
        }"""
    )


def cut_off(page):
    """Return what is wider than the page, or ends in dots, other than what the browser scrolls."""
    return page.evaluate(
        """() => {
            const main = document.querySelector('[data-testid=stMain]'), found = [];
            if (main.scrollWidth > main.clientWidth + 1) found.push('the page');
            const own = ['stDataFrame', 'stFileUploader', 'stFileUploaderDropzone', 'stCode'];
            for (const one of main.querySelectorAll('*')) {
                const wide = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0;
                if (!wide || own.some(id => one.closest(`[data-testid=${id}]`))) continue;
                const style = getComputedStyle(one), words = (one.innerText || '').trim();
                if (words && style.textOverflow === 'ellipsis') found.push(words);
                if (one.matches('.stTable, .stTable *') && style.overflowX !== 'visible')
                    found.push('a table: ' + words.slice(0, 40));
            }
            return found;
        }"""
    )
