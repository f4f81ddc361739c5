"""How many pairs are worth as much as none: more pairs help where a rotation is all there is."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ortho_group

import anisoalign_core as aa
from anisoalign_core.compare.pair_budget import SCORES, pair_budget
from anisoalign_core.errors import NeedsPairsError, ParameterError, ShapeError
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.plots.pair_budget import pair_budget_figure
from tests.conftest import paired_world

SIZES = (3, 8, 20, 60, 150)
FORWARD, BACKWARD, COSINE = SCORES


def as_pair(y, x, paired=True):
    source = aa.EmbeddingSet.from_array(y, modality="text")
    target = aa.EmbeddingSet.from_array(x, modality="image")
    return aa.EmbeddingPair(source, target, paired=paired)


@pytest.fixture(scope="module")
def turned():
    """Return a world in which the target is the source turned, shifted and blurred a little."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((300, 16)) + 1.0
    x = y @ ortho_group.rvs(16, random_state=1) + 0.3 * rng.standard_normal((300, 16)) - 1.0
    return as_pair(y, x)


@pytest.fixture(scope="module")
def budget(turned):
    return pair_budget(turned, SIZES, baseline="mean-shift", splits=3)


def test_more_pairs_are_better_where_a_rotation_is_all_there_is(budget):
    for metric in SCORES:
        means = [score.value for score in budget.scores("procrustes", metric)]
        assert all(b > a - 0.005 for a, b in pairwise(means)), means
        assert means[-1] > 0.9 > means[0]
    assert budget.baseline_score(FORWARD).value < 0.1


def test_a_method_is_better_from_where_every_interval_leaves_zero(budget):
    for name in ("procrustes", "ridge"):
        for metric in SCORES:
            size = budget.better_from(name, metric)
            assert size in SIZES
            signs = [gap.sign for gap in budget.differences(name, metric)]
            at = SIZES.index(size)
            assert set(signs[at:]) == {1} and (at == 0 or signs[at - 1] < 1)
    words = f"from {budget.better_from('procrustes', FORWARD)} pairs on"
    assert f"R@1 source → target {words}" in budget.sentences[0]
    assert (
        "75 pairs held out; Mean shift was fitted on 113 source and 112 target rows"
        in (budget.sentences[-1])
    )


def test_no_size_is_enough_where_nothing_is_shared():
    rng = np.random.default_rng(3)
    found = pair_budget(as_pair(*rng.standard_normal((2, 160, 8))), (10, 100), ["procrustes"])
    assert found.better_from("procrustes", FORWARD) is None
    assert "R@1 source → target not with 100 pairs" in found.sentences[0]


def test_scores_are_those_of_a_fit_on_the_first_pairs_of_the_split(budget, turned):
    split = turned.split(1, 0.25)
    chosen = np.sort(np.random.default_rng(1).permutation(split.fit_pairs)[:20])
    fitted, held = turned.take(chosen), turned.take(split.holdout_pairs)
    z = aa.Procrustes().fit(fitted.source, fitted.target).transform(held.source)
    wanted = recall(z, held.target.vectors, (1,))
    assert budget.values["procrustes"][FORWARD][1, 2] == wanted["source_to_target"][1]
    assert budget.values["procrustes"][BACKWARD][1, 2] == wanted["target_to_source"][1]
    cosine = np.mean(np.sum(z * held.target.vectors, axis=1))
    assert budget.values["procrustes"][COSINE][1, 2] == pytest.approx(cosine, abs=1e-6)
    parts = turned.source.take(split.fit_source), turned.target.take(split.fit_target)
    base = aa.MeanShift().fit(*parts).transform(held.source)
    wanted = recall(base, held.target.vectors, (1,))
    assert budget.without_pairs[FORWARD][1] == wanted["source_to_target"][1]


def test_the_same_seed_gives_the_same_numbers(budget, turned):
    again = pair_budget(turned, list(SIZES)[::-1], baseline=aa.MeanShift(), splits=3)
    other = pair_budget(turned, SIZES, baseline="mean-shift", splits=3, random_state=9)
    assert again.sizes == SIZES
    for name, found in budget.values.items():
        for metric, values in found.items():
            np.testing.assert_array_equal(again.values[name][metric], values)
    assert not np.array_equal(
        other.values["procrustes"][FORWARD], budget.values["procrustes"][FORWARD]
    )


