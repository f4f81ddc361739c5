"""A class on the Learn page: two sessions that vote, and a caption of one's own."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.classes import LENGTH, Classes
from app.places import Places
from app.server import Server
from app.turns import Turns
from app.widgets import learn_caption, learn_room
from app.widgets.learn_predictions import asked
from tests.app.live import live_facts
from tests.app.test_learn_page import HOME, fine, open_learn, predict, shown, words

GUESS = "learn_guess_3_0"


@pytest.fixture
def classes(monkeypatch):
    found = Server(Places(9, 10**9, 10**9), Turns(1, 5), Turns(1, 5), Classes(at_once=2, hours=1))
    for module in ("learn", "learn_room"):
        monkeypatch.setattr(f"app.widgets.{module}.server", lambda: found)
    return found.classes


def lead(step: int = 3) -> tuple[AppTest, str]:
    """Begin a class; return its leader's page and its code."""
    at = open_learn(step, seen=False)
    at.button(key="learn_begin").click().run()
    assert fine(at)
    (heading,) = [each.value for each in at.markdown if each.value.startswith("# ")]
    return at, heading.removeprefix("# ").replace(" ", "")


def enter(code: str) -> AppTest:
    """Open the link to a class."""
    at = AppTest.from_file(HOME, default_timeout=120)
    at.switch_page("../pages/learn.py")
    at.query_params["class"] = code
    return at.run()


def vote(at: AppTest, option: int) -> None:
    at.select_slider(key=GUESS).set_value(option).run()
    at.button(key="learn_vote_3_0").click().run()
    assert fine(at)


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def test_without_the_setting_there_is_no_class():
    at = open_learn(3)
    assert "learn_begin" not in keys(at)
    at = enter("BBBBBBB")
    assert fine(at)
    assert [each.value for each in at.info] == [
        "This server holds no classes. The story is here all the same."
    ]
    assert shown(at) == 1


def test_a_class_votes_sees_what_is_and_follows_whoever_leads(classes):
    teacher, code = lead()
    assert len(code) == LENGTH
    assert teacher.toggle(key="learn_large").value
    first, second = enter(code), enter(code)
    for at in (first, second):
        assert fine(at)
        assert shown(at) == 3
        assert not at.segmented_control  # the step is the class's
        assert not {"learn_next", "learn_show", "learn_end"} & keys(at)
        assert live_facts(at)["dial"] is None
    vote(first, 2)
    vote(second, 9)
    vote(second, 4)
    assert "Your vote: **0.4**" in words(second)
    teacher.run()
    assert "**2** of 2 here have voted" in words(teacher)
    assert not teacher.get("plotly_chart")  # until it is asked for
    teacher.toggle(key="learn_show_votes").set_value(True).run()
    (chart,) = teacher.get("plotly_chart")
    assert "0.2 1" in chart.proto.alt and "0.4 1" in chart.proto.alt and "0.9 0" in chart.proto.alt
    for at in (first, second):
        assert not at.run().get("plotly_chart")  # votes are for whoever leads
    teacher.button(key="learn_show").click().run()
    found = asked((3, 0)).found()
    assert asked((3, 0)).prediction.compared(2, found, "The middle vote was") in words(teacher)
    for at, guess in ((first, 2), (second, 4)):
        at.run()
        assert asked((3, 0)).prediction.compared(guess, found, "Your vote was") in words(at)
        assert live_facts(at)["marks"][0]["height"] == pytest.approx(guess / 10)
    teacher.button(key="learn_next").click().run()
    for at in (first, second):
        assert shown(at.run()) == 4
        assert live_facts(at)["dial"] is None
    teacher.button(key="learn_end").click().run()
    assert fine(teacher)
    first.run()
    assert any("ended" in each.value for each in first.info)
    assert shown(first) == 4
    assert "learn_next" in keys(first)  # the story goes on alone
    assert not len(classes)


def test_the_last_steps_claims_are_voted_on_one_by_one(classes):
    teacher, code = lead(8)
    at = enter(code)
    for part in (0, 3):
        teacher.radio(key="learn_claim").set_value(part).run()
        at.run()
        assert shown(at) == 8
        assert "learn_claim" not in {radio.key for radio in at.radio}
        at.radio(key=f"learn_guess_8_{part}").set_value(1).run()
        at.button(key=f"learn_vote_8_{part}").click().run()
        teacher.run()
        assert "**1** of 1 here have voted" in words(teacher)
    teacher.button(key="learn_show").click().run()
    assert "What holds: **Yes, with these words.**" in words(at.run())


def test_a_vote_that_comes_too_late_is_said_and_not_counted(classes):
    teacher, code = lead()
    at = enter(code)
    at.select_slider(key=GUESS).set_value(2).run()
    teacher.button(key="learn_show").click().run()
    at.button(key="learn_vote_3_0").click().run()
    assert fine(at)
    assert asked((3, 0)).prediction.holds(asked((3, 0)).found()) in words(at)
    assert "**0** of 1 here have voted" in words(teacher.run())


