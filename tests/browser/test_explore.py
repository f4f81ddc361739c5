"""Encode, look along directions, send a link: in a real browser against a real server."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa
from tests.browser.steps import download, figures, go, settle

pytestmark = pytest.mark.browser
ROWS = 60


def pick(page, label, option):
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)  # long lists show a part of themselves only
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def test_a_small_zip_is_encoded_and_seen_on_every_page(page, tmp_path):
    sample = aa.load_sample("scenes")
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for row in range(ROWS):
            Image.fromarray(sample.target.thumbnails[row]).save(stream := io.BytesIO(), "PNG")
            out.writestr(f"a/{row:03d}.png", stream.getvalue())
            out.writestr(f"a/{row:03d}.txt", sample.target.captions[row])
        out.writestr("a/broken.png", b"no picture")
        out.writestr("a/broken.txt", "a broken one")
    go(page, "Encode")
    page.locator(".st-key-encode_pictures input[type=file]").set_input_files(archive)
    page.get_by_text("61 images, 61 captions; 61 images have captions").wait_for()
    page.locator(".st-key-encode_start button").click()
    page.get_by_text("They are loaded now").wait_for()
    page.get_by_text("1 pictures could not be read").wait_for()
    path, name = download(page, "image.npy")
    rows = np.load(path)
    assert name == "image.npy"
    np.testing.assert_allclose(rows, sample.target.vectors[:ROWS], atol=1e-5)
    go(page, "Data")
    page.get_by_text("Paired: 60 rows correspond.").wait_for()
    go(page, "Spectra")
    figures(page, 4)
    page.get_by_test_id("stSidebar").get_by_text("60 pairs × 128 dimensions").wait_for()
    # kept on the bench, to be compared
    page.get_by_label("Keep what was measured of this set as").fill("sixty")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("On the bench as").wait_for()
    go(page, "Directions")
    pick(page, "Look along", "A text's direction")
    page.get_by_text("distance from what it is told from").wait_for()


def test_a_link_opened_in_a_fresh_session_restores_the_settings(page, browser):
    go(page, "Directions")
    pick(page, "Look along", "Leading residual")
    pick(page, "Colour by", "shape")
    directions = page.url
    go(page, "Correct")
    slider = page.get_by_role("slider", name="Bound α")
    slider.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**bound=0.26**")
    context = browser.new_context()
    context.set_default_timeout(60_000)
    other = context.new_page()
    other.goto(page.url)
    other.get_by_role("slider", name="Bound α").wait_for()
    settle(other)
    assert float(other.get_by_role("slider", name="Bound α").input_value()) == 0.26
    other.goto(directions)
    other.get_by_text("Leading residual 1: share of the residual").wait_for()
    other.get_by_text("Circles are image, diamonds text").wait_for()
    context.close()
