"""Evaluation: a mapping that says on what it was computed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import CancelledError, NeedsPairsError, ParameterError, ShapeError
from anisoalign_core.metrics import (
    METRICS,
    Comparison,
    Reference,
    evaluate,
    quick_scores,
    score_rows,
)
from anisoalign_core.pairs import EmbeddingPair

QUICK = tuple(name for name, metric in METRICS.items() if metric.live)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((120, 16))
    x = unit(shared + 0.4 * rng.standard_normal(shared.shape) + 0.8)
    y = unit(shared + 0.4 * rng.standard_normal(shared.shape) - 0.8)
    return y, unit(y - y.mean(axis=0) + x.mean(axis=0)), x


class MeanShift:
    def __init__(self, step):
        self.step = step

    def transform(self, source):
        return unit(source.vectors + self.step)


class Echo(MeanShift):
    needs_partners = True

    def transform(self, source, target):
        return target.vectors


class BothSides(MeanShift):
    def transform_target(self, target):
        return unit(target.vectors - self.step)


@pytest.fixture(scope="module")
def pair(sets):
    y, _, x = sets
    return EmbeddingPair(
        EmbeddingSet.from_array(y, modality="text"),
        EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )


def test_registry_declares_every_contract_name_and_speaks_in_words():
    contract = (
        "phi phi_max psi omega delta_mu mixing_penetration mixing_coverage frechet "
        "residual_anisotropy matched_cosine recall_at_1_source_to_target "
        "recall_at_1_target_to_source separability precision recall density coverage"
    ).split()
    assert set(contract) <= set(METRICS)
    labels = [metric.label for metric in METRICS.values()]
    assert len(set(labels)) == len(labels)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.floor.__doc__
        assert metric.description.endswith(".")
        assert metric.range[0] < metric.range[1]


def test_every_metric_lies_in_its_range_and_its_interval(sets):
    scores = score_rows(*sets, paired=True, k=10)
    assert list(scores) == list(METRICS)
    for name, score in scores.items():
        low, high = METRICS[name].range
        assert low - 1e-6 <= score.value <= high + 1e-6, name
        assert score.low <= score.value <= score.high, name
    assert scores["phi"].value <= scores["phi_max"].value
    assert scores["recall_at_1_source_to_target"].floor == pytest.approx(1 / 120)
    assert scores["omega"].floor == pytest.approx(10 / 119)
    assert scores["phi_max"].floor is None


def test_evaluate_transforms_and_scores_like_compare(sets, pair):
    y, after, x = sets
    method = MeanShift(x.mean(axis=0) - y.mean(axis=0))
    scores = evaluate(method, pair, k=10)
    direct = score_rows(y, after, x, paired=True, k=10)
    for name in METRICS:
        assert scores[name].value == pytest.approx(direct[name].value, abs=1e-5), name


def test_methods_may_ask_for_partners_or_move_the_target(pair):
    echo = evaluate(Echo(0), pair, k=5, metrics=["matched_cosine"], intervals=False)
    assert echo["matched_cosine"].value == pytest.approx(1.0)
    step = np.full(16, 0.1)
    both = evaluate(BothSides(step), pair, k=5, metrics=["delta_mu"], intervals=False)
    only = evaluate(MeanShift(step), pair, k=5, metrics=["delta_mu"], intervals=False)
    assert both["delta_mu"].value < only["delta_mu"].value
    assert both["delta_mu"].low is None


def test_shuffling_the_target_changes_no_unpaired_number(sets):
    y, after, x = sets
    shuffled = x[np.random.default_rng(1).permutation(len(x))]
    first, second = (
        score_rows(y, after, t, paired=False, k=10, intervals=False) for t in (x, shuffled)
    )
    for name in first:
        if name in ("separability", "frechet", "sliced_wasserstein"):
            continue
        assert first[name].value == pytest.approx(second[name].value, abs=1e-6), name
    assert first["frechet"].value == pytest.approx(second["frechet"].value, abs=1e-5)
    assert first["sliced_wasserstein"].value == pytest.approx(
        second["sliced_wasserstein"].value, abs=1e-6
    )


def test_a_permuted_target_mixes_fully_and_keeps_no_neighbours(sets):
    y, _, x = sets
    after = x[np.random.default_rng(2).permutation(len(x))]
    scores = score_rows(y, after, x, paired=True, k=10, intervals=False)
    assert scores["mixing_coverage"].value == pytest.approx(1.0, abs=0.1)
    assert scores["omega"].value == pytest.approx(10 / 119, abs=0.03)
    assert scores["frechet"].value == pytest.approx(0.0, abs=1e-4)


def test_sampling_is_seeded_paired_and_stated(sets, pair):
    y, _, x = sets
    scores = evaluate(
        MeanShift(0 * y[0]), pair, k=5, max_rows=50, metrics=["matched_cosine"], intervals=False
    )
    assert (scores.rows_used, scores.rows_held) == ((50, 50), (120, 120))
    assert "50 of 120 source" in scores.rows_note
    again = score_rows(y, y, x, paired=True, k=5, max_rows=50, metrics=["matched_cosine"])
    assert scores["matched_cosine"].value == pytest.approx(again["matched_cosine"].value, abs=1e-6)
    full = np.sum(x * y, axis=1)
    assert abs(again["matched_cosine"].value - full.mean()) < 4 * full.std() / np.sqrt(50)
    whole = score_rows(y, y, x, paired=True, k=5, metrics=["phi"])
    assert whole.rows_note == "All 120 source and 120 target rows."


def test_the_same_seed_gives_the_same_numbers(sets):
    first, second = (score_rows(*sets, paired=True, k=10, random_state=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_unpaired_sets_of_unequal_size_get_the_unpaired_metrics(sets):
    y, after, x = sets
    scores = score_rows(y[:70], after[:70], x, paired=False, k=10)
    assert set(scores) == {m.name for m in METRICS.values() if m.needs != "paired"}
    assert all(score.low is not None for score in scores.values())


def test_results_are_ready_for_json_and_tables(sets):
    scores = score_rows(*sets, paired=True, k=10, metrics=["psi", "omega"])
    stored = json.loads(json.dumps(scores.to_dict()))
    assert stored["scores"]["psi"]["value"] == scores["psi"].value
    assert stored["rows_used"] == {"source": 120, "target": 120}
    frame = scores.to_frame()
    assert frame.loc["omega", "value"] == scores["omega"].value
    assert list(frame.index) == ["psi", "omega"]


def test_progress_runs_from_0_to_1_and_may_cancel(sets):
    seen = []
    score_rows(*sets, paired=True, k=10, progress=lambda fraction, words: seen.append(fraction))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)

    def cancel(fraction, words):
        if fraction > 0.2:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        score_rows(*sets, paired=True, k=10, progress=cancel)


def test_quick_scores_are_the_same_numbers_with_and_without_a_reference(sets):
    y, after, x = sets
    reference = Reference(y, x, 10).warm()
    quick = quick_scores(y, after, x, paired=True, k=10, reference=reference)
    assert tuple(quick) == QUICK
    scores = score_rows(y, after, x, paired=True, k=10, metrics=QUICK, intervals=False)
    for name, value in quick.items():
        assert value == pytest.approx(scores[name].value, abs=1e-6), name
    assert "matched_cosine" not in quick_scores(y, after, x[:90], paired=False, k=10)
    with pytest.raises(ParameterError, match="another k"):
        quick_scores(y, after, x, paired=True, k=11, reference=reference)


def test_halves_read_kept_cosines_as_if_computed_anew(sets):
    y, after, x = sets
    comparison = Comparison(y, after, x, True, 10)
    rows = np.arange(0, 120, 2)
    half = comparison.half(rows, rows)
    fresh = Comparison(y[rows], after[rows], x[rows], True, 10)
    for name in QUICK:
        assert np.mean(METRICS[name].function(half)) == pytest.approx(
            np.mean(METRICS[name].function(fresh)), abs=1e-6
        ), name


def test_wrong_use_says_what_to_do(sets):
    y, after, x = sets
    with pytest.raises(ParameterError, match="allow 2 to 59"):
        score_rows(y, after, x, paired=True, k=60)
    with pytest.raises(ParameterError, match='"psy"'):
        score_rows(y, after, x, paired=True, metrics=["psy"])
    with pytest.raises(NeedsPairsError, match="not paired"):
        score_rows(y, after, x, paired=False, metrics=["matched_cosine"])
    with pytest.raises(ShapeError, match="119 corrected rows"):
        score_rows(y, after[1:], x, paired=True)
    with pytest.raises(ParameterError, match="max_rows"):
        score_rows(y, after, x, paired=True, max_rows=1)


def test_importing_the_metrics_loads_nothing_heavy():
    code = (
        "import sys, anisoalign_core.metrics;"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
