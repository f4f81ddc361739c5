"""The live picture in a browser: it moves without the server, and the server has the last word."""

from __future__ import annotations

import base64

import pytest

import anisoalign_core as aa
from anisoalign_core.compare.study import Study
from anisoalign_core.plots.live.homes import module, style
from tests.browser.steps import count_runs, drop, go, live_numbers, settle

pytestmark = pytest.mark.browser

NASTY = (
    '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>',
    "\u202eright to left \u0645\u0631\u062d\u0628\u0627\u064b & \"quotes\" 'too'",
    "x" * 10_000,
    "</script><script>window.hurt=1</script>",
)


def drag(page, slider, start, end, steps=15):
    """Press the dial and move it; it is not let go."""
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    for step in range(1, steps + 1):
        at = start + (end - start) * step / steps
        page.mouse.move(box["x"] + at * box["width"], y)
        page.wait_for_timeout(20)
    page.wait_for_timeout(200)


def pixels(page):
    """What the canvases of the picture show, as one text."""
    return page.locator(".aal").evaluate(
        """node => new Promise(done => {
            const range = node.querySelector("input[type=range]");
            requestAnimationFrame(() => requestAnimationFrame(() => done(
                [...node.querySelectorAll("canvas.aal-curve, canvas.aal-bars, canvas.aal-over")]
                    .map(c => c.toDataURL()).join("|"))));
        })"""
    )


def cloud(page):
    """The clouds' pixels as the screen shows them."""
    return page.locator(".aal-clouds").screenshot()


def test_a_drag_moves_everything_without_the_server_and_one_run_follows(page):
    go(page, "Correct")
    slider = page.get_by_role("slider", name="Bound α")
    slider.wait_for()
    settle(page)
    count_runs(page)
    before = live_numbers(page), pixels(page), cloud(page)
    drag(page, slider, 0.14, 0.573)
    moved = live_numbers(page), pixels(page), cloud(page)
    assert all(a != b for a, b in zip(before, moved, strict=True))
    assert all(text.startswith("≈") for text in moved[0])
    page.wait_for_timeout(1500)
    assert page.evaluate("window.runs") == 0
    page.mouse.up()
    page.wait_for_function(
        "() => ![...document.querySelectorAll('*')].some(e => e.shadowRoot && "
        "[...e.shadowRoot.querySelectorAll('.aal-number')].some(n => n.textContent[0] === '≈'))"
    )
    settle(page)
    page.wait_for_timeout(1000)
    assert page.evaluate("window.runs") == 1
    bound = float(slider.input_value())
    pair = aa.load_sample("scenes")
    study = Study(pair, pair.split(0, 0.2))
    view = study.fit(aa.BoundedTransport(bound=bound)).view()
    exact = [f"{v:#.3g}" for name, v in view.scores.items() if aa.METRICS[name].card]
    assert live_numbers(page) == exact


def lasso(page):
    """Draw around everything in the right panel."""
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".aal-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.56, box["y"] + 30)
    page.mouse.down()
    for x, y in ((0.98, 0.09), (0.98, 0.85), (0.56, 0.85)):
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y, steps=5)
    page.mouse.up()


def test_a_lasso_on_correct_lists_its_rows(page):
    go(page, "Correct")
    page.locator(".aal[data-frames]").wait_for()
    settle(page)
    page.locator(".aal-over").scroll_into_view_if_needed()
    lasso(page)
    page.get_by_text("Selected (drawn): 800 image and 800 text rows").first.wait_for()
    settle(page)
    assert page.get_by_text("Something unexpected went wrong").count() == 0


def nasty_pair():
    """120 scenes whose captions are markup, quotes, right-to-left text and very long."""
    pair = aa.load_sample("scenes")
    rows = list(range(120))
    source, target = (side.take(rows) for side in (pair.source, pair.target))
    captions = [f"{NASTY[i % len(NASTY)]} {i}" for i in rows]
    source = aa.EmbeddingSet.from_array(
        source.vectors, modality="<b>text</b>", ids=source.ids, captions=captions
    )
    return aa.EmbeddingPair(source=source, target=target, paired=True)


def test_uploaded_captions_are_text_on_correct_too(page, tmp_path):
    pair = nasty_pair()
    aa.save(pair.source, tmp_path / "text.parquet")
    aa.save(pair.target, tmp_path / "image.npy")
    go(page, "Data")
    drop(page, tmp_path / "image.npy", tmp_path / "text.parquet")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("120 pairs × 128 dimensions").wait_for()
    go(page, "Correct")
    page.locator(".aal[data-frames]").wait_for()
    settle(page)
    assert "onerror" in page.locator(".aal-chooser").inner_text()
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_text("Something unexpected went wrong").count() == 0


