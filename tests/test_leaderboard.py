"""The leaderboard: same rows for all, floor below ceiling, control at chance, nothing lost."""

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import Leaderboard, default_names, entry, leaderboard
from anisoalign_core.compare.entries import curve_owners, entries
from anisoalign_core.compare.splits import Run
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import METRICS, evaluate

QUICK = ("mean-shift", "center-both", "bounded:bound=0.3", "procrustes", "permuted", "oracle")

pytestmark = pytest.mark.usefixtures("briefly_taught")


@pytest.fixture(scope="module")
def pair():
    return aa.load_sample().take(np.arange(840))


@pytest.fixture(scope="module")
def board(pair):
    return leaderboard(pair, QUICK, splits=3, columns=["colour", "shape"])


def test_every_registered_method_that_does_not_train_stands_on_the_default_board():
    assert {entry(name).method for name in default_names()} == set(aa.ALIGNERS)
    board, notes, _ = entries(None, paired=False)
    assert {one.method for one in board}.isdisjoint({"procrustes", "ridge", "oracle"})
    assert {one.method for one in board} >= {"bounded", "memory"}
    assert not any(one.trains for one in board)
    assert "anisoalign" in notes[0] and "until named" in notes[0]
    assert "Procrustes" in notes[1]


def test_floor_baseline_and_ceiling_are_always_there(board):
    assert {"identity", "realign", "target"} <= set(board.values)
    roles = {one.name: one.role for one in board.entries}
    assert roles["identity"] == "floor" and roles["target"] == "ceiling"
    assert roles["procrustes"] == "reference" and roles["oracle"] == "control"
    needs = {one.name: one.needs for one in board.entries}
    assert needs["identity"] == "fit-free" and needs["realign"] == "unpaired"
    assert needs["procrustes"] == "paired"


def test_scores_are_those_of_the_library_on_the_same_split(board, pair):
    split = pair.split(1, 0.25)
    method = aa.BoundedTransport(bound=0.3).fit(
        pair.source.take(split.fit_source), pair.target.take(split.fit_target)
    )
    held = pair.take(split.holdout_source)
    wanted = evaluate(method, held, k=20, intervals=False)
    for metric in METRICS:
        found = board.values["bounded:bound=0.3"][metric][1]
        assert found == pytest.approx(wanted[metric].value, rel=1e-6, abs=1e-7), metric


def test_the_order_of_floor_and_ceiling_holds_on_every_metric(board):
    checks = board.order()
    assert len(checks) > 25
    assert all(check.holds for check in checks), [c for c in checks if not c.holds]


def test_the_permuted_target_is_no_better_than_chance(board):
    checks = board.controls()
    assert {"psi", "recall_at_1_source_to_target", "label_transfer", "mixed_gallery_ndcg"} <= {
        check.metric for check in checks
    }
    assert all(check.holds for check in checks), [c for c in checks if not c.holds]


def test_a_broken_order_and_a_telling_control_are_found(board):
    swapped = Leaderboard.from_dict(board.to_dict())
    values = swapped.values
    values["identity"], values["target"] = values["target"], values["identity"]
    assert not all(check.holds for check in swapped.order())
    values["permuted"] = values["bounded:bound=0.3"]
    failing = {check.metric for check in swapped.controls() if not check.holds}
    assert {"psi", "omega", "label_transfer"} <= failing


def test_differences_are_paired_and_answers_follow_their_intervals(board):
    name = "bounded:bound=0.3"
    gap = board.difference(name, "mixing_coverage")
    raw = board.values[name]["mixing_coverage"] - board.values["realign"]["mixing_coverage"]
    assert gap.value == pytest.approx(raw.mean())
    assert board.answer(name, "mixing_coverage") == "better"
    assert board.answer(name, "frechet") == "better"  # smaller is better
    assert board.answer("permuted", "psi") == "worse"
    assert board.answer("realign", "psi") is None
    assert board.answer(name, "phi_max") is None  # no better side


def test_a_floor_that_depends_on_the_method_is_not_called_chance(board):
    assert board.chance("recall_at_1_source_to_target") == pytest.approx(1 / 210)
    assert board.chance("matched_cosine") is None
    assert board.floor("mean-shift", "matched_cosine") != board.floor("identity", "matched_cosine")


def test_columns_have_their_own_accuracies_and_the_mean_is_theirs(board):
    scores = board.values["realign"]
    mean = (scores["label_transfer[colour]"] + scores["label_transfer[shape]"]) / 2
    assert scores["label_transfer"] == pytest.approx(mean)
    assert board.metrics("train")[0] == "label_transfer"


def test_the_gap_itself_stands_beside_what_was_published(board, pair):
    report = aa.diagnose(pair)
    assert board.gap["centroid_gap"] == report.bias.centroid_gap.value
    assert {"residual_share", "residual_anisotropy", "spectral_correlation"} <= set(board.gap)


def test_it_survives_json(board):
    again = Leaderboard.from_dict(json.loads(json.dumps(board.to_dict())))
    assert again.to_dict() == board.to_dict()
    assert again.score("realign", "psi") == board.score("realign", "psi")


