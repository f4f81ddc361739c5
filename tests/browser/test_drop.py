"""Files dropped at once on the Data page: the sentence, a correction, Load, and the table."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.steps import drop, go, settle
from tests.conftest import paired_world

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two sets and their captions, as they lie beside each other."""
    folder = tmp_path_factory.mktemp("dropped")
    y, x = (side.astype("f4") for side in paired_world(300, 24))
    np.save(folder / "coco_image.npy", x)
    np.save(folder / "rows.npy", y)
    lines = "".join(f"{row},a thing called {row}\n" for row in range(300))
    (folder / "captions.csv").write_text("id,caption\n" + lines)
    np.savez(folder / "both.npz", image_embeds=x, text_embeds=y)
    return folder


def in_sight(page, name):
    """Whether a button lies in a window of 1440 × 900 without scrolling."""
    box = page.get_by_role("button", name=name, exact=True).bounding_box()
    return box["y"] + box["height"] < 900


def test_three_files_at_once_are_understood_corrected_and_loaded(page, files):
    go(page, "Data")
    drop(page, *(files / name for name in ("coco_image.npy", "rows.npy", "captions.csv")))
    sentence = page.get_by_text("as image and").first
    assert sentence.inner_text() == (
        "coco_image.npy (300 × 24) as image and rows.npy (300 × 24) as text, partners row by row; "
        "captions from captions.csv by id. The text rows become stand-ins for image rows."
    )
    assert in_sight(page, "Load")
    of = page.locator(".st-key-drop_of_2")
    of.get_by_role("combobox").click()
    page.get_by_role("option", name="text", exact=True).click()
    page.get_by_text("captions of text from").wait_for()
    page.get_by_role("textbox", name="Encoder").fill("ViT-B-16 openai")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("300 pairs × 24 dimensions").wait_for()
    page.get_by_role("row", name="captions no yes").wait_for()
    page.get_by_role("row", name="encoder ViT-B-16 openai ViT-B-16 openai").wait_for()
    assert page.get_by_test_id("stSidebar").get_by_text("ViT-B-16 openai").count() == 1


def test_one_file_with_both_is_loaded_and_a_second_drop_can_be_added_to(page, files):
    go(page, "Data")
    drop(page, files / "both.npz")
    page.get_by_text("holds both: image_embeds (300 × 24) as image").wait_for()
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("300 pairs × 24 dimensions").wait_for()
    settle(page)
    page.locator(".st-key-drop_1 input[type=file]").set_input_files(files / "captions.csv")
    page.get_by_text("For the rows that are loaded: captions from").wait_for()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("row", name="captions yes yes").wait_for()


def test_the_same_file_twice_and_sides_that_names_contradict_are_caught(page, files):
    """What is said of a mistake is gone as soon as other files are there."""
    (files / "copy_text.npy").write_bytes((files / "coco_image.npy").read_bytes())
    go(page, "Data")
    drop(page, files / "coco_image.npy", files / "copy_text.npy")
    same = page.get_by_text("are the same file, byte by byte")
    same.wait_for()
    assert page.get_by_role("button", name="Load", exact=True).is_disabled()
    page.locator(".st-key-drop_0").get_by_role("button", name="Remove copy_text.npy").click()
    settle(page)
    drop(page, files / "rows.npy")
    page.get_by_text("as image and").first.wait_for()
    assert same.count() == 0
    for number, side in enumerate(("text", "image")):
        page.locator(f".st-key-drop_role_{number}").get_by_role("combobox").click()
        page.get_by_role("option", name=side, exact=True).click()
        settle(page)
    asked = page.get_by_text("Are they the wrong way round?")
    asked.wait_for()
    page.get_by_role("button", name="Swap the files").click()
    page.get_by_text("as image and").first.wait_for()
    settle(page)
    assert asked.count() == 0
    assert page.get_by_role("button", name="Load", exact=True).is_enabled()
