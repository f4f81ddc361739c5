"""What a monitor wrote is read back: torn, resumed, of later versions, or refused."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import (
    FormatError,
    LimitError,
    ParameterError,
    PlaceError,
    SinkError,
)
from anisoalign_core.gap.row import COLUMNS
from tests.gap.batches import batches


def write(path, steps, name=None, **how):
    """Write a run with a row at each of the steps."""
    monitor = aa.gap.Monitor(**{"every": 1, **how}, sinks=[aa.gap.JsonLines(path, name=name)])
    for step, pair in zip(steps, batches(len(steps), 16, 4), strict=True):
        monitor.update(*pair, step=step)
    return monitor


def test_a_run_reads_as_its_monitor_has_it(tmp_path):
    monitor = write(tmp_path / "run.jsonl", [1, 2, 5], name="my “run”")
    run = aa.gap.Run.load(tmp_path / "run.jsonl")
    assert run.frame.equals(monitor.to_frame())
    assert list(run.frame.index) == [1, 2, 5] and ("step", *run.frame.columns) == COLUMNS
    assert run.name == "my “run”" and run.notes == ()
    settings = run.settings
    assert (settings.every, settings.window, settings.dim, settings.ranks) == (1, 1, 4, 1)
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 and json.loads(lines[0])["run_version"] == 1
    assert json.loads(lines[1])["overlap_target_start"] is None, "NaN is null"
    assert math.isnan(run.frame["overlap_target_start"].iloc[0])


def test_a_run_of_which_nothing_is_known_yet_reads_as_no_rows(tmp_path):
    sink = aa.gap.JsonLines(tmp_path / "run.jsonl")
    sink.begin(aa.gap.Run.load(written(tmp_path)).settings)
    run = aa.gap.Run.load(tmp_path / "run.jsonl")
    assert run.frame.empty and run.name == "run"
    assert run.frame["centroid_gap"].dtype == "float64" and run.frame["n"].dtype == "int64"


def written(tmp_path):
    write(tmp_path / "whole.jsonl", [1, 2, 3])
    return tmp_path / "whole.jsonl"


def test_every_place_at_which_a_writer_may_be_killed(tmp_path):
    data = written(tmp_path).read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)]
    torn = tmp_path / "torn.jsonl"
    for cut in range(starts[1], len(data) + 1, 61):
        torn.write_bytes(data[:cut])
        run = aa.gap.Run.load(torn)
        whole = sum(at <= cut for at in starts) - 2
        ends = cut in starts or cut + 1 in starts  # nothing of a row is lost with its line's end
        assert len(run.frame) == whole + (cut + 1 in starts)
        number = whole + 2
        expected = () if ends else (f"Line {number} of torn.jsonl is torn and was left out.",)
        assert run.notes == expected


@pytest.mark.parametrize("lost", [1, 40], ids=["the line's end", "part of a row"])
def test_a_torn_run_is_continued(tmp_path, lost):
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    write(path, [4, 5])
    run = aa.gap.Run.load(path)
    kept = [1, 2, 3] if lost == 1 else [1, 2]
    assert list(run.frame.index) == [*kept, 4, 5]
    assert len(run.notes) == (lost != 1)
    assert path.read_bytes().startswith(data[:-lost] + b"\n"), "nothing is written over"


def test_a_torn_header_is_no_hindrance(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(FormatError, match="no header"):
        aa.gap.Run.load(path)
    write(path, [1])
    run = aa.gap.Run.load(path)
    assert list(run.frame.index) == [1] and "Line 1" in run.notes[0]


def test_the_last_writer_of_a_step_wins(tmp_path):
    first = write(tmp_path / "one.jsonl", [10, 20, 30, 40], name="run")
    second = write(tmp_path / "two.jsonl", [20, 30, 35], name="run", gallery=8)
    run = aa.gap.Run.load(tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    assert list(run.frame.index) == [10, 20, 30, 35, 40]
    for step, monitor in ((10, first), (20, second), (30, second), (35, second), (40, first)):
        expected = monitor.to_frame().loc[step]
        assert run.frame.loc[step].equals(expected), step
    assert run.notes == (
        "Segment 2 changed gallery from 1024 to 8.",
        "Segment 2 begins again at step 20: 2 steps were written again, and the last writer's "
        "rows are shown.",
        "1 row from step 40 to 40 is of the segment that was left.",
    )
    assert run.settings.gallery == 8


def test_a_run_resumed_in_one_file_is_the_same_as_in_two(tmp_path):
    for name in ("both", "one"):
        write(tmp_path / f"{name}.jsonl", [1, 2, 3], name="run")
    for name in ("both", "two"):
        write(tmp_path / f"{name}.jsonl", [2, 3, 4], name="run")
    whole = aa.gap.Run.load(tmp_path / "both.jsonl")
    parts = aa.gap.Run.load(tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    assert whole.frame.equals(parts.frame) and whole.notes == parts.notes != ()


def edited(path, line, change):
    lines = path.read_text().splitlines()
    body = json.loads(lines[line])
    change(body)
    lines[line] = json.dumps(body)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "line, change, words",
    [
        (0, lambda b: b.update(run_version=2), "run version 2.*Update AnisoAlign"),
        (0, lambda b: b.update(run_version=True), "no version"),
        (0, lambda b: b.update(run_version="1"), "no version"),
        (0, lambda b: b.pop("settings"), "no settings"),
        (0, lambda b: b.update(name=3), "name is not a text"),
        (0, lambda b: b["settings"].update(every="often"), "every is not of the type int"),
        (0, lambda b: b.update(colour="red"), "not known"),
        (2, lambda b: b.pop("rows"), "line 3: it has no rows"),
        (2, lambda b: b.update(n="many"), "line 3: n is not of the type int"),
        (2, lambda b: b.update(centroid_gap=[1]), "centroid_gap is not"),
        (2, lambda b: b.update(step=None), "step is not"),
        (2, lambda b: b.update(step=2**60), "too large"),
        (2, lambda b: b.update(centroid_gap=float("nan")), "line 3 is not JSON"),
        (2, lambda b: b.update(extra=1.0), "not known"),
    ],
)
def test_what_is_no_run_is_refused_in_a_sentence(tmp_path, line, change, words):
    path = written(tmp_path)
    edited(path, line, change)
    with pytest.raises(FormatError, match=words):
        aa.gap.Run.load(path)


def test_a_number_that_no_float_can_hold_is_refused(tmp_path):
    path = written(tmp_path)
    lines = path.read_text().splitlines()
    value = json.loads(lines[2])["centroid_gap"]
    lines[2] = lines[2].replace(f'"centroid_gap":{value}', '"centroid_gap":1e999')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FormatError, match="line 3 holds a number that no float can"):
        aa.gap.Run.load(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"[1]\n", b"\x00" * 50, b"centroid_gap,n\n1,2\n", b"\xff\xfe\n", b"[" * 100_000],
    ids=lambda data: repr(data[:12]),
)
def test_other_files_are_neither_read_nor_continued(tmp_path, data):
    path = tmp_path / "other.jsonl"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        aa.gap.Run.load(path)
    if data:
        with pytest.raises(FormatError):
            aa.gap.JsonLines(path)
        assert path.read_bytes() == data


def test_damage_in_the_middle_is_no_torn_line(tmp_path):
    path = written(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:50]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(FormatError, match="line 3 is not JSON"):
        aa.gap.Run.load(path)


def test_a_run_of_a_later_version_is_not_continued(tmp_path):
    path = written(tmp_path)
    edited(path, 0, lambda b: b.update(run_version=2))
    with pytest.raises(FormatError, match="Update AnisoAlign"):
        aa.gap.JsonLines(path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = written(tmp_path)
    with path.open("r+b") as stream:
        stream.truncate(300_000_000)  # a hole: it takes no room
    with pytest.raises(LimitError, match="whole"):
        aa.gap.Run.load(path)


def test_a_place_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(FormatError, match="There is no folder"):
        aa.gap.JsonLines(tmp_path / "nowhere" / "run.jsonl")
    with pytest.raises(FormatError, match="cannot be read"):
        aa.gap.Run.load(tmp_path / "run.jsonl")


def test_a_row_that_finds_no_room_is_taken_back(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "run.jsonl"
    monitor = write(path, [1])
    before = path.read_bytes()
    pairs = list(batches(2, 16, 4))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(SinkError, match="JsonLines failed at step 2") as caught:
            monitor.update(*pairs[0], step=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(caught.value.__cause__, PlaceError)
    assert path.read_bytes() == before
    monitor.update(*pairs[1], step=3)
    assert list(aa.gap.Run.load(path).frame.index) == [1, 3]


def test_a_sink_without_a_monitor_has_no_header(tmp_path):
    row = write(tmp_path / "run.jsonl", [1]).rows[0]
    with pytest.raises(ParameterError, match="no header yet"):
        aa.gap.JsonLines(tmp_path / "run.jsonl")(row)


class Writer:
    """Remembers what TensorBoard would draw."""

    def __init__(self):
        self.told, self.flushed = {}, 0

    def add_scalar(self, name, value, step):
        self.told[name, step] = value

    def flush(self):
        self.flushed += 1


def test_tensorboard_has_every_finite_number_of_a_row():
    writer = Writer()
    monitor = aa.gap.Monitor(every=1, sinks=[aa.gap.TensorBoard(writer)])
    row = monitor.update(*next(batches(1, 16, 4)), step=7)
    finite = {k: v for k, v in row.to_dict().items() if k != "step" and math.isfinite(v)}
    assert writer.told == {(f"gap/{name}", 7): value for name, value in finite.items()}
    assert writer.flushed == 1 and len(finite) > 20


def test_without_tensorboard_the_sentence_says_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ParameterError, match="pip install tensorboard"):
        aa.gap.TensorBoard(tmp_path)


def test_tensorboard_itself_reads_the_numbers_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monitor = aa.gap.Monitor(every=1, sinks=[aa.gap.TensorBoard(tmp_path)])
    row = monitor.update(*next(batches(1, 16, 4)), step=7)
    events = EventAccumulator(os.fspath(tmp_path)).Reload()
    (event,) = events.Scalars("gap/centroid_gap")
    assert event.step == 7 and event.value == pytest.approx(np.float32(row.centroid_gap))
