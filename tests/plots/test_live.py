"""The live picture's data: right to a pixel between its keyframes, exact at them, and inert."""

from __future__ import annotations

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.align.knobs import Dial
from anisoalign_core.cli import main
from anisoalign_core.compare.study import Study
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.neighbours import top_k
from anisoalign_core.plots.live import picture
from anisoalign_core.plots.live.frames import PANEL, keyframes
from anisoalign_core.plots.live.pack import LEVELS, pack, unpack
from anisoalign_core.splitting import Split
from tests.conftest import paired_world


def pair_of(n=300, d=24, paired=True, captions=None):
    y, x = paired_world(n, d)
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=captions),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=paired,
    )


def positions(made, name="after"):
    """Coordinates in the plane, from levels."""
    low, high = np.array(made.facts["range"]).T
    count = len(made.frames) if name == "after" else 1
    return made.arrays[name].reshape(count, -1, 2) / LEVELS * (high - low) + low


@pytest.mark.parametrize(
    "method", [{}, {"recentre": "rotate", "rule": "relax"}, {"frame": "joint"}]
)
def test_all_bounds_at_once_are_each_bound_alone(method):
    pair = pair_of()
    trial = Study(pair, pair.split(0, 0.2)).fit(aa.BoundedTransport(bound=0.2, **method))
    plane = trial.study.plane("gap").directions
    settings = [{"bound": value} for value in np.linspace(0, 1.5, 7)]
    at_once = trial.sweep.paths(settings, plane)
    alone = np.stack([trial.sweep.at(**each).project(plane) for each in settings])
    np.testing.assert_allclose(at_once, alone, atol=2e-6)


def test_straight_ways_between_keyframes_are_right_to_a_pixel():
    pair = pair_of()
    trial = Study(pair, pair.split(0, 0.2)).fit(aa.BoundedTransport(bound=0.2))
    plane = trial.study.plane("gap")
    made = picture(trial, plane)
    assert made.error < 1
    frames = np.array(made.frames)
    assert (frames[0], frames[-1]) == (0.0, 1.5)
    known = positions(made)
    pixel = np.diff(np.array(made.facts["range"]), axis=1).ravel() / PANEL
    for bound in np.linspace(0.01, 1.49, 40):
        k = int(np.searchsorted(frames, bound)) - 1
        part = (bound - frames[k]) / (frames[k + 1] - frames[k])
        between = known[k] * (1 - part) + known[k + 1] * part
        truth = trial.sweep.at(bound).project(plane.directions)
        assert np.linalg.norm((between - truth) / pixel, axis=1).max() < 1.2


def test_a_keyframe_is_where_the_library_puts_the_rows():
    pair = pair_of()
    method = aa.BoundedTransport(bound=0.75).fit(pair.source, pair.target)
    made = aa.live(method, pair, rows=200)
    rows = made.arrays["source_rows"].astype(int)
    assert len(rows) == 200
    assert "those that the method was fitted on" in made.facts["caption"]
    assert made.facts["dial"]["value"] == 0.75
    at = made.frames.index(0.75)
    every = np.arange(len(pair.source))
    whole = Study(pair, Split(every, every, every, every, every, every))
    truth = method.transform(pair.source)[rows] @ whole.plane("gap").directions
    step = np.diff(np.array(made.facts["range"]), axis=1).ravel() / LEVELS
    assert np.abs(positions(made)[at] - truth).max() < 2 * step.max()


def test_keyframes_stand_where_ways_bend_and_say_what_is_left():
    def paths(values):
        return np.array([[[abs(v - 0.3), 0.0]] for v in values], dtype=np.float32)

    found = keyframes(paths, 0.0, 1.0, np.array([1.0, 1.0]), first=3)
    assert found.error <= 0.9
    gaps = np.diff(found.values)
    assert gaps.min() < 0.01 < gaps.max()
    few = keyframes(paths, 0.0, 1.0, np.array([1.0, 1.0]), first=3, most=4)
    assert len(few.values) == 4
    assert few.error > 0.9


