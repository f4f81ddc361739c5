"""A method declares itself: a toy with one knob is found everywhere, with nothing else touched."""

import shlex

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.align import Aligner, Curve, Knob
from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.knobs import FixedRows
from anisoalign_core.cli import main
from anisoalign_core.recipe import Recipe
from tests.app.live import exact_numbers as numbers
from tests.app.live import live_facts
from tests.app.test_pages import open_page, pair_of, words


class Pull(Aligner):
    """``z = Norm(y + share (μ_x − μ_y))``."""

    name = "pull"
    label = "Pull"
    summary = "Moves the source a part of the way to the target's mean."
    reference = "this test"
    moments = "diagonal"
    knobs = (
        Knob(
            "share",
            "Share of the way",
            "0 leaves the gap, 1 closes it.",
            option=True,
            curve=Curve("share of the way", (0.0, 0.5, 1.0)),
        ),
    )

    def __init__(self, share=0.5):
        self.share = share

    def _fit_moments(self, source, target, rows):
        mean = source.mean + self.share * (target.mean - source.mean)
        self.map_ = AffineMap(source.mean, np.array(1.0), mean)


class LivePull(Pull):
    """The same, moved without another fit."""

    name = "live-pull"
    label = "Live pull"
    knobs = (
        Knob(
            "share",
            "Share of the way",
            "0 leaves the gap, 1 closes it.",
            live=True,
            curve=Curve("share of the way", (0.0, 0.5, 1.0)),
        ),
    )

    def sweep(self, rows, fitted):
        fixed, wanted = self.map_, self.share

        class Sweep:
            def at(self, share=wanted):
                step = share / wanted * (fixed.target_mean - fixed.source_mean)
                return FixedRows(AffineMap(0 * step, fixed.linear, step).apply(rows))

        return Sweep()


@pytest.fixture
def toys(monkeypatch):
    for toy in (Pull, LivePull):
        monkeypatch.setitem(aa.ALIGNERS, toy.name, toy)


@pytest.fixture
def files(tmp_path, monkeypatch, toys):
    pair = pair_of()
    np.save(tmp_path / "text.npy", pair.source.vectors)
    np.save(tmp_path / "image.npy", pair.target.vectors)
    monkeypatch.chdir(tmp_path)
    return pair


def test_the_command_line_offers_it_and_says_what_its_knob_does(toys, capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    said = capsys.readouterr().out
    assert "oracle,pull,live-pull" in said.replace("\n", "").replace(" ", "")
    assert "--share" in said
    assert "pull: share  0 leaves the gap, 1 closes it" in said


def test_it_is_fitted_applied_and_replayed_from_its_recipe(files, capsys):
    sides = ["--target", "image.npy", "--source", "text.npy", "--quiet"]
    assert main(["fit", "--method", "pull", "--share", "0.8", *sides, "--out", "model.npz"]) == 0
    apply = ["apply", "--model", "model.npz", "--source", "text.npy", "--out", "out.npy"]
    assert main([*apply, "--quiet"]) == 0
    wanted = Pull(0.8).fit(files.source, files.target).transform(files.source)
    np.testing.assert_array_equal(np.load("out.npy"), wanted)
    assert main(["replay", "out.recipe.json", "--out", "again.npy", "--quiet"]) == 0
    _, _, recipe = aa.cook(files, "pull", {"share": 0.8})
    again = aa.replay(Recipe.from_json(recipe.to_json()), files.source, files.target)
    assert again.identical
    for line in recipe.cli_lines("image.npy", "text.npy", "shell.npy").splitlines():
        assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("shell.npy"), wanted)


@pytest.mark.parametrize("toy", ["pull", "live-pull"])
def test_compare_runs_it_with_its_curve(files, toy, capsys):
    ask = ["compare", "--target", "image.npy", "--source", "text.npy", "--paired", "--splits", "2"]
    assert main([*ask, "--methods", toy, f"{toy}:share=0.9", "--json", "-", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert f'"{toy}:share=0.9"' in said
    assert '"share of the way"' in said


@pytest.mark.parametrize("toy", [Pull, LivePull])
def test_the_pages_offer_it_with_its_widget_and_export_it(toys, toy):
    at = open_page("correct", pair_of(n=240))
    assert any(toy.label in option for option in at.selectbox(key="method").options)
    at.selectbox(key="method").set_value(toy.name).run()
    assert not at.exception and not at.error
    before = numbers(at)
    slider = at.number_input(key="share") if toy is LivePull else at.slider(key="p_share")
    assert (slider.label, slider.min, slider.max, slider.value) == ("Share of the way", 0, 1, 0.5)
    slider.set_value(0.9).run()
    assert not at.exception and not at.error
    assert numbers(at) != before
    assert bool(live_facts(at)["dial"]) == (toy is LivePull)
    at.switch_page("../pages/export.py").run()
    assert not at.exception and not at.error
    assert f"**{toy.label}** (share = 0.9)" in words(at)
    assert f"aa.{toy.__name__}(share=0.9)" in at.code[0].value
    at.switch_page("../pages/compare.py").run()
    assert toy.label in at.multiselect(key="compare_methods").options
