"""Figures of many encoders show the numbers that are there, under names that are no markup."""

import json
from dataclasses import replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.bench import Bench, BenchEntry, small_cloud
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.encoders import compare
from anisoalign_core.plots import run_lines, small_clouds, tradeoff_lines
from anisoalign_core.plots.bench import MOST_EMPHASISED, RUN_COLUMNS
from anisoalign_core.plots.explore import PALETTE, RING
from anisoalign_core.plots.style import CORRECTED, NULL, SOURCE, TARGET, as_text
from tests.bench.bench_worlds import run_of
from tests.gap.encoder_worlds import pair_of, shuffled

MARKUP = "<b>%{x}&"


@pytest.fixture(scope="module")
def pairs():
    return {MARKUP: pair_of(60), "two": pair_of(60, seed=3, order=shuffled(60))}


@pytest.fixture(scope="module")
def comparison(pairs):
    reports = {name: aa.diagnose(pair) for name, pair in pairs.items()}
    reports["unpaired"] = aa.diagnose(pair_of(60, seed=4, paired=False))
    return compare(reports, pairs=pairs)


@pytest.fixture(scope="module")
def clouds(pairs):
    bench = Bench()
    for name, pair in pairs.items():
        bench = bench.with_entry(BenchEntry.measure(name, pair, rows=30))
    return bench.entries


def no_markup(figure):
    """Say whether no text that a figure shows has the name as it was given."""
    body = json.loads(figure.to_json())
    for trace in body["data"]:
        trace.pop("legendgroup", None)  # groups lines, and is never shown
    return MARKUP not in json.dumps(body, ensure_ascii=False)


# ------------------------------------------------------------------------------------ comparison


def test_dots_are_the_points_with_their_intervals_and_nulls(comparison):
    figure = comparison.plot("table")
    titles = [one.text.replace("<br>", " ") for one in figure.layout.annotations]
    assert titles == [as_text(measure.label) for measure in comparison.measures]
    traces = list(figure.data)
    assert len(traces) == 2 * len(comparison.measures)
    for number, measure in enumerate(comparison.measures):
        nulls, marks = traces[2 * number : 2 * number + 2]
        points = comparison.points[measure.name]
        assert list(marks.y) == list(nulls.y) == [as_text(name) for name in points]
        np.testing.assert_allclose(marks.x, [p.value for p in points.values()], rtol=1e-6)
        np.testing.assert_allclose(nulls.x, [p.null for p in points.values()], atol=1e-7)
        assert measure.null_is in nulls.hovertemplate
        for at, point in enumerate(points.values()):
            width = 0.0 if np.isnan(point.low) else point.value - point.low
            assert marks.error_x.arrayminus[at] == pytest.approx(width, abs=1e-9)
            width = 0.0 if np.isnan(point.high) else point.high - point.value
            assert marks.error_x.array[at] == pytest.approx(width, abs=1e-9)
    colours = {}
    for trace in traces[1::2]:
        for name, colour in zip(trace.y, trace.marker.color, strict=True):
            assert colours.setdefault(name, colour) == colour  # one colour an encoder, everywhere
    assert len(set(colours.values())) == 3
    assert no_markup(figure)


def test_rows_are_sorted_and_read_against_a_baseline(comparison):
    figure = comparison.plot("table", by="centroid_gap", baseline="two")
    order = [as_text(name) for name in comparison.order("centroid_gap")]
    assert list(figure.layout.yaxis.categoryarray) == order[::-1]  # the first one on top
    lines = [shape.x0 for shape in figure.layout.shapes]
    with_it = [m for m in comparison.measures if "two" in comparison.points[m.name]]
    np.testing.assert_allclose(lines, [comparison.points[m.name]["two"].value for m in with_it])
    with pytest.raises(ParameterError, match='no encoder "three"'):
        comparison.plot("table", baseline="three")
    with pytest.raises(ParameterError, match="no measure"):
        comparison.plot("table", by="size")
    with pytest.raises(ParameterError, match='no figure "pie"; choose among table'):
        comparison.plot("pie")


def test_parts_stack_to_the_mean_squared_distance(comparison):
    figure = comparison.plot("parts")
    gap, residual = figure.data
    parts = comparison.parts()
    assert list(gap.y) == [as_text(name) for name in parts]
    np.testing.assert_allclose(np.add(gap.x, residual.x), [sum(both) for both in parts.values()])
    shares = [f"{both[0] / sum(both):.0%}" for both in parts.values()]
    assert list(gap.text) == shares and figure.layout.barmode == "stack"
    assert no_markup(figure)
    with pytest.raises(ParameterError, match="None of these reports has pairs"):
        compare({"a": comparison.reports["unpaired"]}).plot("parts")


def test_agreement_is_a_symmetric_map(comparison):
    (map_,) = comparison.plot("agreement").data
    (one,) = comparison.agreements
    np.testing.assert_array_equal(map_.z, [[np.nan, one.value], [one.value, np.nan]])
    assert list(map_.x) == [as_text(MARKUP), "two"] and (map_.zmin, map_.zmax) == (0, 1)
    with pytest.raises(ParameterError, match="rows of at least two"):
        compare(comparison.reports).plot("agreement")


def test_spectra_are_those_of_the_reports(comparison):
    figure = comparison.plot("spectra")
    drawn = [trace for trace in figure.data if np.isfinite(trace.y).any()]
    assert len(drawn) == 3 + 3 + 2  # the unpaired one has no residual
    curves = comparison.reports["two"].curves
    found = next(t for t in drawn if t.name == "two" and t.line.dash == "dot")
    np.testing.assert_allclose(found.y, curves.residual / curves.residual.sum(), rtol=1e-4)
    assert no_markup(figure)
    bare = {name: replace(one, curves=None) for name, one in comparison.reports.items()}
    with pytest.raises(ParameterError, match="None of these reports holds spectra"):
        compare(bare).plot("spectra")


