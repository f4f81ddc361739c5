"""The command line: the contract's verbs, its JSON, its exit codes."""

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from tests.conftest import paired_world


@pytest.fixture
def files(tmp_path, monkeypatch):
    y, x = paired_world(300, 16)
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SIDES = ["--target", "image.npy", "--source", "text.npy"]


def test_diagnose_writes_the_report(files, capsys):
    assert main(["diagnose", *SIDES, "--paired", "--json", "report.json", "--quiet"]) == 0
    report = json.loads((files / "report.json").read_text())
    assert report["n_source"] == 300
    assert report["verdict"]["headline"] in capsys.readouterr().out
    assert main(["diagnose", *SIDES, "--json", "-", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["paired"] is False


def test_fit_apply_evaluate_agree_with_python(files, capsys):
    assert main(["fit", "--method", "bounded", "--bound", "0.2", *SIDES, "--out", "model.npz"]) == 0
    assert main(["apply", "--model", "model.npz", "--source", "text.npy", "--out", "z.npy"]) == 0
    images, texts = aa.load("image.npy", modality="image"), aa.load("text.npy", modality="text")
    z = aa.BoundedTransport(bound=0.2).fit(texts, images).transform(texts)
    np.testing.assert_array_equal(np.load("z.npy"), z)
    command = [
        "evaluate",
        "--model",
        "model.npz",
        *SIDES,
        "--paired",
        "--json",
        "s.json",
        "--quiet",
    ]
    assert main(command) == 0
    scores = json.loads((files / "s.json").read_text())["scores"]
    assert set(scores["psi"]) == {"value", "low", "high", "floor", "needs"}
    assert {"phi", "omega", "mixing_coverage", "recall_at_1_source_to_target"} <= set(scores)


@pytest.mark.parametrize("method", sorted(set(aa.ALIGNERS) - {"oracle"}))
def test_every_method_fits_and_applies(files, method):
    short = ["prior_steps=10", "refine_steps=10"] if method == "anisoalign" else []
    options = [word for entry in short for word in ("--param", entry)]
    command = ["fit", "--method", method, *options, *SIDES, "--paired", "--out", "m.npz"]
    assert main([*command, "--quiet"]) == 0
    assert main(["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy"]) == 0
    np.testing.assert_allclose(np.linalg.norm(np.load("z.npy"), axis=1), 1, atol=1e-6)


def test_bound_zero_equals_realign(files):
    main(["fit", "--method", "bounded", "--bound", "0", *SIDES, "--out", "a.npz", "--quiet"])
    main(["fit", "--method", "realign", *SIDES, "--out", "b.npz", "--quiet"])
    for name in "ab":
        main(["apply", "--model", f"{name}.npz", "--source", "text.npy", "--out", f"{name}.npy"])
    np.testing.assert_allclose(np.load("a.npy"), np.load("b.npy"), atol=1e-6)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["fit", "--method", "ridge", *SIDES, "--out", "m.npz"], "learns from pairs"),
        (["fit", "--method", "magic", *SIDES, "--out", "m.npz"], "invalid choice"),
        (["fit", "--bound", "wide", *SIDES, "--out", "m.npz"], "neither a number"),
        (["fit", "--method", "c3", "--param", "tau=3", *SIDES, "--out", "m.npz"], "no parameter"),
        (["fit", "--method", "c3", "--param", "sigma=much", *SIDES, "--out", "m.npz"], "a number"),
        (["fit", "--param", "rank=many", *SIDES, "--out", "m.npz"], "a number"),
        (["fit", "--method", "c3", "--param", "sigma", *SIDES, "--out", "m.npz"], "NAME=VALUE"),
        (["fit", *SIDES, "--split-seed", "0", "--holdout", "3", "--out", "m.npz"], "holdout is 3"),
        (["fit", *SIDES, "--bound", ".1", "--out", "absent/m.npz"], "absent"),
        (["fit", "--bound", "-1", *SIDES, "--out", "m.npz"], "bound is -1"),
        (["apply", "--model", "none.npz", "--source", "text.npy", "--out", "z.npy"], "none.npz"),
        (
            ["apply", "--model", "image.npy", "--source", "text.npy", "--out", "z.npy"],
            "not a model",
        ),
        (["diagnose", "--target", "absent.npy", "--source", "text.npy"], "absent.npy"),
        (["diagnose", *SIDES, "--join-ids"], ""),
        (["diagnose"], "required"),
    ],
)
def test_wrong_use_exits_2_with_one_line(files, capsys, command, words):
    before = sorted(path.name for path in files.iterdir())
    if words == "":
        np.save("bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        command, words = ["diagnose", "--target", "bad.npy", "--source", "text.npy"], "bad.npy"
        before = sorted(path.name for path in files.iterdir())
    try:
        code = main([*command, "--quiet"] if len(command) > 1 else command)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert words in error
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error
    assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.slow
def test_the_sample_s_recipe_replays_from_its_bare_files(tmp_path, capsys):
    from anisoalign_core.samples import ROOT

    _, _, recipe = aa.cook(aa.load_sample(), "bounded", {"bound": 0.2})
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    sides = ["--target", f"{ROOT}/scenes/image.npy", "--source", f"{ROOT}/scenes/text.npy"]
    assert (
        main(["replay", str(tmp_path / "recipe.json"), *sides, "--out", str(tmp_path / "z.npy")])
        == 0
    )
    said = capsys.readouterr()
    assert said.out.startswith("identical")
    assert "is not what" not in said.err


def test_a_recipe_replays_to_the_same_bytes(files, capsys):
    images, texts = aa.load("image.npy", modality="image"), aa.load("text.npy", modality="text")
    pair = aa.EmbeddingPair(texts, images, paired=True)
    _, corrected, recipe = aa.cook(pair, "bounded", {"bound": "auto"})
    aa.save(corrected, "first.npy")
    (files / "recipe.json").write_text(recipe.to_json())
    assert main(["replay", "recipe.json", *SIDES, "--out", "second.npy", "--quiet"]) == 0
    assert "identical" in capsys.readouterr().out
    assert (files / "first.npy").read_bytes() == (files / "second.npy").read_bytes()
    y = np.load("text.npy")
    y[0] = y[1]
    np.save("text.npy", y)
    assert main(["replay", "recipe.json", *SIDES, "--out", "third.npy"]) == 1
    said = capsys.readouterr()
    assert "NOT identical" in said.out
    assert "source is not what the recipe was made from" in said.err


@pytest.mark.slow
def test_compare_writes_every_format_and_prints_the_tables(files, capsys):
    outs = [f"--out=b.{suffix}" for suffix in ("csv", "json", "tex", "md", "html")]
    methods = ["--methods", "mean-shift", "bounded:bound=0.3", "permuted"]
    command = ["compare", *SIDES, "--paired", *methods, "--splits", "2", "--k", "5"]
    assert main([*command, *outs, "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "BoundedTransport (bound 0.3)" in shown and "permuted target is no better" in shown
    assert "Label transfer and clusters against classes are missing" in shown
    assert (files / "b.md").read_text().strip() == shown.strip()
    board = json.loads((files / "b.json").read_text())
    assert board["setting"]["source"]["files"] == ["text.npy"]
    assert all((files / f"b.{suffix}").stat().st_size > 1000 for suffix in ("csv", "tex", "html"))
    assert main([*command, "--json", "-", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["values"] == board["values"]


@pytest.mark.slow
def test_compare_teaches_what_keywords_find_in_captions(files, capsys):
    rng = np.random.default_rng(0)
    captions = rng.choice(["a dog", "a cat", "a tree"], 300)
    (files / "text.captions.txt").write_text("\n".join(captions) + "\n")
    command = ["compare", *SIDES, "--paired", "--methods", "mean-shift", "--splits", "1", "--quiet"]
    assert main([*command, "--keywords", "dog; cat: cat, kitten"]) == 0
    assert "keywords dog, cat" in capsys.readouterr().out
    assert main([*command, "--keywords", "dog; zebra"]) == 2
    assert "Fewer than two" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_comparison_writes_the_finished_splits(files, capsys, monkeypatch):
    from anisoalign_core.compare import board

    whole = board._one_split
    monkeypatch.setattr(board, "_one_split", _interrupted_after(2, whole))
    command = ["compare", *SIDES, "--paired", "--methods", "mean-shift", "--splits", "5"]
    assert main([*command, "--out", "part.json"]) == 0
    assert "2 of 5 splits are kept" in capsys.readouterr().err
    assert any(
        "Stopped after 2 of 5" in text
        for text in json.loads((files / "part.json").read_text())["sentences"]
    )
    monkeypatch.setattr(board, "_one_split", _interrupted_after(0, whole))
    assert main([*command, "--out", "none.json"]) == 130
    assert not (files / "none.json").exists()


def _interrupted_after(splits, whole):
    done = []

    def one(*arguments):
        if len(done) == splits:
            raise KeyboardInterrupt
        done.append(True)
        return whole(*arguments)

    return one


@pytest.mark.slow
def test_the_bundled_sample_stands_in_for_files(capsys):
    sides = ["--target", "sample:scenes", "--source", "sample:scenes", "--paired"]
    assert main(["diagnose", *sides, "--json", "-", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["n_source"] == 4000
    grouped = ["sample:scenes-captions" if one == "sample:scenes" else one for one in sides]
    assert main(["diagnose", *grouped[:-1], "--join-ids", "--json", "-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["n_source"] == 3000
    assert "1,000 things: 1,000 image rows (1 each) and 3,000 text rows (3 each)" in said.err
    assert main(["fit", *grouped[:-1], "--out", "model.npz"]) == 2
    assert "put together from parts of several files" in capsys.readouterr().err
    assert main(["diagnose", "--target", "sample:x", "--source", "sample:scenes"]) == 2
    assert "no sample 'x'" in capsys.readouterr().err
