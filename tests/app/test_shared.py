"""What is a sample's alone is computed once for everybody, however many ask at the same time."""

import threading
import time

import pytest

from app.shared import OfSamples


def test_those_who_ask_at_once_wait_for_the_first_and_see_the_same():
    shared, made, begun = OfSamples(), [], threading.Event()

    def build():
        begun.wait(5)
        made.append(object())
        return made[-1]

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.once("key", build))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join(5)
    assert len(made) == 1
    assert found == made * 8


def test_where_the_first_is_stopped_the_next_one_computes_it():
    shared, inside, stop = OfSamples(), threading.Event(), threading.Event()

    def stopped():
        inside.set()
        stop.wait(5)
        raise KeyboardInterrupt

    def first():
        with pytest.raises(KeyboardInterrupt):
            shared.once("key", stopped)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    threading.Timer(0.1, stop.set).start()
    assert shared.once("key", lambda: "made by the second") == "made by the second"
    thread.join(5)
    assert "key" in shared


def test_who_waits_may_go():
    shared, inside, stop = OfSamples(), threading.Event(), threading.Event()

    def slow():
        inside.set()
        stop.wait(5)

    thread = threading.Thread(target=lambda: shared.once("key", slow))
    thread.start()
    inside.wait(5)

    def leave():
        raise TimeoutError

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        shared.once("key", lambda: None, wait=leave)
    assert time.monotonic() - begun < 3
    stop.set()
    thread.join(5)


def test_those_used_longest_ago_are_let_go():
    shared = OfSamples(most=2)
    for key in ("a", "b", "a", "c"):
        shared.once(key, lambda: key)  # noqa: B023  (called at once)
    assert "a" in shared and "c" in shared
    assert "b" not in shared
