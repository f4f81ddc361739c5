"""An input that another program changes during the work is refused, or was read before it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from anisoalign_core.align import load_aligner
from anisoalign_core.cli import main
from anisoalign_core.errors import FormatError
from anisoalign_core.files.digests import file_digest
from anisoalign_core.recipe.jobs import ApplyJob, FitJob, run_apply

SIDES = (("texts",), ("images",))
LAST = "texts/part_21.npy"


@pytest.fixture
def inputs(disk):
    """Inputs that were last written long ago."""
    for path in disk.rglob("*.npy"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return disk


def other_rows(path=LAST):
    """Write the rows of a file in another order, in place."""
    rows = np.load(path)
    with Path(path).open("r+b") as stream:
        np.save(stream, rows[::-1])


def when(words, act):
    """Return a callback for progress that acts once, when a pass of that name is told of."""
    left = [act]

    def progress(fraction, said):
        if words in said and left:
            left.pop()()

    return progress


@pytest.mark.parametrize("words", ["summed", "calibrated"])
@pytest.mark.parametrize(
    "act", [other_rows, lambda: Path(LAST).unlink(), lambda: os.truncate(LAST, 1000)]
)
def test_a_fit_whose_input_changes_between_passes_is_refused(inputs, words, act):
    job = FitJob(*SIDES, "realign")
    with pytest.raises(FormatError, match=r"part_21\.npy (changed|has|cannot|ends|is cut)"):
        job.run(progress=when(words, act))


def test_a_fit_in_memory_tells_of_the_rows_that_were_read(inputs, monkeypatch):
    from anisoalign_core.align import Procrustes

    before, fit = file_digest(Path(LAST)), Procrustes.fit

    def slow(*arguments, **keywords):
        other_rows()
        return fit(*arguments, **keywords)

    monkeypatch.setattr(Procrustes, "fit", slow)
    found = FitJob(*SIDES, "procrustes", pairing="row").run().fitted_on_
    assert found["source"]["files"][3]["digest"] == before != file_digest(Path(LAST))


def test_a_correction_whose_input_changes_has_no_file_and_no_recipe(inputs, capsys):
    assert main(["fit", *sides(), "--method", "realign", "--out", "model.npz", "--quiet"]) == 0
    job = ApplyJob(("texts",), "out.npy")
    method = load_aligner("model.npz")
    with pytest.raises(FormatError, match=r"part_21\.npy changed while it was read"):
        run_apply(method, job, progress=when("written", other_rows))
    assert not Path("out.npy").exists()
    assert run_apply(method, job).rows == 2501


def test_captions_that_change_are_noticed_too(inputs):
    captions = Path("text.captions.txt")
    captions.write_text("a\n" * 2501)
    os.utime(captions, (1_600_000_000, 1_600_000_000))
    with pytest.raises(FormatError, match=r"text\.captions\.txt changed while"):
        act = when("written", lambda: captions.write_text("b\n" * 2501))
        run_apply(None, ApplyJob(("text.npy",), "out.safetensors", normalise=True), progress=act)
    assert not Path("out.safetensors").exists()


def test_a_model_that_changes_while_it_is_read_is_refused(inputs, capsys, monkeypatch):
    fit = ["fit", *sides(), "--method", "realign", "--out", "model.npz", "--quiet"]
    assert main(fit) == 0
    read = load_aligner

    def replaced(path):
        found = read(path)
        Path(path).write_bytes(Path(path).read_bytes() + b"x")
        return found

    monkeypatch.setattr("anisoalign_core.align.load_aligner", replaced)
    command = ["apply", "--model", "model.npz", "--source", "text.npy", "--out", "z.npy", "--quiet"]
    assert main(command) == 2
    assert "model.npz changed while it was read" in capsys.readouterr().err
    assert not Path("z.npy").exists()


def test_files_beside_that_an_output_shares_with_its_input_are_not_written(inputs):
    ids = Path("text.ids.txt")
    ids.write_text("".join(f"{row}\n" for row in range(2501)))
    before = ids.stat()
    assert main(["convert", "--source", "text.npy", "--out", "text.safetensors", "--quiet"]) == 0
    assert (ids.stat().st_ino, ids.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert main(["info", "text.safetensors", "--json", "info.json", "--quiet"]) == 0
    assert json.loads(Path("info.json").read_text())


def sides():
    return "--target", "images", "--source", "texts"