# ----------------------------------------------------------------------------------- small clouds


def test_small_clouds_show_all_kept_rows_of_every_encoder(clouds):
    shown = [small_cloud(entry) for entry in clouds]
    figure = small_clouds(shown)
    assert [one.text for one in figure.layout.annotations] == [as_text(MARKUP), "two"]
    assert len(figure.data) == 4
    for number, cloud in enumerate(shown):
        target, source = figure.data[2 * number : 2 * number + 2]
        for trace, rows, colour in ((target, cloud.target, TARGET), (source, cloud.source, SOURCE)):
            np.testing.assert_array_equal(np.column_stack([trace.x, trace.y]), rows)
            assert trace.marker.color == colour
            assert trace.customdata[:, 0].tolist() == list(range(30))
            assert set(trace.customdata[:, 1].tolist()) == {number}
            assert trace.showlegend == (number == 0)
    corrected = small_clouds([small_cloud(one, 0.2) for one in clouds], corrected=True)
    assert corrected.data[1].marker.color == CORRECTED
    assert no_markup(figure)


def test_marked_things_are_joined_to_their_partners_in_every_panel(clouds):
    shown = [small_cloud(entry) for entry in clouds]
    marked = shown[0].ids[3:5]
    figure = small_clouds(shown, marked=[*marked, "nobody"])
    rings = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(rings) == 2 and all(one.marker.color == RING for one in rings)
    for cloud, ring in zip(shown, rings, strict=True):
        rows = [cloud.ids.index(one) for one in sorted(marked, key=cloud.ids.index)]
        expected = [v for row in rows for v in (cloud.target[row, 0], cloud.source[row, 0], None)]
        assert [None if v is None or np.isnan(v) else v for v in ring.x] == pytest.approx(expected)
    assert len(small_clouds(shown, marked=["nobody"]).data) == 4


# ------------------------------------------------------------------------------------- trade-offs


def test_trade_offs_are_drawn_as_they_were_kept(clouds):
    curves = {one.name: one.kept.tradeoff for one in clouds}
    figure = tradeoff_lines(curves, emphasised=["two"])
    grey, bright = figure.data  # the coloured one lies above
    assert (grey.name, bright.name) == (as_text(MARKUP), "two")
    assert grey.line.color == NULL and bright.line.color == PALETTE[0]
    np.testing.assert_allclose(bright.x, curves["two"]["psi"], rtol=1e-6)
    np.testing.assert_allclose(bright.y, curves["two"]["mixing_coverage"], rtol=1e-6)
    assert list(bright.customdata) == list(curves["two"]["bound"])
    assert no_markup(figure)


def test_five_at_most_are_in_colour_and_what_lacks_a_score_is_left_out(clouds):
    curve = clouds[0].kept.tradeoff
    curves = {f"e{number}": curve for number in range(8)}
    curves["bare"] = {"bound": curve["bound"]}
    figure = tradeoff_lines(curves, emphasised=list(curves))
    bright = [trace for trace in figure.data if trace.line.color != NULL]
    assert len(figure.data) == 8 and len(bright) == MOST_EMPHASISED
    assert [trace.name for trace in bright] == [f"e{number}" for number in range(5)]
    assert len(tradeoff_lines({}).data) == 0


# ------------------------------------------------------------------------------------------- runs


def test_runs_are_drawn_along_their_steps_with_their_nulls(tmp_path):
    runs = {MARKUP: run_of(tmp_path, "a", 4).frame, "b": run_of(tmp_path, "b", 3).frame}
    columns = ["centroid_gap", "matched_cosine"]
    figure = run_lines(runs, columns)
    assert [one.text for one in figure.layout.annotations] == [
        RUN_COLUMNS[one][0] for one in columns
    ]
    lines = list(figure.data)
    assert len(lines) == 2 * 2 + 2
    for trace, name, column, dash in (
        (lines[0], MARKUP, "centroid_gap", "solid"),
        (lines[1], MARKUP, "centroid_gap_floor", "dot"),
        (lines[2], "b", "centroid_gap", "solid"),
        (lines[4], MARKUP, "matched_cosine", "solid"),
    ):
        np.testing.assert_allclose(trace.x, runs[name].index)
        np.testing.assert_allclose(trace.y, runs[name][column], rtol=1e-6)
        assert trace.line.dash == dash
    assert lines[0].line.color == lines[1].line.color != lines[2].line.color
    assert no_markup(figure)


def test_a_step_is_marked_in_every_panel_and_on_every_run(tmp_path):
    frame = run_of(tmp_path, "a", 4).frame
    figure = run_lines({"a": frame}, ["centroid_gap", "residual_share"], step=21)
    assert [shape.x0 for shape in figure.layout.shapes] == [21, 21]
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    for mark, column in zip(marks, ("centroid_gap", "residual_share"), strict=True):
        assert float(np.ravel(mark.x)[0]) == 20
        assert float(np.ravel(mark.y)[0]) == pytest.approx(frame[column].loc[20], rel=1e-6)


def test_without_runs_or_rows_there_is_an_empty_figure(tmp_path):
    assert len(run_lines({}).data) == 0
    frame = run_of(tmp_path, "a").frame
    empty = run_lines({"a": frame, "none": frame.iloc[:0]}, ["centroid_gap"], step=10)
    assert [trace.name for trace in empty.data if trace.showlegend] == ["a", "none"]
