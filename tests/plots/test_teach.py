"""The story's figures show what they are given, in the modalities' colours, on axes that stay."""

import numpy as np
import pytest

from anisoalign_core.plots import style
from anisoalign_core.plots.ball import cones_on_ball, moved_on_ball, stretched_axes
from anisoalign_core.plots.teach import (
    BAR_COLOURS,
    RUN_COLOURS,
    caption_cosines,
    claim_bars,
    gap_over_time,
    temperature_words,
)
from anisoalign_core.teach import Bar, Claim, ball_bound, ball_shift, two_cones
from tests.conftest import paired_world

Y, X = paired_world(60, 8)
VALUES = np.sort(np.random.default_rng(0).random(30))[::-1]
STEPS = (0, 10, 100)
GAPS = {10.0: (0.7, 0.5, 0.2), 100.0: (0.7, 1.0, 0.9)}


def by_name(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def coordinates(trace):
    return np.column_stack([trace.x, trace.y, trace.z])


def test_cones_lie_on_the_ball_with_their_means_and_the_gap():
    cones = two_cones(30, 80)
    figure = cones_on_ball(cones, names=("a", "b<c>"))
    traces = by_name(figure)
    clouds = [trace for trace in figure.data if trace.type == "scatter3d" and len(trace.x) == 240]
    assert [trace.marker.color for trace in clouds] == [style.TARGET, style.SOURCE]
    np.testing.assert_array_equal(coordinates(clouds[1]), cones.source)
    gap = coordinates(traces["gap between the means"])
    np.testing.assert_allclose(gap, [cones.target_mean, cones.source_mean])
    assert "b&lt;c&gt;" in traces
    assert "gap between the means" not in by_name(cones_on_ball(cones, gap=False))


@pytest.mark.parametrize("opening", [10, 100])
def test_the_ball_stays_where_it_is_and_keeps_the_persons_view(opening):
    scene = cones_on_ball(two_cones(opening, 80)).layout.scene
    assert scene.uirevision == "keep"
    assert scene.xaxis.range == scene.yaxis.range == scene.zaxis.range == (-1.12, 1.12)


def test_a_correction_on_the_ball_is_green_and_ends_at_its_own_mean():
    moved = ball_shift("mean-shift")
    figure = moved_on_ball(moved)
    corrected = by_name(figure)["captions, corrected"]
    after = next(t for t in figure.data if t.name == corrected.name and len(t.x) == 240)
    assert after.marker.color == style.CORRECTED
    np.testing.assert_array_equal(coordinates(after), moved.after)
    ends = coordinates(by_name(figure)["gap between the means"])
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(moved.gap, abs=1e-6)


def test_axes_on_the_ball_are_as_long_as_they_are_stretched():
    toy = ball_bound()
    drawn = {}
    for bound in (0.0, 1.0):
        columns = stretched_axes(toy.method.basis_, toy.stretch(bound))
        figure = moved_on_ball(toy.view(bound), axes=[("let through", style.CORRECTED, columns)])
        ends = coordinates(by_name(figure)["let through"])
        assert np.isnan(ends[2::3]).all()  # three separate bars
        drawn[bound] = np.linalg.norm(ends[1::3] - ends[0::3], axis=1)
    np.testing.assert_allclose(drawn[1.0] / drawn[0.0], toy.stretch(1.0) / toy.stretch(0.0))


def test_a_captions_cosines_mark_its_own_picture_and_the_nearest():
    cosines = X @ Y[0]
    figure = caption_cosines(cosines, float(cosines[0]), np.sort(cosines)[::-1][:4])
    traces = by_name(figure)
    assert sum(traces["all pictures"].y) == pytest.approx(1)
    assert traces["its own picture"].x[0] == pytest.approx(float(cosines[0]))
    np.testing.assert_allclose(traces["the nearest, shown here"].x, np.sort(cosines)[::-1][:4])


def test_temperatures_are_the_inverse_of_scales_and_have_colours_of_their_own():
    assert temperature_words(100.0) == "temperature 0.01"
    assert len(set(RUN_COLOURS)) == len(RUN_COLOURS) >= 4


def test_a_claims_bars_carry_their_values_and_their_kinds_colours():
    bars = (Bar("<i>one</i>", 0.25, "measured"), Bar("two", 0.5, "control"))
    claim = Claim("name", "words", False, "because", bars, "share", 1.05)
    drawn = claim_bars(claim).data[0]
    assert list(drawn.y)[::-1] == ["&lt;i&gt;one&lt;/i&gt;", "two"]
    assert list(drawn.x)[::-1] == [0.25, 0.5]
    assert list(drawn.text)[::-1] == ["0.25", "0.5"]
    assert list(drawn.marker.color)[::-1] == [BAR_COLOURS["measured"], BAR_COLOURS["control"]]


@pytest.mark.parametrize("scale", [10.0, 100.0])
def test_the_gap_over_time_emphasises_one_temperature(scale):
    figure = gap_over_time(STEPS, GAPS, scale=scale)
    traces = by_name(figure)
    for each, values in GAPS.items():
        trace = traces[temperature_words(each)]
        np.testing.assert_allclose(trace.y, values)
        assert trace.line.width == (4 if each == scale else 2)
        assert trace.line.color not in (style.TARGET, style.SOURCE, style.CORRECTED)
