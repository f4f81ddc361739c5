"""Compare's first question under AppTest: advice first, nothing lost, on to Correct and Export."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import advise
from app.widgets import advice as page
from tests.app.test_compare import small
from tests.app.test_pages import open_page, words

FEW = ("mean-shift", "procrustes")


@pytest.fixture
def quick(monkeypatch):
    """Advice from two methods in place of eighteen."""

    def few(pair, purposes, **more):
        return advise(pair, purposes, FEW, workers=1, **more)

    monkeypatch.setattr(page, "advise", few)


def ready(pair, **state):
    return open_page("compare", pair, **({"compare_splits": 3, "purposes": ["mixed"]} | state))


def said(at):
    return words(at).replace("\\", "")


def test_nothing_runs_unasked_and_what_cannot_be_asked_says_what_it_needs():
    at = ready(small(labels=False))
    assert at.button(key="advice_run").label.startswith("Advise, about ")
    assert at.pills(key="purposes").options == [
        "Search one modality by the other",
        "Search among documents of both kinds",
    ]
    assert "cannot be asked here; it needs labels of both sides" in said(at)
    alone = ready(small(paired=False, labels=False))
    assert not [b for b in alone.button if b.key == "advice_run"]
    assert "it needs pairs" in said(alone)


def test_a_win_comes_first_with_its_price_its_lines_and_the_way_to_correct(quick):
    at = ready(small())
    at.button(key="advice_run").click().run()
    assert not at.exception and not at.error
    shown = said(at)
    assert "**Search among documents of both kinds**: use " in shown
    assert shown.index("over doing nothing") < shown.index("Every method and every measure")
    assert "↓ Nearest neighbours kept" in shown
    assert at.code[0].value.startswith("anisoalign fit --method ")
    assert not [b for b in at.button if b.key == "advice_run"]
    (found,) = at.session_state["compared"].values()
    at.button(key="advice_open_mixed").click().run()
    at.switch_page("../pages/correct.py").run()  # AppTest does not follow the page itself
    assert not at.exception and not at.error
    assert at.selectbox(key="method").value == found.answer("mixed").pick.entry


def test_nothing_helps_is_said_as_calmly(quick):
    pair = small(labels=False)
    same = aa.EmbeddingSet.from_array(pair.target.vectors, modality="text")
    at = ready(aa.EmbeddingPair(same, pair.target, paired=True))
    at.button(key="advice_run").click().run()
    assert not at.exception and not at.error
    assert [one.icon for one in at.warning] == [":material/block:"]  # the verdict, which stays
    assert "nothing helps" in said(at) and "Keep the rows as they are" in said(at)
    assert not at.code and not [b for b in at.button if b.key.startswith("advice_open")]


def test_finished_splits_of_a_stopped_run_are_told(monkeypatch):
    from streamlit.runtime.scriptrunner_utils.exceptions import StopException

    def stopped(pair, purposes, *, on_split, **more):
        def keep(found):
            on_split(found)
            raise StopException  # as Streamlit ends a run when a control moves

        return advise(pair, purposes, FEW, on_split=keep, workers=1, **more)

    monkeypatch.setattr(page, "advise", stopped)
    at = ready(small())
    at.button(key="advice_run").click().run()
    del at.session_state["advice_asked"]  # what Cancel does
    at.run()
    assert not at.exception and not at.error
    assert "2 of 3 splits are finished" in said(at)
    assert "**Search among documents of both kinds**: use " in said(at)
    assert "not measured, since the run was stopped" in said(at)
    assert at.button(key="advice_run").label.startswith("Advise anew, about ")


def test_class_vectors_make_zero_shot_a_question(quick):
    from app.widgets.class_vectors import GIVEN

    pair = small()
    half = pair.source.labels["half"].to_numpy()
    means = np.stack([pair.source.vectors[half == name].mean(axis=0) for name in ("a", "b")])
    given = aa.EmbeddingSet.from_array(means, modality="text", ids=["a", "b"], name="names.csv")
    at = ready(pair, purposes=["zero-shot"], **{GIVEN: (pair.digest, given)})
    assert "Vectors of class names: names.csv" in said(at)
    at.button(key="advice_run").click().run()
    assert not at.exception and not at.error
    assert "**Name target rows by vectors of class names**: " in said(at)


def test_class_vectors_of_an_encoder_of_this_space(quick):
    class Speaks:
        name = summary = "tiny"
        dim = 12

        def encode_texts(self, texts):
            return np.stack([np.eye(12, dtype=np.float32)["ab".index(t[-1])] for t in texts])

    at = ready(small(), encoder=Speaks(), purposes=["zero-shot"])
    assert "Vectors of class names: by tiny" in said(at)
    at.button(key="advice_run").click().run()
    assert "**Name target rows by vectors of class names**: " in said(at)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('bounded:bound=0.2,recentre="rotate",rule="relax"', {"recentre": "rotate", "bound": 0.2}),
        ('bounded:bound="auto",watch="neighbours"', {"watch": "neighbours", "recentre": "shift"}),
        ("gap-shift:shift=0.5", {"p_shift": 0.5}),
    ],
)
def test_correct_opens_with_the_parameters_that_were_advised(text, shown):
    script = f"""
