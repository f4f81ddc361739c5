"""Advice: chosen and judged on different rows, honest where nothing helps, lost never."""

import json

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare.advice import Advice
from anisoalign_core.compare.advise import advise, candidates
from anisoalign_core.compare.parallel import side_by_side
from anisoalign_core.compare.purposes import PURPOSES
from anisoalign_core.compare.splits import Run
from anisoalign_core.compare.use import USES
from anisoalign_core.errors import ParameterError, ShapeError
from tests.conftest import paired_world

METHODS = ("mean-shift", "center-both", "standardize")


def paired(y, x):
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def sample():
    return aa.load_sample().take(np.arange(500))


@pytest.fixture(scope="module")
def advice(sample):
    return advise(sample, ("train", "search", "mixed", "zero-shot"), METHODS, columns=["shape"])


def test_a_gap_makes_mixed_search_fail_and_closing_it_is_advised(advice):
    found = advice.answer("mixed")
    assert found.helps and found.over_nothing.low > 0.1
    assert found.level.value - found.nothing.value == pytest.approx(found.over_nothing.value)
    assert found.pick == found.best and sum(found.chosen.values()) == 5
    assert "anisoalign fit --method" in advice.lines("mixed")
    assert advice.in_words("mixed").startswith("Search among documents of both kinds: use ")


def test_what_cannot_be_asked_says_what_it_needs(advice, sample):
    assert advice.purposes == ("train", "search", "mixed")
    assert "it needs labels, and vectors of the class names" in advice.left_out["zero-shot"]
    with pytest.raises(ParameterError, match="it needs labels, and vectors"):
        advice.answer("zero-shot")
    with pytest.raises(ParameterError, match="was not asked"):
        advice.answer("cluster")
    bare = paired(sample.source.vectors, sample.target.vectors)
    alone = aa.EmbeddingPair(bare.source, bare.target, paired=False)
    none = advise(alone, "search", METHODS)
    assert none.purposes == () and "it needs pairs" in none.sentences[0]
    assert none.in_short() == "no advice yet"


def test_neither_a_fit_nor_the_choice_sees_the_rows_that_judge(sample):
    chosen, scored = Run(sample, 0.4, 20, 0).halves(3)
    assert chosen.split is scored.split
    seen = {*chosen.split.fit_source, *chosen.split.fit_target, *chosen.source_rows}
    assert seen.isdisjoint(scored.source_rows) and len(scored.source_rows) == 100
    assert np.array_equal(scored.source_rows, scored.target_rows)


def test_halves_keep_things_together_and_unpaired_sides_apart():
    things = aa.load_sample("scenes-captions")
    one, other = Run(things, 0.4, 20, 0).halves(0)
    of = things.things.source
    assert set(of[one.source_rows]).isdisjoint(of[other.source_rows])
    alone = aa.EmbeddingPair(things.source, things.target, paired=False)
    parts = Run(alone, 0.4, 20, 0).halves(0)
    assert set(parts[0].target_rows).isdisjoint(parts[1].target_rows)


def test_what_it_costs_elsewhere_is_told(advice):
    price = advice.price(advice.answer("mixed").best)
    assert {"omega", "mixing_coverage", "search_recall", "cluster_v_measure"} <= set(price)
    assert price["mixing_coverage"].low > 0
    assert all(one.low <= one.value <= one.high for one in price.values())


def test_it_survives_json_and_does_not_depend_on_how_many_splits_run_at_once(advice, sample):
    again = Advice.from_dict(json.loads(json.dumps(advice.to_dict())))
    assert again.to_dict() == advice.to_dict()
    assert "mixed: " in again.in_short() and "over nothing" in again.card().header
    one_by_one = advise(
        sample, ("train", "search", "mixed", "zero-shot"), METHODS, columns=["shape"], workers=1
    )
    assert one_by_one.to_dict() == advice.to_dict()


