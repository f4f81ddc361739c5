"""A session is taken up again, whole or with a sentence for each part that is not, or as a file."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.bench import Bench
from anisoalign_core.compare import leaderboard
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.source import Source
from anisoalign_core.samples import load_bench
from app.keeping import MANIFEST, Token, new_key
from app.kept import Keep, pen, store
from app.packed import ComparedSaid, unpack
from app.session import KEY_OF_BROWSER, LET_GO
from app.settings import settings
from app.widgets.correct import Choice
from app.widgets.lessons import Lessons
from app.widgets.selections import Selection
from app.widgets.session_file import _packed
from tests.app.test_compare import KEY as KEY_OF_BOARD
from tests.app.test_compare import METHODS, small
from tests.app.test_compare import ready as compare_page
from tests.app.test_pages import HOME, give, npy, open_page, pair_of, upload, words
from tests.conftest import paired_world

KEY = new_key()


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A server that keeps sessions, and the folder in which it does."""
    monkeypatch.setenv("ANISOALIGN_SESSION_HOURS", "24")
    monkeypatch.setenv("ANISOALIGN_SESSION_ROOT", str(tmp_path))
    settings.cache_clear()
    store.cache_clear()
    yield store()
    monkeypatch.undo()
    settings.cache_clear()
    store.cache_clear()


def written(at):
    """The token under which a session is kept, when it is written."""
    held = at.session_state["keep"]
    assert pen().settle(held.token.place, 20)
    return held.token


def take_up(name, key=KEY, page="home", **state):
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(HOME, default_timeout=90)
    for name_of, value in {KEY_OF_BROWSER: key, **state}.items():
        at.session_state[name_of] = value
    at.query_params["session"] = name
    if page != "home":
        at.switch_page(f"../pages/{page}.py")
    return at.run()


def full_session(page="data", pair=None):
    """A session with a set, split, choice, bench and selection of its own."""
    mine = Bench(load_bench().entries[:1]).renamed({load_bench().entries[0].name: "mine"})
    return open_page(
        page,
        pair or pair_of(),
        **{KEY_OF_BROWSER: KEY},
        split_seed=5,
        holdout=0.3,
        choice=Choice("bounded", {"bound": 0.15}),
        selections={"some": Selection((1, 2), (3,), "drawn")},
        bench=load_bench().with_all(mine),
    )


def test_a_session_is_taken_up_by_its_token_and_by_no_other(kept):
    at = full_session()
    token = written(at)
    assert token.name in at.query_params["session"]
    back = take_up(token.name, page="correct")
    assert not back.exception and not back.error
    state = back.session_state
    assert state["loaded"].pair.digest == at.session_state["loaded"].pair.digest
    assert (state["split_seed"], state["holdout"]) == (5, 0.3)
    assert state["choice"].parameters["bound"] == 0.15  # Correct has it on its dial
    assert state["selections"]["some"].target == (1, 2)
    assert "bench" not in state  # until it is looked at
    back.switch_page("../pages/encoders.py").run()
    assert "mine" in [one.name for one in back.session_state["bench"].entries]
    assert written(back) == token
    for name, key in ((token.name, new_key()), (Token.new(KEY).name, KEY), ("../../etc", KEY)):
        other = take_up(name, key, page="data")
        assert not other.exception and not other.error
        assert other.session_state["loaded"].sample == "scenes"
        assert "mine" not in words(other)


@pytest.fixture(scope="module")
def compared():
    """A board and an advice on a small pair, under what the page asks by default."""
    pair = small()
    board = leaderboard(pair, METHODS, splits=3, columns=["half"])
    advice = aa.compare.advise(pair, ["mixed"], METHODS, splits=3, workers=1)
    asked = repr((("mixed",), 3, Lessons(("half",)), None, 0))
    return pair, {KEY_OF_BOARD: board, asked: advice}


