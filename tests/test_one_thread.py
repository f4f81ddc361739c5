"""The limit to one thread is lifted again, whoever leaves last, and keeps nobody alive."""

import gc
import threading
import weakref

import pytest
from threadpoolctl import threadpool_info

from anisoalign_core.threads import beside, limit_blas, one_thread


def threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def loaded():
    """BLAS is loaded and has two threads, and no thread that lives has limited it."""
    thread = threading.Thread(target=limit)
    thread.start()
    thread.join()
    found = threads()
    limit_blas(2)
    yield
    limit_blas(max(found))


def limit():
    with one_thread():
        pass


def test_blocks_that_overlap_leave_the_threads_as_they_were():
    before = threads()
    assert set(before) == {2}
    first_in, second_in, first_out, over = (threading.Event() for _ in range(4))
    seen = []

    def first():
        with one_thread():
            first_in.set()
            second_in.wait(10)
        first_out.set()
        over.wait(10)  # it lives on, as a thread that goes on to other work does

    def second():
        first_in.wait(10)
        with one_thread():
            second_in.set()
            first_out.wait(10)
            seen.extend(threads())

    both = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in both:
        thread.start()
    both[1].join()
    after = threads()
    over.set()
    both[0].join()
    assert set(seen) == {1}
    assert after == before


def test_a_thread_that_has_ended_is_let_go():
    thread = threading.Thread(target=limit)
    known = weakref.ref(thread)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert known() is None


def test_tasks_beside_each_other_have_one_thread_each_and_say_what_went_wrong():
    before = threads()
    with beside(2) as begin:
        seen, wrong = begin(threads), begin(int, "no number")
        assert set(seen.result()) == {1}
        with pytest.raises(ValueError, match="no number"):
            wrong.result()
    assert threads() == before


def test_what_has_not_begun_when_something_fails_never_does():
    over, done = threading.Event(), []
    with pytest.raises(KeyError), beside(1) as begin:
        begin(over.wait, 10)
        begin(done.append, 1)
        threading.Timer(0.05, over.set).start()
        raise KeyError
    assert done == []
