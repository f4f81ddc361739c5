"""Models, recipes and exports that version 0.1 wrote are still read, and mean what they meant."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.recipe import read_recipe, replay

HERE = Path(__file__).parent
MODELS, RECIPES, EXPORTS = (HERE / f"{kind}_0_1" for kind in ("models", "recipes", "exports"))
STORED = sorted(path.stem for path in MODELS.glob("*.npz"))
IN_MEMORY = sorted(p.name for p in RECIPES.glob("*.json") if not p.name.startswith("streamed"))


def test_every_method_of_the_version_is_stored():
    names = {stem.partition("-corrected")[0].partition("-start")[0] for stem in STORED}
    assert {"identity", "c3", "bounded", "anisoalign", "ridge", "oracle"} <= names


@pytest.mark.parametrize("stem", STORED)
def test_a_stored_model_loads_without_a_warning_and_corrects_as_it_did(stem, tmp_path):
    source, target = np.load(MODELS / "source.npy"), np.load(MODELS / "target.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        method = aa.load_aligner(MODELS / f"{stem}.npz")
        method.save(tmp_path / "again.npz")
        again = aa.load_aligner(tmp_path / "again.npz")
    assert str(again.get_params(deep=False)) == str(method.get_params(deep=False))
    for one in (method, again):
        rows = one.transform(source, target if one.needs_partners else None)
        np.testing.assert_allclose(rows, np.load(MODELS / f"{stem}.npy"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_a_stored_recipe_is_replayed(name):
    recipe = read_recipe(RECIPES / name)
    source = aa.load(RECIPES / "text.npy", modality="text")
    target = aa.load(RECIPES / "image.npy", modality="image")
    again = replay(recipe, source, target)
    assert [words for words in again.differences if "digest" in words] == []
    if "anisoalign" not in name:  # networks are trained to the bit on one machine only
        assert again.identical


@pytest.mark.parametrize("stem", ["streamed", "streamed-anisoalign"])
def test_a_stored_recipe_of_files_is_replayed(stem, tmp_path, monkeypatch):
    shutil.copytree(RECIPES, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    exit_code = main(["replay", f"{stem}.recipe.json", "--out", str(tmp_path / f"{stem}.npy")])
    if stem == "streamed":
        assert exit_code == 0
    assert exit_code in (0, 1)
    rows = np.load(tmp_path / f"{stem}.npy")
    np.testing.assert_allclose(rows, np.load(RECIPES / f"{stem}.npy"), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "name",
    [
        "export.npy",
        "export.npz",
        "export.safetensors",
        "export.parquet",
        "export.tsv",
        "clip-retrieval",
        "revision",
    ],
)
def test_a_stored_export_is_read(name, tmp_path):
    out = tmp_path / "rows.npz"
    assert main(["convert", "--source", str(EXPORTS / name), "--out", str(out), "--quiet"]) == 0
    found = aa.load(out, modality="text")
    wanted = np.load(EXPORTS / "export.npy")
    near = 1e-3 if name == "clip-retrieval" else 1e-6  # its rows are float16
    np.testing.assert_allclose(found.vectors, wanted, atol=near, rtol=0)
    if not name.endswith((".safetensors", ".tsv")):
        assert found.ids[:2].tolist() == ["k0", "k1"]
