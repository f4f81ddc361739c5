"""Figures of a leaderboard."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import leaderboard
from anisoalign_core.plots.leaderboard import answers, mixed_gallery, tradeoff_board

pytestmark = pytest.mark.usefixtures("briefly_taught")


@pytest.fixture(scope="module")
def board():
    pair = aa.load_sample().take(np.arange(400))
    return leaderboard(pair, ["mean-shift", "bounded", "permuted"], splits=2, columns=["colour"])


def test_the_tradeoff_shows_every_method_once_and_every_dial_as_a_curve(board):
    figure = tradeoff_board(board, "omega", "mixing_coverage")
    marks = [
        t for t in figure.data if "markers" == t.mode.split("+")[0] and t.customdata is not None
    ]
    named = [name for trace in marks for name in trace.customdata]
    wanted = [o.label for o in board.ranked if board.has(o.name, "omega")]
    assert sorted(named) == sorted(wanted)
    curves = [trace.name for trace in figure.data if trace.mode == "lines+markers"]
    assert curves == ["BoundedTransport, bound α"]


def test_axes_without_a_curve_still_show_the_methods(board):
    figure = tradeoff_board(board, "trustworthiness", "coverage")
    assert not [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert figure.layout.xaxis.title.text.endswith("↑")


def test_answers_hold_one_difference_per_method_with_its_interval(board):
    figure = answers(board, "mixing_coverage")
    shown = {
        name: (x, up)
        for trace in figure.data
        for name, x, up in zip(trace.y, trace.x, trace.error_x.array, strict=True)
    }
    assert "ReAlign" not in shown
    gap = board.difference("bounded", "mixing_coverage")
    assert shown["BoundedTransport"] == pytest.approx((gap.value, gap.high - gap.value))


def test_the_gallery_draws_only_methods_that_have_a_curve(board):
    figure = mixed_gallery(board, ["identity", "bounded", "target"])
    assert [trace.name for trace in figure.data][:2] == ["No correction", "BoundedTransport"]
    assert len(figure.data) == 3  # and what telling the modalities apart gives
    assert len(figure.data[0].x) == 11
