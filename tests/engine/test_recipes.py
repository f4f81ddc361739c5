"""A recipe of whole files rebuilds them bit for bit, and says what differs where it does not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.errors import ParameterError
from anisoalign_core.recipe import FileRecipe, Recipe

SIDES = ["--target", "images", "--source", "texts", "--quiet"]


@pytest.fixture
def corrected(disk):
    assert main(["fit", "--bound", "auto", *SIDES, "--out", "model.npz"]) == 0
    apply = ["apply", "--model", "model.npz", "--source", "texts", "--out", "out", "--quiet"]
    assert main(apply) == 0
    return disk


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_replay_needs_the_recipe_only(corrected, capsys):
    assert main(["replay", "out.recipe.json", "--out", "again", "--quiet"]) == 0
    assert capsys.readouterr().out == "identical to the recipe's output\n"
    assert contents("again") == contents("out")
    recipe = json.loads(Path("out.recipe.json").read_text())
    assert recipe["method"] == "bounded"
    assert isinstance(recipe["parameters"]["bound"], float)
    assert {"numpy", "anisoalign-studio", "python"} <= set(recipe["versions"])
    for side in ("source", "target"):
        assert [one["rows"] for one in recipe["fit"][side]["files"]] == [700, 1, 1300, 500]


@pytest.mark.parametrize("side", ["texts", "images"])
def test_a_changed_input_is_named(corrected, capsys, side):
    rows = np.load(f"{side}/part_14.npy")
    rows[7] = rows[8]
    np.save(f"{side}/part_14.npy", rows)
    command = ["replay", "out.recipe.json", "--out", "again", "--json", "found.json"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "NOT identical" in said.out
    fitted = "source" if side == "texts" else "target"
    assert f"The fitted {fitted}: part_14.npy differs" in said.err
    assert "The output: part_0.npy differs" in said.err
    found = json.loads(Path("found.json").read_text())
    assert found["identical"] is False
    assert any("part_14.npy" in sentence for sentence in found["differences"])


def test_inputs_may_have_moved(corrected, capsys):
    shutil.move("texts", "elsewhere")
    assert main(["replay", "out.recipe.json", "--out", "again", "--quiet"]) == 2
    assert 'no file or folder "texts"' in capsys.readouterr().err
    assert not Path("again").exists()
    moved = ["--source", "elsewhere", "--target", "images"]
    assert main(["replay", "out.recipe.json", *moved, "--out", "again", "--quiet"]) == 0
    assert contents("again") == contents("out")


def test_another_set_may_be_corrected_than_was_fitted(corrected):
    np.save("new.npy", np.load("text.npy")[::-1])
    apply = ["apply", "--model", "model.npz", "--source", "new.npy", "--out", "new_z.npy"]
    assert main([*apply, "--quiet"]) == 0
    assert main(["replay", "new_z.recipe.json", "--out", "again.npy", "--quiet"]) == 0
    assert Path("again.npy").read_bytes() == Path("new_z.npy").read_bytes()


def test_a_model_made_in_python_is_given_by_name(disk, capsys):
    texts, images = np.load("text.npy"), np.load("image.npy")
    aa.ReAlign().fit(texts, images).save("python.npz")
    apply = ["apply", "--model", "python.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(apply) == 0
    command = ["replay", "z.recipe.json", "--out", "again.npy", "--quiet"]
    assert main(command) == 2
    assert "Give the model with --model" in capsys.readouterr().err
    assert main([*command, "--model", "python.npz"]) == 0


@pytest.mark.parametrize(
    "options", [["--paired", "--split-seed", "3"], ["--rows", "400", "--sample-seed", "5"]]
)
def test_fits_in_memory_replay_too(disk, options):
    method = ["--method", "standardize", *options]
    assert main(["fit", *method, *SIDES, "--out", "model.npz"]) == 0
    apply = ["apply", "--model", "model.npz", "--source", "texts", "--out", "out.parquet"]
    assert main([*apply, "--quiet"]) == 0
    assert main(["replay", "out.recipe.json", "--out", "again.parquet", "--quiet"]) == 0
    assert Path("again.parquet").read_bytes() == Path("out.parquet").read_bytes()


def test_chunks_for_training_have_their_pre_flight_in_the_recipe(corrected):
    wanted = [{"id": str(row)} for row in range(2500)]  # one row fewer than there are
    Path("train.json").write_text(json.dumps(wanted))
    apply = ["apply", "--model", "model.npz", "--source", "texts", "--out", "chunks", "--quiet"]
    revision = ["--format", "revision", "--training-json", "train.json"]
    assert main([*apply, *revision]) == 0
    assert sorted(contents("chunks")) == [f"text_embeds_{k}_bounded.pkl" for k in range(4)]
    found = json.loads(Path("chunks.recipe.json").read_text())["apply"]["preflight"]
    assert (found["rows"], found["missing"], found["extra"]) == (2501, 0, 1)


def test_a_recipe_round_trips(corrected):
    text = Path("out.recipe.json").read_text()
    recipe = Recipe.from_json(text)
    assert isinstance(recipe, FileRecipe)
    assert recipe.to_json() == text


def test_the_library_replays_files_too(corrected):
    recipe = aa.recipe.read_recipe("out.recipe.json")
    again = aa.replay(recipe, out="again")
    assert again.identical and again.differences == ()
    assert contents("again") == contents("out")
    with pytest.raises(ParameterError, match="say with out"):
        aa.replay(recipe)
    with pytest.raises(ParameterError, match="give the places"):
        aa.replay(recipe, aa.load("text.npy", modality="text"), out="more")
