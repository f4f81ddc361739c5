"""Many workers give the numbers of one, also when one of them dies in the middle."""

import os
import signal
from dataclasses import fields

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.engine import fit_streamed, plan_outputs
from anisoalign_core.engine import write_streamed as write
from anisoalign_core.engine.dask import DaskEngine, connected
from anisoalign_core.errors import AnisoAlignError, InvalidRowsError
from anisoalign_core.io.shards import open_shards

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def engine():
    with connected(None, workers=2) as found:
        yield found


def absolute(disk):
    return (
        open_shards(disk / "texts", modality="text"),
        open_shards(disk / "images", modality="image"),
    )


def same_to_float64(one, other):
    for each in fields(one.map_):
        value = getattr(one.map_, each.name)
        if value is not None:
            np.testing.assert_allclose(getattr(other.map_, each.name), value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("realign", {}), ("standardize", {}), ("bounded", {"bound": "auto"}), ("bures", {})],
)
def test_a_cluster_gives_the_numbers_of_one_machine(disk, engine, name, parameters):
    sides = absolute(disk)
    local, read, _ = fit_streamed(aa.ALIGNERS[name](**parameters), *sides)
    spread, read_there, _ = fit_streamed(aa.ALIGNERS[name](**parameters), *sides, engine=engine)
    same_to_float64(local, spread)
    assert read_there == read
    write(local, plan_outputs(sides[0], disk / "one"))
    write(local, plan_outputs(sides[0], disk / "many"), engine=engine)
    for path in (disk / "one").iterdir():
        assert path.read_bytes() == (disk / "many" / path.name).read_bytes()


def test_a_large_file_is_cut_into_pieces_that_sum_to_the_same(tmp_path, engine):
    rng = np.random.default_rng(0)
    for name in ("text", "image"):
        rows = rng.standard_normal((140_000, 6)).astype(np.float32) + rng.standard_normal(6)
        np.save(tmp_path / f"{name}.npy", rows.astype(np.float32))
    sides = [open_shards(tmp_path / f"{name}.npy", modality=name) for name in ("text", "image")]
    local, read, _ = fit_streamed(aa.BoundedTransport(bound="auto"), *sides)
    spread, read_there, _ = fit_streamed(aa.BoundedTransport(bound="auto"), *sides, engine=engine)
    same_to_float64(local, spread)
    assert read_there == read
    assert spread.bound_ == local.bound_


def test_an_error_on_a_worker_is_the_error_here(disk, engine):
    rows = np.load("texts/part_14.npy")
    rows[5] = 0
    np.save("texts/part_14.npy", rows)
    with pytest.raises(InvalidRowsError, match=r"part_14\.npy is all zeros"):
        fit_streamed(aa.MeanShift(), *absolute(disk), engine=engine)
    _, read, _ = fit_streamed(aa.MeanShift(), *absolute(disk), drop_invalid=True, engine=engine)
    assert (read.rows, read.dropped_rows) == (2500, 1)


def test_a_worker_killed_in_the_middle_changes_nothing(disk):
    """The first worker that reports progress is killed, once, in each of two jobs."""
    sides = absolute(disk)
    local, _, _ = fit_streamed(aa.BoundedTransport(bound=0.2), *sides)
    write(local, plan_outputs(sides[0], disk / "one"))
    with connected(None, workers=2) as engine:
        for job in ("fit", "write"):
            pids = engine.client.run(os.getpid)
            killed = []

            def kill(fraction, words, pids=pids, killed=killed):
                if not killed:
                    assert fraction < 1
                    killed.append(next(iter(pids.values())))
                    os.kill(killed[0], signal.SIGKILL)

            if job == "fit":
                spread, _, _ = fit_streamed(
                    aa.BoundedTransport(bound=0.2), *sides, engine=engine, progress=kill
                )
                same_to_float64(local, spread)
            else:
                write(local, plan_outputs(sides[0], disk / "many"), engine=engine, progress=kill)
                for path in (disk / "one").iterdir():
                    assert path.read_bytes() == (disk / "many" / path.name).read_bytes()
            assert killed
            engine.client.wait_for_workers(2)
            assert killed[0] not in engine.client.run(os.getpid).values()


def test_the_command_line_works_on_a_cluster(disk, engine):
    where = ["--scheduler", engine.client.scheduler.address, "--quiet"]
    sides = ["--target", f"{disk}/images", "--source", f"{disk}/texts"]
    assert main(["fit", "--bound", "0.3", *sides, "--out", "m.npz", *where]) == 0
    out = ["--source", f"{disk}/texts", "--out", f"{disk}/out"]
    assert main(["apply", "--model", "m.npz", *out, *where]) == 0
    assert main(["replay", "out.recipe.json", "--out", f"{disk}/again", *where]) == 0
    assert sorted(path.name for path in (disk / "out").iterdir()) == [
        "part_0.npy",
        "part_14.npy",
        "part_21.npy",
        "part_7.npy",
    ]


def test_a_scheduler_that_does_not_answer_is_said(monkeypatch):
    with pytest.raises(AnisoAlignError, match="No Dask scheduler answers"), connected("nowhere:x"):
        raise AssertionError
    assert DaskEngine.__dataclass_fields__.keys() == {"client"}