def test_a_notebook_reads_back_where_a_drag_ended_and_what_was_drawn_around(browser, tmp_path):
    picture = aa.live(aa.BoundedTransport(bound=0.2), nasty_pair(), holdout=0.5)
    data = base64.b64encode(picture.payload).decode()
    (tmp_path / "page.html").write_text(
        f"<style>{style()}</style><div id='cell'></div><script type='module'>{module()}\n"
        "window.kept = {}; window.heard = {};"
        f"const bytes = Uint8Array.from(atob('{data}'), (c) => c.charCodeAt(0));"
        "const model = { get: (name) => name === 'payload' ? new DataView(bytes.buffer)"
        " : window.kept[name], set: (name, value) => { window.kept[name] = value; },"
        " save_changes: () => { window.saved = (window.saved || 0) + 1; },"
        " on: (name, act) => { window.heard[name] = act; } };"
        "render({ model, el: document.querySelector('#cell') });</script>"
    )
    page = browser.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(".aal[data-frames]").wait_for()
    page.get_by_role("slider", name="Bound α").press("PageUp")
    assert page.evaluate("window.kept.value") == pytest.approx(0.3)
    lasso(page)
    kept = page.evaluate("window.kept.selected")
    rows = picture.rows(kept)
    assert len(rows["source"]) == len(rows["target"]) == 60
    page.evaluate(
        "window.kept.exact = { value: 0.5, scores: { omega: 0.123 } };"
        "window.heard['change:exact']()"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator(".aal-value").inner_text() == "0.30"  # 0.3 was asked for and not answered
    assert not wrong
    page.close()


def test_the_file_moves_plays_and_speaks_with_the_network_cut(browser, tmp_path):
    pair = aa.load_sample("scenes")
    method = aa.BoundedTransport(bound=0.2).fit(pair.source, pair.target)
    picture = aa.live(method, pair, title="a class")
    path = picture.to_html(tmp_path / "live.html")
    assert path.stat().st_size < 3_000_000
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    slider = page.get_by_role("slider", name="Bound α")
    slider.wait_for()
    page.wait_for_timeout(500)
    before = live_numbers(page), pixels(page), cloud(page)
    drag(page, slider, 0.14, 0.7)
    page.mouse.up()
    assert all(
        a != b for a, b in zip(before, (live_numbers(page), pixels(page), cloud(page)), strict=True)
    )
    slider.press("Home")
    assert slider.input_value() == "0"
    slider.press("End")
    assert slider.input_value() == "1.5"
    slider.press("PageDown")
    page.wait_for_timeout(200)
    assert float(slider.input_value()) == pytest.approx(1.4)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(900)
    assert float(slider.input_value()) != pytest.approx(1.4)
    page.get_by_role("button", name="Pause").click()
    clouds = page.locator(".aal-over")
    box = clouds.bounding_box()
    for x in range(40):
        page.mouse.move(box["x"] + box["width"] * (0.6 + x / 110), box["y"] + box["height"] * 0.5)
        if page.locator(".aal-tip").is_visible():
            break
    assert page.locator(".aal-tip").is_visible()
    assert len(page.locator(".aal-tip").inner_text()) > 10
    assert "a class" in page.locator("footer").inner_text()
    assert not wrong
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    context.close()


def test_a_point_of_a_curve_can_be_dragged_to_ask_for_its_value(browser, tmp_path):
    pair = aa.load_sample("scenes")
    path = aa.live(aa.BoundedTransport(bound=0.2), pair).to_html(tmp_path / "live.html")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    slider = page.get_by_role("slider", name="Bound α")
    kept = page.locator(".aal-card", has_text="Neighbours kept").locator(".aal-number")
    box = page.locator(".aal-curve").bounding_box()
    wide, high = box["width"] - 46, box["height"] - 36

    def spot(value, score):
        return box["x"] + 30 + value / 1.5 * wide, box["y"] + 8 + (1 - score / 1.05) * high

    start = spot(0.2, float(kept.inner_text().removeprefix("≈ ")))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(spot(0.9, 0)[0], spot(0, 0.8)[1], steps=10)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert float(kept.inner_text().removeprefix("≈ ")) < 0.85
    assert 0.4 < float(slider.input_value()) < 1.0
    page.close()


@pytest.mark.parametrize("webgl", [True, False], ids=["webgl2", "canvas"])
def test_captions_are_text_whatever_they_hold(browser, tmp_path, webgl):
    picture = aa.live(aa.BoundedTransport(bound=0.2), nasty_pair(), title=NASTY[3])
    path = picture.to_html(tmp_path / "live.html")
    context = browser.new_context(reduced_motion="reduce", color_scheme="dark")
    if not webgl:
        context.add_init_script(
            "const get = HTMLCanvasElement.prototype.getContext;"
            "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
            "  return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
        )
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    assert page.locator(".aal").get_attribute("data-painter") == ("webgl2" if webgl else "2d")
    before = cloud(page)
    slider = page.get_by_role("slider", name="Bound α")
    slider.press("End")
    page.wait_for_timeout(200)
    assert cloud(page) != before
    lasso(page)
    assert "rows inside the line" in page.locator(".aal-said").inner_text()
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_text("<b>text</b>, corrected").first.is_visible()
    assert not wrong
    context.close()
