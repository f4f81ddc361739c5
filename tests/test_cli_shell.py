"""What a shell relies on: help with examples, streams, exit codes, and stated samples."""

import io
import json
import signal
import sys
import threading

import numpy as np
import pytest

from anisoalign_core.cli import common, main
from anisoalign_core.cli.parser import build_parser
from tests.conftest import paired_world

SIDES = ["--target", "image.npy", "--source", "text.npy"]
VERBS = "info diagnose fit apply evaluate compare advise falsify encode convert replay".split()


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
    from anisoalign_core.engine import write

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device", str(files / "z.npy"))

    monkeypatch.setattr(write, "write_output", full)
    monkeypatch.setattr("anisoalign_core.engine.local.write_output", full)
    main(["fit", "--method", "realign", *SIDES, "--out", "m.npz", "--quiet"])
    before = sorted(path.name for path in files.iterdir())
    apply = ["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(apply) == 3
    assert "z.npy: No space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_one_line_of_progress_that_is_written_over(monkeypatch):
    screen, now = Terminal(), iter([10.0, 10.05, 20.0, 1000.0])
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(common.time, "monotonic", lambda: next(now))
    tell = common.Teller(quiet=False, _begun=0.0)
    tell(0.25, "rows")
    tell(0.26, "too soon to be shown")
    tell(0.5, "a")
    tell(0.1, "slow")
    first = " 25% rows, about 30 s left"
    second = " 50% a, about 20 s left"
    third = " 10% slow, 150 min left"
    expected = [first, second.ljust(len(first)), third]
    assert screen.getvalue().split("\r") == ["", *expected]
    tell.end()
    assert screen.getvalue().endswith(f"\r{' ' * len(third)}\r")
    before = screen.getvalue()
    tell.end()
    assert screen.getvalue() == before


def test_a_pipe_that_closes_early_is_no_error(files, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["info", "text.npy"]) == 0
    assert errors.closed  # nothing more can be said on the way out


def test_being_asked_to_end_leaves_nothing_and_another_way_to_end(files, capsys, monkeypatch):
    from anisoalign_core.engine import local

    def asked(*arguments, **keywords):
        signal.raise_signal(signal.SIGTERM)

    main(["fit", "--method", "realign", *SIDES, "--out", "m.npz", "--quiet"])
    monkeypatch.setattr(local, "write_output", asked)
    names = sorted(path.name for path in files.iterdir())
    before = signal.getsignal(signal.SIGTERM)
    apply = ["apply", "--model", "m.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(apply) == 143
    assert capsys.readouterr().err == "anisoalign apply: cancelled; nothing was written.\n"
    assert sorted(path.name for path in files.iterdir()) == names
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_runs_in_a_thread_that_no_signal_reaches(files, capsys):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["info", "text.npy"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert "300" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["fit", *SIDES, "--threads", "0"], "--threads is 0; give at least 1"),
        (["diagnose", *SIDES, "--rows", "-1"], "--rows is -1; give a number of rows"),
        (["fit", *SIDES, "--method", "c3", "--param", "sigma=wide"], "sigma is 'wide'; give a num"),
        (["fit", *SIDES, "--param", "frame=3"], "frame is 3; give a name"),
        (["compare", *SIDES, "--out", "a.xls"], r"--out a.xls: end the name with"),
        (["convert", "--source", "text.npy", "--out", "text.tsv", "--shard-rows", "9"], "one file"),
        (["convert", "--source", "text.npy", "--out", "a.tsv", "--format", "npz"], "with .npz"),
        (["convert", "--source", "wide.npy", "--out", "a.tsv"], "rows that are not unit"),
        (["info", "nonsense.npz"], "nonsense.npz"),
        (["info", "odd.npz"], "not a model saved by this library"),
    ],
)
def test_what_cannot_be_done_is_one_line(files, capsys, command, words):
    np.save("wide.npy", 3 * np.load("text.npy"))
    (files / "nonsense.npz").write_bytes(b"nonsense")
    np.savez("odd.npz", header=np.zeros(3))
    if command[0] == "fit":
        command = [*command, "--out", "m.npz"]
    assert main([*command, "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert words in said.err


def test_a_table_beside_its_input_is_not_its_input(files, capsys):
    command = ["convert", "--source", "text.npy", "--out", "text.tsv", "--quiet"]
    assert main([*command, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": "text.tsv", "rows": 300}
    assert main(["convert", "--source", "text.tsv", "--out", "text.tsv", "--quiet"]) == 2
    assert "text.tsv is an input of this job" in capsys.readouterr().err


def test_scores_go_to_a_table_or_to_json_but_not_both(files, capsys):
    assert main(["fit", "--method", "realign", *SIDES, "--out", "m.npz", "--quiet"]) == 0
    command = ["evaluate", "--model", "m.npz", *SIDES, "--paired", "--k", "5", "--quiet"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert table.split()[:3] == ["value", "low", "high"] and "\npsi" in table
    assert main([*command, "--json", "-"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert f"{scores['psi']['value']:.4g}" in table


def test_importing_the_module_that_is_run_runs_nothing(capsys):
    import anisoalign_core.cli.__main__ as module

    assert module.main is main
    assert capsys.readouterr() == ("", "")


def test_few_rows_are_read_with_a_warning(files, capsys):
    np.save("text.npy", np.load("text.npy")[:10])
    assert main(["fit", "--method", "realign", *SIDES, "--out", "m.npz"]) == 0
    warned = capsys.readouterr().err
    assert "warning: text.npy has fewer rows than dimensions" in warned
    assert "warning: image.npy" not in warned


def test_a_recipe_of_the_app_says_what_it_needs(files, capsys):
    import anisoalign_core as aa

    sides = [aa.load(f"{name}.npy", modality=name) for name in ("text", "image")]
    recipe = aa.cook(aa.EmbeddingPair(*sides), "bounded", {"bound": 0.2})[2]
    (files / "app.json").write_text(recipe.to_json())
    assert main(["info", "app.json", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["method"], found["source"]) == ("recipe", "bounded", "text.npy")
    assert found["output"] == recipe.output_digest
    (files / "elsewhere").mkdir()
    (files / "elsewhere" / "app.json").write_text(recipe.to_json())
    assert main(["replay", "elsewhere/app.json", "--out", "z.npy", "--quiet"]) == 2
    assert "give --source and --target" in capsys.readouterr().err
    assert main(["replay", "app.json", "--out", "z.npy", "--quiet"]) == 0  # they lie beside it
    assert "identical to the recipe's output" in capsys.readouterr().out
    again = ["replay", "app.json", *SIDES, "--out", "z.npy", "--quiet"]
    assert main(again) == 0
    assert "identical to the recipe's output" in capsys.readouterr().out
    (files / "app.json").write_text(
        recipe.to_json().replace(recipe.output_digest, "0" * len(recipe.output_digest))
    )
    assert main(again[:-1]) == 1
    said = capsys.readouterr()
    assert "NOT identical" in said.out and "differs in its last bits" in said.err
