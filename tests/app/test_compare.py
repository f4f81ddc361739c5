"""The Compare page under AppTest: runs when asked, keeps what is finished, says what is missing."""

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import leaderboard
from app.widgets.lessons import Lessons
from tests.app.test_pages import open_page, pair_of, words

METHODS = ["mean-shift", "bounded", "permuted"]
KEY = repr((tuple(METHODS), Lessons(("half",)), None, 0.25, 0))
"""What the board of these choices is kept under."""


def small(n=240, paired=True, labels=True):
    pair = pair_of(n, 12)
    sides = []
    for side in (pair.source, pair.target):
        half = np.where(pair.target.vectors[:, 0] > np.median(pair.target.vectors[:, 0]), "a", "b")
        sides.append(
            aa.EmbeddingSet.from_array(
                side.vectors,
                modality=side.modality,
                labels=pd.DataFrame({"half": half}) if labels else None,
                captions=[f"this is {h}" for h in half] if labels else None,
                name=side.name,
            )
        )
    return aa.EmbeddingPair(*sides, paired=paired)


def compare(at):
    at.button(key="compare_run").click().run()
    assert not at.exception
    return at


def ready(pair, **state):
    chosen = {"compare_methods": METHODS, "compare_splits": 3}
    chosen["compare_methods_unpaired"] = METHODS
    return open_page("compare", pair, **(chosen | state))


@pytest.fixture(scope="module")
def boards():
    """The board after each of three splits."""
    kept = []
    leaderboard(small(), METHODS, splits=3, columns=["half"], on_split=kept.append)
    return kept


@pytest.fixture
def compared(boards):
    """The page on which the three splits are finished."""
    at = ready(small())
    at.session_state["compared"][KEY] = boards[-1]
    return at.run()


def test_nothing_runs_unasked_and_pressing_compares():
    at = ready(small())
    assert not at.table and at.button(key="compare_run").label.startswith("Compare, about")
    compare(at)
    board = at.table[0].value
    assert board.index.tolist()[:3] == ["chance", "No correction", "ReAlign"]
    assert "Nadeau" in words(at) and "splits" in words(at)
    assert [m.label for m in at.metric][:2] == ["Neighbours kept", "Covers the target"]
    at.button_group(key="compare_group").set_value("train").run()
    assert any("label transfer" in name for name in at.table[0].value.columns)
    assert "Target rows themselves" in at.table[0].value.index


def test_finished_splits_are_shown_and_continued_to_the_same_numbers(boards):
    at = ready(small())
    at.session_state["compared"][KEY] = boards[0]
    at.run()
    assert at.button(key="compare_run").label.startswith("Continue (2 more splits)")
    assert "1 of 3 splits are finished" in words(at) and len(at.table) > 0
    compare(at)
    found = at.session_state["compared"][KEY]
    assert found.to_dict()["values"] == boards[-1].to_dict()["values"]
    assert not [b for b in at.button if b.key == "compare_run"]


def test_an_unpaired_set_says_what_is_left_out():
    at = compare(ready(small(paired=False)))
    assert not at.error
    assert "This pair is unpaired" in words(at)
    assert "needs pairs" in words(at) and "Captions need a paired set" in words(at)
    at.button_group(key="compare_group").set_value("support").run()
    assert len(at.table[0].value) > 3


def test_without_labels_or_captions_it_says_so():
    at = ready(small(labels=False))
    assert "neither labels nor captions" in words(at)
    compare(at)
    assert "Label transfer and clusters against classes are missing" in words(at).replace("\\", "")


def test_keywords_teach_and_mistakes_are_sentences():
    at = ready(small(), compare_way="keywords", compare_keywords="a; b")
    compare(at)
    assert "keywords a, b" in words(at)
    at = ready(small(), compare_way="keywords", compare_keywords="a:")
    assert "has no word" in at.error[0].value.replace("\\", "")
    at = ready(small(), compare_methods=["bounded:colour=3"])
    assert "not NAME=VALUE" in at.error[0].value.replace("\\", "")
    at = ready(small(), compare_way="keywords", compare_keywords="zebra; horse")
    assert "Fewer than two" in at.error[0].value  # said at once, before anything runs
    at.text_input(key="compare_keywords").set_value("a; b").run()
    assert not at.error and at.button(key="compare_run")


