"""Classes by other names: what accident gives, by hand and where there is no meaning."""

import numpy as np
import pytest

from anisoalign_core.compare.use.clusters import v_measure, v_of_counts
from anisoalign_core.compare.use.names import Told, accident, by_other_names, crossed

ABC = np.array(["ant", "bee", "cat"])


def test_two_classes_have_one_other_naming():
    said, true = np.repeat(ABC[:2], 10), np.repeat(ABC[[0, 1, 0]], [9, 10, 1])
    told = Told(said, true, ABC[:2])
    assert told.right == 0.9
    np.testing.assert_allclose(by_other_names([told.by_name]), 0.1)


def test_what_is_right_by_name_is_wrong_by_others():
    told = Told(np.repeat(ABC, 4), np.repeat(ABC, 4), ABC)
    found = by_other_names([told.by_name])
    assert set(found.round(9)) == {0.0, round(1 / 3, 9)}  # two of three swapped, or all
    both = by_other_names([told.by_name, told.by_name])
    assert both.max() == pytest.approx(2 / 3)  # one column keeps its names, the other swaps two


def test_v_of_counts_is_the_v_measure():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 4, 90)
    labels = np.where(rng.random(90) < 0.5, clusters, rng.integers(0, 3, 90)).astype(str)
    table = crossed(labels, clusters, np.unique(labels), np.arange(4))
    assert v_of_counts(table) == pytest.approx(v_measure(clusters, labels), abs=1e-12)
    assert v_of_counts(np.full((1, 1), 9.0)) == 1.0


def test_the_best_of_many_that_know_no_names_passes_in_one_of_twenty():
    """Each class is called by one of its own, the same for all rows: intervals see no chance."""
    names = np.array(list("abcdefg"))
    true = np.repeat(names, 20)
    passed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        methods = [Told(rng.choice(names, 7).repeat(20), true, names) for _ in range(6)]
        by_names = np.stack([by_other_names([one.by_name], 1) for one in methods])
        passed += max(one.right for one in methods) > accident(by_names, by_names)
    assert 0 < passed <= 24  # 1/20 of 300, and two standard deviations
