"""Predictions are compared with what is in one calm sentence, and many votes by their middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.cosines import mean_rows
from anisoalign_core.numerics import unit_rows
from anisoalign_core.teach import MOST_OPTIONS, Landing, Prediction, typical, usual_nearest

PLACED = Prediction.placed("How much?", 0, 1, 0.1, ends=("none", "all"))
SHARE = Prediction.placed("What share?", 0, 1, 0.1, ends=("none", "all"), percent=True)
CHOICE = Prediction("May this be said?", ("No.", "Yes, with these words."))


def test_places_are_even_and_in_words():
    assert PLACED.options == tuple("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1".split())
    assert PLACED.places == pytest.approx(np.arange(11) / 10)
    assert SHARE.options[3] == "30 %"
    assert len(Prediction.placed("", 0, 1.4, 0.1, ends=("", "")).options) == 15


@pytest.mark.parametrize(
    ("guess", "found", "words"),
    [
        (3, 0.727, "You predicted **0.3**; it is **0.727**, more than that."),
        (9, 0.727, "You predicted **0.9**; it is **0.727**, less than that."),
        (7, 0.727, "You predicted **0.7**; it is **0.727**, as near as this line lets one say."),
    ],
)
def test_a_place_is_compared_with_what_is(guess, found, words):
    assert PLACED.compared(guess, found) == words


def test_shares_and_choices_have_words_of_their_own():
    assert SHARE.compared(5, 0.759) == "You predicted **50 %**; it is **75.9 %**, more than that."
    assert SHARE.holds(0.759) == "It is **75.9 %**."
    assert CHOICE.compared(1, 0.0, "Most voted") == (
        "Most voted **Yes, with these words.** What holds: **No.**"
    )
    assert CHOICE.holds(1.0) == "What holds: **Yes, with these words.**"


@given(st.floats(-1, 2))
def test_the_nearest_place_is_none_further_than_any_other(value):
    near = PLACED.places[PLACED.nearest(value)]
    assert all(abs(near - value) <= abs(other - value) for other in PLACED.places)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ParameterError, match="1 options"):
        Prediction("?", ("only",))
    with pytest.raises(ParameterError, match="25 options"):
        Prediction("?", tuple(map(str, range(MOST_OPTIONS + 1))))
    with pytest.raises(ParameterError, match="rise"):
        Prediction("?", ("a", "b"), (1.0, 0.0))
    with pytest.raises(ParameterError, match="choice"):
        CHOICE.nearest(0.3)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_votes_on_a_line_are_told_by_their_lower_median(votes):
    counts = tuple(votes.count(option) for option in range(5))
    assert typical(counts, True) == sorted(votes)[(len(votes) - 1) // 2]
    most = typical(counts, False)
    assert most is not None and counts[most] == max(counts)


def test_no_votes_stand_for_nothing():
    assert typical((0, 0, 0), True) is None
    assert typical((0, 0, 0), False) is None
    assert typical((2, 0, 2), False) == 0


def test_a_row_lands_among_its_nearest_before_and_after():
    rows = unit_rows(np.random.default_rng(0).standard_normal((60, 8)))
    before, after = rows[0], rows[1]
    found = Landing(before, after, rows, count=5)
    for row, near, cosines in zip((before, after), found.rows, found.cosines, strict=True):
        order = np.argsort(-(rows @ row), kind="stable")[:5]
        assert near.tolist() == order.tolist()
        assert cosines == pytest.approx((rows @ row)[order], abs=1e-6)
    assert found.kept == len(set(found.rows[0].tolist()) & set(found.rows[1].tolist()))
    away = np.linalg.norm(np.stack([before, after]) - mean_rows(rows), axis=1)
    assert found.to_mean == pytest.approx(tuple(away), abs=1e-6)
    assert usual_nearest(rows[:3], rows) == pytest.approx(1.0, abs=1e-6)
