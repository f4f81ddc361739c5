"""docs/WALKTHROUGH.md in a browser: its words are pressed and read on the pages that it names."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

import anisoalign_core as aa
from anisoalign_core.cli import main
from tests.browser.steps import (
    ROOT,
    cut_off,
    download,
    drop,
    figures,
    live_numbers,
    numbers,
    select_rows,
    settle,
)
from tests.conftest import paired_world

pytestmark = pytest.mark.browser
TEXT = (ROOT / "docs" / "WALKTHROUGH.md").read_text(encoding="utf-8")
WORDS = re.compile(r"\*\*([^*]+)\*\*|\*([^*]+)\*|(?<![\w.])(\.\d+)|\b(\w+) formats")
COUNTS = {"five": 5}


def named():
    """What the text names, in its order: pages in bold, words of controls, numbers."""
    prose = re.sub(r"^```.*?^```|!\[[^\]]*\]\([^)]*\)", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    body = prose[prose.index("## Minute one") :]
    return [" ".join(next(filter(None, found.groups())).split()) for found in WORDS.finditer(body)]


class Walk:
    """Somebody who follows the text; each method does what it says of one word."""

    def __init__(self, page, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.at: dict[str, list[float]] = {}

    def visit(self, word):
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=word, exact=True).click()
        title = "AnisoAlign Studio" if word == "Home" else word
        self.page.get_by_role("heading", name=title, exact=True, level=1).wait_for()
        settle(self.page)
        assert self.page.get_by_test_id("stException").count() == 0
        assert self.page.get_by_text("Something unexpected went wrong").count() == 0

    def seen(self, word):
        self.page.get_by_text(word, exact=True).first.wait_for()

    def press(self, word):
        self.page.get_by_role("button", name=word, exact=True).first.click()
        settle(self.page)

    def open(self, word):
        settle(self.page)  # a run of the page would close it
        self.box = self.page.get_by_role("combobox", name=word)
        self.box.click()

    def choose(self, word):
        self.box.fill(word)  # long lists show a part of themselves only
        self.page.get_by_role("option", name=word, exact=True).click()
        settle(self.page)

    def apart(self, word):
        assert word in numbers(self.page)[0]

    def untrained(self, word):
        self.press(word)
        self.page.get_by_text("There is nothing to align").first.wait_for()
        assert float(numbers(self.page)[0]) > 0.5  # as clear a gap

    def trained(self, word):
        self.press(word)
        self.page.get_by_text("There is shared meaning to align").first.wait_for()

    def spectra(self, word):
        self.visit(word)
        figures(self.page, 3)

    def moved_on(self, word):
        """Look along: the other axis is never the same direction."""
        self.choose(word)
        boxes = self.page.get_by_role("spinbutton", name="number")
        assert [boxes.nth(at).input_value() for at in (0, 1)] == ["1", "2"]

    def coloured(self, word):
        self.choose(word)
        self.page.get_by_text("Circles are image, diamonds text").wait_for()

    def drawn(self, word):
        select_rows(self.page)
        self.page.get_by_text("kept (").first.wait_for()
        self.page.get_by_label(word).fill("mine")

    def kept(self, word):
        self.press(word)
        self.page.get_by_text("Kept selections (1)").click()
        with self.page.expect_download() as caught:
            self.page.locator(".st-key-selection_csv_0 button").click()
        table = pd.read_csv(caught.value.path())
        pair = aa.load_sample("scenes")
        for side in (pair.target, pair.source):  # the lasso's points are rows of both
            drawn = table[table["modality"] == side.modality]
            assert len(drawn) > 100
            assert drawn["caption"].tolist() == side.captions[drawn["row"]].tolist()

    def told_apart(self, word):
        self.choose(word)
        self.page.get_by_text("everything else → mine").first.wait_for()

    def encoder(self, word):
        self.page.get_by_role("button", name=re.compile(word)).click()
        settle(self.page)

    def text_direction(self, word):
        self.open("Look along")
        self.choose(word)
        self.page.get_by_text("distance from what it is told from").wait_for()

    def card(self, word):
        shown = self.page.locator(".aal-card", has_text=word).locator(".aal-number")
        return float(shown.inner_text().removeprefix("≈ "))

    def exact(self):
        """Let go of the dial, and wait until exact numbers have taken the place of those of ≈."""
        deadline = time.monotonic() + 30
        self.page.wait_for_timeout(300)
        while any("≈" in text for text in live_numbers(self.page)):
            assert time.monotonic() < deadline, "exact numbers did not come"
            self.page.wait_for_timeout(100)
        settle(self.page)

    def dial(self, word):
        slider = self.page.get_by_role("slider", name=word)
        for key in ("End", "Home"):
            slider.press(key)
            self.exact()
            names = ("Neighbours kept", "Mixes in", "Covers the target")
            self.at[key] = {name: self.card(name) for name in names}
        assert float(slider.input_value()) == 0
        self.page.get_by_text("α = 0: ReAlign").wait_for()

    def played(self, word):
        slider = self.page.get_by_role("slider", name="Bound α")
        self.page.get_by_role("button", name=re.compile(word)).click()
        self.page.wait_for_timeout(600)
        self.page.get_by_role("button", name=re.compile("Pause")).click()
        assert float(slider.input_value()) > 0
        self.exact()

    def falls(self, word):
        assert self.at["End"][word] < self.at["Home"][word]

    def rises(self, word):
        assert self.at["End"][word] > self.at["Home"][word]

    def point(self, word):
        self.card(word)

    def dragged(self, word):
        """Drag the curve's point to a value; the dial goes where the curve has it."""
        slider = self.page.get_by_role("slider", name="Bound α")
        box = self.page.locator(".aal-curve").bounding_box()

        def spot(score):
            """Where a score lies above the bound in force."""
            wide, high = box["width"] - 46, box["height"] - 36
            across = box["x"] + 30 + float(slider.input_value()) / 1.5 * wide
            return across, box["y"] + 8 + (1 - score / 1.05) * high

        self.page.mouse.move(*spot(self.card("Neighbours kept")))
        self.page.mouse.down()
        for _ in range(60):  # the hand follows the curve to that height, as fast as it is drawn
            self.page.mouse.move(*spot(float(word)))
            self.page.wait_for_timeout(50)
            if abs(self.card("Neighbours kept") - float(word)) < 0.01:
                break
        self.page.mouse.up()
        self.exact()
        assert self.card("Neighbours kept") == pytest.approx(float(word), abs=0.03)

    def automatic(self, word):
        slider = self.page.get_by_role("slider", name="Bound α")
        slider.press("End")  # where it was dragged to may be what Auto finds
        self.exact()
        before = slider.input_value()
        self.press(word)
        expect(slider).not_to_have_value(before, timeout=60_000)
        self.exact()

    def advised(self, word):
        """Ask for one purpose on three splits, so that it is quick; see the answer on top.

        It is there in about the time that was said, before all results, and after a reload.
        """
        purpose = "Search among documents of both kinds"
        self.page.get_by_role("button", name=purpose).click()
        settle(self.page)
        self.page.get_by_role("button", name="Classes and splits").click()
        self.page.get_by_role("radio", name="3", exact=True).click()
        self.page.keyboard.press("Escape")
        settle(self.page)
        button = self.page.get_by_role("button", name=re.compile(f"{word}, about")).first
        number, unit = re.findall(r"(\d+)\s(s|minute)", button.inner_text())[-1]
        said, begun = int(number) * (60 if unit == "minute" else 1), time.monotonic()
        button.click()
        self.page.get_by_text("over doing nothing").first.wait_for(timeout=180_000)
        assert time.monotonic() - begun <= 4 * said + 20  # other tests run beside it
        settle(self.page)
        self.answered(word, purpose)
        self.page.wait_for_timeout(500)  # it is written behind the page's back
        self.page.reload()
        self.page.get_by_role("heading", name="Compare", level=1).wait_for()
        self.answered(word, purpose)

    def answered(self, word, purpose):
        """See an answer without scrolling, before all results, and nothing left to ask."""
        answer = self.page.locator("strong", has_text=purpose).first
        answer.wait_for()
        settle(self.page)
        box, below = answer.bounding_box(), self.page.get_by_text("The whole comparison")
        assert box["y"] + box["height"] < self.page.viewport_size["height"]
        assert box["y"] < below.bounding_box()["y"]
        assert self.page.get_by_role("button", name=f"{word}, about").count() == 0
        assert not cut_off(self.page)

    def taken(self, word):
        """Press it, see Correct, and come back to where the text goes on."""
        self.page.get_by_role("button", name=word).first.click()
        self.page.get_by_role("heading", name="Correct", exact=True, level=1).wait_for()
        settle(self.page)
        self.visit("Compare")

    def compared(self, word):
        self.page.get_by_role("button", name=re.compile(f"{word}, about")).first.click()

    def cancelled(self, word):
        self.page.get_by_role("button", name=word).first.click()
        self.page.get_by_text(re.compile("Stopped before the first|splits are finished")).wait_for()

    def formats(self, word):
        self.open("Format")
        options = self.page.get_by_role("option")
        options.first.wait_for()
        assert options.count() == COUNTS[word]
        self.page.keyboard.press("Escape")

    def downloaded(self, word):
        path, name = download(self.page, f"^{word} .*npy")
        assert name.endswith(".npy")
        path.rename(self.folder / "aligned.npy")

    def replayed(self, word):
        """Run what the text says to run, in the folder of the downloads."""
        download(self.page, word)[0].rename(self.folder / "aligned.recipe.json")
        (block,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
        (line,) = re.findall(r"`anisoalign (replay [^`]+)`", TEXT)
        said = subprocess.run(
            [sys.executable, "-c", block], cwd=self.folder, capture_output=True, text=True
        )
        assert said.stdout.split() == ["(4000,", "128)", "float32", "1.0"]
        with contextlib.chdir(self.folder):
            assert main(line.split()) == 0
        rows = [np.load(self.folder / name) for name in ("aligned.npy", "again.npy")]
        assert rows[0].tobytes() == rows[1].tobytes()

    def tab(self, word):
        self.page.get_by_role("tab", name=word).click()
        self.page.locator("code:visible", has_text="anisoalign").first.wait_for()

    def loaded(self, word):
        """Drop two files, which are taken for what they are called after."""
        y, x = paired_world(60, 8)
        for name, rows in (("image", x), ("text", y)):
            np.save(self.folder / f"{name}.npy", rows)
        drop(self.page, self.folder / "image.npy", self.folder / "text.npy")
        self.press(word)
        self.page.get_by_text("60 pairs × 8 dimensions").wait_for()

    def model(self, word):
        self.page.get_by_role("radio", name=word).first.wait_for()


STEPS = (
    ("Home", Walk.visit),
    (".97", Walk.apart),
    ("The same, untrained encoder", Walk.untrained),
    ("Captioned scenes", Walk.trained),
    ("Spectra", Walk.spectra),
    ("Directions", Walk.visit),
    ("Look along", Walk.open),
    ("Leading residual", Walk.moved_on),
    ("Colour by", Walk.open),
    ("shape", Walk.coloured),
    ("Keep this selection as", Walk.drawn),
    ("Keep", Walk.kept),
    ("Look along", Walk.open),
    ("Difference of two selections", Walk.told_apart),
    ("load the sample's encoder", Walk.encoder),
    ("A text's direction", Walk.text_direction),
    ("Correct", Walk.visit),
    ("Bound α", Walk.dial),
    ("Play", Walk.played),
    ("Neighbours kept", Walk.falls),
    ("Mixes in", Walk.rises),
    ("Covers the target", Walk.rises),
    ("Neighbours kept", Walk.point),
    (".9", Walk.dragged),
    ("Auto", Walk.automatic),
    ("Compare", Walk.visit),
    ("What will these vectors be used for?", Walk.seen),
    ("Advise", Walk.advised),
    ("Open in Correct", Walk.taken),
    ("Compare", Walk.compared),
    ("Cancel", Walk.cancelled),
    ("Export", Walk.visit),
    ("five", Walk.formats),
    ("Download", Walk.downloaded),
    ("Recipe", Walk.replayed),
    ("Python", Walk.tab),
    ("Command line", Walk.tab),
    ("Data", Walk.visit),
    ("Load", Walk.loaded),
    ("Encode", Walk.visit),
    ("the sample's encoder", Walk.model),
    ("Encoders", Walk.visit),
    ("Learn", Walk.visit),
)
"""What is done of each word, in the order of the text."""


def test_the_walkthrough_is_followed_word_by_word(page, tmp_path):
    """Every word the text emphasises, and every number in it, is found where the text has it."""
    assert named() == [word for word, _ in STEPS]
    walk, begun = Walk(page, tmp_path), time.monotonic()
    for word, step in STEPS:
        at = time.monotonic()
        step(walk, word)
        print(f"{word}: {time.monotonic() - at:.1f} s")
    print(f"in all {time.monotonic() - begun:.1f} s")
