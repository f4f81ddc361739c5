"""Things draw the pages' figures by name, and say what they cannot draw and why."""

import json
from dataclasses import replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import AnisoAlignError, NeedsPairsError, ParameterError
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.geometry.subspace import overlap_curve
from anisoalign_core.plots import style
from anisoalign_core.plots.asked import METHOD, NEED_PAIRS, REPORT
from tests.conftest import paired_world


def pair_of(paired=True, n=150):
    y, x = paired_world(n, 12)
    source = aa.EmbeddingSet.from_array(y, modality="speech", name="speech")
    target = aa.EmbeddingSet.from_array(x, modality="video", name="video")
    return aa.EmbeddingPair(source, target, paired=paired)


@pytest.fixture(scope="module")
def pair():
    return pair_of()


@pytest.fixture(scope="module")
def report(pair):
    return aa.diagnose(pair)


@pytest.fixture(scope="module")
def board(pair):
    return aa.leaderboard(pair, ["realign", "bounded:bound=0.3"], splits=2)


@pytest.mark.parametrize("kind", REPORT)
def test_a_report_draws_every_figure_of_the_spectra_page(report, kind):
    figure = report.plot(kind)
    assert len(figure.data) and figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_spectra_are_those_of_the_pair_under_its_own_names(pair, report):
    known, drawn = Directions(pair), {line.name: line for line in report.plot().data}
    (values_y, u_y), (values_x, u_x) = known.of_sides
    for name, values, colour in (
        ("video", values_x, style.TARGET),
        ("speech", values_y, style.SOURCE),
        ("residual of pairs", known.residual.values, style.RESIDUAL),
        ("residual, re-paired at random", known.joint[0], style.NULL),
    ):
        np.testing.assert_allclose(drawn[name].y, values, rtol=1e-5)
        assert drawn[name].line.color == colour
    k = len(report.curves.overlaps)
    np.testing.assert_allclose(report.curves.overlaps, overlap_curve(u_x[:, :k], u_y[:, :k]))
    for q, found in report.subspaces.items():
        assert report.curves.overlaps[q - 1] == pytest.approx(found.value)
    np.testing.assert_allclose(report.curves.ratios, known.ratios[0])


def test_an_unpaired_report_says_which_figures_need_pairs():
    report = aa.diagnose(pair_of(paired=False))
    assert {line.name for line in report.plot().data} >= {"video", "speech"}
    for kind in NEED_PAIRS:
        with pytest.raises(NeedsPairsError, match=kind):
            report.plot(kind)


@pytest.mark.parametrize(("kind", "part"), [("energy", "residual"), ("angles", "subspaces")])
def test_a_part_that_was_left_out_is_named(pair, kind, part):
    with pytest.raises(ParameterError, match=part):
        aa.diagnose(pair, parts=()).plot(kind)


def test_a_report_without_curves_says_what_to_do(report):
    with pytest.raises(ParameterError, match="Diagnose the pair again"):
        replace(report, curves=None).plot()


def test_curves_stay_out_of_files_and_comparisons(report):
    assert "curves" not in report.to_dict()["details"]
    assert json.loads(report.to_json())["details"]["dim"] == report.dim
    assert replace(report, curves=None) == report


@pytest.mark.parametrize(
    "ask",
    [
        lambda r, b, m, p: r.plot("nothing"),
        lambda r, b, m, p: b.plot("nothing"),
        lambda r, b, m, p: b.plot(semantics="nothing"),
        lambda r, b, m, p: b.plot("answers", metric="nothing"),
        lambda r, b, m, p: b.plot("gallery", names=["nothing"]),
        lambda r, b, m, p: m.plot(p, "nothing"),
        lambda r, b, m, p: m.plot(p, plane="nothing"),
    ],
)
def test_a_name_that_is_not_known_is_refused_with_those_that_are(report, board, pair, ask):
    with pytest.raises(ParameterError, match=r'"nothing".* Choose among: [a-z]'):
        ask(report, board, aa.ReAlign().fit_pair(pair), pair)


def test_a_board_draws_the_figures_of_the_compare_page(board):
    assert "reads no pairs" in {trace.name for trace in board.plot().data}
    answered = board.plot("answers", metric="omega")
    assert any("BoundedTransport" in label for trace in answered.data for label in trace.y)
    assert len(board.plot("answers").data)
    assert len(board.plot("gallery", names=["realign"]).data) == 2  # and what chance gives
    assert len(board.plot("gallery").data) == len(board.mixed) + 1


def test_an_unpaired_board_has_no_mixed_gallery():
    board = aa.leaderboard(pair_of(paired=False), ["realign"], splits=1, curves=False)
    with pytest.raises(NeedsPairsError):
        board.plot("gallery")


def test_a_fitted_method_is_drawn_as_it_transforms_all_rows(pair):
    method = aa.BoundedTransport(bound=0.3).fit_pair(pair.take(np.arange(60)))
    figure = method.plot(pair)
    after = next(trace for trace in figure.data if trace.name == "speech, corrected")
    rows = np.asarray(after.customdata)[:, 0]
    assert sorted(rows) == list(range(len(pair.source)))
    moved = method.transform(pair.source)[rows]
    across = np.linalg.lstsq(moved, np.asarray(after.x), rcond=None)[0]
    np.testing.assert_allclose(moved @ across, after.x, atol=1e-4)
    assert np.linalg.norm(across) == pytest.approx(1, abs=1e-2)


def test_a_method_that_is_not_fitted_is_shown_on_rows_that_no_fit_saw_and_stays_so(pair):
    method = aa.BoundedTransport(bound=0.3)
    rows = np.asarray(method.plot(pair).data[0].customdata)[:, 0]
    assert sorted(rows) == sorted(pair.split(0, 0.2).holdout_target)
    assert not hasattr(method, "n_features_in_")


@pytest.mark.parametrize("name", [n for n, m in aa.ALIGNERS.items() if not m.trains])
def test_every_method_that_does_not_train_is_drawn(pair, name):
    method = aa.ALIGNERS[name]()
    assert len(method.plot(pair, plane="joint").data) == 8  # clouds and means, target twice
    for kind in METHOD:
        try:
            assert len(method.plot(pair, kind).data)
        except AnisoAlignError as error:
            assert kind != "clouds" and method.label in str(error) and '"clouds"' in str(error)


def test_the_dial_stands_where_the_method_was_fitted(pair):
    figure = aa.BoundedTransport(bound=0.3).plot(pair, "tradeoff")
    assert figure.layout.xaxis.title.text == "Bound α"
    assert figure.layout.shapes[0].x0 == pytest.approx(0.3)
    stretched = aa.BoundedTransport(bound=0.3).plot(pair, "stretches")
    assert {line.name for line in stretched.data} == {"asked for", "let through"}


def test_figures_need_a_pair(pair):
    with pytest.raises(ParameterError, match=r"BoundedTransport\.plot"):
        aa.BoundedTransport().plot(pair.source)