import streamlit as st
from anisoalign_core.compare import entry
from app.widgets.correct import Choice, open_with
one = entry({text!r})
open_with(Choice(one.method, one.parameters))
"""
    from streamlit.testing.v1 import AppTest

    pair = small()
    home = open_page("home", pair)
    setting = AppTest.from_string(script)
    setting.session_state["loaded"] = home.session_state["loaded"]
    setting.run()
    assert not setting.exception
    keys = ("bound", "recentre", "rule", "frame", "watch", "p_shift")
    for key in ("method", "auto_wanted", "weigh", *keys):
        if key in setting.session_state:
            home.session_state[key] = setting.session_state[key]
    home.switch_page("../pages/correct.py").run()
    assert not home.exception and not home.error
    for key, value in shown.items():
        assert home.session_state[key] == value
    choice = home.session_state["choice"]
    entry = aa.compare.entry(text)
    built, wanted = choice.build().plain_params(), entry.build().plain_params()
    if wanted.get("bound") == "auto":
        assert isinstance(built.pop("bound"), float)  # the value that Auto finds
        wanted.pop("bound")
    assert {k: built[k] for k in wanted if k in choice.parameters} == {
        k: v for k, v in wanted.items() if k in choice.parameters
    }


@pytest.mark.parametrize("asks", ["source", "target"])
def test_exported_rows_have_the_scores_of_their_formula(asks):
    """CSLS by hand, in float64, from the rows that the zip holds."""
    from app.widgets.scores import Sides, zipped

    pair = small(labels=False)
    sides = Sides(*((pair.source, pair.target) if asks == "source" else (pair.target, pair.source)))
    with zipfile.ZipFile(io.BytesIO(zipped(sides, sides.fitted("csls")))) as stored:
        gallery, queries = (
            np.load(io.BytesIO(stored.read(name)), allow_pickle=False).astype(np.float64)
            for name in ("gallery.npy", "queries.npy")
        )
        assert len(stored.read("README.txt").decode().splitlines()) == 2
    q, x = (side.vectors.astype(np.float64) for side in (sides.queries, sides.gallery))
    cosines = q @ x.T
    near_q = np.sort(cosines, axis=1)[:, -10:].mean(axis=1)
    near_x = np.sort(cosines, axis=0)[-10:].mean(axis=0)
    by_hand = 2 * cosines - near_q[:, None] - near_x
    np.testing.assert_allclose(queries @ gallery.T, by_hand, atol=1e-6)


def test_export_tells_what_mended_scores_are_worth():
    at = open_page("export", small(), export_mended=True, export_scorer="nnn")
    assert not at.exception and not at.error
    table = next(d.value for d in at.dataframe if "threshold" in d.value)
    assert table["way"].tolist() == ["text → image"] * 2 + ["image → text"] * 2
    assert (table["chance"] < table["found first"]).all()
    assert "Download nnn-index.zip" in [each.label for each in at.get("download_button")]
    assert any("anisoalign scores --scorer nnn" in code.value for code in at.code)
    assert "probability" not in table
    assert "needs pairs" in said(open_page("export", small(paired=False), export_mended=True))


def test_a_sigmoid_encoder_says_the_probability_at_the_threshold_of_plain_cosines():
    class Sigmoid:
        name, dim = "sigmoid", 12

        def describe(self):
            return {"logit_scale": 10.0, "logit_bias": -5.0}

    at = open_page("export", small(), export_mended=True, encoder=Sigmoid())
    table = next(d.value for d in at.dataframe if "threshold" in d.value)
    found = 1 / (1 + np.exp(-(10 * table["threshold"] - 5)))
    assert table["probability"].isna().tolist() == [False, True, False, True]
    np.testing.assert_allclose(table["probability"][::2], found[::2], rtol=1e-9)
    assert isinstance(table, pd.DataFrame)
