"""Many people on one server: turns, places, memory, idle sessions."""

from __future__ import annotations

import gc
import io
import threading
import time
import tomllib
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from anisoalign_core.compare.study import Study
from anisoalign_core.errors import LimitError, ParameterError
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.numerics import one_torch_thread
from app import server as shared
from app.places import Places, bytes_of
from app.server import Alive, Server
from app.settings import Settings, settings, usable_memory
from app.turns import InOrder, Turns
from tests.app.test_pages import HOME, npy, open_page, upload, words
from tests.conftest import paired_world

# -- turns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2])
def test_jobs_beyond_the_turns_wait_and_never_more_run_at_once(at_once):
    turns, order, running, most = Turns(at_once, 50), [], 0, 0
    lock, begin = threading.Lock(), threading.Event()

    def job(number):
        nonlocal running, most
        with turns.turn(lambda before: None):
            with lock:
                running += 1
                most = max(most, running)
                order.append(number)
            begin.wait(10)
            time.sleep(0.01)
            with lock:
                running -= 1

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=job, args=(number,)))
        threads[-1].start()
        while len(turns._tickets) <= number:
            time.sleep(0.001)
    begin.set()
    for thread in threads:
        thread.join(20)
    assert most == at_once
    assert sorted(order) == list(range(8))
    assert at_once > 1 or order == list(range(8))  # first come, first served
    assert not turns._tickets


def test_runs_go_in_order_one_at_a_time():
    order, running, most = InOrder(60.0), 0, 0
    went, first = [], threading.Event()

    def run(number):
        nonlocal running, most
        with order.run():
            running += 1
            most = max(most, running)
            went.append(number)
            first.wait(10)
            running -= 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(order._waiting) + len(went) <= number:
            time.sleep(0.001)
    assert went == [0]
    first.set()
    for thread in threads:
        thread.join(20)
    assert (went, most) == (list(range(6)), 1)
    assert not order._waiting and not order._begun


def test_a_long_run_is_overtaken_and_one_that_fails_goes():
    order, done = InOrder(0.05), threading.Event()
    inside = threading.Event()

    def long():
        with order.run():
            inside.set()
            done.wait(20)

    thread = threading.Thread(target=long)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(ZeroDivisionError), order.run():
        assert thread.is_alive()
        _ = 1 / 0
    done.set()
    thread.join(20)
    with order.run():
        assert len(order._begun) == 1


def hold(turns):
    """Take a turn in another thread; returns how to give it back."""
    inside, done = threading.Event(), threading.Event()

    def job():
        with turns.turn(lambda before: None):
            inside.set()
            done.wait(20)

    thread = threading.Thread(target=job)
    thread.start()
    assert inside.wait(10)

    def give_back():
        done.set()
        thread.join(10)

    return give_back


def test_a_job_that_waits_hears_how_many_wait_in_front_and_may_give_up():
    turns = Turns(1, 5)
    give_back = hold(turns)

    class GiveUp(Exception):
        pass

    heard = []

    def tell(before):
        heard.append(before)
        raise GiveUp

    with pytest.raises(GiveUp), turns.turn(tell):
        pytest.fail("it was not its turn")
    assert heard == [0]
    assert len(turns._tickets) == 1
    give_back()
    with turns.turn(tell):  # free again, and nobody is told anything
        pass


def test_too_many_waiting_jobs_are_refused_and_change_nothing():
    turns = Turns(1, 1)
    give_back = hold(turns)
    waiting = threading.Thread(target=lambda: turns.turn(lambda before: None).__enter__())
    waiting.daemon = True
    waiting.start()
    while len(turns._tickets) < 2:
        time.sleep(0.001)
    with pytest.raises(LimitError, match="its queue is full"), turns.turn(lambda before: None):
        pass
    assert len(turns._tickets) == 2
    give_back()


def test_a_job_within_a_job_has_its_turn_already():
    turns = Turns(1, 1)
    with turns.turn(lambda before: None), turns.turn(lambda before: pytest.fail("waited")):
        assert len(turns._tickets) == 1
    assert not turns._tickets


def test_a_turn_is_given_back_after_an_error():
    turns = Turns(1, 1)
    with pytest.raises(ValueError, match="broken"), turns.turn(lambda before: None):
        raise ValueError("broken")
    assert not turns._tickets


# -- places ---------------------------------------------------------------------------------------


def test_places_run_out_and_come_back():
    places = Places(2, 100, 1000)
    first, _ = places.enter(), places.enter()
    with pytest.raises(LimitError, match="it allows 2 at once"):
        places.enter()
    places.leave(first)
    places.leave(first)
    assert first.left
    assert len(places) == 1
    places.enter()


