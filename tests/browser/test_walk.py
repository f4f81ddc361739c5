"""The whole path in a real browser against a real server started from another folder."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.plots.style import DARK, TARGET
from tests.browser.steps import (
    cut_off,
    download,
    drop,
    figure,
    figures,
    go,
    live_numbers,
    move_bound,
    numbers,
    select_rows,
    settle,
)
from tests.conftest import paired_world

pytestmark = pytest.mark.browser


def walk(page, tmp_path, image, text):
    """Spectra → Directions → Correct → Export; the file equals what fit and apply give."""
    go(page, "Spectra")
    figures(page, 3)
    assert len(numbers(page)) >= 3
    go(page, "Directions")
    figures(page, 1)
    select_rows(page)
    go(page, "Correct")
    bound = move_bound(page, 7)
    go(page, "Export")
    path, name = download(page, "Download .*npy")
    assert f"{bound:g}" in name
    z = np.load(path, allow_pickle=False)
    assert z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z.astype(np.float64), axis=1), 1, atol=1e-6)
    model, out = tmp_path / "model.npz", tmp_path / "z.npy"
    sides = ["--target", str(image), "--source", str(text)]
    fit = ["fit", "--method", "bounded", "--bound", f"{bound:g}", *sides, "--out", str(model)]
    assert main(fit) == 0
    assert main(["apply", "--model", str(model), "--source", str(text), "--out", str(out)]) == 0
    np.testing.assert_array_equal(z, np.load(out))
    recipe = json.loads(download(page, "Recipe")[0].read_text())
    assert recipe["parameters"]["bound"] == pytest.approx(bound)
    assert recipe["method"] == "bounded"
    return z


def test_from_two_uploaded_files_to_an_exported_file(page, tmp_path):
    y, x = paired_world(600, 20)
    np.save(tmp_path / "image.npy", x)
    np.save(tmp_path / "text.npy", y)
    go(page, "Data")
    drop(page, tmp_path / "image.npy", tmp_path / "text.npy")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("600 pairs × 20 dimensions").wait_for()
    settle(page)
    z = walk(page, tmp_path, tmp_path / "image.npy", tmp_path / "text.npy")
    assert z.shape == (600, 20)


def test_anisoalign_is_trained_on_request_moved_live_and_survives_a_cancelled_training(page):
    go(page, "Correct")
    page.get_by_role("combobox", name="Method").click()
    page.get_by_role("option", name="AnisoAlign").click()
    settle(page)
    page.wait_for_function("() => !document.querySelector('.aal-number')")  # it trains nothing
    steps = page.get_by_role("spinbutton", name="Steps of the refinement")
    prior = page.get_by_role("spinbutton", name="Steps of the prior")
    for stage in (prior, steps):
        stage.fill("60")
        stage.press("Enter")
        settle(page)
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("Trained in").wait_for()
    page.get_by_text("On target rows that the prior has not seen it pays").wait_for()
    settle(page)
    slider = page.get_by_role("slider", name="share of its bounds")
    slider.wait_for()
    before = live_numbers(page)
    assert len(before) == 5
    assert slider.input_value() == "1"
    slider.press("PageUp")
    slider.press("PageUp")
    deadline = time.monotonic() + 30
    while live_numbers(page) == before or any("≈" in text for text in live_numbers(page)):
        assert time.monotonic() < deadline, "the numbers did not follow the bounds"
        page.wait_for_timeout(100)
    settle(page)
    moved = live_numbers(page)
    steps.fill("20000")
    steps.press("Enter")
    settle(page)
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("rows it has not seen").first.wait_for()  # curves, while it trains
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("stopped before its end; nothing was changed").wait_for()
    settle(page)
    assert live_numbers(page) == moved
    go(page, "Export")
    page.get_by_text("60 steps of the prior, 60 steps of the refinement").wait_for()


def test_a_cancelled_comparison_keeps_its_finished_splits_and_leaves_as_a_file(
    page, server, tmp_path
):
    """What is finished stays, no column or label of it is cut off, and it is the library's."""
    page.goto(f"{server}/compare?compare_methods=bounded&compare_columns=shape")
    page.get_by_role("button", name="Compare, about").click()
    page.get_by_text("split 4 of 5").wait_for(timeout=300_000)  # some run side by side
    page.get_by_role("button", name="Cancel").click()
    said = page.get_by_text("of 5 splits are finished").first
    said.wait_for()
    kept = int(re.search(r"(\d) of 5 splits", said.inner_text())[1])  # more on a busy machine
    assert 1 <= kept < 5
    page.get_by_role("button", name=f"Continue ({5 - kept} more split").wait_for()
    settle(page)
    expect(figure(page, "compare_tradeoff")).to_contain_text("Bounded", timeout=60_000)
    page.get_by_role("radio", name="retrieval").click()  # the group of most measures
    page.get_by_text("Retrieval: whether partners").wait_for()
    settle(page)
    assert not cut_off(page)
    go(page, "Export")
    go(page, "Compare")  # leaving the page loses nothing
    page.get_by_text(f"{kept} of 5 splits are finished").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    download.value.save_as(tmp_path / "board.csv")
    table = pd.read_csv(tmp_path / "board.csv")
    assert set(table["splits"]) == {kept}
    bounded = table[(table.entry == "bounded") & (table.metric == "omega")]
    pair = aa.load_sample()
    wanted = []
    for seed in range(kept):
        split = pair.split(seed, 0.25)
        method = aa.BoundedTransport().fit(
            pair.source.take(split.fit_source), pair.target.take(split.fit_target)
        )
        held = pair.take(split.holdout_source)
        wanted.append(aa.evaluate(method, held, intervals=False)["omega"].value)
    assert float(bounded["value"].iloc[0]) == pytest.approx(np.mean(wanted), abs=1e-6)


def test_a_wrong_file_is_refused_in_words_and_the_sample_stays(page, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    y, _ = paired_world(50, 8)
    np.save(tmp_path / "text.npy", y)
    go(page, "Data")
    drop(page, tmp_path / "objects.npy", tmp_path / "text.npy")
    page.get_by_text("Python objects").wait_for()
    assert page.get_by_role("button", name="Load", exact=True).is_disabled()
    assert page.get_by_text("4,000 pairs × 128 dimensions").count() == 1


def test_light_and_dark_keep_the_colours_of_the_modalities(browser, server):
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.goto(f"{server}/spectra")
        settle(page)
        colours = figure(page, "spectra").evaluate(
            "node => node.data.map(t => t.line && t.line.color)"
        )
        lowered = [str(colour).lower() for colour in colours]
        assert ("#0072b2" if scheme == "light" else DARK[TARGET].lower()) in lowered
        assert "#d55e00" in lowered
        background = page.evaluate(
            "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
        channels = [int(v) for v in re.findall(r"\d+", background)[:3]]
        assert (sum(channels) > 600) == (scheme == "light")
        context.close()