def test_a_wrong_code_is_said_once_and_counted_once(classes):
    at = enter("BBBBBBB")
    assert any("There is no class of this code now" in each.value for each in at.error)
    for _ in range(8):
        at.run()
    assert fine(at)
    (pace,) = classes._wrong.values()
    assert len(pace._times) == 1
    assert shown(at) == 1


def test_a_class_is_joined_by_its_code_too_and_left(classes):
    _, code = lead()
    at = open_learn(1, seen=False)
    at.text_input(key="learn_code").set_value(f"{code[:3].lower()} {code[3:]}")
    at.button(key="FormSubmitter:learn_join-Join").click().run()
    assert fine(at)
    assert shown(at) == 3
    at.button(key="learn_leave").click().run()
    assert fine(at)
    assert "learn_next" in keys(at)
    predict(at, (3, 0), 1)  # by oneself again
    assert "You predicted" in words(at)


def test_a_browser_is_the_same_under_every_mask_of_its_cookie(monkeypatch):
    seen = {
        learn_room.MASKED.fullmatch(value) is not None
        for value in ("", "2|xyz|00|1", "1|00000000", "2|761aa56b|" + "0" * 2000 + "|1")
    }
    assert seen == {False}

    context = SimpleNamespace(cookies={})
    monkeypatch.setattr(learn_room.st, "context", context)
    marks = set()
    for value in (
        "2|761aa56b|14416a515b8511d0046725c68304c0df|1795992965",
        "2|e7f5d5b1|85ae1a8bca6a610a9588551c12ebb005|1795992965",
    ):
        context.cookies = {learn_room.COOKIE: value}
        marks.add(learn_room.browser())
    assert len(marks) == 1
    context.cookies = {learn_room.COOKIE: "2|761aa56b|24416a515b8511d0046725c68304c0df|1"}
    assert learn_room.browser() not in marks


def test_the_code_to_scan_is_dark_on_white_with_a_quiet_margin():
    picture = Image.open(io.BytesIO(learn_room.qr("http://192.0.2.7:8501/learn?class=BCDFGHJ")))
    dots = np.asarray(picture.convert("L"))
    assert set(np.unique(dots)) == {0, 255}
    margin = 4 * learn_room.QR_SCALE
    inner = dots[margin:-margin, margin:-margin]
    assert dots.sum() - inner.sum() == 255 * (dots.size - inner.size)
    finder = inner[: 7 * learn_room.QR_SCALE, : 7 * learn_room.QR_SCALE]
    assert finder[0].max() == 0 and finder[:, 0].max() == 0  # the corner's frame


# -- a caption of one's own -----------------------------------------------------------------------


def say(text: str, at: AppTest | None = None) -> AppTest:
    at = open_learn(8) if at is None else at
    at.text_input(key="learn_own_text").set_value(text)
    return at.button(key="FormSubmitter:learn_own-See where it lands").click().run()


def test_a_caption_of_ones_own_lands_among_pictures_that_show_it():
    at = say("a small green star at night")
    assert fine(at)
    numbers = {metric.label: metric.value for metric in at.metric}
    before, after = (float(numbers[f"Nearest picture {when}"]) for when in ("before", "after"))
    assert after > before + 0.3
    assert float(numbers["To the mean after"]) < float(numbers["To the mean before"])
    named = [each.value for each in at.main.caption if " · " in each.value]
    assert len(named) == 2 * 6
    assert sum("green" in each for each in named) >= 8


def test_words_that_the_encoder_never_read_are_named():
    at = say("a green <b>zebra</b> at night")
    assert fine(at)
    assert "It never read “b”, “zebra”" in words(at)
    assert "<b>" not in words(at)  # what is said is escaped
    at = say("qwertz", at)
    assert any("Nothing is left of “qwertz”" in each.value for each in at.info)
    at = say("   ", at)
    assert any("no words in this caption" in each.value for each in at.info)
    assert fine(at)


def test_a_caption_has_a_length():
    at = say("green " * 1000)
    assert fine(at)
    assert len(at.session_state["learn_own_caption"]) <= learn_caption.LETTERS


@pytest.mark.parametrize("error", [ImportError("no torch"), RuntimeError("torchvision::nms")])
def test_without_an_encoder_one_line_says_so_and_the_rest_of_the_step_works(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(learn_caption, "sample_encoder", fail)
    at = say("a green star")
    assert fine(at)
    (said,) = [each.value for each in at.info]
    assert "cannot run on this server" in said and "\n" not in said
    at.radio(key="learn_claim").set_value(3).run()
    assert fine(at)
    assert "What holds: **Yes" in words(at)
