"""``anisoalign scores``: the rows that Python gives, in files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.scoring import load_scorer

RNG = np.random.default_rng(0)
SIZES = {"q": 30, "x": 40, "bank": 50}


@pytest.fixture
def files(tmp_path, monkeypatch):
    rows = {}
    for name, n in SIZES.items():
        rows[name] = RNG.normal(size=(n, 8)).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", rows[name])
    monkeypatch.chdir(tmp_path)
    return rows


BOTH = ["--queries", "q.npy", "--gallery", "x.npy"]


@pytest.mark.parametrize("name", list(aa.SCORERS))
def test_files_hold_what_python_gives(files, name, capsys):
    command = ["scores", "--scorer", name, *BOTH, "--reference-queries", "bank.npy"]
    outputs = ["--out", "rows.npy", "--out-queries", "asked.npy", "--out-scores", "s.npy"]
    assert main([*command, *outputs, "--save", "m.npz", "--json", "-", "--quiet"]) == 0
    body = json.loads(capsys.readouterr().out)
    scorer = aa.SCORERS[name]()
    fitted = {"queries": files["bank"], "gallery": files["x"]}
    scorer.fit(**{k: v for k, v in fitted.items() if getattr(scorer, f"needs_{k}")} or fitted)
    rows, asked, scores = (np.load(f"{file}.npy") for file in ("rows", "asked", "s"))
    np.testing.assert_array_equal(rows, scorer.export(files["x"]))
    np.testing.assert_array_equal(asked, scorer.export_queries(files["q"]))
    np.testing.assert_allclose(scores, scorer.scores(files["q"], files["x"]), atol=1e-5)
    assert body["columns_added"] == rows.shape[1] - 8 and body["gallery"] == 40
    np.testing.assert_array_equal(load_scorer("m.npz").export(files["x"]), rows)


def test_parameters_and_queries_that_are_their_own_reference(files, capsys):
    command = ["scores", "--scorer", "csls", *BOTH, "--param", "k=3", "--out", "rows.npy"]
    assert main(command) == 0
    assert "--reference-queries to judge" in capsys.readouterr().err
    scorer = aa.SCORERS["csls"](k=3).fit(files["q"], files["x"])
    np.testing.assert_array_equal(np.load("rows.npy"), scorer.export(files["x"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing is to be written"),
        (["--out", "rows.csv"], "ends with .npy"),
        (["--out", "nowhere/rows.npy"], "There is no folder"),
        (["--out", "a.npy", "--out-queries", "./a.npy"], "Two outputs have one name"),
        (["--out", "a.npy", "--param", "k=99"], "k is 99, but"),
        (["--out", "a.npy", "--param", "m=1"], "csls has no parameter 'm'; it has: k."),
        (["--out", "a.npy", "--param", "k=many"], "give a number"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(files, tmp_path, capsys, words, said):
    before = sorted(tmp_path.iterdir())
    assert main(["scores", "--scorer", "csls", *BOTH, "--quiet", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_scorers_are_those_of_the_registry(capsys):
    with pytest.raises(SystemExit):
        main(["scores", "--help"])
    shown = capsys.readouterr().out
    for name, kind in aa.SCORERS.items():
        assert f"{name}: {kind.summary}" in shown
