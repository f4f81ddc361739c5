"""The corrections that benchmarks/lossless.py tries are what their docstrings say."""

from __future__ import annotations

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.numerics import Float32, Float64, unit_rows
from benchmarks.corrections import (
    as_realign,
    levelled,
    own_stretch,
    part_turned,
    removed,
    transport,
)

RNG = np.random.default_rng(0)
DIM = 24


def cone(mean: Float64, spread: Float64, n: int) -> Float32:
    """Rows around a mean."""
    return unit_rows((mean + RNG.standard_normal((n, DIM)) * spread).astype(np.float32))


Y = cone(np.eye(DIM)[0], np.r_[0.35, np.linspace(0.3, 0.05, DIM - 1)], 3000)
X = cone(np.eye(DIM)[1], np.linspace(0.2, 0.1, DIM), 3000)
MEAN = X.mean(axis=0, dtype=np.float64)
H = MEAN / np.linalg.norm(MEAN)
TURN = transport(recentre="rotate", rule="relax")


def spread(rows: Float32) -> float:
    """Deviation of what all target queries score the rows on average."""
    return float(np.std(rows @ MEAN))


def test_the_mean_s_own_stretch_leaves_as_much_spread_as_realign() -> None:
    realign = spread(aa.ReAlign().fit(Y, X).transform(Y))
    assert spread(own_stretch(Y, X)(0.0)(Y)) == pytest.approx(realign, rel=0.1)
    assert spread(TURN(Y, X)(0.0)(Y)) > 1.15 * realign  # a turn alone leaves more


def test_levels_replace_what_lies_along_the_mean_and_nothing_beside_it() -> None:
    before = TURN(Y, X)(0.2)(Y)
    realign = spread(aa.ReAlign().fit(Y, X).transform(Y))
    flat, as_much = (levelled(TURN, level)(Y, X)(0.2)(Y) for level in (removed, as_realign))
    assert spread(flat) < 1e-6
    assert spread(as_much) == pytest.approx(realign, rel=1e-4)
    for after in (flat, as_much):
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1.0, atol=1e-6)
        old, new = (unit_rows(rows - np.outer(rows @ H, H)) for rows in (before, after))
        np.testing.assert_allclose(new, old, atol=1e-4)


def test_no_turn_is_a_shift_and_a_whole_one_the_rotation() -> None:
    shift, turn = (transport(**how)(Y, X)(0.3)(Y) for how in ({}, {"recentre": "rotate"}))
    for share, rows in ((0.0, shift), (1.0, turn)):
        np.testing.assert_allclose(part_turned(share)(Y, X)(0.3)(Y), rows, atol=1e-4)
