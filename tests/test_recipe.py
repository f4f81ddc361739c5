"""A recipe holds what is needed, and its lines do what it did."""

import json
import shlex

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.compare.study import Study
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.recipe import Recipe, read_recipe, vectors_digest
from tests.conftest import paired_world

TRAINING = {"rank": 4, "prior_steps": 10, "refine_steps": 10, "hidden": 16}


@pytest.fixture
def files(tmp_path, monkeypatch):
    y, x = paired_world(200, 12)
    y[5] = 0  # a row that must be dropped
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    (tmp_path / "text.ids.txt").write_text("\n".join(f"k{i}" for i in range(200)))
    (tmp_path / "image.ids.txt").write_text("\n".join(f"k{i}" for i in range(10, 210)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(by):
    keywords = {"drop_invalid": True}
    texts = aa.load("text.npy", modality="text", **keywords)
    return aa.EmbeddingPair.match(texts, aa.load("image.npy", modality="image", **keywords), by)


@pytest.mark.parametrize("by", ["row", "id", "none"])
@pytest.mark.parametrize("fit_on", ["all", "split"])
@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("bounded", {"bound": 0.3, "frame": "joint", "rank": 4}),
        ("c3", {"sigma": 0.1}),
        ("anisoalign", {**TRAINING, "bound_theta": 0.1, "train_bounds": (0.3, 0.3, 0.02)}),
    ],
)
def test_both_kinds_of_lines_rebuild_the_output(files, by, fit_on, method, parameters):
    _, corrected, recipe = aa.cook(read(by), method, parameters, fit_on=fit_on, split_seed=3)
    exec(recipe.python_lines("image.npy", "text.npy", "python.npy"), {})
    assert vectors_digest(np.load("python.npy")) == recipe.output_digest
    for line in recipe.cli_lines("image.npy", "text.npy", "shell.npy").splitlines():
        assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    shell = np.load("shell.npy")
    if by == "none" or (by == "row"):
        # apply corrects every row of the file; matching keeps those with a partner
        np.testing.assert_array_equal(shell[: len(corrected)], corrected.vectors)
    else:
        rows = np.flatnonzero(np.isin(read("none").source.ids, corrected.ids))
        # among other rows: a matrix product may round its last block of rows otherwise
        np.testing.assert_allclose(shell[rows], corrected.vectors, atol=2e-7)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Three captions of some pictures, one of others, so that the two weights differ."""
    y, x = paired_world(300, 12)
    of = np.repeat(np.arange(200), np.where(np.arange(200) < 50, 3, 1))
    np.savez(tmp_path / "text.npz", embeddings=y[: len(of)], ids=[f"k{i}" for i in of])
    np.savez(tmp_path / "image.npz", embeddings=x[:200], ids=[f"k{i}" for i in range(200)])
    monkeypatch.chdir(tmp_path)
    texts = aa.load("text.npz", modality="text")
    return aa.EmbeddingPair.match(texts, aa.load("image.npz", modality="image"), "id")


@pytest.mark.parametrize("fit_on", ["all", "split"])
@pytest.mark.parametrize("method", ["mean-shift", "bounded"])
def test_the_weight_of_things_is_cooked_written_down_and_made_again(groups, fit_on, method):
    by_row = aa.cook(groups, method, {}, fit_on=fit_on)[1]
    aligner, corrected, recipe = aa.cook(groups, method, {}, fit_on=fit_on, weigh="thing")
    assert np.abs(by_row.vectors - corrected.vectors).max() > 1e-4
    split = groups.split(0) if fit_on == "split" else None
    again = type(aligner)(**aligner.get_params()).fit_pair(groups, split, weigh="thing")
    np.testing.assert_array_equal(again.transform(groups.source), corrected.vectors)
    assert Recipe.from_json(recipe.to_json()) == recipe
    exec(recipe.python_lines("image.npz", "text.npz", "python.npy"), {})
    assert vectors_digest(np.load("python.npy")) == recipe.output_digest
    assert aa.replay(recipe, groups.source, groups.target).identical
    for line in recipe.cli_lines("image.npz", "text.npz", "shell.npy").splitlines():
        assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("shell.npy"), corrected.vectors)


def test_a_moved_bound_is_calibrated_with_the_weights_of_its_fit(groups):
    study = Study(groups, groups.split(0))
    trial = study.fit(aa.BoundedTransport(bound=0.1), weigh="thing")
    wanted = aa.BoundedTransport(bound=0.5).fit_pair(groups, study.split, weigh="thing")
    moved = trial.view({"bound": 0.5}).moved.rows()
    np.testing.assert_allclose(moved, wanted.transform(study.source), atol=2e-6)


def test_a_recipe_round_trips_and_names_everything(files):
    _, _, recipe = aa.cook(read("row"), "bounded", {"bound": "auto"}, scores_after={"psi": 0.9})
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert isinstance(recipe.parameters["bound"], float)
    assert recipe.source.dropped_rows == 1
    assert recipe.source.rows == 199
    assert {"numpy", "anisoalign-studio", "python"} <= set(recipe.versions)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "other", "format_version": 1}'])
def test_other_text_is_not_a_recipe(text):
    with pytest.raises(FormatError):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 99}, "another version of this library"),
        ({"method": "magic"}, "its method is not known"),
        ({"parameters": {"sharpness": 2.0}}, "bounded has no such parameters"),
        ({"split_holdout": 1.0}, "its split is none"),
        ({"split_seed": -1}, "its split is none"),
        ({"pairing": 3}, "pairing is none of"),
    ],
)
def test_a_recipe_that_cannot_be_cooked_is_refused_when_it_is_read(files, change, words):
    recipe = aa.cook(read("row"), "bounded", {"bound": 0.2})[2]
    body = json.loads(recipe.to_json())
    assert set(change) <= set(body)
    with pytest.raises(FormatError, match=words):
        Recipe.from_json(json.dumps(body | change))


def test_nested_and_unreadable_recipes_are_refused(tmp_path):
    with pytest.raises(FormatError, match="nested too deeply"):
        Recipe.from_json("[" * 100_000)
    (tmp_path / "latin.json").write_bytes("{'é'}".encode("latin-1"))
    with pytest.raises(FormatError, match=r"latin\.json cannot be read \(UnicodeDecodeError\)"):
        read_recipe(tmp_path / "latin.json")
    with pytest.raises(FormatError, match=r"absent\.json cannot be read \(FileNotFoundError\)"):
        read_recipe(tmp_path / "absent.json")


def test_inputs_are_found_beside_the_recipe_whatever_they_are_called(files, tmp_path, capsys):
    pair = read("row")
    corrected, recipe = aa.cook(pair, "realign", {})[1:]
    folder = tmp_path / "downloads"
    folder.mkdir()
    for side, name in (("source", "a.npy"), ("target", "b.npy")):
        np.save(folder / name, getattr(pair, side).vectors)
    (folder / "broken.npz").write_bytes(b"none")
    np.save(folder / "another.npy", np.ones((3, 3), np.float32))
    (folder / "aligned.recipe.json").write_text(recipe.to_json())
    out = tmp_path / "again.npy"
    assert main(["replay", str(folder / "aligned.recipe.json"), "--out", str(out)]) == 0
    assert "identical to" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(out), corrected.vectors)
    (folder / "b.npy").unlink()
    assert main(["replay", str(folder / "aligned.recipe.json"), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "holds the target (" in said and "give --target." in said and "--source" not in said


def test_a_recipe_of_the_sample_needs_no_files(tmp_path):
    recipe = aa.cook(aa.load_sample(), "mean-shift", {})[2]
    assert aa.replay(recipe, folder=tmp_path).identical
    with pytest.raises(ParameterError, match="--source and --target"):
        aa.replay(recipe)


def test_files_that_were_joined_are_found_by_their_names(groups, tmp_path):
    """The text file holds captions of pictures that are not there, which joining left out."""
    fewer = groups.target.take(np.arange(150))
    aa.save(fewer, tmp_path / "image.npz")
    joined = aa.EmbeddingPair.match(
        aa.load("text.npz", modality="text"), aa.load("image.npz", modality="image"), "id"
    )
    assert len(joined.source) < len(groups.source)
    recipe = aa.cook(joined, "mean-shift", {})[2]
    assert aa.replay(recipe, folder=tmp_path).identical
