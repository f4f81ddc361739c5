"""Exact neighbours: the blocked search is the full sort."""

import numpy as np
import pytest

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import cosines as products
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.neighbours import k_occurrence, largest, nearest, top_k


def unit(rng, n, d):
    rows = rng.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def full_sort(values, k):
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(values, order, 1)


@pytest.mark.parametrize(("n", "m", "k"), [(7, 5, 5), (50, 333, 1), (40, 700, 13), (9, 4000, 60)])
def test_largest_is_the_head_of_a_stable_sort_even_with_many_ties(n, m, k):
    rng = np.random.default_rng(0)
    for values in (rng.standard_normal((n, m)), rng.integers(0, 4, (n, m)), np.zeros((n, m))):
        values = values.astype(np.float32)
        columns, found = largest(values, k)
        wanted_columns, wanted = full_sort(values, k)
        np.testing.assert_array_equal(columns, wanted_columns)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("cells", [1, 50_000, 10**9])
def test_top_k_equals_a_full_sort_whatever_the_blocks(monkeypatch, cells):
    monkeypatch.setattr(products, "BLOCK_CELLS", cells)
    monkeypatch.setattr(products, "HELD_CELLS", 0)
    rng = np.random.default_rng(1)
    queries, keys = unit(rng, 101, 16), unit(rng, 457, 16)
    indices, similarities = top_k(queries, keys, 11)
    wanted, cosines = full_sort(queries.astype(np.float64) @ keys.T.astype(np.float64), 11)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(similarities, cosines, atol=1e-6)


def test_a_row_is_never_its_own_neighbour_even_among_duplicates():
    rng = np.random.default_rng(2)
    rows = np.repeat(unit(rng, 6, 8), 5, axis=0)
    indices, _ = top_k(rows, rows, 3, exclude_self=True)
    own = np.arange(len(rows))[:, None]
    assert not (indices == own).any()
    np.testing.assert_array_equal(indices // 5, np.broadcast_to(own // 5, indices.shape))


def test_torch_path_finds_the_same_neighbours():
    pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    rows = unit(rng, 300, 24)
    for ours, theirs in zip(
        top_k(rows, rows, 7, exclude_self=True),
        top_k(rows, rows, 7, exclude_self=True, device="cpu"),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_cosines_of_some_rows_are_read_from_the_whole():
    rng = np.random.default_rng(4)
    cosines = Cosines(unit(rng, 30, 8), unit(rng, 20, 8))
    rows, columns = np.array([1, 5, 29]), np.array([0, 19])
    part = cosines.take(rows, columns)
    np.testing.assert_array_equal(part.matrix, cosines.matrix[np.ix_(rows, columns)])
    np.testing.assert_array_equal(part.transposed.matrix, part.matrix.T)
    np.testing.assert_array_equal(
        nearest(cosines.transposed, 3)[0], full_sort(cosines.matrix.T, 3)[0]
    )


def test_k_occurrence_counts_every_key_once_per_mention():
    counts = k_occurrence(np.array([[0, 1], [1, 3]]), 5)
    np.testing.assert_array_equal(counts, [1, 2, 0, 1, 0])


def test_impossible_requests_say_how_many_neighbours_there_are():
    rows = unit(np.random.default_rng(0), 5, 3)
    with pytest.raises(ParameterError, match="4 possible neighbours"):
        top_k(rows, rows, 5, exclude_self=True)
    with pytest.raises(ParameterError, match="k is 0"):
        top_k(rows, rows, 0)
    with pytest.raises(ShapeError, match="dimensions"):
        top_k(rows, rows[:, :2], 1)


def test_a_correction_keeps_gains_and_loses_neighbours():
    from anisoalign_core.metrics.neighbours import neighbour_change

    rng = np.random.default_rng(4)
    before, after = (rng.standard_normal((50, 6)).astype(np.float32) for _ in range(2))
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    change = neighbour_change((before[3], before), (after[3], after), 7, leave_out=3)
    near = [
        [r for r in np.argsort(-(rows @ rows[3])).tolist() if r != 3][:7]
        for rows in (before, after)
    ]
    assert change.kept.tolist() == [r for r in near[1] if r in near[0]]
    assert change.gained.tolist() == [r for r in near[1] if r not in near[0]]
    assert change.lost.tolist() == [r for r in near[0] if r not in near[1]]
    assert 3 not in change.before[0] and len(change.after[0]) == 7
    same = neighbour_change((before[3], before), (before[3], before), 5)
    assert same.kept[0] == 3 and not len(same.gained) and not len(same.lost)