def test_a_table_a_card_and_a_figure_say_the_same(budget):
    table = budget.to_frame()
    assert len(table) == len(SCORES) * (1 + 2 * len(SIZES))
    assert set(table[table.pairs == 0].label) == {"Mean shift"}
    row = table[(table.entry == "ridge") & (table.pairs == 60) & (table.metric == COSINE)].iloc[0]
    at = SIZES.index(60)
    assert row.value == budget.scores("ridge", COSINE)[at].value
    assert row.minus_baseline == budget.differences("ridge", COSINE)[at].value
    assert row.better == (row.minus_baseline_low > 0)
    assert "Procrustes and Ridge regression on 3 to 150 pairs against Mean shift" in repr(budget)
    assert len(budget.card().rows) == 1 + 2 * len(SIZES)
    figure = budget.plot()
    assert figure.to_json() == pair_budget_figure(budget).to_json()
    assert [line.name for line in figure.data[:3]] == [
        "Mean shift, no pairs",
        "Procrustes",
        "Ridge regression",
    ]
    np.testing.assert_array_equal(figure.data[1].x, SIZES)
    wanted = [score.value for score in budget.scores("procrustes", FORWARD)]
    np.testing.assert_allclose(figure.data[1].y, wanted, rtol=1e-6)
    np.testing.assert_allclose(
        figure.data[1].error_y.array,
        [score.high - score.value for score in budget.scores("procrustes", FORWARD)],
    )
    assert len({line.showlegend for line in figure.data[3:]}) == 1
    bands = [(band.y0, band.y1) for band in figure.layout.shapes]
    assert bands == [budget.baseline_score(metric).limits for metric in SCORES]


def test_sizes_are_spread_over_what_is_fitted_unless_named(turned):
    found = pair_budget(turned, methods="procrustes", baseline="center-both", splits=2)
    assert found.sizes[0] == 10 and found.sizes[-1] == 225 and len(found.sizes) == 8
    ratios = np.array(found.sizes[1:]) / np.array(found.sizes[:-1])
    assert ratios.max() / ratios.min() < 1.15
    split = turned.split(0, 0.25)  # both sides move
    base = aa.CenterBoth().fit_pair(turned, split)
    held = turned.take(split.holdout_pairs)
    wanted = recall(base.transform(held.source), base.transform_target(held.target), (1,))
    assert found.without_pairs[FORWARD][0] == wanted["source_to_target"][1]


def test_things_with_several_rows_count_as_things():
    y, x = paired_world(160, 12)
    ids = np.arange(80).repeat(2).astype(str)
    pair = aa.EmbeddingPair.join(
        aa.EmbeddingSet.from_array(y, modality="text", ids=ids),
        aa.EmbeddingSet.from_array(x[::2], modality="image", ids=ids[::2]),
    )
    found = pair_budget(pair, (10, 60), ["ridge"], "mean-shift", splits=2)
    assert found.rows["held"] == 20
    assert found.rows["source"] == 2 * found.rows["target"]


def test_progress_reaches_its_end_and_may_stop_the_work(turned):
    told = []
    pair_budget(
        turned,
        (5, 9),
        ["ridge"],
        "identity",
        splits=2,
        progress=lambda fraction, words: told.append((fraction, words)),
    )
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert "split 2 of 2: Ridge regression on 9 pairs" in [words for _, words in told]

    def stop(fraction, words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair_budget(turned, (5, 9), progress=stop)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"splits": 1}, "splits is 1"),
        ({"sizes": []}, "sizes is empty"),
        ({"sizes": [1, 20]}, "sizes holds 1; choose whole numbers from 2 to 225"),
        ({"sizes": [500]}, "sizes holds 500"),
        ({"sizes": [20.5]}, "sizes holds 20.5"),
        ({"methods": []}, "methods is empty"),
        ({"methods": ["ridge", "ridge"]}, '"ridge" is named twice'),
        ({"methods": ["realign"]}, "ReAlign learns nothing from pairs"),
        ({"methods": ["oracle"]}, "Oracle is a control"),
        ({"methods": ["magic"]}, 'no method "magic"'),
        ({"baseline": "ridge"}, "Ridge regression cannot be the baseline"),
        ({"baseline": "permuted"}, "Permuted target is a control"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(turned, given, words):
    with pytest.raises(ParameterError, match=words):
        pair_budget(turned, **given)


def test_pairs_are_needed_and_enough_of_them(turned):
    with pytest.raises(NeedsPairsError, match="this pair is unpaired"):
        pair_budget(as_pair(turned.source.vectors, turned.target.vectors, paired=False))
    with pytest.raises(ShapeError, match="at least 20"):
        pair_budget(turned.take(np.arange(40)))
    with pytest.raises(ParameterError, match="pair_budget"):
        pair_budget(turned.source)
