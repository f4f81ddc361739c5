"""The linked picture of before and after."""

import numpy as np
import pytest

from anisoalign_core.plots import Layer, linked
from anisoalign_core.plots.explore import PALETTE, RING
from anisoalign_core.plots.style import CORRECTED, NULL, SOURCE, TARGET

RNG = np.random.default_rng(0)


def layer(name, n=30, **more):
    return Layer(RNG.standard_normal((n, 2)), name, np.arange(n) * 2, **more)


def traces(figure, panel):
    axis = "x" if panel == 1 else "x2"
    return [t for t in figure.data if (t.xaxis or "x") == axis and t.customdata is not None]


def test_both_panels_share_axes_and_the_target():
    figure = linked(layer("image"), layer("text"), layer("moved"), axis_labels=("across", "up"))
    before, after = traces(figure, 1), traces(figure, 2)
    assert [t.marker.color for t in before] == [TARGET, SOURCE]
    assert [t.marker.color for t in after] == [TARGET, CORRECTED]
    np.testing.assert_array_equal(before[0].x, after[0].x)
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    assert [t.name for t in figure.data if t.showlegend is not False] == ["image", "text", "moved"]
    for cloud in (*before, *after):
        low, high = figure.layout.xaxis.range
        assert low < min(cloud.x) and max(cloud.x) < high


def test_points_carry_row_and_side():
    figure = linked(layer("image"), layer("text"), layer("moved"))
    sides = [
        np.unique(t.customdata[:, 1]).tolist() for t in (*traces(figure, 1), *traces(figure, 2))
    ]
    assert sides == [[0], [1], [0], [2]]
    np.testing.assert_array_equal(traces(figure, 1)[1].customdata[:, 0], np.arange(30) * 2)


def test_without_a_correction_there_is_one_panel():
    figure = linked(layer("image"), layer("text"))
    assert not traces(figure, 2)
    assert "xaxis2" not in figure.layout


def test_labels_give_colours_and_sides_give_shapes():
    groups = np.array([0, 1, -1] * 10)
    figure = linked(
        layer("image", groups=groups), layer("text"), layer("moved"), values=("<b>ring", "star")
    )
    image, text = traces(figure, 1)
    assert (image.marker.symbol, text.marker.symbol) == ("circle", "diamond")
    scale = {round(place, 6): colour for place, colour in image.marker.colorscale}
    steps = [colour for _, colour in image.marker.colorscale][::2]
    assert steps == [NULL, *PALETTE] and len(scale) == len(PALETTE) + 2
    width = image.marker.cmax - image.marker.cmin
    for value, colour in ((0, NULL), (1, PALETTE[0]), (2, PALETTE[1])):
        place = (value - image.marker.cmin) / width
        at = max(n for n in range(len(steps)) if n / len(steps) <= place)
        assert steps[at] == colour
    assert image.marker.color.tolist() == (groups + 1).tolist()
    assert set(text.marker.color.tolist()) == {0}
    legend = {t.name: t.marker.color for t in figure.data if t.showlegend is not False}
    assert legend == {
        "&lt;b&gt;ring": PALETTE[0],
        "star": PALETTE[1],
        "other": NULL,
        "image": NULL,
        "text": NULL,
    }


def test_rings_point_rows_out_in_every_panel_they_are_in():
    marked = np.array([3, 5])
    figure = linked(layer("image"), layer("text", marked=marked), layer("moved", marked=marked))
    rings = [t for t in figure.data if t.marker.color == RING]
    assert [t.xaxis or "x" for t in rings] == ["x", "x2"]
    np.testing.assert_array_equal(rings[0].x, traces(figure, 1)[1].x[marked])


@pytest.mark.parametrize("axis", [0, 1])
def test_given_ranges_are_kept(axis):
    figure = linked(layer("image"), layer("text"), ranges=((-9, 9), (-8, 8)))
    assert figure.layout.xaxis.range == (-9, 9) and figure.layout.yaxis.range == (-8, 8)
