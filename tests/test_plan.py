"""Plans: what a comparison will take, larger with rows, splits and questions, said in words."""

from types import SimpleNamespace
from typing import get_args

import pytest

from anisoalign_core.cli import main
from anisoalign_core.compare.plan import (
    BEGIN_SECONDS,
    USES_WORK,
    Plan,
    Speed,
    Work,
    in_words,
    plan_advice,
    plan_board,
)
from anisoalign_core.compare.purposes import PURPOSES, askable
from anisoalign_core.compare.use.use import Group

SPEED = Speed(0.005, 0.002, 128)


def sized(n, dim=128, paired=True):
    rows = range(n)
    return SimpleNamespace(source=rows, target=rows, dim=dim, paired=paired)


def board(n=4000, splits=4, dim=128, methods=None, speed=SPEED, **more):
    return plan_board(sized(n, dim), methods, splits, speed=speed, **more)


def test_every_group_of_measures_has_its_work():
    assert set(USES_WORK) == set(get_args(Group)) >= set(PURPOSES)


def test_more_rows_splits_dimensions_methods_and_questions_take_longer():
    base = board().seconds
    assert board(n=8000).seconds > base
    work = board(splits=40).seconds - BEGIN_SECONDS
    assert work == pytest.approx(10 * (base - BEGIN_SECONDS), rel=0.2)
    assert board(questions=5).seconds > board(questions=1).seconds > base
    assert board(methods=["mean-shift"]).seconds < base
    assert board(holdout=0.4).seconds > base
    slow = Speed(2 * SPEED.product, 2 * SPEED.eigen, 128)
    assert board(speed=slow).seconds == pytest.approx(2 * base - BEGIN_SECONDS)


def test_finished_splits_take_no_time_and_advice_takes_less_than_a_board():
    assert board(already=4).seconds == 0.0
    asked = plan_advice(sized(4000), ["mixed"], None, 4, speed=SPEED)
    every = plan_advice(sized(4000), ["mixed", "search"], None, 4, speed=SPEED)
    assert asked.seconds < every.seconds < board(questions=5).seconds


def test_training_is_counted_and_named():
    plan = board(methods=["anisoalign"])
    assert plan.training == ("AnisoAlign",) and plan.seconds > board(methods=[]).seconds + 10
    assert str(plan).endswith("; AnisoAlign trains")
    assert str(Plan(18, 5, 42.0)) == "18 methods on 5 splits, about 40 s; nothing trains"
    assert Plan(18, 5, 42.0, least=12.0).duration == "10 s to 40 s"
    assert Plan(18, 5, 42.0, least=32.0).duration == "40 s"
    assert [in_words(s) for s in (0.2, 7.1, 41, 89, 100, 600)] == [
        "1 s",
        "8 s",
        "40 s",
        "90 s",
        "2 minutes",
        "10 minutes",
    ]


def test_speed_is_measured_and_work_adds_up():
    speed = Speed.measured(16)
    assert speed.product > 0 and speed.eigen > 0
    one, two = Work(1, 2, 3), Work(4, 5, 6)
    assert speed.seconds(one + two) == pytest.approx(speed.seconds(one) + speed.seconds(two))
    assert speed.seconds(3 * one) == pytest.approx(3 * speed.seconds(one))
    blas, small = Work(1, 2, 0), Work(0, 0, 3)
    assert speed.seconds(blas, 5, 2) == pytest.approx(3 * speed.seconds(blas))
    assert speed.seconds(small, 5, 2) == pytest.approx(5 * speed.seconds(small))


def test_what_can_be_asked_depends_on_pairs_labels_and_class_vectors():
    assert askable(True, object(), object())[0] == tuple(PURPOSES)
    possible, left_out = askable(False, None, None)
    assert possible == () and set(left_out) == set(PURPOSES)


@pytest.mark.parametrize("verb", ["compare", "advise"])
def test_the_command_line_says_the_plan_before_it_begins(verb, capsys, tmp_path, monkeypatch):
    import numpy as np

    from tests.conftest import paired_world

    monkeypatch.chdir(tmp_path)
    for name, rows in zip(("text.npy", "image.npy"), paired_world(120, 6), strict=True):
        np.save(name, rows)
    line = [verb, "--target", "image.npy", "--source", "text.npy", "--paired", "--splits", "2"]
    assert main([*line, "--methods", "mean-shift"]) == 0
    said = capsys.readouterr().err.splitlines()
    count = 4 if verb == "compare" else 3
    plans = [n for n, one in enumerate(said) if one.startswith(f"{count} methods on 2 splits, ")]
    assert plans and said[plans[0]].endswith("nothing trains.")
    assert not any("%" in one for one in said[: plans[0]])
    assert main([*line, "--methods", "mean-shift", "--quiet"]) == 0
    assert "methods on 2 splits, about" not in capsys.readouterr().err
