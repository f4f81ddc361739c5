"""Thresholds keep the rate of false matches that was asked for, on scores that were not seen."""

from __future__ import annotations

import numpy as np
import pytest

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.scoring import probability, threshold, thresholds


def drawn(seed, n, k):
    rng = np.random.default_rng(seed)
    level = 0.3 * rng.normal(size=(n, 1))  # what all scores of a query have in common
    return (2.0 + level[:, 0] + rng.normal(size=n)), level + rng.normal(size=(n, k))


def test_the_value_is_the_least_that_keeps_the_rate():
    found = threshold(np.arange(10.0), np.arange(100.0), false_match_rate=0.05)
    assert 94.0 < found.value < 94.0 + 1e-9  # 95 … 99 reach it
    assert found.false_match_rate.value == 0.05 and found.match_rate.value == 0.0
    assert (found.n_matches, found.n_others, found.asked) == (10, 100, 0.05)


def test_others_that_tie_reach_the_value_together_or_not():
    others = np.repeat([0.0, 1.0], [90, 10])
    assert threshold(np.ones(8), others, false_match_rate=0.05).false_match_rate.value == 0.0
    found = threshold(np.ones(8), others, false_match_rate=0.1)
    assert found.false_match_rate.value == 0.1 and found.match_rate.value == 1.0


def test_intervals_cover_the_rates_at_the_value_on_other_scores():
    far_matches, far_others = drawn(99, 20_000, 20)
    covered = np.zeros(2)
    for seed in range(60):
        matches, others = drawn(seed, 300, 20)
        found = threshold(matches, others, false_match_rate=0.05, random_state=seed)
        truth = np.mean(far_others >= found.value), np.mean(far_matches >= found.value)
        for place, interval in enumerate((found.false_match_rate, found.match_rate)):
            assert interval.low <= interval.value <= interval.high
            covered[place] += interval.low <= truth[place] <= interval.high
    assert (covered >= 51).all()  # of 60; 57 are claimed, and fewer than 51 have a chance of .001


def test_scores_of_one_query_stand_together():
    """Ten copies of a query's scores say no more than one."""
    matches, others = drawn(0, 200, 1)
    once = threshold(matches, others, false_match_rate=0.1)
    copied = threshold(matches, np.repeat(others, 10, axis=1), false_match_rate=0.1)
    apart = threshold(matches, np.repeat(others, 10), false_match_rate=0.1)
    width = [x.false_match_rate.high - x.false_match_rate.low for x in (once, copied, apart)]
    assert width[1] == pytest.approx(width[0], rel=1e-9) and width[2] < 0.6 * width[0]


def test_one_for_each_modality():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 120))
    scores[:, 60:] += 5.0
    matches = np.tile(np.eye(60, dtype=bool), 2)
    modality = np.repeat(["image", "text"], 60)
    found = thresholds(scores, matches, modality=modality, false_match_rate=0.02)
    assert list(found) == ["image", "text"]
    assert found["text"].value - found["image"].value == pytest.approx(5.0, abs=0.4)
    for each in found.values():
        assert (each.n_matches, each.n_others) == (60, 60 * 59)
        assert each.false_match_rate.value <= 0.02
    alone = thresholds(scores[:, :60], matches[:, :60], false_match_rate=0.02)
    assert alone[""].value == found["image"].value
    pairwise = scores[:, :60][~np.eye(60, dtype=bool)].reshape(60, 59)
    same = threshold(scores[:, :60].diagonal(), pairwise, false_match_rate=0.02)
    assert same == alone[""]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.ones(3), np.arange(100.0)), ParameterError, "matches for 3 queries"),
        ((np.ones(9), np.ones(50)), ParameterError, "50 scores of others cannot show .* least 100"),
        ((np.ones(9), np.ones((8, 50))), ShapeError, "Give one per query"),
        ((np.full(9, np.nan), np.arange(200.0)), ParameterError, "matches are not finite"),
    ],
)
def test_scores_that_say_too_little_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        threshold(*arguments)
    with pytest.raises(ParameterError, match="false_match_rate is 1"):
        threshold(np.ones(9), np.ones(50), false_match_rate=1.0)
    with pytest.raises(ShapeError, match="queries × gallery rows"):
        thresholds(np.ones((4, 4)), np.ones((4, 3)))
    with pytest.raises(ShapeError, match="4 rows but 2 labels"):
        thresholds(np.ones((4, 4)), np.eye(4), modality=["a", "b"])


def test_the_probability_of_a_sigmoid_loss():
    scores = np.linspace(-1, 1, 7)
    found = probability(scores, 100.0, -12.0)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(100.0 * scores - 12.0))), rtol=1e-12)
    assert probability(0.12, 100.0, -12.0) == pytest.approx(0.5)
    with pytest.raises(ParameterError, match="no logit_bias"):
        probability(scores, 100.0, None)
    with pytest.raises(ParameterError, match="the scale above 0"):
        probability(scores, -1.0, 0.0)
