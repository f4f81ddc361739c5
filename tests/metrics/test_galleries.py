"""R@1 in smaller galleries: the exact mean over all that can be drawn."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.retrieval import MatchRanks, match_ranks, thing_ranks
from tests.conftest import paired_world
from tests.gap.encoder_worlds import grouped


def ranks_of(ahead, ties):
    a, b = np.array(ahead), np.array(ties)
    return MatchRanks(a, b, a[::-1].copy(), b[::-1].copy())


def drawn(a, b, size, n):
    """Mean over all galleries of the chance that item 0 comes first, ties in random order."""
    others = ["ahead"] * a + ["tie"] * b + ["behind"] * (n - 1 - a - b)
    found = [
        0.0 if "ahead" in one else 1 / (1 + one.count("tie"))
        for one in combinations(others, size - 1)
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_it_is_the_mean_over_all_galleries(n):
    cases = [(a, b) for a in range(n) for b in range(n - a)]
    ranks = ranks_of([a for a, _ in cases], [b for _, b in cases])
    for size in range(1, n + 1):
        expected = [drawn(a, b, size, n) for a, b in cases]
        np.testing.assert_allclose(ranks.first_among(size, n, forward=True), expected, atol=1e-12)
        np.testing.assert_allclose(
            ranks.first_among(size, n, forward=False), expected[::-1], atol=1e-12
        )


def test_the_whole_gallery_gives_r_at_1_and_one_item_gives_1():
    y, x = paired_world(80, 8)
    x[5], x[6] = x[4], x[4]  # ties
    ranks = match_ranks(Cosines(y, x))
    assert ranks.ties_forward.any()
    for forward in (True, False):
        whole = ranks.first_among(80, 80, forward=forward)
        np.testing.assert_allclose(whole, ranks.hits(1, forward=forward), atol=1e-12)
        np.testing.assert_allclose(ranks.first_among(1, 80, forward=forward), 1.0)


def test_without_ties_it_is_a_ratio_of_binomials_at_any_size():
    n, a = 4000, 37
    ranks = ranks_of([a], [0])
    for size in (2, 100, 2000, 3990):
        expected = comb(n - 1 - a, size - 1) / comb(n - 1, size - 1)
        found = ranks.first_among(size, n, forward=True)[0]
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-300)


@pytest.mark.parametrize("size", [0, 11])
def test_a_gallery_that_cannot_be_drawn_is_refused(size):
    with pytest.raises(ParameterError, match=f"gallery of {size} cannot be drawn from 10"):
        ranks_of([0], [0]).first_among(size, 10, forward=True)


def test_things_are_counted_as_wholes():
    pair = grouped(noise=0.5)
    y, x, things = pair.source.vectors, pair.target.vectors, pair.things
    assert not things.are_rows and things.count == 60
    ranks = thing_ranks(Cosines(y, x), things)
    for ahead, queries, of, gallery, shows in (
        (ranks.ahead_forward, y, things.source, x, things.target),
        (ranks.ahead_backward, x, things.target, y, things.source),
    ):
        for row in range(len(queries)):
            near = [
                max(float(queries[row] @ one) for one in gallery[shows == thing])
                for thing in range(things.count)
            ]
            assert ahead[row] == sum(one > near[of[row]] + 1e-6 for one in near)
    assert not ranks.ties_forward.any() and not ranks.ties_backward.any()
    assert ranks.ahead_backward.max() < 60  # 180 rows, and never more than 60 things


def test_equal_things_tie_and_a_things_own_rows_do_not():
    pair = grouped()
    x = pair.target.vectors.copy()
    x[1] = x[0]
    ranks = thing_ranks(Cosines(pair.source.vectors, x), pair.things)
    of = pair.things.source
    first, second = pair.things.target[:2]
    tied = np.isin(of, [first, second])
    assert (ranks.ties_forward[tied] == 1).all() and not ranks.ties_forward[~tied].any()


def test_of_rows_it_is_the_plain_count():
    from anisoalign_core.things import Things

    y, x = paired_world(50, 8)
    plain, by_thing = match_ranks(Cosines(y, x)), thing_ranks(Cosines(y, x), Things.rows(50))
    for name in ("ahead_forward", "ahead_backward", "ties_forward", "ties_backward"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(by_thing, name))
