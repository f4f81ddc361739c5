"""What version 0.1 wrote is read, and comes back bit for bit."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import anisoalign_core as aa
from anisoalign_core.cli import main

GOLDEN = Path(__file__).parents[1] / "golden" / "engine_0_1"
IN_MEMORY = sorted(path.name for path in GOLDEN.glob("memory_*.recipe.json"))
OF_FILES = sorted(path.name for path in GOLDEN.glob("files_*.recipe.json"))
CONVERTED = {
    "converted.parquet": ["text.npy"],
    "converted_unit.npy": ["texts", "--normalise"],
    "converted_cut": ["texts", "--format", "safetensors", "--shard-rows", "33"],
    "converted_clip": ["texts", "--format", "clip-retrieval", "--normalise"],
    "converted_whole.npz": ["texts", "--normalise"],
}


def same_ground():
    """Whether the libraries and the kernels are those that the files were written with."""
    made = json.loads((GOLDEN / "made_with.json").read_text())
    kernels = sorted(
        {str(one.get("architecture")) for one in threadpool_info() if one["user_api"] == "blas"}
    )
    return made.pop("blas") == kernels and all(version(k) == v for k, v in made.items())


@pytest.fixture
def golden(tmp_path, monkeypatch):
    shutil.copytree(GOLDEN, tmp_path / "golden")
    monkeypatch.chdir(tmp_path / "golden")
    return tmp_path


def contents(place):
    if place.is_file():
        return place.read_bytes()
    return {str(f.relative_to(place)): f.read_bytes() for f in place.rglob("*") if f.is_file()}


def rows(place):
    return aa.engine.sample_set(aa.open_shards(place, modality="text"), drop_invalid=True).vectors


def compare(now, then):
    if same_ground():
        assert contents(now) == contents(then)
    else:
        np.testing.assert_allclose(rows(now), rows(then), atol=1e-5)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_recipes_of_rows_in_memory_replay(golden, name):
    recipe = aa.Recipe.from_json(Path(name).read_text())
    text = aa.load("text.npy", modality="text", drop_invalid=True)
    image = aa.load("image.npy", modality="image", drop_invalid=True)
    again = aa.replay(recipe, text, image)
    then = np.load(name.replace(".recipe.json", ".out.npy"))
    assert again.identical or not same_ground()
    np.testing.assert_allclose(again.corrected.vectors, then, atol=1e-5)
    assert not any("is not what" in sentence for sentence in again.differences)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_recipes_of_rows_in_memory_replay_on_the_command_line(golden, name):
    out, sides = golden / "again.npy", ["--source", "text.npy", "--target", "image.npy"]
    code = main(["replay", name, *sides, "--drop-invalid", "--out", str(out), "--quiet"])
    assert code == 0 or not same_ground()
    compare(out, Path(name.replace(".recipe.json", ".out.npy")))


@pytest.mark.parametrize("name", OF_FILES)
def test_recipes_of_files_replay(golden, name):
    (then,) = (p for p in Path().glob(name.replace(".recipe.json", "*")) if _is_output(p))
    out = golden / then.name
    model = ["--model", "models/python.npz"] if "python" in name else []
    code = main(["replay", name, *model, "--out", str(out), "--quiet"])
    assert code == 0 or not same_ground()
    compare(out, then)


def _is_output(path):
    return not path.name.endswith((".recipe.json", ".ids.txt", ".captions.txt"))


@pytest.mark.parametrize("name", CONVERTED)
def test_conversions_give_the_same_files(golden, name):
    assert main(["convert", "--source", *CONVERTED[name], "--out", f"../{name}", "--quiet"]) == 0
    compare(golden / name, Path(name))


@pytest.mark.parametrize("model", sorted(path.name for path in (GOLDEN / "models").iterdir()))
def test_models_correct_as_they_did(golden, model):
    method = aa.load_aligner(f"models/{model}")
    assert method.transform(aa.load("texts/part_14.npy", modality="text")).shape == (49, 12)


@pytest.mark.parametrize("name", [*IN_MEMORY, *OF_FILES])
def test_recipes_are_described(golden, name, capsys):
    assert main(["info", name, "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "recipe"
    assert found["method"] == json.loads(Path(name).read_text())["method"]