def test_a_cancelled_run_keeps_its_splits(sample):
    kept = []

    def stop(fraction, words):
        if words.startswith("split 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advise(sample, "mixed", METHODS, workers=1, on_split=kept.append, progress=stop)
    assert [one.splits for one in kept] == [2, 3]
    assert any("3 of 5 splits" in one for one in kept[-1].sentences)
    assert kept[-1].answer("mixed").helps


def test_progress_never_goes_back(sample):
    seen = []
    advise(sample, "search", METHODS, splits=2, progress=lambda part, words: seen.append(part))
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_wrong_use():
    pair = paired(*paired_world(100, 8))
    with pytest.raises(ParameterError, match='no purpose "sing"'):
        advise(pair, "sing")
    with pytest.raises(ParameterError, match="at least 2"):
        advise(pair, "search", splits=1)
    with pytest.raises(ShapeError, match="rows are held out"):
        advise(paired(*paired_world(60, 8)), "search", METHODS)
    with pytest.raises(ParameterError, match="workers is 0"):
        advise(pair, "search", METHODS, workers=0)


def test_by_default_nothing_trains_and_no_control_is_tried():
    from anisoalign_core.compare import entry

    tried = [entry(name) for name in candidates(paired=True)]
    assert not any(one.trains or one.role == "control" for one in tried)
    assert {"bounded", "realign", "identity"} <= {one.method for one in tried}
    assert all(USES[use].direction == "higher" for one in PURPOSES.values() for use in one.measures)
    assert set(PURPOSES) == {"train", "search", "mixed", "cluster", "zero-shot"}


def test_raw_rows_are_left_alone_where_they_search_best():
    """A shared cone far from the origin: nothing is to be closed, and moving only disturbs."""
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((300, 12))
    y, x = (unit(meaning + 0.5 * rng.standard_normal((300, 12))) for _ in range(2))
    found = advise(paired(y, x), "search", METHODS)
    assert found.answer("search").pick is None and "nothing helps" in found.in_words("search")
    assert found.lines("search") == ""


def test_closing_a_gap_between_rows_that_share_nothing_is_no_help():
    """It lifts mixed search from nothing up to chance, and that gain alone is told from zero."""
    rng = np.random.default_rng(0)
    y, x = (unit(rng.standard_normal((400, 8)) + 4 * np.eye(8)[side]) for side in (0, 1))
    found = advise(paired(y, x), "mixed", METHODS).answer("mixed")
    assert found.over_nothing.sign > 0 and found.over_chance.sign < 1
    assert not found.plain and found.pick is None


def test_an_encoder_before_training_is_helped_by_nothing_but_pairs():
    pair = aa.load_sample("scenes-untrained").take(np.arange(900))
    found = advise(pair, ("train", "mixed", "cluster"), (*METHODS, "ridge"))
    assert [found.answer(name).pick for name in found.purposes] == [None] * 3
    taught = found.answer("train", pairs=True)
    assert taught.helps and taught.pick.entry == "ridge"
    assert "Of what learns from pairs, Ridge regression is best" in found.in_words("train")
    assert "--method ridge" in found.lines("train", pairs=True)
    assert found.lines("train") == ""


def test_what_cannot_be_done_without_is_not_left_out_silently():
    """One class is left where one row has the other: no method could teach it."""
    pair = aa.load_sample().take(np.arange(120))
    source, target = (
        aa.EmbeddingSet.from_array(
            side.vectors, modality=side.modality, labels=pd.DataFrame({"rare": ["a"] * 119 + ["b"]})
        )
        for side in (pair.source, pair.target)
    )
    with pytest.raises(ShapeError, match="needs at least two"):
        advise(aa.EmbeddingPair(source, target, paired=True), "train", METHODS)


def test_where_all_are_equal_no_winner_is_named():
    """Unrelated rows of one distribution: every method finds partners by chance alone."""
    winners = dict.fromkeys(("search", "mixed"), 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y, x = (unit(rng.standard_normal((120, 6))) for _ in range(2))
        found = advise(paired(y, x), tuple(winners), METHODS[:1], splits=3, random_state=seed)
        for purpose in winners:
            winners[purpose] += found.answer(purpose).helps
    assert max(winners.values()) <= 10, winners


def test_pieces_are_told_in_order_and_stop_together():
    from threading import Event

    first, ended = Event(), []

    def work(number, tell):
        if number == 0:
            first.wait(10)
        else:
            first.set()
        try:
            for step in range(200):
                tell(step / 200, f"piece {number}")
        finally:
            ended.append(number)
        return number

    assert list(side_by_side(range(2), work, lambda fraction, words: None, 2)) == [0, 1]
    assert sorted(ended) == [0, 1]

    def stop(fraction, words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(range(2), work, stop, 2))

    def broken(number, tell):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(range(3), broken, lambda fraction, words: None, 2))
