"""Several true sentences of one picture: the split of the residual is exact."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.samples import load_sample
from anisoalign_core.teach import Sentences
from anisoalign_core.things import Things


@pytest.fixture(scope="module")
def pair():
    return load_sample("scenes-captions")


@pytest.fixture(scope="module")
def known(pair):
    return Sentences.of(pair.source.vectors, pair.target.vectors, pair.matched)


def test_it_is_the_librarys_residual_split_in_two(pair, known):
    found = Residual.of(pair.source.vectors, pair.target.vectors, pair.matched)
    assert known.residual(1) == pytest.approx(found.trace, rel=2e-3)  # Σ over n − 1, here over n
    apart = found.source.trace + found.target.trace
    assert known.strangers == pytest.approx(apart, rel=2e-3)


def test_means_of_captions_are_those_of_all_choices(pair, known):
    y = pair.source.vectors.astype(float).reshape(1000, 3, -1)
    x = pair.target.vectors.astype(float)
    y, x = y - y.mean(axis=(0, 1)), x - x.mean(axis=0)
    for count in (1, 2, 3):
        far = [
            np.square(x - y[:, list(some)].mean(axis=1)).sum(axis=1)
            for some in combinations(range(3), count)
        ]
        assert known.residual(count) == pytest.approx(np.mean(far), rel=1e-6)
        assert known.residual(count, 17) == pytest.approx(np.mean(far, axis=0)[17], rel=1e-5)
    apart = [np.square(y[17, a] - y[17, b]).sum() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert 2 * known.spread[17] == pytest.approx(np.mean(apart), rel=1e-5)


def test_the_limit_is_what_more_captions_come_to():
    """With noise of known size: E‖v − z‖² stays, and s²/j is what j captions add."""
    r = np.random.default_rng(0)
    n, d = 4000, 12
    z = r.normal(size=(n, d))
    x = (z + 0.5 * r.normal(size=(n, d))).astype(np.float32)
    y = (np.repeat(z, 3, axis=0) + 0.8 * r.normal(size=(3 * n, d))).astype(np.float32)
    known = Sentences.of(y, x, Things(np.repeat(np.arange(n), 3), np.arange(n), n))
    assert known.residual(np.inf) == pytest.approx(0.25 * d, rel=0.03)
    assert known.residual(1) == pytest.approx((0.25 + 0.64) * d, rel=0.03)
    assert known.strangers == pytest.approx((1.25 + 1.64) * d, rel=0.03)


def test_things_of_unequal_size_are_refused():
    rows = np.eye(4, dtype=np.float32)
    for of in ([0, 0, 0, 1], [0, 1, 2, 3]):
        with pytest.raises(ShapeError, match="same number of captions"):
            Sentences.of(
                rows, rows[: max(of) + 1], Things(np.array(of), np.arange(max(of) + 1), max(of) + 1)
            )
