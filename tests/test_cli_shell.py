"""What a shell relies on: help with examples, streams, exit codes, and stated samples."""

import json

import numpy as np
import pytest

from anisoalign_core.cli import main
from anisoalign_core.cli.parser import build_parser
from tests.conftest import paired_world

SIDES = ["--target", "image.npy", "--source", "text.npy"]
VERBS = "info diagnose fit apply evaluate compare falsify encode convert replay".split()


@pytest.fixture
def files(tmp_path, monkeypatch):
    y, x = paired_world(300, 16)
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_that_parses(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    example = text.partition("example:")[2].split()
    assert example[:2] == ["anisoalign", verb]
    assert build_parser().parse_args(example[1:]).verb == verb


def test_info_says_what_a_place_holds(files, capsys):
    (files / "text.ids.txt").write_text("".join(f"k{row}\n" for row in range(300)))
    assert main(["info", "text.npy", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["rows"], found["dimensions"]) == ("embeddings", 300, 16)
    assert (found["ids"], found["captions"]) == (True, False)
    assert found["norms"]["median"] == pytest.approx(1.0, abs=1e-6)
    assert main(["fit", "--bound", "0.3", *SIDES, "--out", "m.npz", "--quiet"]) == 0
    apply = ["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(apply) == 0
    assert main(["info", "m.npz"]) == 0
    assert "BoundedTransport" in capsys.readouterr().out
    assert main(["info", "z.recipe.json", "--json", "-"]) == 0
    recipe = json.loads(capsys.readouterr().out)
    assert (recipe["method"], recipe["rows"], recipe["files"]) == ("bounded", 300, ["z.npy"])
    np.savez("arrays.npz", image=np.load("image.npy"), text=np.load("text.npy"))
    assert main(["info", "arrays.npz", "--modality", "image", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["array"] == "image"


def test_answers_go_to_one_stream_and_progress_to_the_other(files, capsys):
    assert main(["fit", "--method", "realign", *SIDES, "--out", "m.npz"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "100%" in said.err and "fitted on 300 + 300 rows" in said.err
    apply = ["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy"]
    assert main([*apply, "--quiet", "--json", "-"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["rows"] == 300
    assert main(["fit", *SIDES, "--bound", "0.1", "--out", "m.npz", "--quiet", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["rows"] == 300


def test_a_sample_is_seeded_and_stated(files, capsys):
    command = ["diagnose", *SIDES, "--paired", "--rows", "120", "--sample-seed", "4"]
    assert main([*command, "--json", "a.json"]) == 0
    said = capsys.readouterr()
    assert "a sample of 120 of 300 rows, seed 4" in said.err
    assert "The source is a sample of 120 of 300 rows, seed 4." in said.out
    assert main([*command, "--json", "b.json", "--quiet"]) == 0
    assert (files / "a.json").read_bytes() == (files / "b.json").read_bytes()
    report = json.loads((files / "a.json").read_text())
    assert report["n_source"] == 120
    assert report["sample"]["target"] == {"rows": 120, "of": 300}
    assert main(["diagnose", *SIDES, "--paired", "--rows", "0", "--json", "all.json"]) == 0
    assert "sample" not in json.loads((files / "all.json").read_text())
    np.save("image.npy", np.load("image.npy")[:200])
    assert main([*command, "--quiet"]) == 2
    assert "300 rows and image.npy has 200" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_has_its_own_exit_code(files, capsys, monkeypatch):
    from anisoalign_core.engine import work

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device", str(files / "z.npy"))

    monkeypatch.setattr(work, "write_output", full)
    monkeypatch.setattr("anisoalign_core.engine.local.write_output", full)
    main(["fit", "--method", "realign", *SIDES, "--out", "m.npz", "--quiet"])
    before = sorted(path.name for path in files.iterdir())
    apply = ["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(apply) == 3
    assert "z.npy: No space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == before
