"""Classes that vote: bounds, pace, secrets, isolation, and that nothing of them stays."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from anisoalign_core.errors import LimitError, ParameterError
from app import classes as room
from app.classes import Classes, ClassOver, Lead
from app.settings import Settings

AT = (3, 0)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def classes(clock):
    return Classes(2, 4, clock)


@pytest.fixture
def lead(classes):
    return classes.begin("teacher", AT)


def test_a_browser_has_one_vote_a_question_and_may_change_it(classes, lead):
    code = classes.join(lead.code, "a")
    assert classes.now(code, "a").vote is None
    for option in (2, 5):
        classes.vote(code, "a", AT, option)
    classes.vote(code, "b", AT, 5)
    assert classes.now(code, "a").vote == 5
    found = classes.tally(lead, 6)
    assert found.counts == (0, 0, 0, 0, 0, 2)
    assert found.present == 2
    classes.move(lead, (4, 0))
    assert classes.now(code, "a").vote is None
    assert classes.tally(lead, 6).counts == (0,) * 6
    classes.move(lead, AT)  # back where it was
    assert classes.tally(lead, 6).counts[5] == 2


def test_votes_stand_once_what_is_was_shown_and_move_again_when_it_is_hidden(classes, lead):
    classes.vote(lead.code, "a", AT, 1)
    classes.show(lead)
    assert classes.now(lead.code, "a").shown
    with pytest.raises(ParameterError, match="gone on"):
        classes.vote(lead.code, "a", AT, 2)
    classes.show(lead, False)
    classes.vote(lead.code, "a", AT, 2)
    assert classes.tally(lead, 3).counts == (0, 0, 1)


@pytest.mark.parametrize(("question", "option"), [((4, 0), 1), (AT, -1), (AT, 24), (AT, 10**9)])
def test_only_the_question_at_hand_and_options_that_there_may_be_are_counted(
    classes, lead, question, option
):
    with pytest.raises(ParameterError):
        classes.vote(lead.code, "a", question, option)
    assert sum(classes.tally(lead, 24).counts) == 0


def test_only_the_secret_leads(classes, lead):
    other = classes.begin("another teacher", AT)
    for wrong in (replace(lead, secret=""), replace(lead, secret=other.secret)):
        for act in (
            lambda wrong=wrong: classes.move(wrong, (8, 0)),
            lambda wrong=wrong: classes.show(wrong),
            lambda wrong=wrong: classes.tally(wrong, 3),
        ):
            with pytest.raises(ClassOver):
                act()
        classes.end(wrong)  # does nothing
    assert classes.now(lead.code, "a").at == AT
    assert lead.secret not in repr(lead)
    assert classes.led_from(lead.code, "a") is None
    assert classes.led_from(lead.code, "teacher") == lead


def test_classes_know_nothing_of_each_other(classes, lead):
    other = classes.begin("another teacher", AT)
    classes.vote(lead.code, "a", AT, 1)
    classes.move(other, (5, 0))
    assert classes.tally(other, 3) == room.Tally((0, 0, 0), 0, False)
    assert classes.now(other.code, "a").vote is None
    assert classes.now(lead.code, "a") == room.Now(AT, False, 1)
    first, second = classes._classes[lead.code], classes._classes[other.code]
    assert first.name("a") != second.name("a")  # nobody is told to be in both


def test_what_is_kept_is_numbers_and_hashes(classes, lead):
    classes.vote(lead.code, "the browser's token", AT, 1)
    held = classes._classes[lead.code]
    assert "token" not in repr(vars(held))
    assert all(len(name) == 16 for name in held.members)


def test_a_class_is_gone_when_it_ends_and_after_its_hours(classes, lead, clock):
    classes.vote(lead.code, "a", AT, 1)
    for _ in range(15):
        clock.now += 960 - 1 / 15
        classes.tally(lead, 3)
    assert classes.now(lead.code, "a").vote == 1
    clock.now += 1.001
    for act in (lambda: classes.now(lead.code, "a"), lambda: classes.tally(lead, 3)):
        with pytest.raises(ClassOver, match="ended"):
            act()
    assert not classes._classes
    again = classes.begin("teacher")
    classes.end(again)
    classes.end(again)
    with pytest.raises(ClassOver):
        classes.vote(again.code, "a", (1, 0), 0)


def test_a_class_that_nobody_leads_any_more_gives_its_place_back(classes, lead, clock):
    clock.now += room.ABSENT_SECONDS - 1
    classes.move(lead, (4, 0))
    clock.now += room.ABSENT_SECONDS - 1
    assert classes.now(lead.code, "a").at == (4, 0)  # who is in does not keep it
    clock.now += 1
    with pytest.raises(ClassOver):
        classes.now(lead.code, "a")
    assert len(classes) == 0


def test_a_class_goes_when_its_hours_are_over_though_nobody_asks(monkeypatch):
    woken = []

    class Timer:
        daemon = False

        def __init__(self, seconds, act):
            woken.append((seconds, act))

        def start(self):
            pass

    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(room, "ABSENT_SECONDS", 10**6)
    clock = Clock()
    classes = Classes(3, 1, clock)
    classes.begin("a")
    clock.now += 600
    for _ in range(50):
        classes.begin("b")  # each in place of the one before
    assert [seconds for seconds, _ in woken] == [3601]
    clock.now += 3001
    woken[0][1]()
    assert len(classes._classes) == 1
    assert woken[1][0] == pytest.approx(600)
    clock.now += 601
    woken[1][1]()
    assert not classes._classes
    assert len(woken) == 2


def test_there_are_as_many_classes_as_the_server_allows(classes, lead):
    classes.begin("another teacher")
    with pytest.raises(LimitError, match="2 classes at once"):
        classes.begin("a third")
    assert classes.begin("teacher").code != lead.code  # one's own gives way
    assert len(classes) == 2
    with pytest.raises(ClassOver):
        classes.now(lead.code, "a")


def test_a_server_holds_no_classes_unless_its_owner_says_so(monkeypatch):
    assert Settings().classes == 0
    assert not Classes(Settings().classes, Settings().class_hours).offered
    with pytest.raises(LimitError, match="ANISOALIGN_MAX_CLASSES"):
        Classes(0, 4).begin("teacher")
    monkeypatch.setenv("ANISOALIGN_MAX_CLASSES", "0")
    assert Settings.from_env().classes == 0
    monkeypatch.setenv("ANISOALIGN_MAX_CLASSES", "3")
    assert Settings.from_env().classes == 3
    monkeypatch.setenv("ANISOALIGN_MAX_CLASSES", "many")
    with pytest.raises(ParameterError, match="zero or a whole number above it"):
        Settings.from_env()


def test_codes_are_typed_as_people_type(classes, lead):
    loose = f" {lead.code[:3].lower()}-{lead.code[3:]} "
    assert classes.join(loose, "a") == lead.code
    assert len(lead.code) == room.LENGTH and set(lead.code) <= set(room.LETTERS)
    for wrong in ("", lead.code[:-1], lead.code + "B", "<script>", "Ж" * 10_000):
        with pytest.raises(ParameterError, match="no class of this code"):
            Classes(1, 1).join(wrong, "a")
    with pytest.raises(ParameterError):
        classes.join(lead.code + "B", "a")


def test_wrong_codes_are_counted_for_each_browser_and_for_all(classes, lead, clock, monkeypatch):
    def guess(browser):
        with pytest.raises((ParameterError, LimitError)) as caught:
            classes.join("BBBBBBB", browser)
        return caught.type

    assert [guess("a") for _ in range(6)] == [ParameterError] * 5 + [LimitError]
    with pytest.raises(LimitError, match="Wait a minute"):
        classes.join(lead.code, "a")  # the right one, too
    assert classes.join(lead.code, "b") == lead.code
    clock.now += 60
    assert classes.join(lead.code, "a") == lead.code
    # other browsers' guesses are counted together; who is in stays in
    kinds = [guess(f"browser {k}") for k in range(room.WRONG_ALL[0] + 1)]
    assert kinds[-2:] == [ParameterError, LimitError]
    assert classes.now(lead.code, "b").at == AT
    monkeypatch.setattr(room, "REMEMBERED", 10)
    clock.now += 60
    for k in range(20):
        guess(f"another {k}")
    assert len(classes._wrong) == 10


def test_votes_have_a_pace(classes, lead, clock):
    for k in range(room.VOTES[0]):
        classes.vote(lead.code, "a", AT, k % 3)
    with pytest.raises(LimitError, match="too fast"):
        classes.vote(lead.code, "a", AT, 0)
    classes.vote(lead.code, "b", AT, 0)
    clock.now += room.VOTES[1]
    classes.vote(lead.code, "a", AT, 1)
    assert classes.tally(lead, 3).counts == (1, 1, 0)


def test_members_and_questions_are_bounded(classes, lead, monkeypatch):
    monkeypatch.setattr(room, "MEMBERS", 3)
    monkeypatch.setattr(room, "QUESTIONS", 2)
    for browser in "abc":
        classes.join(lead.code, browser)
    for act in (classes.join, classes.now):
        with pytest.raises(LimitError, match="full"):
            act(lead.code, "d")
    with pytest.raises(LimitError, match="full"):
        classes.vote(lead.code, "d", AT, 0)
    for step in (3, 4):
        classes.move(lead, (step, 0))
        classes.vote(lead.code, "a", (step, 0), 0)
    classes.move(lead, (5, 0))
    with pytest.raises(LimitError, match="as many questions"):
        classes.vote(lead.code, "a", (5, 0), 0)


def test_who_is_here_is_who_was_seen_lately(classes, lead, clock):
    classes.join(lead.code, "a")
    clock.now += room.PRESENT_SECONDS - 1
    classes.now(lead.code, "b")
    assert classes.tally(lead, 2).present == 2
    clock.now += 1
    assert classes.tally(lead, 2).present == 1


def test_many_threads_vote_at_once_and_each_is_counted(classes, lead):
    def many(name):
        for option in range(10):
            classes.vote(lead.code, name, AT, option)

    threads = [threading.Thread(target=many, args=(f"b{k}",)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert classes.tally(lead, 10).counts == (0,) * 9 + (20,)


def test_a_lead_of_nothing_leads_nothing(classes):
    with pytest.raises(ClassOver):
        classes.move(Lead("BBBBBBB", "secret"), AT)
