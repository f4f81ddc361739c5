"""What a UMAP is said to take: more for more rows, and how much of it is done."""

import io
import json

import numpy as np
import pytest

from anisoalign_core.geometry import umap_process
from anisoalign_core.geometry.umap_map import JointMap, nearest, sampled
from anisoalign_core.geometry.umap_plan import MAP_ROWS, Said, map_plan, pace


def total(rows, fit_on="both", cold=False):
    return map_plan(rows, rows, fit_on, cold=cold).total


def test_more_rows_take_longer_up_to_those_that_are_drawn():
    assert total(500) < total(2000) < total(MAP_ROWS) == total(50_000)
    assert total(2000, cold=True) > total(2000) + 5
    assert "placing" in map_plan(500, 500, "target", cold=False).steps
    assert "placing" not in map_plan(500, 500, "both", cold=False).steps


def test_steps_follow_each_other_and_end_with_everything():
    told = []
    plan = map_plan(500, 400, "source", cold=True)
    said = Said(plan, lambda done, words: told.append((done, words)))
    for step in plan.steps:
        said.begin(step)
        said.within(0.5)
        said.within(1.0)
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0 and shares[-1] == pytest.approx(1.0)
    assert len({words for _, words in told}) == len(plan.steps)


def test_time_alone_does_not_take_work_beyond_what_was_told_to_begin():
    plan = map_plan(2000, 2000, "both", cold=True)
    begins, ends = plan.span("code")
    assert begins <= plan.within(begins, 10.0) < ends
    assert plan.within(begins, begins) == begins


def test_pace_is_a_positive_number():
    assert 0.05 < pace() < 1000


def test_neighbours_are_those_by_brute_force_and_itself_comes_first():
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((1500, 8)).astype(np.float32)
    keys[7] = keys[3]  # the same row twice
    found, distances = nearest(keys, keys, 5, lambda share: None)
    assert (found[:, 0] == np.arange(len(keys))).all()
    unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    expected = np.sort(1 - unit[:200] @ unit.T, axis=1)[:, :5]
    assert np.abs(distances[:200] - np.maximum(expected, 0)).max() < 1e-5


def test_the_process_answers_each_line_and_says_what_is_wrong(tmp_path, monkeypatch):
    def joint_map(target, source, *, progress, cold, **rest):
        if len(target) < 10:
            return real(target, source, progress=progress, cold=cold, **rest)
        progress(0.5, "laying out")
        rows = sampled(target, source, random_state=0)
        return JointMap(target[:, :2], source[:, :2], *rows, 2)

    real = umap_process.joint_map
    monkeypatch.setattr(umap_process, "joint_map", joint_map)
    lines = []
    for rows in (30, 3):
        path = tmp_path / f"{rows}.npz"
        few = np.ones((rows, 4), dtype=np.float32)
        np.savez(path, target=few, source=few)
        job = {"rows": str(path), "out": str(tmp_path / "out.npz"), "fit_on": "target", "seed": 0}
        lines.append(json.dumps(job) + "\n")
    answers = io.StringIO()
    umap_process.serve(io.StringIO("".join(lines)), answers)
    said = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert said[0] == {"done": 0.5, "words": "laying out"}
    assert said[1] == {"made": True}
    assert "load at least 10" in said[2]["error"]
    with np.load(tmp_path / "out.npz") as held:
        assert held["target"].shape == (30, 2)