def test_the_same_seed_gives_the_same_board(pair):
    first, second = (
        leaderboard(pair, ["c3"], splits=1, columns=["shape"], curves=False) for _ in range(2)
    )
    assert first.to_dict()["values"] == second.to_dict()["values"]


def test_a_cancelled_run_keeps_finished_splits_and_continues_to_the_same_numbers(pair):
    kept = []
    pair = pair.take(np.arange(240))

    def stop(fraction, words):
        if words.startswith("split 3"):
            raise KeyboardInterrupt

    methods, options = ("bounded", "permuted"), {"splits": 3, "columns": ["shape"]}
    with pytest.raises(KeyboardInterrupt):
        leaderboard(pair, methods, **options, workers=1, on_split=kept.append, progress=stop)
    assert [one.splits for one in kept] == [1, 2]
    assert any("Stopped after 2 of 3" in text for text in kept[-1].sentences)
    stored = Leaderboard.from_dict(json.loads(json.dumps(kept[-1].to_dict())))
    continued = leaderboard(pair, methods, **options, previous=stored).to_dict()
    whole = leaderboard(pair, methods, **options).to_dict()
    assert continued["values"] == whole["values"]
    assert continued["curves"] == whole["curves"]
    with pytest.raises(ParameterError, match="other sets, methods or settings"):
        leaderboard(pair, ["c3"], splits=3, previous=stored)


def test_progress_never_goes_back(pair):
    seen = []
    pair = pair.take(np.arange(240))
    leaderboard(pair, ["c3"], splits=2, progress=lambda fraction, words: seen.append(fraction))
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_unpaired_sets_are_compared_without_what_needs_pairs(pair):
    unpaired = aa.EmbeddingPair(pair.source, pair.target.take(np.arange(20, 820)))
    methods = ["mean-shift", "procrustes", "permuted"]
    found = leaderboard(unpaired, methods, splits=2, columns=["colour"])
    assert "procrustes" not in found.values and found.metrics("residual") == []
    assert all(m.startswith("mixed_gallery_bias") for m in found.metrics("retrieval"))
    assert found.has("mean-shift", "label_transfer")
    assert any("Procrustes" in text for text in found.notes)
    assert any("need pairs" in text for text in found.notes)
    assert all(check.holds for check in found.order()), found.order()


def test_without_labels_it_says_what_is_missing(pair):
    bare = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(pair.source.vectors, modality="text"),
        aa.EmbeddingSet.from_array(pair.target.vectors, modality="image"),
        paired=True,
    )
    found = leaderboard(bare, ["mean-shift"], splits=1)
    assert found.metrics("train") == [] and found.metrics("mixed")[0] == "mixed_gallery_ndcg"
    assert any("Label transfer and clusters" in text for text in found.notes)
    assert found.score("mean-shift", "psi").low is None  # one split has no interval
    assert found.answer("mean-shift", "psi") is None


def test_a_method_that_refuses_the_rows_is_named_and_the_others_go_on(pair):
    refused = 'bounded:rank=900,frame="joint"'
    found = leaderboard(pair, [refused, "mean-shift"], splits=2, columns=["shape"])
    assert list(found.failures) == [refused]
    assert "rank is 900" in next(iter(found.failures.values()))
    assert "mean-shift" in found.values and found.splits == 2
    assert any("rank is 900" in text for text in found.sentences)


def test_what_is_refused(pair):
    for methods, words in (
        (["nothing"], "There is no method"),
        (["bounded:colour=3"], "not NAME=VALUE"),
        (["c3", "c3"], "named twice"),
    ):
        with pytest.raises(ParameterError, match=words):
            leaderboard(pair, methods)
    with pytest.raises(ParameterError, match="at least 1"):
        leaderboard(pair, splits=0)
    with pytest.raises(ShapeError, match="at least 20"):
        leaderboard(pair.take(np.arange(60)), holdout=0.2)


def test_entries_that_differ_in_the_dial_alone_share_one_curve(board):
    listed = [entry(n) for n in ("bounded", "bounded:bound=0.5", 'bounded:recentre="rotate"')]
    assert [one.name for one in curve_owners(listed)] == ["bounded", 'bounded:recentre="rotate"']
    curve = board.curves["bounded:bound=0.3"]
    assert curve.scores["omega"].shape == (3, len(curve.values))
    omega = curve.scores["omega"].mean(axis=0)
    assert omega[0] == pytest.approx(board.values["realign"]["omega"].mean(), abs=1e-6)
    assert omega[0] > omega[-1]


def test_the_oracles_curve_runs_from_the_mean_shift_to_the_target(board):
    psi = board.curves["oracle"].scores["psi"].mean(axis=0)
    assert psi[0] > 0.9 > psi[-1]


def test_only_so_many_rows_are_scored_and_both_sides_are_the_same_pairs():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((9000, 4))
    large = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(rows, modality="text"),
        aa.EmbeddingSet.from_array(rows + 0.1, modality="image"),
        paired=True,
    )
    one = Run(large, 0.5, 20, 0).round(0)
    assert len(one.source_rows) == 2000
    assert np.array_equal(one.source_rows, one.target_rows)
    assert set(one.source_rows) <= set(one.split.holdout_source)
