"""A job that is killed goes on at the first unfinished shard, and ends with the same bytes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anisoalign_core.cli import main
from anisoalign_core.engine import write
from anisoalign_core.engine.resume import NOTE
from anisoalign_core.errors import PlaceError
from anisoalign_core.files.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[2]
APPLY = ["apply", "--model", "model.npz", "--source", "texts", "--quiet"]

KILLED = """
import os, signal, sys
from anisoalign_core.engine import write
writes, limit = [], int(sys.argv[1])
blocks = write._blocks
def counted(*arguments):
    for block in blocks(*arguments):
        writes.append(1)
        if len(writes) > limit:
            os.kill(os.getpid(), signal.{signal})
        yield block
write._blocks = counted
from anisoalign_core.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def model(disk):
    sides = ["--target", "images", "--source", "texts"]
    assert main(["fit", "--method", "realign", *sides, "--out", "model.npz", "--quiet"]) == 0
    return disk


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def killed(after, *arguments, by="SIGKILL"):
    command = [sys.executable, "-c", KILLED.format(signal=by), str(after), *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_killed_job_goes_on_and_gives_the_same_bytes(model, capsys, after):
    assert main([*APPLY, "--out", "whole"]) == 0
    assert killed(after, *APPLY, "--out", "part").returncode == -signal.SIGKILL
    finished = {name: data for name, data in contents("part").items() if name.startswith("part_")}
    assert finished.items() <= contents("whole").items(), "a part of a file has a final name"
    assert len(finished) < 4
    assert (model / "part" / NOTE).exists()
    assert not (model / "part.recipe.json").exists()
    before = {name: Path(f"part/{name}").stat().st_mtime_ns for name in finished}
    command = [word for word in APPLY if word != "--quiet"]
    assert main([*command, "--out", "part"]) == 0
    assert contents("part") == contents("whole"), "nothing is left over, nothing is missing"
    assert {name: Path(f"part/{name}").stat().st_mtime_ns for name in finished} == before
    if finished:
        assert f"{len(finished)} of 4 files are there already" in capsys.readouterr().err
    recipes = [json.loads(Path(f"{name}.recipe.json").read_text()) for name in ("part", "whole")]
    assert recipes[0]["apply"]["files"] == recipes[1]["apply"]["files"]
    assert recipes[0]["apply"]["input"] == recipes[1]["apply"]["input"], "also its rows and norms"


def test_a_job_that_was_killed_when_all_was_written_ends(model, capsys):
    command = [word for word in APPLY if word != "--quiet"]
    note = killed(3, *APPLY, "--out", "part") and Path("part", NOTE).read_bytes()
    assert main([*APPLY, "--out", "part"]) == 0
    recipe = Path("part.recipe.json").read_bytes()
    Path("part.recipe.json").unlink()
    Path("part", NOTE).write_bytes(note)
    assert main([*command, "--out", "part"]) == 0
    assert "4 of 4 files are there already" in capsys.readouterr().err
    assert Path("part.recipe.json").read_bytes() == recipe
    assert NOTE not in contents("part")


def test_a_job_that_was_killed_before_it_said_what_it_is_begins_anew(model):
    Path("part").mkdir()
    Path("part", "..anisoalign-job-0123456789abcdef.json").write_bytes(b'{"form')
    assert main([*APPLY, "--out", "part"]) == 0
    assert sorted(contents("part")) == sorted(path.name for path in Path("texts").iterdir())


def test_what_another_process_is_writing_in_the_same_folder_is_left_to_it(model):
    assert main([*APPLY, "--out", "whole"]) == 0
    killed(2, *APPLY, "--out", "part")
    with atomic_path(Path("part", "part_0.npy")) as temporary:
        temporary.write_bytes(Path("whole", "part_0.npy").read_bytes())
        assert main([*APPLY, "--out", "part"]) == 0
        assert temporary.exists()
    assert contents("part") == contents("whole")


def test_a_full_disk_says_that_the_same_command_goes_on(model, capsys, monkeypatch):
    written = []

    def full(*arguments, **keywords):
        written.append(write.write_output(*arguments, **keywords))
        if len(written) == 3:
            raise PlaceError("part_21.npy cannot be written: No space left on device. Make room.")
        return written[-1]

    monkeypatch.setattr("anisoalign_core.engine.local.write_output", full)
    assert main([*APPLY, "--out", "part"]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("Make room. Finished shards are kept; the same command goes on.\n")
    assert len([name for name in contents("part") if name != NOTE]) == 3


def test_a_terminated_job_leaves_no_temporary_file_and_says_what_is_kept(model):
    done = killed(2, *APPLY, "--out", "part", by="SIGTERM")
    assert done.returncode == 143
    assert b"finished shards are kept" in done.stderr
    assert all(name.startswith("part_") or name == NOTE for name in contents("part"))
    single = ["apply", "--model", "model.npz", "--source", "text.npy", "--quiet"]
    before = sorted(path.name for path in model.iterdir())
    done = killed(0, *single, "--out", "z.npy", by="SIGTERM")
    assert (done.returncode, b"nothing was written" in done.stderr) == (143, True)
    assert sorted(path.name for path in model.iterdir()) == before


@pytest.mark.parametrize("change", ["input", "model", "option"])
def test_another_job_does_not_go_on_in_the_same_folder(model, capsys, change):
    killed(2, *APPLY, "--out", "part")
    before, command = contents("part"), [*APPLY]
    if change == "input":
        rows = np.load("texts/part_21.npy")
        np.save("texts/part_21.npy", rows[::-1])
    elif change == "model":
        sides = ["--target", "images", "--source", "texts", "--quiet"]
        main(["fit", "--method", "mean-shift", *sides, "--out", "model.npz"])
    else:
        command += ["--dtype", "float16"]
    assert main([*command, "--out", "part"]) == 2
    assert "part of another job" in capsys.readouterr().err
    assert contents("part") == before


def test_a_folder_that_holds_anything_else_is_left_alone(model, capsys):
    (model / "mine").mkdir()
    (model / "mine" / "notes.txt").write_text("precious")
    assert main([*APPLY, "--out", "mine"]) == 2
    assert "mine is not empty" in capsys.readouterr().err
    assert contents("mine") == {"notes.txt": b"precious"}
    before = contents("texts")
    assert main([*APPLY, "--out", "texts"]) == 2
    single = ["apply", "--model", "model.npz", "--source", "text.npy", "--quiet"]
    assert main([*single, "--out", "text.npy"]) == 2
    assert "is an input of this job" in capsys.readouterr().err
    assert contents("texts") == before


def test_a_finished_job_is_not_done_twice(model, capsys):
    assert main([*APPLY, "--out", "out"]) == 0
    before = contents("out")
    assert NOTE not in before
    assert main([*APPLY, "--out", "out"]) == 2
    assert "out is not empty" in capsys.readouterr().err
    assert contents("out") == before
