"""What a browser had kept comes back once, also when it comes while the page changes."""

from __future__ import annotations

import base64

import pytest
import streamlit as st

from anisoalign_core.bench import Bench
from anisoalign_core.samples import load_bench
from app.widgets import bench


@pytest.fixture
def state(monkeypatch):
    """Stand in for a session's state: without a session there is none."""
    held: dict[str, object] = {"bench": Bench()}
    monkeypatch.setattr(st, "session_state", held)
    return held


def test_an_answer_without_a_keeper_is_asked_for_again(state):
    bench._hear()
    assert "bench_read" not in state


def test_a_kept_bench_comes_back_once(state):
    kept = Bench(load_bench().entries[:1])
    packed = base64.b64encode(kept.to_bytes()).decode("ascii")
    for _ in range(2):
        state["bench_keeper"] = {"stored": packed}
        bench._hear()
    assert state["bench_read"]
    assert [one.name for one in state["bench"].entries] == [kept.entries[0].name]


def test_what_cannot_be_read_is_said(state):
    state["bench_keeper"] = {"stored": "AAAA"}
    bench._hear()
    assert "could not be read" in state["bench_problem"]
    assert not state["bench"].entries