def test_a_block_gives_back_what_was_put_in():
    arrays = {
        "a": np.arange(5, dtype=np.uint8),
        "b": np.arange(7, dtype=np.uint16).reshape(7, 1),
        "c": np.linspace(0, 1, 3, dtype=np.float32),
    }
    facts, found = unpack(pack({"words": "größer \u202e", "none": None}, arrays))
    assert facts == {"words": "größer \u202e", "none": None}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array.ravel())
    with pytest.raises(ValueError, match="JSON"):
        pack({"wrong": float("nan")}, {})


def test_numbers_and_neighbours_at_keyframes_are_the_library_s():
    pair = pair_of(400, 16)
    trial = Study(pair, pair.split(0, 0.3)).fit(aa.BoundedTransport(bound=0.2))
    made = picture(trial, trial.study.plane("gap"))
    curve = trial.curve()
    np.testing.assert_array_equal(made.facts["grid"], curve["bound"])
    np.testing.assert_array_equal(made.facts["scores"]["omega"], curve["omega"])
    near = made.facts["near"]
    rows, count = near["rows"], near["candidates"]
    listed = made.arrays["near"].reshape(rows, count).astype(int)
    cosines = made.arrays["near_cosines"].reshape(-1, rows, count) / (LEVELS / 2) - 1
    for number, bound in enumerate(near["grid"]):
        order = np.take_along_axis(listed, np.argsort(-cosines[number], axis=1), axis=1)
        truth, _ = top_k(trial.sweep.at(bound).rows(), trial.study.target, 3)
        same = [
            len(set(a[:3]) & set(b)) for a, b in zip(order.tolist(), truth.tolist(), strict=True)
        ]
        assert np.mean(same) > 2.9
    assert made.arrays["things_source"].tolist() == list(range(rows))


@pytest.mark.parametrize("name", sorted(aa.ALIGNERS))
def test_every_method_has_a_picture(name):
    pair = pair_of(200, 8)
    kind = aa.ALIGNERS[name]
    given = {"refine": False} if kind.trains else {}
    made = aa.live(kind.of(given), pair)
    assert len(made.payload) > 1000
    moves = [knob for knob in kind.knobs if knob.live] and not kind.trains
    assert (made.facts["dial"] is not None) == bool(moves)
    assert "target_moved" in made.arrays or not kind.moves_target


def test_bounds_of_a_trained_method_move_together():
    from anisoalign_core import AnisoAlign

    pair = pair_of(240, 12)
    given = {"variant": "corrected", "refine_steps": 20}
    made = aa.live(AnisoAlign.of(given), pair)
    dial = made.facts["dial"]
    assert (dial["name"], dial["value"], dial["low"]) == ("share", 1.0, 0.0)
    assert dial["label"] == "share of its bounds"
    assert made.error < 1
    one = Dial("share", "", 0, 2, 0.01, {"bound_theta": 0.3, "bound_rho": 0.1})
    assert one.settings(2.0) == {"bound_theta": 0.6, "bound_rho": 0.2}


def test_fewer_rows_are_the_first_of_more():
    pair = pair_of()
    for method in (aa.ReAlign(), aa.CenterBoth(), aa.BoundedTransport(bound=0.2)):
        few, more = (aa.live(method, pair, rows=n) for n in (20, 60))
        for made, n in ((few, 20), (more, 60)):
            assert made.arrays["after"].shape == (len(made.frames), n, 2)
            assert made.arrays["target"].shape == (n, 2)
        assert more.arrays["source_rows"][:20].tolist() == few.arrays["source_rows"].tolist()


def test_unpaired_sets_groups_and_labels_have_pictures():
    made = aa.live(aa.BoundedTransport(bound=0.2), pair_of(paired=False))
    assert "matched_cosine" not in made.facts["scores"]
    assert "things_source" not in made.arrays
    pair = aa.load_sample("scenes-captions")
    made = aa.live(aa.BoundedTransport(bound=0.2), pair)
    assert len(made.arrays["source_rows"]) == 3 * len(made.arrays["target_rows"])
    own = made.arrays["things_target"].tolist()
    assert {own.count(thing) for thing in own} == {1}
    names = [label["name"] for label in made.facts["labels"]]
    assert "shape" in names
    codes = made.arrays[f"source_label_{names.index('shape')}"]
    rows = made.arrays["source_rows"].astype(int)
    values = made.facts["labels"][names.index("shape")]["values"]
    assert [values[code] for code in codes] == pair.source.labels["shape"].iloc[rows].tolist()
    assert made.facts["sheet"]["count"] == len(made.arrays["target_rows"])