def test_a_session_may_hold_so_much_and_all_together_so_much():
    places = Places(9, 100, 150)
    one, two = places.enter(), places.enter()
    with pytest.raises(LimitError, match=r"big\.npy takes 101 bytes.*may hold 100 bytes"):
        places.claim(one, 101, "big.npy")
    assert one.held == 0
    places.claim(one, 90, "fits")
    with pytest.raises(LimitError, match="other sessions hold 90 bytes of the 150 bytes"):
        places.claim(two, 61, "too much now")
    places.claim(two, 60, "fits")
    assert places.room(two) == 60
    places.leave(one)
    places.claim(two, 100, "fits now")


def test_bytes_are_counted_once_wherever_they_lie():
    array = np.zeros((10, 100))
    table = pd.DataFrame({"a": np.zeros(50)})
    file = io.BytesIO(b"x" * 70)

    class Holder:
        def __init__(self):
            self.rows = array[2:4]
            self.again = [array, {"deep": (array.T,)}]
            self.me = self

    assert bytes_of([array]) == 8000
    assert bytes_of([Holder(), array]) == 8000
    assert bytes_of([table]) >= 400
    assert bytes_of([array, table], besides=[table]) == 8000
    assert bytes_of([file, b"y" * 30]) == 100
    assert bytes_of([torch.zeros(25)]) == 100
    assert bytes_of([{"words": "not counted", "n": 3}, None, Holder]) == 0


# -- settings -------------------------------------------------------------------------------------


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ANISOALIGN_MAX_SESSIONS", "7")
    monkeypatch.setenv("ANISOALIGN_MAX_SERVER_BYTES", "123456")
    found = Settings.from_env()
    assert (found.sessions, found.server_bytes, found.jobs) == (7, 123456, 2)
    monkeypatch.setenv("ANISOALIGN_MAX_JOBS", "none")
    with pytest.raises(ParameterError, match="ANISOALIGN_MAX_JOBS"):
        Settings.from_env()


def test_by_default_sessions_share_half_of_the_memory():
    assert Settings().server_bytes == usable_memory() // 2 > 0


def test_threads_are_bounded_by_the_environment(monkeypatch):
    monkeypatch.setenv("ANISOALIGN_THREADS", "1")
    assert usable_cores() == 1
    monkeypatch.setenv("ANISOALIGN_THREADS", "zero")
    with pytest.raises(ParameterError, match="ANISOALIGN_THREADS"):
        usable_cores()


def test_overlapping_blocks_leave_torch_its_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    inside, leave = threading.Event(), threading.Event()

    def in_new_thread(work):
        found = []
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        thread.join()
        return found[0]

    def other():
        with one_torch_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_torch_thread():
        assert in_new_thread(torch.get_num_threads) == 1
        thread.start()
        assert inside.wait(10)
    assert torch.get_num_threads() == 2
    assert in_new_thread(torch.get_num_threads) == 1  # the other still works
    leave.set()
    thread.join()
    assert in_new_thread(torch.get_num_threads) == 2
    torch.set_num_threads(before)


# -- on the pages ---------------------------------------------------------------------------------


@pytest.fixture
def small_server(monkeypatch):
    """Replace the server's limits; returns how."""

    def use(sessions=9, session_bytes=10**9, server_bytes=10**9, jobs=1, waiting=5):
        found = Server(
            Places(sessions, session_bytes, server_bytes),
            Turns(jobs, waiting),
            Turns(jobs, waiting),
        )
        for module in ("app.server", "app.session", "app.widgets.progress"):
            monkeypatch.setattr(f"{module}.server", lambda: found)
        st.cache_resource.clear()
        return found

    yield use
    st.cache_resource.clear()


def test_a_full_server_says_so_and_opens_when_there_is_room(small_server):
    found = small_server(sessions=1)
    stranger = found.places.enter()
    at = open_page("home")
    (error,) = at.error
    assert "taken\\: it allows 1 at once\\. Try again" in error.value
    assert not at.exception
    assert not at.metric
    found.places.leave(stranger)
    at.run()
    assert not at.error
    assert "4,000 pairs" in words(at)


def test_a_set_too_large_for_a_session_is_refused_and_the_loaded_one_stays(small_server):
    found = small_server(session_bytes=40_000)
    y, x = paired_world(400, 32)
    at = upload(open_page("data"), npy(x), npy(y))
    assert "may hold 39\\.1 KiB" in at.error[0].value
    assert "4,000 pairs" in words(at)
    found.places.session_bytes = 10**9
    at.run().button(key="load").click().run()
    assert not at.error
    assert "400 pairs × 32" in words(at)


def test_a_set_too_large_for_what_others_left_is_refused(small_server):
    found = small_server(server_bytes=3_000_000)
    found.places.claim(found.places.enter(), 2_950_000, "somebody's")
    y, x = paired_world(400, 32)
    at = upload(open_page("data"), npy(x), npy(y))
    assert "other sessions hold 2\\.8 MiB" in at.error[0].value
    assert "4,000 pairs" in words(at)


def test_what_a_session_holds_is_measured(small_server):
    found = small_server()
    y, x = paired_world(2000, 64)
    upload(open_page("data"), npy(x), npy(y)).run()
    (place,) = found.places._taken
    assert 2 * 2000 * 64 * 4 <= place.held < 4 * 2000 * 64 * 4


