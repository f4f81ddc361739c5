"""The gap while it forms: rows are the library's numbers, and training does not notice."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import ParameterError, ShapeError, SinkError
from anisoalign_core.gap import sums
from anisoalign_core.gap.distribution import distribution_gap, distribution_gap_floor
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.geometry.spectrum import effective_dimension
from anisoalign_core.metrics.distributions import frechet_of_moments
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.metrics.structure import uniformity
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import unit_rows
from tests.gap.batches import batches, run

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"step", "n", "dropped", "window", "rows", "overlap_rank", "gallery"}


def same(first, second, rel=1e-6):
    """Whether two rows hold the same numbers."""
    for name, value in first.to_dict().items():
        other = getattr(second, name)
        assert other == pytest.approx(value, rel=rel, nan_ok=True), name


def joined(pairs):
    return tuple(unit_rows(np.concatenate(side)) for side in zip(*pairs, strict=True))


def test_a_row_is_what_the_library_says_of_the_batches():
    pairs = list(batches(6))
    (row,) = run(pairs, every=6, window=6)
    x, y = joined(pairs)
    sets = [aa.EmbeddingSet.from_array(side, modality=name) for side, name in ((y, "t"), (x, "i"))]
    report = aa.diagnose(aa.EmbeddingPair(*sets, paired=True)).to_dict()
    for name in (
        "centroid_gap",
        "centroid_gap_floor",
        "matched_cosine",
        "residual_trace",
        "residual_share",
        "residual_anisotropy",
        "residual_anisotropy_repaired",
    ):
        assert getattr(row, name) == pytest.approx(report[name], rel=2e-6), name
    residual = Residual.of(y, x)
    assert row.effective_dimension_residual == pytest.approx(
        effective_dimension(residual.values), rel=1e-6
    )
    source, target = Moments.of(y), Moments.of(x)
    whole = frechet_of_moments(target, source)
    assert row.distribution_gap**2 + row.centroid_gap**2 == pytest.approx(whole, rel=1e-6)
    assert row.n == row.rows == 6 * 48 and row.window == 6 and row.dropped == 0


def test_the_squared_distance_of_partners_splits_exactly():
    for row in run(batches(20, spread=1e-3), every=10, window=3):
        assert row.centroid_gap**2 + row.residual_trace == pytest.approx(row.alignment, rel=1e-9)
        assert row.alignment == pytest.approx(2 - 2 * row.matched_cosine, abs=1e-12)


def test_the_gallery_is_the_beginning_of_the_last_batch():
    pairs = list(batches(3))
    (row,) = run(pairs, every=3, gallery=32)
    x, y = (unit_rows(side[:32]) for side in pairs[-1])
    hits = recall(y, x, (1,))
    assert row.recall_at_1_target_to_source == hits["target_to_source"][1]
    assert row.recall_at_1_source_to_target == hits["source_to_target"][1]
    assert row.uniformity_target == pytest.approx(uniformity(x), rel=1e-6)
    assert row.uniformity_source == pytest.approx(uniformity(y), rel=1e-6)
    assert (row.gallery, row.recall_chance) == (32, 1 / 32)


@pytest.mark.parametrize(
    "rows, dim, every, expected", [(48, 12, 10, 1), (8, 12, 10, 6), (8, 64, 10, 10)]
)
def test_the_window_is_as_short_as_gives_four_rows_a_dimension(rows, dim, every, expected):
    found = run(batches(2 * every, rows, dim), every=every)
    assert [row.window for row in found] == [expected] * 2
    assert [row.rows for row in found] == [expected * rows] * 2
    assert [row.n for row in found] == [every * rows] * 2
    last = joined(list(batches(2 * every, rows, dim))[-expected:])
    anisotropy = Residual.of(last[1], last[0]).anisotropy
    assert found[1].residual_anisotropy == pytest.approx(anisotropy, rel=1e-6)


def test_overlaps_follow_directions_from_the_start_and_from_row_to_row():
    rng = np.random.default_rng(0)
    dim, strong = 20, 5.0

    def batch(first):
        rows = rng.standard_normal((2, 400, dim))
        rows[:, :, first : first + 2] *= strong
        rows[0] += 30.0 * np.eye(dim)[-1]  # away from the origin, so that directions stay
        rows[1] += 30.0 * np.eye(dim)[-2]
        return rows

    found = run([batch(0), batch(0), batch(2), batch(2)], every=1)
    assert {row.overlap_rank for row in found} == {2}
    assert {row.overlap_random for row in found} == {0.1}
    for side in ("target", "source", "residual"):
        start = [getattr(row, f"overlap_{side}_start") for row in found]
        previous = [getattr(row, f"overlap_{side}_previous") for row in found]
        assert math.isnan(start[0]) and math.isnan(previous[0])
        assert start[1] > 0.98 and previous[1] > 0.98, "nothing moved"
        assert start[2] < 0.05 and previous[2] < 0.05, "all of it moved"
        assert start[3] < 0.05 and previous[3] > 0.98, "and stays where it went"
    assert found[0].overlap_between > 0.98


def test_the_floor_is_what_two_samples_of_one_distribution_show():
    rng = np.random.default_rng(0)
    for scales in (np.ones(40), 1 / np.arange(1, 41)):
        rows = rng.standard_normal((2, 200, 40)) * scales
        source, target = (Moments.of(side) for side in rows)
        seen = distribution_gap(source.covariance, target.covariance)
        pooled = np.linalg.eigvalsh(source.covariance + target.covariance) / 2
        assert distribution_gap_floor(pooled, 200, 200) == pytest.approx(seen, rel=0.12)


def test_a_distribution_gap_needs_no_more_than_one_is_the_other_scaled():
    one = np.diag([4.0, 1.0, 0.0])
    assert distribution_gap(one, one) == pytest.approx(0.0, abs=1e-7)
    # √Σ_i (√a_i − √b_i)² of matrices that commute
    assert distribution_gap(one, 4 * one) == pytest.approx(math.sqrt(5.0))
    assert distribution_gap(one, np.zeros((3, 3))) == pytest.approx(math.sqrt(5.0))


def test_memory_does_not_grow_with_steps(monkeypatch):
    assert aa.gap.Monitor().rows.maxlen == 10_000
    monkeypatch.setattr("anisoalign_core.gap.monitor.KEPT_ROWS", 3)

    def held(steps):
        monitor = aa.gap.Monitor(every=5)
        pairs = list(batches(10, 48, 40))
        tracemalloc.start()
        for k in range(steps):
            monitor.update(*pairs[k % 10])
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(monitor.rows) == 3
        return size

    held(20)  # fills caches
    assert held(500) < held(50) + 90 * 1_000, "90 more rows, and not the leading directions of one"


def test_rows_are_given_every_so_many_calls_and_kept():
    monitor = aa.gap.Monitor(every=3)
    given = [monitor.update(*pair) for pair in batches(7)]
    assert [row is not None for row in given] == [False, False, True] * 2 + [False]
    assert [row.step for row in monitor.rows] == [3, 6]
    assert list(monitor.to_frame().index) == [3, 6]
    assert monitor.to_frame()["centroid_gap"].tolist() == [row.centroid_gap for row in monitor.rows]
    assert aa.gap.Monitor().to_frame().empty


# --- batches that are not what they should be --------------------------------------------


def test_rows_without_a_direction_are_counted_and_left_out_with_their_partners():
    whole = list(batches(4))
    broken = [(x.copy(), y.copy()) for x, y in whole]
    broken[0][0][3] = np.nan
    broken[1][1][5, 2] = np.inf
    broken[3][0][0] = 0.0
    broken[3][1][0] = np.nan  # its partner, too
    (row,) = run(broken, every=4, window=4)
    assert (row.dropped, row.n, row.rows, row.gallery) == (3, 4 * 48 - 3, 4 * 48 - 3, 47)
    kept = [
        tuple(np.delete(side, at, axis=0) if at is not None else side for side in pair)
        for pair, at in zip(whole, (3, 5, None, 0), strict=True)
    ]
    (clean,) = run(kept, every=4, window=4)
    for name, value in clean.to_dict().items():
        if name != "dropped":
            assert getattr(row, name) == pytest.approx(value, rel=1e-9, nan_ok=True), name


def test_a_diverged_run_goes_on_with_rows_of_nan():
    nothing = np.full((16, 6), np.nan)
    pairs = list(batches(2, 16, 6))
    first, second, third = run([pairs[0], (nothing, nothing), pairs[1]], every=1)
    assert (second.n, second.dropped, second.rows, second.gallery) == (0, 16, 0, 0)
    numbers = {k: v for k, v in second.to_dict().items() if k not in COUNTS}
    told = {"logit_scale", "temperature", "overlap_random"}
    assert all(math.isnan(v) for k, v in numbers.items() if k not in told)
    assert third.centroid_gap > 0 and not math.isnan(third.overlap_target_previous)
    assert first.overlap_rank == third.overlap_rank


def test_constant_batches_have_a_gap_and_no_shape():
    x, y = np.eye(6)[[0] * 40], np.eye(6)[[1] * 40]
    (row,) = run([(x, y)], every=1)
    assert row.centroid_gap == pytest.approx(math.sqrt(2))
    assert row.residual_share == pytest.approx(0.0, abs=1e-12)
    assert row.distribution_gap == row.distribution_gap_floor == pytest.approx(0.0, abs=1e-9)
    for name in ("residual_anisotropy", "effective_dimension_target", "overlap_between"):
        assert math.isnan(getattr(row, name)), name


@pytest.mark.parametrize(
    "target, source, error, words",
    [
        (np.ones((4, 3)), np.ones((5, 3)), ShapeError, "shapes (4, 3) and (5, 3)"),
        (np.ones((4, 3)), np.ones((4, 2)), ShapeError, "partner"),
        (np.ones(4), np.ones(4), ShapeError, "(rows, dimensions)"),
        (np.array([["a", "b"]]), np.ones((1, 2)), ParameterError, "not real numbers"),
        (np.ones((4, 3), complex), np.ones((4, 3)), ParameterError, "complex128"),
    ],
)
def test_batches_that_are_none_are_refused_in_a_sentence(target, source, error, words):
    with pytest.raises(error) as caught:
        aa.gap.Monitor().update(target, source)
    assert words in str(caught.value)


def test_another_space_is_refused_and_leaves_the_sums_as_they_were():
    pairs = list(batches(2))
    monitor = aa.gap.Monitor(every=2)
    monitor.update(*pairs[0])
    with pytest.raises(ShapeError, match=r"3 dimensions, and those before had 12"):
        monitor.update(np.ones((4, 3)), np.ones((4, 3)))
    same(monitor.update(*pairs[1], step=2, logit_scale=10.0), run(pairs, every=2)[0], 1e-12)


@pytest.mark.parametrize(
    "how",
    [
        {"every": 0},
        {"every": 2.5},
        {"every": 4, "window": 5},
        {"window": 0},
        {"gallery": 1},
        {"sinks": [3]},
        {"sinks": print},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(how):
    with pytest.raises(ParameterError):
        aa.gap.Monitor(**how)


def test_a_logit_scale_is_one_number():
    pair = next(batches(1))
    with pytest.raises(ParameterError, match="holds 2 numbers"):
        aa.gap.Monitor(every=1).update(*pair, logit_scale=[1.0, 2.0])
    assert math.isnan(aa.gap.Monitor(every=1).update(*pair).temperature)
    assert aa.gap.Monitor(every=1).update(*pair, logit_scale=50).temperature == 0.02


# --- sinks ------------------------------------------------------------------------------


def test_a_sink_that_fails_is_named_after_all_sinks_have_the_row():
    got = []

    def broken(row):
        if row.step == 2:
            raise OSError("no room")

    monitor = aa.gap.Monitor(every=1, sinks=[broken, got.append])
    pairs = list(batches(3))
    monitor.update(*pairs[0])
    with pytest.raises(SinkError, match=r"sink broken failed at step 2: no room\. ") as caught:
        monitor.update(*pairs[1])
    assert isinstance(caught.value.__cause__, OSError)
    monitor.update(*pairs[2])
    assert [row.step for row in got] == [row.step for row in monitor.rows] == [1, 2, 3]


# --- torch ------------------------------------------------------------------------------


def test_numpy_alone_never_loads_torch_or_pandas():
    code = (
        "import sys, numpy as np, anisoalign_core as aa; "
        "r = np.random.default_rng(0).standard_normal((2, 40, 8)); "
        "m = aa.gap.Monitor(every=1); assert m.update(*r) is not None; "
        "print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def tensors(pairs, dtype="float32", device="cpu"):
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    return [
        tuple(torch.tensor(side, dtype=kind, device=device, requires_grad=True) for side in pair)
        for pair in pairs
    ]


@pytest.mark.parametrize("spread", [1.0, 1e-3], ids=["wide", "narrow cone"])
def test_float32_tensors_give_the_numbers_of_float64_arrays(spread):
    pairs = list(batches(12, spread=spread))
    found = run(tensors(pairs), every=6, window=4)
    expected = run([tuple(side.astype("f8") for side in pair) for pair in pairs], every=6, window=4)
    for one, other in zip(found, expected, strict=True):
        same(other, one, 1e-9)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_summed_as_it_comes(dtype):
    halves = tensors(batches(4), dtype)
    rounded = [tuple(side.detach().double().numpy() for side in pair) for pair in halves]
    same(run(rounded, every=4)[0], run(halves, every=4)[0], 1e-9)


@pytest.mark.parametrize("held", [False, True], ids=["as arrays", "on the device"])
def test_the_callers_graph_and_precision_stay_untouched(monkeypatch, held):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(sums, "holds_sums", lambda device: held)
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 8)
    x, y = (torch.from_numpy(side.copy()) for side in next(batches(1)))

    def gradient(monitor):
        layer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            first, second = layer(x), layer(y)
            assert first.dtype == torch.bfloat16
            if monitor is not None:
                row = monitor.update(first, second, logit_scale=layer.bias.exp()[0])
                assert row is not None and row.n == len(x)
                assert torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
                plain = (first.detach().float().numpy(), second.detach().float().numpy())
                same(run([plain], every=1)[0], row_with(row), 1e-9)
            loss = (first * second).float().sum()
        loss.backward()
        return layer.weight.grad.clone()

    def row_with(row):
        return type(row)(**{**row.to_dict(), "logit_scale": 10.0, "temperature": 0.1, "step": 1})

    alone, watched = gradient(None), gradient(aa.gap.Monitor(every=1))
    assert torch.equal(alone, watched)
    with torch.inference_mode():
        assert aa.gap.Monitor(every=1).update(layer(x), layer(y)) is not None


@pytest.mark.parametrize("spread", [1.0, 1e-3], ids=["wide", "narrow cone"])
def test_a_device_that_holds_its_sums_gives_the_same_numbers(monkeypatch, spread):
    torch = pytest.importorskip("torch")
    pairs = list(batches(12, spread=spread))
    pairs[7][0][3] = np.nan
    expected = run(pairs, every=6, window=4)
    monkeypatch.setattr(sums, "holds_sums", lambda device: True)
    held = sums.PairSums(torch.ones(4, 3))
    assert isinstance(held._counts, torch.Tensor) and held._counts.dtype == torch.float64
    for one, other in zip(expected, run(tensors(pairs), every=6, window=4), strict=True):
        same(one, other, 1e-9)


def test_a_device_without_float64_hands_its_batches_to_the_cpu(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(sums, "has_float64", lambda device: False)
    held = sums.PairSums(torch.ones(4, 3, device="meta"))
    assert isinstance(held._counts, np.ndarray)
    assert held.fits(torch.ones(4, 3)), "both are summed on the CPU"


def test_the_halves_of_a_batch_are_of_one_kind_and_device(monkeypatch):
    (pair,) = tensors(batches(1))
    with pytest.raises(ParameterError, match="One batch is a tensor and the other an array"):
        aa.gap.Monitor().update(pair[0], pair[1].detach().numpy())
    with pytest.raises(ParameterError, match="One batch is on cpu and the other on meta"):
        aa.gap.Monitor().update(pair[0], pair[1].to("meta"))
    monkeypatch.setattr(sums, "holds_sums", lambda device: True)
    monitor = aa.gap.Monitor(every=2)
    monitor.update(*pair)
    with pytest.raises(ParameterError, match="another device"):
        monitor.update(*(side.detach().numpy() for side in pair))


def test_on_a_graphics_card_as_on_the_cpu():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("there is no card")
    pairs = list(batches(12, spread=1e-3))
    on_card = run(tensors(pairs, device="cuda"), every=6, window=4)
    for one, other in zip(run(pairs, every=6, window=4), on_card, strict=True):
        same(one, other)
