"""A few faults of each kind, in a process that forks children; ``run.py`` does many more."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from campaigns.faults.children import ENVIRONMENT
from campaigns.faults.run import RESULTS, WORDS
from campaigns.faults.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked here")


def disturbed(folder: Path, names: str, **faults: int) -> dict[str, dict]:
    """Disturb scenarios in a process of their own; return the counts of each fault."""
    command = [sys.executable, "-m", "campaigns.faults.run", "--worker", str(folder)]
    command += ["--scenario", names, "--seed", "7", "--wanted", json.dumps(faults)]
    done = subprocess.run(
        command, env={**os.environ, **ENVIRONMENT}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def base():
    """A folder that others may enter: a child without root's rights works below it."""
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("names", ["apply-npy,apply-revision", "apply-one,export"])
def test_killed_work_leaves_nothing_half_and_is_ended_by_the_next_run(base, names):
    found = disturbed(base, names, time=2, event=4)
    assert found["time"]["problems"] + found["event"]["problems"] == []
    assert found["event"]["survived"] == 8
    assert found["time"]["survived"] >= 1, "kills may come too late on a busy machine"


def test_where_nothing_can_be_written_a_sentence_says_so_and_nothing_is_left(base):
    found = disturbed(base, "apply-clip,fit", limit=1, permission=1)
    assert found["limit"]["problems"] + found["permission"]["problems"] == []
    assert (found["limit"]["survived"], found["permission"]["survived"]) == (2, 2)


def test_a_full_disk_and_a_read_only_mount_are_survived(base):
    from campaigns.faults.disks import can_mount

    if not can_mount(base):
        pytest.skip("mounting a small disk needs root")
    found = disturbed(base, "apply-one", full=1, mount=1)
    assert found["full"]["problems"] + found["mount"]["problems"] == []
    assert (found["full"]["survived"], found["mount"]["survived"]) == (1, 1)


def test_an_input_that_changes_is_refused_or_what_comes_out_belongs_to_its_bytes(base):
    found = disturbed(base, "fit,apply-parquet", changed=4)["changed"]
    assert found["problems"] == []
    assert found["survived"] == 8


def test_the_results_are_of_these_scenarios_and_name_no_place():
    text = RESULTS.read_text(encoding="utf-8")
    results = json.loads(text)
    assert set(results) <= set(SCENARIOS)
    for each in results.values():
        for run in each["runs"]:
            assert set(run["faults"]) <= set(WORDS)
    assert str(ROOT) not in text
    assert tempfile.gettempdir() not in text