def test_nobody_is_charged_for_the_sample(small_server):
    found = small_server()
    open_page("compare").run()
    (place,) = found.places._taken
    assert place.held < 2**20, "the sample alone is thirty"


def test_results_are_let_go_when_a_session_holds_too_much(small_server):
    found = small_server()
    at = open_page("spectra")
    at.session_state["results"][("mine", ("trial", 1))] = np.zeros(4_000_000)
    at.run()
    assert any(key[0] == "mine" for key in at.session_state["results"])
    found.places.session_bytes = 16_000_000
    at.run()
    assert not at.exception
    assert all(key[0] != "mine" for key in at.session_state["results"])


def test_long_work_waits_for_its_turn_and_says_so(small_server, monkeypatch):
    from app.widgets import progress

    found = small_server()
    give_back = hold(found.short)
    told = []
    real = Turns._before

    def before(self, ticket):
        place = real(self, ticket)
        told.append(place)
        if len(told) == 3:
            give_back()
        return place

    monkeypatch.setattr(Turns, "_before", before)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    y, x = paired_world(300, 16)
    at = upload(open_page("data"), npy(x), npy(y))
    at.switch_page("../pages/spectra.py").run()
    assert not at.exception
    assert not at.error
    assert told[0] == 0
    assert at.metric


def test_a_busy_server_refuses_and_keeps_everything(small_server):
    found = small_server(jobs=1, waiting=1)
    y, x = paired_world(300, 16)
    at = upload(open_page("data"), npy(x), npy(y))
    release = [hold(found.short)]
    queued = threading.Thread(target=lambda: hold(found.short)())
    queued.start()
    while len(found.short._tickets) < 2:
        time.sleep(0.01)
    at.switch_page("../pages/spectra.py").run()
    assert "its queue is full" in at.error[0].value
    assert "300 pairs × 16" in words(at)
    release[0]()
    queued.join(20)
    at.run()
    assert not at.error
    assert at.metric


def test_an_idle_session_is_let_go_and_begins_again(small_server):
    found = small_server()
    y, x = paired_world(300, 16)
    at = upload(open_page("data"), npy(x), npy(y))
    pair = weakref.ref(at.session_state["loaded"].pair)
    (place,) = found.places._taken
    place.used -= 60 * settings().idle_minutes + 1
    let_go(at)
    assert "this session was let go" in at.info[0].value
    assert place.left
    assert not found.places._taken
    gc.collect()
    assert pair() is None
    at.run()  # nothing is taken before somebody comes back
    assert not found.places._taken
    at.button[0].click().run()
    assert "4,000 pairs" in words(at)
    assert len(found.places._taken) == 1


def let_go(at):
    """Do what the fragment's clock does; AppTest has no clock."""
    from app import session

    kept = session.take_place
    session.take_place = lambda: None  # the run below is the clock's, not a person's
    try:
        at.run()
    finally:
        session.take_place = kept


def test_memory_goes_back_when_a_state_is_let_go(monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(shared, "TRIM_SECONDS", 0.0)
    monkeypatch.setattr(shared, "give_back", done.set)
    alive = Alive()
    assert not done.is_set()
    del alive
    assert done.wait(5)


def test_what_is_computed_of_a_sample_is_computed_once_for_all():
    """Two people on Correct: the second fits nothing; what one adds to the sample stays theirs."""
    fits = []
    fit = Study.fit

    def counted(study, method, *arguments, **more):
        fits.append(method.name)
        return fit(study, method, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "fit", counted)
        st.cache_resource.clear()
        for _ in range(2):
            at = AppTest.from_file(HOME, default_timeout=90)
            at.switch_page(str(HOME.parent.parent / "pages" / "correct.py")).run()
            assert not at.exception
        assert len(fits) == 1
        own = AppTest.from_file(HOME, default_timeout=90).run()
        bundled = own.session_state["loaded"]
        own.session_state["loaded"] = replace(bundled, pair=bundled.pair.take(np.arange(400)))
        own.switch_page(str(HOME.parent.parent / "pages" / "correct.py")).run()
        assert not own.exception and len(fits) == 2


def test_memory_is_given_back_once_for_all_who_ask_at_the_same_time(monkeypatch):
    given = []
    monkeypatch.setattr(shared, "TRIM_SECONDS", 0.05)
    monkeypatch.setattr(shared, "give_back", lambda: given.append(time.monotonic()))
    for _ in range(20):
        shared.give_back_later()
    until = time.monotonic() + 10
    while not given and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    assert len(given) == 1
    shared.give_back_later()
    while len(given) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(given) == 2


def test_streamlit_leaves_collecting_cycles_to_the_server():
    config = Path(shared.__file__).parent / ".streamlit" / "config.toml"
    assert tomllib.loads(config.read_text())["runner"]["postScriptGC"] is False
    shared.server()
    assert any(thread.name == "collect" for thread in threading.enumerate())
