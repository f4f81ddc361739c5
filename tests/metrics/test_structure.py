"""Shared structure: present where it was planted, at its null where pairs are shuffled."""

import numpy as np
import pytest

from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics import structure


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def twins():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((200, 10))
    x = unit(shared @ rng.standard_normal((10, 32)) + 1)
    y = unit(shared @ rng.standard_normal((10, 40)) - 1)
    return x, y


def measures():
    return [
        structure.debiased_cka,
        structure.mutual_knn,
        structure.rsa,
        lambda x, y: structure.rsa(x, y, "pearson"),
    ]


@pytest.mark.parametrize("measure", measures())
def test_structure_is_far_above_the_null_of_shuffled_pairs(twins, measure):
    mean, spread = structure.permuted_null(measure, *twins, n_permutations=10)
    assert measure(*twins) > mean + 8 * spread
    assert measure(twins[0], twins[0]) == pytest.approx(1.0, abs=1e-6)


def test_debiased_cka_is_centred_on_0_where_the_plain_one_is_near_1():
    rng = np.random.default_rng(1)
    values = [
        structure.debiased_cka(
            unit(rng.standard_normal((20, 400))), unit(rng.standard_normal((20, 400)))
        )
        for _ in range(30)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(30)


def test_cka_ignores_shift_scale_and_rotation(twins):
    x, y = twins
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((40, 40)))[0]
    moved = (3 * y @ rotation + 5).astype(np.float32)
    assert structure.debiased_cka(x, moved) == pytest.approx(structure.debiased_cka(x, y), abs=1e-4)


def test_chance_of_mutual_neighbours_is_k_over_n_minus_1(twins):
    mean, _ = structure.permuted_null(structure.mutual_knn, *twins, n_permutations=20)
    assert mean == pytest.approx(10 / 199, abs=0.01)


def test_one_hub_is_a_hub():
    rng = np.random.default_rng(3)
    around = rng.standard_normal((200, 300))
    even = structure.hubness(unit(rng.standard_normal((200, 3))))
    with_hub = structure.hubness(unit(np.vstack([around, around.mean(axis=0, keepdims=True)])), 1)
    assert with_hub > 5 > abs(even)


def test_rmg_compares_partners_with_strangers():
    rng = np.random.default_rng(4)
    rows = unit(rng.standard_normal((150, 20)))
    assert structure.rmg(rows, rows) == pytest.approx(0.0, abs=1e-6)
    strangers = unit(rng.standard_normal((150, 20)))
    assert structure.rmg(rows, strangers) == pytest.approx(0.5, abs=0.01)
    off = ~np.eye(150, dtype=bool)
    inside = [(1 - (r.astype(np.float64) @ r.T)[off].mean()) / 2 for r in (rows, strangers)]
    across = (1 - np.sum(rows * strangers, axis=1).mean()) / 2
    wanted = across / (across + sum(inside) / 2)
    assert structure.rmg(rows, strangers) == pytest.approx(wanted, abs=1e-6)


def test_alignment_and_uniformity_have_their_closed_forms(twins):
    x = twins[0]
    assert structure.alignment(x, x) == pytest.approx(0.0, abs=1e-6)
    assert structure.alignment(x, -x) == pytest.approx(4.0, abs=1e-5)
    assert structure.uniformity(np.repeat(x[:1], 9, axis=0)) == pytest.approx(0.0, abs=1e-5)
    squared = np.sum((x[:, None].astype(np.float64) - x[None]) ** 2, axis=2)
    off = ~np.eye(len(x), dtype=bool)
    wanted = np.log(np.exp(-2 * squared[off]).mean())
    assert structure.uniformity(x) == pytest.approx(wanted, abs=1e-5)


def test_wrong_use_is_said_in_words(twins):
    x, y = twins
    with pytest.raises(ShapeError, match="row by row"):
        structure.mutual_knn(x, y[:10])
    with pytest.raises(ParameterError, match="at least 4"):
        structure.debiased_cka(x[:3], y[:3])
    with pytest.raises(ParameterError, match="kendall"):
        structure.rsa(x, y, "kendall")
    with pytest.raises(ParameterError, match="at least 2"):
        structure.permuted_null(structure.rsa, x, y, n_permutations=1)


def test_rows_matched_anew_are_as_if_they_lay_in_that_order():
    rng = np.random.default_rng(4)
    x, y = (unit(rng.standard_normal((80, 12))) for _ in range(2))
    order = rng.permutation(80)
    shared, moved = structure.SharedStructure.of(x, y), y[order]
    assert shared.mutual_knn(5, order) == structure.mutual_knn(x, moved, 5)
    assert shared.rsa(order) == pytest.approx(structure.rsa(x, moved, "pearson"), abs=1e-12)
    assert shared.debiased_cka(order) == pytest.approx(structure.debiased_cka(x, moved), abs=1e-6)
