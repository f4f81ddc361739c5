"""Figures say what they should: colours by modality, shared axes, rows that map back."""

import numpy as np
import pytest

from anisoalign_core import plots
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import NeedsPairsError, ParameterError
from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.geometry.directions import KINDS, Directions, ends
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots import style
from tests.conftest import paired_world

RNG = np.random.default_rng(0)
TARGET, SOURCE, CORRECTED = (RNG.standard_normal((40, 2)).astype(np.float32) + i for i in range(3))
VALUES = np.sort(RNG.random(30))[::-1]


def pair_of(paired=True):
    y, x = paired_world(120, 10)
    sides = (EmbeddingSet.from_array(rows, modality="any") for rows in (y, x))
    return EmbeddingPair(*sides, paired=paired)


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def test_the_three_colours_are_distinct_and_okabe_ito():
    assert (style.TARGET, style.SOURCE, style.CORRECTED) == ("#0072B2", "#D55E00", "#009E73")


def test_spectra_are_drawn_in_the_modalities_colours_on_log_axes():
    figure = plots.spectra(
        VALUES, VALUES / 2, VALUES / 3, repaired_values=VALUES * 1.5, names=("a", "b")
    )
    traces = by_name(figure)
    assert traces["a"].line.color == style.TARGET
    assert traces["b"].line.color == style.SOURCE
    assert traces["residual, re-paired at random"].line.color == style.NULL
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    np.testing.assert_allclose(traces["a"].y, VALUES, rtol=1e-6)


def test_zero_eigenvalues_never_reach_a_log_axis():
    values = np.r_[VALUES, 0.0, 1e-18]
    for trace in plots.spectra(values, values).data:
        assert (np.asarray(trace.y) > 0).all()


def test_the_bar_holds_the_two_parts_of_the_squared_distance():
    report = diagnose(pair_of())
    widths = [float(trace.x[0]) for trace in plots.bias_and_residual(report).data]
    assert sum(widths) == pytest.approx(2 - 2 * report.residual.matched_cosine.value, rel=1e-4)
    with pytest.raises(ValueError, match="unpaired"):
        plots.bias_and_residual(diagnose(pair_of(paired=False)))


def test_before_and_after_share_axes_and_colours():
    rows = np.arange(100, 140)
    figure = plots.before_after(
        TARGET, SOURCE, CORRECTED, range_x=(-1, 5), range_y=(-2, 6), source_rows=rows
    )
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range == (-1, 5)
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == (-2, 6)
    clouds = [trace for trace in figure.data if len(trace.x) == 40]
    assert [trace.marker.color for trace in clouds] == [
        style.TARGET,
        style.TARGET,
        style.SOURCE,
        style.CORRECTED,
    ]
    np.testing.assert_array_equal(clouds[2].customdata[:, 0], rows)
    np.testing.assert_array_equal(clouds[2].customdata[:, 1], 1)
    means = [trace for trace in figure.data if len(trace.x) == 1]
    np.testing.assert_allclose([means[-1].x[0], means[-1].y[0]], CORRECTED.mean(0), rtol=1e-6)
    assert figure.layout.uirevision == "keep"


def test_points_are_float32_and_carry_their_row_and_side():
    figure = plots.clouds(TARGET, SOURCE, target_rows=np.arange(5, 45))
    cloud = figure.data[0]
    assert cloud.type == "scattergl"
    assert np.asarray(cloud.x).dtype == np.float32
    assert cloud.customdata[3].tolist() == [8, 0]
    assert sum(np.asarray(figure.data[1].y)) == pytest.approx(1, abs=1e-5)  # margins are shares
    assert figure.data[1].width == figure.data[4].width  # over common bins


def test_captions_are_text_and_too_many_are_left_out():
    captions = np.array(["<b>x</b>"] * 40, dtype=object)
    figure = plots.clouds(TARGET, SOURCE, target_captions=captions)
    assert "<" not in figure.data[0].text[0]
    named = plots.clouds(TARGET, SOURCE, names=("<b>x</b> & %{y}", "y"))
    assert named.data[0].name == "&lt;b&gt;x&lt;/b&gt; &amp; % {y}"
    many = np.zeros((style.MAX_HOVER_POINTS + 1, 2), dtype=np.float32)
    long = np.array(["c"] * len(many), dtype=object)
    assert plots.clouds(many, SOURCE, target_captions=long).data[0].text is None


def test_more_points_than_a_browser_draws_are_refused_and_binned_instead():
    many = RNG.standard_normal((style.MAX_POINTS + 1, 2)).astype(np.float32)
    with pytest.raises(ParameterError, match="50,000"):
        plots.clouds(many, SOURCE)
    counts = [np.nansum(10 ** np.asarray(trace.z)) for trace in plots.density(many, SOURCE).data]
    np.testing.assert_allclose(counts, [len(many), 40], rtol=1e-4)


