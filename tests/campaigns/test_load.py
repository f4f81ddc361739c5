"""A few people at once on a real server: each sees their own numbers, and only those."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from campaigns.load import lesson
from campaigns.load.campaign import all_at_once, outcome, prepare
from campaigns.load.client import Session
from campaigns.load.page import ClientError, Screen
from campaigns.load.people import Person, told_apart
from campaigns.load.server import Server
from campaigns.load.visit import Log

PEOPLE = [Person(number, 500, 32) for number in range(3)]


@pytest.fixture(scope="module")
def prepared():
    return prepare(PEOPLE)


@pytest.fixture(scope="module")
def server():
    with Server(keep=2) as running:
        yield running


def test_three_people_at_once_see_their_own_numbers(server, prepared):
    files, everybody = prepared
    log = Log(everybody)
    all_at_once(PEOPLE, files, server, log)
    found = outcome(log, server.faults())
    assert found["problems"] == []
    assert found["mismatches"] == []
    assert found["faults"] == []
    assert found["checked"] > 50 * len(PEOPLE)


def test_a_session_goes_on_after_its_connection_was_lost(server):
    session = Session(server.url, 60).open()
    session.go("Correct")
    session.choose("method", "ReAlign")
    before = session.metrics()
    session.drop()
    again = Session(server.url, 60, resume=session).open()
    assert again.id == session.id
    assert again.metrics() == before
    again.close()


def test_another_persons_numbers_are_noticed_and_traced_to_them(prepared):
    _, everybody = prepared
    log = Log(everybody)
    log.check(PEOPLE[1], {k: v for k, v in everybody[0].facts.items() if k[0] == "Home"})
    assert len(log.mismatches) >= 3
    assert {one["person"] for one in log.mismatches} == {"1"}
    assert all("0" in one["whose"].split(", ") for one in log.mismatches)


def test_a_number_that_is_missing_is_noticed(prepared):
    _, everybody = prepared
    log = Log(everybody)
    log.check(PEOPLE[0], {("Home", "something else"): "1"})
    assert {one["seen"] for one in log.mismatches} == {"nothing"}


def test_people_differ_at_the_digits_shown(prepared):
    _, everybody = prepared
    assert min(told_apart(list(everybody.values())).values()) >= 0.5


def element(text: str, fragment: str = ""):
    message = ForwardMsg()
    message.delta.new_element.markdown.body = text
    message.delta.fragment_id = fragment
    return message.delta


def shown(screen: Screen) -> list[str]:
    return [node.proto.body for node in screen.all("markdown")]


def test_what_a_run_does_not_draw_again_goes():
    screen = Screen()
    screen.draw((0, 0), element("stays"))
    screen.draw((0, 1), element("goes"))
    screen.run += 1
    screen.draw((0, 0), element("stays"))
    screen.tidy(None)
    assert shown(screen) == ["stays"]


def test_a_run_of_a_fragment_leaves_the_rest_of_the_page():
    screen = Screen()
    screen.draw((0, 0), element("page"))
    screen.draw((0, 1, 0), element("drawn again", "f"))
    screen.draw((0, 1, 1), element("goes", "f"))
    screen.run += 1
    screen.draw((0, 1, 0), element("drawn again", "f"))
    screen.tidy("f")
    assert shown(screen) == ["page", "drawn again"]


def test_what_stood_in_a_container_goes_when_one_element_replaces_it():
    screen = Screen()
    screen.draw((0, 0, 0), element("inside"))
    screen.draw((0, 0), element("instead"))
    assert shown(screen) == ["instead"]


def test_a_widget_that_is_not_there_is_named(server):
    session = Session(server.url, 60).open()
    with pytest.raises(ClientError, match='no "nothing of the kind" on the page'):
        session.click("nothing of the kind")
    session.close()


def test_a_lost_server_is_said_to_be_lost(server):
    session = Session(server.url, 60).open()
    threading.Timer(0.1, session.socket.close).start()
    with pytest.raises(ClientError, match="connection is lost"):
        session.follow(lambda _: False)


def test_a_class_on_the_sample_takes_every_step_at_once(server, monkeypatch):
    monkeypatch.setattr(lesson, "BREATH", 0.01)
    with ThreadPoolExecutor(1) as apart:  # a browser's loop may run in this thread
        found = apart.submit(lesson.measured, server, lesson.together, 2, 0).result()
    assert found["problems"] == []
    assert found["runs"] == 2 * (len(lesson.walk()) + 1)
    assert set(found["pages"]) == {"Home", "Learn", "Spectra", "Correct"}
    assert found["cpu_per_step"] > 0
    assert server.faults() == []


def test_a_wrong_number_on_home_is_noticed():
    waited = lesson.Waited()
    waited.check(SimpleNamespace(metrics=lambda: {lesson.CARD: "0.1"}))
    assert waited.problems == [f"Home: {lesson.CARD} is 0.1 instead of {waited.gap}"]


def test_a_class_says_which_page_kept_people_waiting():
    slow = {"median": 2.5, "p95": 4.0}
    kept = {"problems": [], "pages": {"Learn": {"median": 0.1, "p95": 0.4}}}
    found = {"faults": [], **dict.fromkeys(lesson.WAYS, kept)}
    assert lesson.failures(found) == []
    found["thinking"] = {"problems": ["lost"], "pages": {"Home": slow}}
    assert lesson.failures(found) == [
        "1 errors, thinking, such as lost",
        "Home, thinking: median of 2.5 s, above 2 s",
    ]
