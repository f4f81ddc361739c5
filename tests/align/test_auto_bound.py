"""What the automatic bound watches: similarities, or as many neighbours as ReAlign keeps."""

from __future__ import annotations

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.align.auto_bound import AUTO_LIMIT, largest_bound
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.semantics import omega
from anisoalign_core.moments import Moments
from tests.conftest import paired_world


@pytest.fixture(scope="module")
def world():
    return paired_world(400, 24, seed=3)


def kept(method, held):
    return omega(Comparison(held, method.transform(held), held, k=max(2, len(held) // 10)))


@pytest.mark.parametrize("options", [{}, {"recentre": "rotate", "rule": "relax"}])
def test_as_many_neighbours_stay_as_realign_keeps_and_no_larger_bound_does(world, options):
    y, x = world
    method = aa.BoundedTransport(watch="neighbours", **options).fit(y, x)
    held = y[method.wanted_rows(len(y))[0]]
    rest = np.setdiff1d(np.arange(len(y)), method.wanted_rows(len(y))[0])
    sums = Moments.of(y[rest]), Moments.of(x)

    def at(bound, **more):
        fitted = aa.BoundedTransport(bound=bound, **more).fit_sums(
            *sums, [], lambda made: made.apply(y[rest]).mean(axis=0, dtype=np.float64)
        )
        return kept(fitted, held)

    least = at(0.0)  # which is ReAlign
    curve = dict(zip(method.auto_bounds_.tolist(), method.auto_psi_.tolist(), strict=True))
    for bound in (0.0, 0.5, AUTO_LIMIT):
        assert curve[bound] == pytest.approx(at(bound, **options), abs=1e-6)
    wanted = min(least, max(curve.values()))
    assert at(method.bound_, **options) >= wanted - 1e-9
    later = [bound for bound, value in curve.items() if bound > method.bound_ + 0.05]
    assert all(curve[bound] < wanted for bound in later)


def test_pairs_are_not_read(world):
    y, x = world
    first = aa.BoundedTransport(watch="neighbours").fit(y, x).bound_
    assert aa.BoundedTransport(watch="neighbours").fit(y, x[::-1].copy()).bound_ == first


def test_the_usual_rule_is_what_it_was(world):
    y, x = world
    plain, named = (aa.BoundedTransport(**more).fit(y, x) for more in ({}, {"watch": "psi"}))
    assert plain.bound_ == named.bound_
    assert plain.auto_psi_[0] - plain.auto_psi_.min() >= 0
    assert largest_bound(lambda bound: 1.0 - bound / 10)[0] == 0.1


def test_where_no_bound_reaches_what_is_asked_the_nearest_is_taken():
    assert largest_bound(lambda bound: 1.0 - abs(bound - 0.5), kept=2.0)[0] == 0.5


def test_it_is_saved_and_other_rules_are_refused(world, tmp_path):
    y, x = world
    method = aa.BoundedTransport(watch="neighbours").fit(y, x)
    again = aa.load_aligner(method.save(tmp_path / "model.npz"))
    assert again.watch == "neighbours"
    np.testing.assert_array_equal(again.transform(y), method.transform(y))
    with pytest.raises(ParameterError, match="watch is 'psy'"):
        aa.BoundedTransport(watch="psy").fit(y, x)
