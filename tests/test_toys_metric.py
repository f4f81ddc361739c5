"""A metric that is registered appears everywhere, with nothing else touched."""

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.compare import Leaderboard, leaderboard
from anisoalign_core.metrics import METRICS, Comparison, Metric
from anisoalign_core.publish import to_html, to_json, to_latex, to_markdown
from tests.app.live import live_facts
from tests.app.test_pages import open_page, pair_of, read


def toy(c: Comparison) -> float:
    """Length of the mean corrected row."""
    return float(np.linalg.norm(c.after_mean))


def toy_floor(_: Comparison) -> float:
    """0.125, for the test to find."""
    return 0.125


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    metric = Metric(
        name="toy_length",
        label="How long the toy is",
        symbol="TOY",
        description="Length of the mean of the corrected rows.",
        direction="lower",
        range=(0.0, 1.0),
        needs="fit-free",
        group="semantics",
        reference="nowhere",
        function=toy,
        floor=toy_floor,
        live=True,
        curve=True,
        card="Toy's length",
    )
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric


def test_the_library_scores_it():
    pair = pair_of()
    found = aa.evaluate(aa.MeanShift().fit(pair.source, pair.target), pair)["toy_length"]
    assert found.low <= found.value <= found.high
    assert (found.floor, found.needs) == (0.125, "fit-free")


@pytest.fixture
def files(tmp_path):
    pair = pair_of()
    paths = tmp_path / "image.npy", tmp_path / "text.npy"
    for path, side in zip(paths, (pair.target, pair.source), strict=True):
        np.save(path, side.vectors)
    return ["--target", str(paths[0]), "--source", str(paths[1]), "--paired"]


def test_the_command_line_scores_and_compares_with_it(files, tmp_path, capsys):
    model = str(tmp_path / "model.npz")
    assert main(["fit", "--method", "mean-shift", *files, "--out", model]) == 0
    assert main(["evaluate", "--model", model, *files]) == 0
    assert "toy_length" in capsys.readouterr().out
    board = str(tmp_path / "board.csv")
    line = ["compare", *files, "--methods", "mean-shift", "--splits", "2", "--out", board]
    assert main(line) == 0
    assert "TOY" in capsys.readouterr().out
    assert "toy_length" in (tmp_path / "board.csv").read_text()


def test_a_board_ranks_and_publishes_it():
    board = leaderboard(pair_of(), ["mean-shift", "bounded"], splits=2)
    assert board.floor("realign", "toy_length") == 0.125
    assert board.answer("mean-shift", "toy_length") in ("better", "worse", "cannot tell")
    assert any("toy_length" in curve.scores for curve in board.curves.values())
    for text in (to_html(board), to_latex(board), to_markdown(board)):
        assert "TOY" in text
    again = Leaderboard.from_dict(json.loads(to_json(board)))
    assert "toy_length" in again.metrics("semantics")
    assert "toy_length" in set(again.to_frame()["metric"])


def test_the_correct_page_shows_it_live_and_in_full():
    at = open_page("correct", pair_of())
    assert "Toy's length" in [one["label"] for one in live_facts(at)["cards"]]
    at.button(key="evaluate").click().run()
    assert not at.exception
    assert "How long the toy is" in read(at).index


def test_the_compare_page_shows_it_and_draws_along_it():
    at = open_page("compare", pair_of(), compare_methods=["bounded"], compare_splits=2)
    at.button(key="compare_run").click().run()
    assert not at.exception
    assert "TOY ↓" in read(at).columns
    at.selectbox(key="compare_across").select("toy_length").run()
    assert not at.exception