def test_an_empty_session_gets_a_sentence():
    assert "No embeddings are loaded" in words(open_page("compare", "empty"))


@pytest.mark.parametrize("paired", [True, False])
def test_captions_train_only_when_asked(paired):
    at = ready(small(paired=paired))
    offered = [b for b in at.button if b.key == "captions_run"]
    assert bool(offered) is paired


def test_captions_of_every_decoder_stand_beside_the_rows_own(monkeypatch):
    from functools import partial

    from anisoalign_core.compare.captions import caption_board
    from anisoalign_core.compare.use import CaptionDecoder
    from app.widgets import interchange

    quick = partial(caption_board, methods=["realign"], decoder=CaptionDecoder(epochs=1, width=16))
    monkeypatch.setattr(interchange, "caption_board", quick)
    at = ready(small())
    at.button(key="captions_run").click().run()
    assert not at.exception
    shown = words(at)
    assert shown.count("Its own caption") == 4 and shown.count("**ReAlign**") == 4
    assert shown.count("**Target rows themselves**") == 4
    first = next(line for line in shown.splitlines() if "Its own caption" in line)
    at.button(key="captions_others").click().run()
    assert "Its own caption" in words(at) and not at.exception
    assert first.startswith("*Its own caption*: this is")
    assert at.dataframe[-1].value.shape[0] == 3  # ReAlign, target rows, the rows' own captions


def test_a_board_outlasts_results_of_other_pages_and_leaves_with_its_set(compared):
    at = compared
    for number in range(40):  # far more than a session keeps
        at.session_state["results"][("x", (f"kind {number}",))] = number
    at.switch_page("../pages/spectra.py").run()
    at.switch_page("../pages/compare.py").run()
    assert len(at.table) > 0 and not [b for b in at.button if b.key == "compare_run"]
    at.switch_page("../pages/home.py").run()
    at.button(key="home_sample").click().run()
    at.switch_page("../pages/compare.py").run()
    assert not at.exception and not at.error
    assert not at.table and at.button(key="compare_run")


def test_choices_of_one_set_do_not_break_the_next(compared):
    at = compared
    at.button_group(key="compare_group").set_value("residual").run()
    at.selectbox(key="compare_metric").set_value("label_transfer").run()
    at.multiselect(key="compare_methods").set_value([*METHODS, "ridge"]).run()
    at.session_state["loaded"] = open_page(
        "home", small(200, paired=False, labels=False)
    ).session_state["loaded"]
    at.run()
    compare(at)
    assert not at.error, at.error[0].value
    assert "residual" not in at.button_group(key="compare_group").options


def test_an_error_is_said_once_and_the_run_can_be_started_again():
    at = ready(small(40))
    for name in ("advice_run", "compare_run"):
        at.button(key=name).click().run()
        assert "at least 20" in at.error[0].value
        at.run()
        assert not at.error and at.button(key=name)


def test_what_is_taught_is_said_when_nothing_is_chosen():
    at = ready(small(), compare_way="keywords")
    assert "the labels of the set are taught" in words(at)
    at = ready(small())
    at.button_group(key="compare_columns").set_value([]).run()
    assert "None is chosen, so all are taught" in words(at)
    assert "taught labels half" in words(compare(at))


def test_columns_that_share_a_symbol_are_told_apart(compared):
    at = compared
    at.button_group(key="compare_group").set_value("retrieval").run()
    heads = [name.replace("\\", "") for name in at.table[0].value.columns]
    assert len(set(heads)) == len(heads)
    assert "R@1 ↑ (target → source)" in heads


def test_every_answer_stands_in_one_table_with_its_interval(compared):
    at = compared
    table = next(d.value for d in at.dataframe if "minus_realign_low" in d.value)
    told = table[table["better_than_realign"] != "cannot tell"]
    assert len(told) > 0
    assert ((told["minus_realign_low"] > 0) | (told["minus_realign_high"] < 0)).all()
    assert "difference" in words(at) and "ReAlign's" in words(at)


def test_a_control_that_looks_better_is_pointed_out():
    at = compare(ready(aa.load_sample().take(range(600)), compare_columns=["shape"]))
    for metric, said in (("mixing_coverage", True), ("omega", False)):
        at.selectbox(key="compare_metric").set_value(metric).run()
        assert ("Controls come out better too (Permuted target)" in words(at)) is said