def test_what_compare_found_is_shown_again_for_the_same_rows_alone(kept, compared, tmp_path):
    pair, found = compared
    at = compare_page(pair, purposes=["mixed"], **{KEY_OF_BROWSER: KEY})
    at.session_state["compared"].update(found)
    token = written(at.run())
    assert sorted(name.partition("-")[0] for name in kept.read(token).parts) == [
        "advice",
        "board",
        "pair",
    ]
    parts = kept.read(token).parts.keys()
    back = take_up(token.name, page="data")
    assert "compared" not in back.session_state or not back.session_state["compared"]
    assert kept.read(written(back)).parts.keys() == parts  # what was not opened stays
    back.switch_page("../pages/compare.py").run()
    assert not back.exception and not back.error
    assert not [b for b in back.button if b.key in ("compare_run", "advice_run")]
    said = words(back)
    assert found[KEY_OF_BOARD].sentences[0].split(";")[0] in said.replace("\\", "")
    assert back.session_state["compared"].keys() == found.keys()
    assert kept.read(written(back)).parts.keys() == parts
    y, x = paired_world(90, 10)
    back.switch_page("../pages/data.py").run()
    upload(back, npy(x), npy(y))
    assert sorted(name.partition("-")[0] for name in kept.read(written(back)).parts) == ["pair"]


def test_the_step_of_learn_comes_back(kept):
    at = open_page("learn", **{KEY_OF_BROWSER: KEY})
    at.button(key="learn_next").click().run()
    at.button(key="learn_next").click().run()
    back = take_up(written(at).name, page="home")
    back.switch_page("../pages/learn.py").run()
    assert back.query_params["step"] in ("3", ["3"])
    assert back.subheader[0].value.startswith("3 of 8")


def test_a_board_that_is_none_is_refused_in_a_sentence(compared, tmp_path):
    _, found = compared
    sound = json.dumps(found[KEY_OF_BOARD].to_dict())
    for wrong in (
        "[]",
        "{}",
        "no JSON",
        sound.replace('"mean-shift"', '"os.system"'),
        sound.replace('"omega": [', '"omega": [[1], ', 1),
        sound.replace('"omega": [', '"omega": [1, ', 1),
    ):
        with pytest.raises(aa.errors.AnisoAlignError) as caught:
            ComparedSaid("board", "", "", "board-1.json").read(
                lambda name, data=wrong: Source(name, data=data.encode())
            )
        assert str(caught.value).endswith(".")


def test_only_what_was_done_is_kept_and_a_sample_takes_no_rows(kept):
    at = open_page("home", **{KEY_OF_BROWSER: KEY})
    assert at.session_state["keep"].token is None and "session" not in at.query_params
    at.button(key="home_control").click().run()
    token = written(at)
    assert list(kept.read(token).parts) == []
    back = take_up("", keep=Keep(KEY, last=token.name))  # without the address, it is offered
    back.button(key="take_last").click().run()
    assert back.session_state["loaded"].sample == "scenes-untrained"
    kept.forget(token)
    assert "had a session here" not in words(take_up("", keep=Keep(KEY, last=token.name)))


