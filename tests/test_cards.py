"""Things show themselves: a short line in a terminal, a small safe table in a notebook."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.card import LONGEST, Card, three, within

NASTY = "<script>alert('1')</script>&\"‮gnikat" + "x" * 10_000


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def things():
    rng = np.random.default_rng(0)
    y, x = rng.standard_normal((2, 120, 12)) + 0.5
    text = aa.EmbeddingSet.from_array(
        y,
        modality=NASTY,
        name=NASTY,
        model=NASTY,
        captions=[NASTY] * 120,
        labels=pd.DataFrame({NASTY: ["a", "b"] * 60, "kind": ["a", "b"] * 60}),
        notes=[NASTY],
    )
    image = aa.EmbeddingSet.from_array(x, modality="image", name="image.npy")
    pair = aa.EmbeddingPair(text, image, paired=True)
    part = pair.take(np.arange(60))
    method = aa.BoundedTransport(bound=0.2).fit_pair(part)
    return {
        "set": text,
        "pair": pair,
        "moments": aa.Moments.of(text.vectors),
        "report": aa.diagnose(pair),
        "scores": aa.evaluate(method, pair.take(np.arange(60, 120)), k=5),
        "board": aa.leaderboard(pair, ["realign", "permuted"], splits=2, curves=False),
        "fitted": method,
        "unfitted": aa.BoundedTransport(),
        "learned": aa.AnisoAlign(),
        "control": aa.PermutedTarget(),
    }


KINDS = (
    "set",
    "pair",
    "moments",
    "report",
    "scores",
    "board",
    "fitted",
    "unfitted",
    "learned",
    "control",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_text_in_a_small_table_without_scripts_or_colours(things, kind):
    shown = things[kind]._repr_html_()
    seen = Tags(shown)
    allowed = {"div", "b", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert seen.tags <= allowed and "table" in seen.tags
    assert seen.attributes <= {"dir", "style"}
    assert set(re.findall(r"style='([^']*)'", shown)) <= {"text-align:left"}
    assert len(shown) < 15_000
    assert things[kind]._repr_mimebundle_(include=None, exclude=None)["text/html"] == shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_is_short_and_holds_no_arrays(things, kind):
    line = repr(things[kind])
    assert len(line) <= LONGEST + 30 and "\n" not in line and "array(" not in line
    assert type(things[kind]).__name__ in line


def test_names_and_captions_stay_text(things):
    words = Tags(things["set"]._repr_html_()).words
    assert words.count("<script>alert('1')</script>&\"") >= 4  # name, encoder, caption, label
    assert "x" * LONGEST not in words


def test_cards_say_what_matters(things):
    words = {kind: Tags(things[kind]._repr_html_()).words for kind in KINDS}
    report, scores, board = (things[kind] for kind in ("report", "scores", "board"))
    assert report.verdict.headline in words["report"]
    assert three(report.bias.floor) in words["report"]
    assert all(name in words["scores"] for name in scores) and scores.rows_note in words["scores"]
    found = board.score("realign", "omega")
    assert within(found.value, found.low, found.high) in words["board"]
    assert "ReAlign" in words["board"] and "both sets" in words["board"]
    assert "60 source and 60 target rows of 12 dimensions" in words["fitted"]
    assert "changes by a factor between" in words["fitted"] and "**" not in words["fitted"]
    assert "nothing yet" in words["unfitted"] and "auto" in words["unfitted"]
    assert "pairs" in words["pair"] and "image.npy" in words["pair"]
    assert three(things["moments"].trace) in words["moments"]


def test_what_a_fit_found_stands_beside_what_was_asked(pair):
    method = aa.BoundedTransport(bound="auto").fit(pair.source, pair.target)
    assert f"auto → {method.bound_:.4g}" in method._repr_html_()


def test_a_card_without_rows_has_no_table():
    assert Card("a < b", ()).to_html() == "<div><div dir='auto'><b>a &lt; b</b></div></div>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (0.0, "0"), (1e-5, "1.00e-05"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(value, shown):
    assert three(value) == shown
