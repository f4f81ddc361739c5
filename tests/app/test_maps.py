"""A UMAP is made beside the page: it says how long, can be stopped, and is shown once made."""

import sys
import time

import pytest

from app.mapper import Mapper
from app.places import Place
from app.session import sample_pair
from app.widgets import directions
from tests.app.test_pages import open_page, pair_of

READY = """
import json, sys, numpy as np
from pathlib import Path
for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({"done": 0.6, "words": "laying out"}), flush=True)
    {wait}
    held = np.load(job["rows"])
    flat = {side: held[side][:, :2] for side in ("target", "source")}
    np.savez(job["out"], reduced_to=2, **flat)
    print(json.dumps({"made": True}), flush=True)
"""
QUICK = READY.replace("{wait}", "pass")
SLOW = READY.replace("{wait}", "__import__('time').sleep(600)")
BROKEN = "import sys; sys.stdin.readline(); sys.exit(1)"


def mapping(script):
    return Mapper((sys.executable, "-c", script))


def until(what, seconds=30):
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def begun(script):
    maps = mapping(script)
    return maps, maps.begin(sample_pair("scenes"), "both", Place())


def test_a_map_is_made_and_the_next_one_is_planned_without_compiling():
    maps, job = begun(QUICK)
    first = job.plan.total
    until(lambda: job.over)
    assert job.state == "done"
    assert job.made.target.shape == (4000, 2)
    assert maps.plan(job.pair, "both").total < first
    maps.end()


def test_a_map_is_stopped_in_the_middle_of_its_work():
    maps, job = begun(SLOW)
    until(lambda: job.state == "running" and job.done == 0.6)
    assert 0.6 <= job.share() < 1
    assert job.left() > 0
    asked = time.monotonic()
    job.cancel()
    until(lambda: job.kill is None)
    assert time.monotonic() - asked < 5
    assert job.state == "cancelled" and job.made is None
    maps.end()


def test_a_map_of_who_has_left_is_not_made():
    maps = mapping(SLOW)
    place = Place()
    place.left = True
    job = maps.begin(sample_pair("scenes"), "both", place)
    until(lambda: job.over)
    assert job.state == "cancelled"
    maps.end()


def test_a_process_that_ends_is_said():
    maps, job = begun(BROKEN)
    until(lambda: job.over)
    assert (job.state, job.words) == ("failed", "The process that makes maps has ended.")
    maps.end()


@pytest.fixture
def page(monkeypatch):
    def opened(script):
        made = mapping(script)
        monkeypatch.setattr(directions, "mapper", lambda: made)
        monkeypatch.setattr(directions, "lacks", lambda *_: False)
        return open_page("directions", pair_of(60))

    return opened


def job_of(at):
    return at.session_state[directions.MAP]


def test_the_page_says_how_long_and_is_of_use_until_the_map_is_there(page):
    at = page(QUICK)
    label = at.button(key="umap_button").label
    assert label.startswith("Draw a UMAP, about ") and label.split()[-1] in ("s", "minutes")
    at.button(key="umap_button").click().run()
    until(lambda: directions.MAP not in at.run().session_state)
    assert not at.exception and not at.error
    assert any("UMAP fitted on" in one.value for one in at.caption)


def test_the_page_stays_of_use_and_a_map_can_be_cancelled(page):
    at = page(SLOW)
    at.button(key="umap_button").click().run()
    job = job_of(at)
    until(lambda: job.state == "running")
    at.selectbox(key="first_kind").select("gap").run()
    assert not at.exception and job_of(at) is job
    at.button(key="umap_cancel").click().run()
    assert job.state == "cancelled"
    assert any("was cancelled" in one.value for one in at.info)
    assert at.button(key="umap_button")
