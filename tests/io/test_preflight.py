"""What is said of chunks and of a training file before the training code meets them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.io.preflight import PreflightCounter, training_ids

# ------------------------------------------------------------------------------ training files


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 1}, {"id": "b", "x": [1, {"id": 9}]}, {"id": 2.5}]',
        '\ufeff [ {"id":1}\n,{"id":"b"} , {"id" : 2.5} ]\n\n',
        '{"id": 1}\n{"id": "b"}\r\n\n{"id": 2.5}\n',
        '{"id": 1}\n{"id": "b"}\n{"id": 2.5}',
    ],
)
def test_training_ids(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.json").write_text(text, encoding="utf-8")
    assert training_ids(tmp_path / "train.json") == ["1", "b", "2.5"]
    assert training_ids(str(tmp_path / "train.json")) == ["1", "b", "2.5"]


@pytest.mark.parametrize("indent", [None, 2])
def test_long_training_files(tmp_path: Path, indent: int | None) -> None:
    """Objects lie across the ends of what is read at a time, and one is longer than that."""
    items = [{"id": row, "text": 'é\\"]},{' * (row % 40)} for row in range(9000)]
    items[4000]["text"] = "x" * 3_000_000
    path = tmp_path / "train.json"
    path.write_text(json.dumps(items, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert training_ids(path) == [str(row) for row in range(9000)]
    path.write_text("\n".join(json.dumps(item) for item in items))
    assert training_ids(path) == [str(row) for row in range(9000)]
    path.write_text("[]")
    assert training_ids(path) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends before its list"),
        (b"  \n", "ends before its list"),
        (b'[{"id": 1}, ', "ends before its list"),
        (b'[{"id": 1}', "ends before its list"),
        (b'[{"id": 1}, {"id"', "Item 1 of t.json cannot be read as JSON"),
        (b'[{"id": 1}, ]', "Item 1 of t.json cannot be read as JSON"),
        (b'[{"id": 1} {"id": 2}]', "Item 1 of t.json .*no comma"),
        (b'{"id": 1}\n{"id": oops}', "Item 1 of t.json cannot be read as JSON"),
        (b'[{"id": ' + b"9" * 5000 + b"}]", "Item 0 of t.json cannot be read as JSON"),
        (b"[" * 100_000, "Item 0 of t.json cannot be read as JSON"),
        (b'[{"id": 1}]]', "not a list of JSON objects"),
        (b"id,caption\n1,x", "not a list of JSON objects"),
        (b'[{"id": 1}, "b"]', "Item 1 of t.json is not an object"),
        (b'[{"id": 1}, {"name": 2}]', 'Item 1 of t.json has no "id"'),
        (b'[{"id": null}]', 'Item 0 of t.json has no "id"'),
        (b'[{"id": [1]}]', 'Item 0 of t.json has no "id"'),
        (b'{"data": [{"id": 1}]}', 'Item 0 of t.json has no "id"'),
        (b'[{"id": "\xff"}]', "JSON in UTF-8"),
    ],
)
def test_broken_training_files(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "t.json").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        training_ids(tmp_path / "t.json")


def test_training_files_that_are_not_there_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"t\.json cannot be read"):
        training_ids(tmp_path / "t.json")
    (tmp_path / "t.json").write_text('[{"id": 1}]')
    with pytest.raises(LimitError, match="ANISOALIGN_MAX_BYTES"):
        training_ids(tmp_path / "t.json", limits=Limits(max_bytes=5))


# ----------------------------------------------------------------------------------- preflight


def counted(array: NDArray[Any], ids: Sequence[object], rows: int = 5) -> PreflightCounter:
    counter = PreflightCounter()
    for first in range(0, len(array), rows):
        counter.add(array[first : first + rows], ids[first : first + rows])
    return counter


def test_nothing_to_say_but_the_dimension(array: NDArray[np.float32]) -> None:
    ids = [f"id {row}" for row in range(12)]
    report = counted(array, ids).finish(list(reversed(ids)), 8)
    assert report.refusal is None
    assert (report.rows, report.dim, report.wanted) == (12, 8, 12)
    assert (report.missing, report.extra) == (0, 0)
    assert report.norm_min == pytest.approx(1, abs=1e-6)
    said = " ".join(report.sentences)
    assert "12 rows of 8 numbers" in said and "All 12 ids" in said and "1280" in said
    assert "1280" not in " ".join(counted(array, ids).finish(None, 1280).sentences)


def test_every_fault_is_counted_with_examples(array: NDArray[np.float32]) -> None:
    rows = np.concatenate([array, array])
    rows[3, 0], rows[17, 2], rows[20] = np.nan, np.inf, 0.0
    ids = ["same" if row in (2, 6, 23) else f"é{row}" for row in range(24)]
    wanted = [f"é{row}" for row in range(30)] + ["gone", "gone"]
    report = counted(rows, ids).finish(wanted, 8)
    assert (report.nonfinite, report.nonfinite_examples) == (2, ("é3", "é17"))
    assert (report.zero_rows, report.zero_examples) == (1, ("é20",))
    assert (report.duplicate_ids, report.duplicate_examples) == (1, ("same",))
    assert report.wanted == 31
    assert report.missing == 10
    assert report.missing_examples == ("é2", "é6", "é23", "é24", "é25")
    assert (report.extra, report.extra_examples) == (1, ("same",))
    refusal = str(report.refusal)
    for part in ("2 rows hold", '"é3", "é17"', "1 row is all zeros", '"same"', "10 ids", "…"):
        assert part in refusal
    assert report.refusal in report.sentences
    plain = report.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["missing"] == 10 and plain["refusal"] == refusal


@pytest.mark.parametrize(
    ("change", "refused"),
    [("nan", True), ("zero", True), ("repeat", True), ("missing", True), ("extra", False)],
)
def test_what_refuses(array: NDArray[np.float32], change: str, refused: bool) -> None:
    rows, ids = array.copy(), [str(row) for row in range(12)]
    wanted = list(ids)
    if change == "nan":
        rows[1, 1] = np.nan
    elif change == "zero":
        rows[1] = 0
    elif change == "repeat":
        ids[0] = "1"
        wanted.remove("0")
    elif change == "missing":
        wanted.append("12")
    else:
        wanted.pop()
    assert (counted(rows, ids).finish(wanted, 8).refusal is not None) is refused


def test_examples_are_the_first_five_over_all_chunks() -> None:
    rows = np.zeros((40, 2), dtype=np.float32)
    ids = [f"{row % 20}" for row in range(40)]
    report = counted(rows, ids, 7).finish([], 2)
    assert report.zero_rows == 40 and report.zero_examples == ("0", "1", "2", "3", "4")
    assert report.duplicate_ids == 20 and report.duplicate_examples == ("0", "1", "2", "3", "4")
    assert report.extra == 20 and report.wanted == 0


def test_ids_are_compared_as_the_loader_does(array: NDArray[np.float32]) -> None:
    ids = [np.int64(row) if row % 2 else row for row in range(12)]
    assert counted(array, ids).finish([str(row) for row in range(12)], 8).refusal is None


def test_norms_far_from_one_are_said(array: NDArray[np.float32]) -> None:
    said = " ".join(counted(3 * array, range(12)).finish(None, 8).sentences)
    assert "norms lie between 3 and 3" in said


def test_without_rows() -> None:
    report = PreflightCounter().finish(["a"], 8)
    assert "no rows" in str(report.refusal) and report.missing == 1
    json.dumps(report.to_dict(), allow_nan=False)
    with pytest.raises(ShapeError, match="2 rows came with 1 ids"):
        PreflightCounter().add(np.ones((2, 2)), ["a"])
