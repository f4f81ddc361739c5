"""Figures of a learned correction state what the phases, couplings and losses are."""

import numpy as np
import pytest

from anisoalign_core import plots
from anisoalign_core.align.anisoalign import PhaseStatistics
from anisoalign_core.plots import style

RNG = np.random.default_rng(0)


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def statistics(n=500, m=6, *, centred=False, coupled=True):
    """Phases with means of their own; blocks 1 and 2 turn together when coupled."""
    phases = RNG.normal(np.linspace(-2, 2, m), np.linspace(0.4, 1.5, m), (n, m))
    if coupled:
        phases[:, 1] = phases[:, 0] + RNG.normal(0, 0.1, n)
    radii = RNG.uniform(0.1, 0.3, (n, m)) * np.linspace(1, 3, m)
    return PhaseStatistics.of(
        radii.astype(np.float32), phases.astype(np.float32), partners=2, centred=centred
    )


def test_losses_are_drawn_at_their_steps_against_knowing_nothing():
    values = {
        "stage_1": np.linspace(1, 0.5, 100).tolist(),
        "stage_1_unseen": [1.0, 0.8, 0.7],
        "total": [9.0] * 40,
        "prior": [2.0] * 40,
        "phase": [0.01] * 40,
    }
    figure = plots.losses(values, (100, 40))
    drawn = by_name(figure)
    assert drawn["the prior, on rows it has not seen"].x.tolist() == [1, 51, 100]
    stage_two = drawn["Stage II, corrected rows, L_II"]
    assert stage_two.x.min() > 100
    assert stage_two.x.max() == 140
    baseline = next(shape for shape in figure.layout.shapes if shape.y0 == shape.y1)
    assert baseline.y0 == 1.0
    assert baseline.line.color == style.NULL
    assert not any(np.any(trace.y == 9.0) for trace in figure.data)  # a sum of unlike things


def test_long_losses_are_thinned_to_their_means_and_short_ones_kept():
    long = np.arange(3000.0)
    trace = by_name(plots.losses({"stage_1": long}, (3000, 10)))["Stage I, the prior"]
    assert len(trace.x) == 150
    assert np.mean(trace.y) == pytest.approx(long.mean())
    assert trace.x[-1] == 3000
    short = by_name(plots.losses({"stage_1": [0.9, 0.8]}, (3000, 10)))["Stage I, the prior"]
    assert short.y.tolist() == pytest.approx([0.9, 0.8])


def test_without_a_prior_only_the_refinement_is_drawn():
    figure = plots.losses({"total": [3.0], "energy": [1.0, 0.4], "neighbours": [0.0, 0.1]}, (0, 2))
    assert by_name(figure)["energy distance to the target"].x.tolist() == [1, 2]
    assert not list(figure.select_yaxes(selector={"title.text": "loss over its baseline"}))


def test_losses_can_be_drawn_before_there_are_any():
    figure = plots.losses({}, (10, 10))
    assert list(figure.layout.xaxis.range) == [0, 20]


def test_phase_histograms_share_one_scale_that_holds_every_bar():
    target, start, corrected = (RNG.uniform(-np.pi, np.pi, (300, 7)) for _ in range(3))
    start[:, 2] = 0.1  # all in one bin
    figure = plots.phase_histograms(
        [("image", target), ("text", start), ("text, corrected", corrected)], range(2, 7)
    )
    assert len(figure.data) == 15
    assert all(np.sum(trace.y) == pytest.approx(1) for trace in figure.data)
    assert [trace.line.color for trace in figure.data[:3]] == [
        style.TARGET,
        style.SOURCE,
        style.CORRECTED,
    ]
    tops = {axis.range[1] for axis in figure.select_yaxes()}
    assert len(tops) == 1
    assert tops.pop() >= 1.0
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [f"block {k}" for k in range(3, 8)]


def test_the_graph_draws_every_kept_edge_once_the_strongest_widest():
    known = statistics()
    figure = plots.coupling_graph(known)
    edges = [trace for trace in figure.data if trace.mode == "lines"]
    assert sum(int(np.isnan(trace.x).sum()) for trace in edges) == len(known.edges)
    widths = [trace.line.width for trace in edges]
    assert widths == sorted(widths)
    strongest = known.edges[np.abs(known.graph[tuple(known.edges.T)]).argmax()]
    angle = np.pi / 2 - 2 * np.pi * strongest / known.blocks
    segments = np.column_stack([edges[-1].x, edges[-1].y]).reshape(-1, 3, 2)[:, :2]
    wanted = np.column_stack([np.cos(angle), np.sin(angle)])
    assert any(np.allclose(segment, wanted, atol=1e-6) for segment in segments)
    blocks = figure.data[len(edges)]
    np.testing.assert_array_equal(blocks.customdata[:, 0], np.arange(1, known.blocks + 1))
    np.testing.assert_array_equal(
        blocks.customdata[:, 2], np.bincount(known.edges.ravel(), minlength=known.blocks)
    )


def test_a_graph_without_edges_still_shows_its_blocks():
    phases = RNG.uniform(-np.pi, np.pi, (60, 4)).astype(np.float32)
    known = PhaseStatistics.of(np.ones_like(phases), phases, centred=True)
    known = PhaseStatistics(
        known.mean, known.coupling, known.edges[:0], known.weight, known.rows, known.is_centred
    )
    figure = plots.coupling_graph(known)
    assert [len(trace.x) for trace in figure.data] == [4, 4]


def test_couplings_show_every_pair_of_blocks_against_means_and_against_chance():
    known = statistics(centred=True)
    figure = plots.couplings(known)
    left = [trace for trace in figure.data if trace.xaxis == "x" and trace.mode == "markers"]
    assert sum(len(trace.x) for trace in left) == 15
    assert len(by_name(figure)["in the graph"].x) == len(known.edges)
    kept = next(t for t in figure.data if t.xaxis == "x2" and t.name == "in the graph")
    assert (kept.y > kept.x).all()  # centred edges exceed three standard deviations
    pair = kept.customdata.tolist().index([1, 2])
    assert kept.y[pair] == kept.y.max()
    assert kept.y[pair] == pytest.approx(abs(known.centred_coupling[0, 1]), rel=1e-5)


def test_arrows_lead_from_the_start_to_the_corrected_place():
    start = RNG.normal(0, 0.1, (30, 2))
    corrected = start + np.array([0.05, 0.0])
    target = RNG.normal(0, 0.1, (20, 2))
    figure = plots.block_arrows(
        start, corrected, target, names=("<b>", "text"), anchor=0.6j, rows=np.arange(100, 130)
    )
    drawn = by_name(figure)
    arrows = drawn["text, corrected"]
    np.testing.assert_allclose(arrows.x[0::3], start[:, 0], atol=1e-6)
    np.testing.assert_allclose(arrows.x[1::3], corrected[:, 0], atol=1e-6)
    assert np.isnan(arrows.x[2::3]).all()
    assert arrows.marker.symbol[1] == "arrow"
    assert arrows.marker.angleref == "previous"
    assert drawn["text, start"].customdata[0].tolist() == [100]
    mean = drawn["mean phase of &lt;b&gt;"]
    assert mean.y[1] == pytest.approx(0.6 * np.linalg.norm(target, axis=1).max(), rel=1e-5)
    assert "<b>" not in "".join(drawn)
    low, high = figure.layout.xaxis.range
    assert low < min(corrected.min(), start.min())
    assert high > max(corrected.max(), start.max())