def test_rows_that_are_damaged_are_said_and_the_rest_comes_back_when_they_are_loaded(kept):
    y, x = paired_world(90, 10)
    at = upload(open_page("data", **{KEY_OF_BROWSER: KEY}), npy(x), npy(y))
    token = written(at.number_input(key="seed_input").set_value(5).run())
    (rows,) = kept.folder(token).glob("pair-*")
    data = bytearray(rows.read_bytes())
    data[len(data) // 2] ^= 1
    rows.write_bytes(data)
    back = take_up(token.name, page="data")
    assert not back.exception
    assert "is damaged" in words(back) and "was kept without its rows" in words(back)
    assert back.session_state["loaded"].sample == "scenes"
    back.run()
    assert back.session_state["keep"].token is None  # what was kept is not written over
    upload(back, npy(x), npy(y))
    assert back.session_state["split_seed"] == 5
    assert written(back) == token
    back.button(key="keep_says_0").click().run()
    assert "is damaged" not in words(back)
    assert take_up(token.name).session_state["loaded"].pair.paired


def test_what_is_too_large_is_kept_without_its_rows_and_said(kept, monkeypatch):
    monkeypatch.setattr(kept, "session_bytes", 4000)
    at = open_page("home", pair_of(), **{KEY_OF_BROWSER: KEY})
    token = written(at)
    at.run()
    assert "Its rows are not kept" in words(at)
    said = kept.read(token).session["pair"]
    assert said["part"] is None and said["digest"] == at.session_state["loaded"].pair.digest


def test_windows_that_go_different_ways_are_kept_both(kept):
    at = full_session()
    token = written(at)
    second = take_up(token.name)
    second.session_state["split_seed"] = 6
    assert written(second.run()) == token
    written(at.number_input(key="seed_input").set_value(7).run())
    at.run()
    other = written(at)
    assert other != token
    assert (kept.read(token).session["seed"], kept.read(other).session["seed"]) == (6, 7)


def test_a_session_that_was_let_go_is_taken_up_again(kept, monkeypatch):
    at = full_session()
    token = written(at)
    at = take_up(token.name, **{LET_GO: True})
    assert "It is kept for 24 h" in words(at)
    at.button[0].click().run()
    assert at.session_state["keep"].token == token
    assert at.session_state["split_seed"] == 5


def test_forgetting_removes_it_at_once_and_keeps_no_more(kept):
    at = full_session()
    token = written(at)
    at.button(key="session_forget").click().run()
    assert not at.error and not kept.folder(token).exists()
    assert "session" not in at.query_params
    at.number_input(key="seed_input").set_value(9).run()
    assert not list(kept.root.iterdir())
    assert at.session_state["loaded"].title == "mine"  # what is on screen stays


def test_a_server_that_keeps_nothing_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("ANISOALIGN_SESSION_ROOT", str(tmp_path))
    at = open_page("data", pair_of())
    assert "keeps no sessions" in words(at) and "session" not in at.query_params
    assert not list(tmp_path.iterdir())


def test_a_browser_that_has_a_key_or_takes_none_says_so(monkeypatch):
    import streamlit as st

    from app.widgets import kept as widget

    first, held = new_key(), Keep(KEY, name=Token.new(KEY).name, stamp="a")
    state = {"keep": held, widget.AT: {"other": first}}
    monkeypatch.setattr(st, "session_state", state)
    widget._other()  # another window was first: this session goes on under that key
    assert (held.key, held.name, held.stamp) == (first, "", None)
    for forged in (7, "", "../../etc", KEY + "x"):
        state[widget.AT] = {"other": forged}
        widget._other()
        assert held.key == first
    widget._refused()
    assert held.off and "keeps no cookies" in held.problem


# -- files ----------------------------------------------------------------------------------------


def file_of(at, bare=False):
    """What the page would have saved."""
    from unittest.mock import patch

    import streamlit as st

    from app.writing import said_now

    state = at.session_state.to_dict()
    with patch.object(st, "session_state", state):
        contents, pieces = said_now()
        return _packed(contents.without_vectors() if bare else contents, pieces)


def open_file(at, data, name="mine.studio.zip"):
    return give(at, {name: data}).button(key="load").click().run()


@pytest.fixture(scope="module")
def trained():
    """A session in which a correction was trained, and its file with and without rows."""
    pair = pair_of(200, 12)
    at = full_session("correct", pair)
    from app.widgets.learned import Learned

    study = aa.compare.study.Study(pair, pair.split(5, 0.3))
    choice = Choice("anisoalign", {"variant": "paper", "prior_steps": 10, "refine_steps": 10})
    method = study.fit(choice.build())
    at.session_state["trainings"] = [Learned(method, choice, (5, 0.3), {"bound_theta": 0.1}, 2.0)]
    at.session_state["choice"] = choice.but({"bound_theta": 0.05})
    return at, file_of(at), file_of(at, bare=True), method.method


def test_a_session_is_opened_from_its_file(trained):
    at, whole, _, method = trained
    back = open_file(open_page("data"), whole)
    assert not back.exception and not back.error
    state = back.session_state
    assert state["loaded"].title == "mine"
    assert state["loaded"].pair.digest == at.session_state["loaded"].pair.digest
    assert (state["split_seed"], state["holdout"]) == (5, 0.3)
    assert back.slider(key="holdout_slider").value == 0.3
    assert state["selections"]["some"].source == (3,)
    assert state["bound_theta"] == 0.05
    back.switch_page("../pages/export.py").run()
    (learned,) = back.session_state["trainings"]
    rows = state["loaded"].pair.source
    np.testing.assert_array_equal(learned.method.transform(rows), method.transform(rows))
    assert learned.split == (5, 0.3) and learned.seconds == 2.0
    back.switch_page("../pages/encoders.py").run()
    assert "mine" in [one.name for one in back.session_state["bench"].entries]


def test_a_file_without_vectors_waits_for_the_rows_of_its_digest(trained):
    at, whole, bare, _ = trained
    pair = at.session_state["loaded"].pair
    assert len(bare) < len(whole) - pair.source.vectors.nbytes
    back = open_file(open_page("data"), bare)
    assert back.session_state["loaded"].sample == "scenes"
    assert "Load image.npy (target) and text.npy (source)" in words(back).replace("\\", "")
    y, x = paired_world(200, 12, seed=9)
    upload(back, npy(x), npy(y))  # another set
    assert back.session_state["split_seed"] == 0 and "was kept without its rows" in words(back)
    upload(back, npy(pair.target.vectors), npy(pair.source.vectors))
    assert "was kept without its rows" not in words(back)
    assert back.session_state["split_seed"] == 5
    back.switch_page("../pages/export.py").run()
    assert len(back.session_state["trainings"]) == 1


def changed(data, change):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    body = json.loads(parts[MANIFEST])
    change(parts, body)
    if MANIFEST in parts:
        parts[MANIFEST] = json.dumps(body).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in parts.items():
            archive.writestr(name, held)
    return stream.getvalue()


def a_part(parts, kind):
    return next(name for name in parts if name.startswith(kind))


CHANGES = {
    "no manifest": lambda parts, body: parts.pop(MANIFEST),
    "a part is missing": lambda parts, body: parts.pop(a_part(parts, "pair")),
    "a part is another": lambda parts, body: parts.update({a_part(parts, "training"): b"x"}),
    "another method": lambda parts, body: body["session"]["choice"].update(method="os.system"),
    "odd parameters": lambda parts, body: body["session"]["choice"].update(parameters={"a": 1}),
    "a parameter that is a table": lambda parts, body: body["session"]["choice"].update(
        parameters={"rank": {"a": 1}}
    ),
    "a split out of range": lambda parts, body: body["session"].update(holdout=0.9),
    "a sample that is none": lambda parts, body: body["session"]["pair"].update(sample="../x"),
    "another digest": lambda parts, body: body["session"]["pair"].update(digest="0" * 64),
    "more than it may say": lambda parts, body: body["session"].update(more=1),
    "a later version": lambda parts, body: body.update(kept_version=2),
    "too many files": lambda parts, body: parts.update({str(n): b"" for n in range(70)}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_is_no_sound_session_is_refused_in_a_sentence(trained, what):
    data = changed(trained[1], CHANGES[what])
    with pytest.raises((FormatError, LimitError, aa.errors.ParameterError)) as caught:
        unpack(Source("mine.studio.zip", data=data), 10**8)
    assert str(caught.value)[0].isupper() or str(caught.value).startswith("mine")


def test_limits_are_held_before_a_file_is_unpacked(trained):
    with pytest.raises(LimitError):
        unpack(Source("mine.studio.zip", data=trained[1]), 10_000)
    bomb = changed(trained[1], lambda parts, body: parts.update({"zeros": bytes(10**8)}))
    with pytest.raises(LimitError):
        unpack(Source("mine.studio.zip", data=bomb), 10**9)


def test_a_damaged_file_leaves_the_session_as_it_was(trained):
    at = full_session()
    before = at.session_state["loaded"]
    for data in (trained[1][:2000], b"nothing", changed(trained[1], CHANGES["another digest"])):
        open_file(at, data)
        assert not at.exception and at.error
        assert "Something unexpected" not in words(at)
        assert at.session_state["loaded"] is before and at.session_state["split_seed"] == 5
