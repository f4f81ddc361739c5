"""Numbers that neither rows nor dimensions decide: galleries and shares of equal size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anisoalign_core as aa
from anisoalign_core.gap.comparable import rank_of_share
from tests.conftest import paired_world
from tests.gap.encoder_worlds import grouped, pair_of, shuffled


def test_a_random_part_of_a_set_has_its_fair_numbers():
    """R@1 at one gallery size agrees between a set and a part; R@1 of the whole does not."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((1200, 12)) * np.linspace(1.0, 0.3, 12)
    pair = aa.EmbeddingPair(
        *(
            aa.EmbeddingSet.from_array(
                shared + 0.35 * rng.standard_normal(shared.shape), modality=m
            )
            for m in ("text", "image")
        ),
        paired=True,
    )
    whole = aa.diagnose(pair)
    part = aa.diagnose(pair.take(np.sort(shuffled(1200)[:150])))
    for way in ("target_to_source", "source_to_target"):
        a, b = (one.galleries[100].recall_at_1[way] for one in (whole, part))
        assert max(a.low, b.low) <= min(a.high, b.high)
        assert whole.structure.recall_at_1[way] < part.structure.recall_at_1[way] - 0.15
    a, b = (one.galleries[100].mutual_knn for one in (whole, part))
    assert a == pytest.approx(b, abs=0.08)
    assert whole.structure.mutual_knn < part.structure.mutual_knn - 0.1
    for percent in (50, 80):
        a, b = (one.shares[percent].excess for one in (whole, part))
        assert max(a.low, b.low) <= min(a.high, b.high) + 0.05


def test_galleries_are_those_that_the_set_reaches():
    found = aa.diagnose(pair_of()).galleries
    assert list(found) == [10, 20, 50, 100]
    for size, one in found.items():
        assert one.recall_chance == 1 / size
        assert one.mutual_knn_chance == pytest.approx(one.neighbours / (size - 1))
        for value in one.recall_at_1.values():
            assert 0 <= value.low <= value.value <= value.high <= 1
    falling = [one.recall_at_1["source_to_target"].value for one in found.values()]
    assert falling == sorted(falling, reverse=True)


def test_neighbours_of_the_same_space_are_common_and_of_shuffled_pairs_chance():
    y, _ = paired_world(200, 12)
    for order, expected in ((np.arange(200), 1.0), (shuffled(200), None)):
        pair = aa.EmbeddingPair(
            aa.EmbeddingSet.from_array(y[order], modality="text"),
            aa.EmbeddingSet.from_array(y, modality="image"),
            paired=True,
        )
        for one in aa.diagnose(pair).galleries.values():
            wanted = one.mutual_knn_chance if expected is None else expected
            assert one.mutual_knn == pytest.approx(wanted, abs=0.06)


def test_galleries_count_things():
    report = aa.diagnose(grouped(60, noise=0.4))
    assert list(report.galleries) == [10, 20, 50] and report.n_source == 180


def test_random_frames_share_nothing_and_samples_of_one_set_all():
    rng = np.random.default_rng(0)

    def cloud(n, basis):
        rows = rng.standard_normal((n, 40)) * np.geomspace(1.0, 0.05, 40)
        return rows @ basis

    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    for basis, expected in ((np.eye(40), 1.0), (turn, 0.0)):
        y, x = cloud(1500, basis), cloud(1500, np.eye(40))
        pair = aa.EmbeddingPair(
            aa.EmbeddingSet.from_array(y, modality="text"),
            aa.EmbeddingSet.from_array(x, modality="image"),
        )
        for one in aa.diagnose(pair, parts=("subspaces",)).shares.values():
            assert one.excess.value == pytest.approx(expected, abs=0.12)
            assert one.random == one.q / 40
            room = one.ceiling - one.random
            assert one.excess.value == pytest.approx((one.value - one.random) / room)
            assert one.excess.low <= one.excess.value <= one.excess.high


def test_the_rank_of_a_share_is_where_both_spectra_hold_it():
    flat, steep = np.ones(10), np.array([90.0, 10.0, *[0.0] * 8])
    assert rank_of_share(flat, flat, 50) == 5
    assert rank_of_share(steep, steep, 90) == 1
    assert rank_of_share(steep, steep, 80) == 1
    assert rank_of_share(steep, flat, 80) == rank_of_share(flat, steep, 80) == 8
    assert rank_of_share(flat, flat, 90) == 9
    assert rank_of_share(np.array([3.0, 1.0, -1e-9]), np.array([1.0, 0.0, 0.0]), 90) == 2


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=12),
    st.sampled_from([50, 80, 90]),
)
def test_the_rank_of_a_share_is_the_smallest(values, percent):
    spectrum = np.sort(np.array(values))[::-1]
    q = rank_of_share(spectrum, spectrum, percent)
    held = np.cumsum(spectrum) / spectrum.sum()
    assert held[q - 1] >= percent / 100 - 1e-9
    assert q == 1 or held[q - 2] < percent / 100


def test_fewer_rows_than_dimensions_leave_out_what_halves_cannot_hold():
    report = aa.diagnose(pair_of(40, 100))
    for one in report.shares.values():
        assert one.q < 20 and one.ceiling <= 1 + 1e-9 and math.isfinite(one.excess.value)
    aa.gap.compare({"one": report, "two": report}).to_json()