def test_a_lasso_gives_row_numbers_and_nothing_else_does():
    made = aa.live(aa.BoundedTransport(bound=0.2), pair_of())
    drawn = made.arrays["source_rows"]
    found = made.rows({"source": [3, 1, 3, 10**9, -1, "2", None], "target": []})
    assert found["source"].tolist() == sorted([int(drawn[1]), int(drawn[3])])
    assert not len(found["target"])
    assert not len(made.rows({})["source"])


def test_a_page_holds_no_markup_of_the_data_and_may_fetch_nothing(tmp_path):
    bad = "</script><script>alert(1)</script><img src=x>"
    pair = pair_of(captions=[bad] * 300)
    page = aa.live(aa.BoundedTransport(bound=0.2), pair, title=bad).to_html()
    assert "alert(1)</script>" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    made = aa.live(aa.BoundedTransport(bound=0.2), pair_of(captions=["z" * 10_000] * 300))
    assert max(map(len, made.facts["words"]["source"])) == 160
    assert (
        aa.live(aa.BoundedTransport(bound=0.2), pair).facts["id"]
        == (aa.live(aa.BoundedTransport(bound=0.2), pair).facts["id"])
    )


def test_eight_thousand_rows_fit_in_three_megabytes():
    y, x = paired_world(8000, 16)
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij klmnop"), 60)) for _ in range(8000)]
    faces = rng.integers(0, 255, (8000, 8, 8, 3)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=words),
        aa.EmbeddingSet.from_array(x, modality="image", captions=words, thumbnails=faces),
        paired=True,
    )
    method = aa.BoundedTransport(bound=0.2).fit(pair.source, pair.target)
    made = aa.live(method, pair)
    assert len(made.arrays["source_rows"]) == 8000
    assert len(made.to_html().encode()) < 3_000_000
    assert len(aa.live(method, pair, rows=500).arrays["target_rows"]) == 500


def test_a_notebook_shows_the_widget_and_a_page_for_the_rest(monkeypatch):
    made = aa.live(aa.BoundedTransport(bound=0.2), pair_of(120))
    shown = made._repr_mimebundle_()
    assert 'sandbox="allow-scripts"' in shown["text/html"]
    assert "LivePicture: BoundedTransport" in shown["text/plain"]
    import builtins

    real = builtins.__import__

    def without(name, *given, **more):
        if name == "anywidget":
            raise ImportError(name)
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ParameterError, match=r"anisoalign-studio\[notebook\]"):
        made.widget()
    assert set(made._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_a_widget_carries_the_picture_and_its_value():
    pytest.importorskip("anywidget")
    made = aa.live(aa.BoundedTransport(bound=0.2), pair_of(120))
    widget = made.widget()
    assert widget.payload == made.payload
    assert widget.value == 0.2
    assert "application/vnd.jupyter.widget-view+json" in made._repr_mimebundle_()


def test_the_command_line_writes_a_picture_whole_or_not_at_all(tmp_path, capsys):
    y, x = paired_world(200, 12)
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    sides = ["--target", str(tmp_path / "image.npy"), "--source", str(tmp_path / "text.npy")]
    model, out = str(tmp_path / "model.npz"), tmp_path / "live.html"
    assert main(["fit", "--method", "bounded", "--bound", "0.3", *sides, "--out", model]) == 0
    live = ["live", "--model", model, *sides, "--paired", "--json", str(tmp_path / "live.json")]
    assert main([*live, "--out", str(out), "--shown", "50", "--title", "two <b>sets"]) == 0
    said = json.loads((tmp_path / "live.json").read_text())
    assert said["rows"] == {"source": 50, "target": 50}
    assert said["error"] < 1
    assert "two &lt;b&gt;sets" in out.read_text()
    capsys.readouterr()
    assert main([*live, "--out", str(tmp_path / "nowhere" / "live.html")]) == 2
    assert 'There is no folder "' in capsys.readouterr().err