def test_the_trade_off_marks_the_bound_in_force_and_the_automatic_one():
    bounds = np.linspace(0, 1.5, 16)
    curves = {"psi": 1 - bounds / 3, "mixing_coverage": bounds / 2}
    figure = plots.tradeoff(bounds, curves, current=0.4, auto=0.2)
    assert figure.layout.shapes[0].x0 == 0.4
    assert by_name(figure)["auto"].x == (0.2,)
    assert by_name(figure)["Ψ"].line.color == style.SOURCE
    pareto = plots.pareto(
        curves["psi"], curves["mixing_coverage"], bounds, current=0.45, labels=("a", "b")
    )
    assert pareto.data[1].x[0] == pytest.approx(1 - 0.15)


def test_stretches_stay_in_the_band_that_is_drawn():
    raw = np.geomspace(4, 0.1, 20)
    bounded = np.clip(raw, np.exp(-0.3), np.exp(0.3))
    figure = plots.stretches(raw, bounded, 1.0, 0.3, 8)
    band = figure.layout.shapes[0]
    through = np.asarray(by_name(figure)["let through"].y)
    assert through.min() >= band.y0 - 1e-6
    assert through.max() <= band.y1 + 1e-6
    plots.stretches(raw, raw, 1.0, float("inf"), 20)


def test_other_figures_show_their_numbers():
    assert plots.angles(np.radians([10.0, 50.0])).data[0].y.tolist() == pytest.approx([10, 50])
    ratio = plots.directional_ratio(np.array([0.3, 1.2])).data[0]
    assert ratio.marker.color.tolist() == [style.GAP, style.RESIDUAL]
    energy = plots.energy(VALUES, VALUES)
    assert energy.data[0].y[-1] == pytest.approx(1)
    overlap = plots.add_random_overlap(plots.overlap(VALUES, ceiling=([1], [0.9])), 60, 30)
    assert overlap.data[-1].y[-1] == pytest.approx(0.5)
    one = plots.histogram_1d(TARGET[:, 0], SOURCE[:, 0], CORRECTED[:, 0])
    assert [round(float(np.sum(trace.y)), 4) for trace in one.data] == [1, 1, 1]
    assert len(plots.few_coordinates((0.3, 0.5)).data[0].y) == 2


@pytest.mark.parametrize("kind", list(KINDS))
def test_directions_are_unit_and_what_they_are_called(kind):
    known = Directions(pair_of())
    direction = known.get(kind)
    assert np.linalg.norm(direction.vector) == pytest.approx(1)
    v = direction.vector
    spread = [float(v @ m.covariance @ v) for m in (known.target, known.source)]
    if kind == "target":
        assert spread[0] > spread[1]
    if kind == "source":
        assert spread[1] > spread[0]
    if kind in ("shared", "opposed"):
        ratio = float(v @ known.residual.moments.covariance @ v) / sum(spread)
        assert ratio == pytest.approx(direction.strength, rel=1e-5)
        everywhere = known.residual.moments.trace / (known.target.trace + known.source.trace)
        assert (ratio < everywhere) == (kind == "shared")
    with pytest.raises(ParameterError):
        known.get(kind, known.count(kind) + 1)


def test_unpaired_sets_have_no_residual_directions():
    known = Directions(pair_of(paired=False))
    assert "residual" not in known.kinds
    with pytest.raises(NeedsPairsError):
        known.get("residual")


def test_rows_at_the_ends_are_the_extreme_ones():
    rows = pair_of().source.vectors
    low, high, values = ends(rows, np.eye(10)[0], 5)
    assert values[low].max() <= np.sort(values)[4]
    assert values[high].min() >= np.sort(values)[-5]
    assert low[0] == values.argmin()
    assert high[0] == values.argmax()


@pytest.mark.slow
def test_umap_is_seeded_and_keeps_rows(monkeypatch):
    from anisoalign_core.geometry import umap_map

    y, x = paired_world(60, 10)
    monkeypatch.setattr(umap_map, "MAP_ROWS", 40)
    first = umap_map.joint_map(x, y, random_state=0)
    assert first.target.shape == first.source.shape == (40, 2)
    assert np.isfinite(first.target).all()
    again = umap_map.joint_map(x, y, random_state=0)
    np.testing.assert_array_equal(first.target, again.target)


@pytest.mark.slow
@pytest.mark.parametrize("fit_on", ["target", "source"])
def test_a_umap_fitted_on_one_set_places_the_other(fit_on, monkeypatch):
    from anisoalign_core.geometry import umap_map

    y, x = paired_world(60, 10)
    found = umap_map.joint_map(x, y, random_state=0, fit_on=fit_on)
    assert found.fitted_on == fit_on
    assert found.target.shape == found.source.shape == (60, 2)
    other = np.array([1.0, -1.0] * 5)
    moved = {"target": (x, y * other), "source": (x * other, y)}[fit_on]
    again = umap_map.joint_map(*map(np.float32, moved), random_state=0, fit_on=fit_on)
    # the fitted side does not know the other one
    np.testing.assert_array_equal(getattr(again, fit_on), getattr(found, fit_on))
