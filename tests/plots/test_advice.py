"""The figure of an advice shows what the sentence tells, and the gains of two candidates."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import advise
from anisoalign_core.compare.entries import FLOOR
from anisoalign_core.plots.advice import candidate_gain, gains
from tests.conftest import paired_world


@pytest.fixture(scope="module")
def advice():
    y, x = paired_world(300, 8)
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )
    return advise(pair, ("search", "mixed"), ("mean-shift",), splits=2)


@pytest.mark.parametrize("purpose", ["search", "mixed"])
def test_the_first_row_is_the_answer_and_bars_end_at_the_interval(advice, purpose):
    answer, figure = advice.answer(purpose), gains(advice, purpose)
    for trace, gain in zip(figure.data, (answer.over_nothing, answer.over_baseline), strict=True):
        assert trace.x[0] == pytest.approx(gain.value)
        low, high = gain.limits
        assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(low)
        assert trace.x[0] + trace.error_x.array[0] == pytest.approx(high)
        assert len(trace.x) == len(figure.layout.yaxis.ticktext)
    assert "<" not in "".join(figure.layout.yaxis.ticktext)


def test_a_candidate_gains_the_difference_of_its_scores(advice):
    best = advice.answer("mixed").best
    told = candidate_gain(advice, "mixed", best, FLOOR)
    by_hand = np.mean(
        advice.scored_on[best.entry]["mixed_gallery_ndcg"]
        - advice.scored_on[FLOOR]["mixed_gallery_ndcg"]
    )
    assert told.value == pytest.approx(by_hand) and told.low < told.value < told.high
