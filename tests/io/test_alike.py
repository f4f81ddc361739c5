"""Records that are all alike are read and written as unpickling and pickling would, but faster."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError
from anisoalign_core.files.digests import PassingDigest, file_digest
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import alike, revision
from anisoalign_core.io.alike import AlikeRows, learn
from anisoalign_core.io.chunks import Chunk
from anisoalign_core.io.revision import read_chunks
from anisoalign_core.io.revision_file import write_shard
from anisoalign_core.io.tokens import token_of, unframed, value_of

LIMITS = Limits()
Records = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SMALLEST", 0)


def records_of(count: int, dim: int = 8, dtype: str = "<f4") -> Records:
    rows = np.random.default_rng(count).standard_normal((count, dim)).astype(dtype)
    return [
        {"id": f"row {n}", "caption": f"caption {n}", "n": n, "embed": row.copy()}
        for n, row in enumerate(rows)
    ]


def source_of(records: Any, protocol: int = 4) -> Source:
    return Source("a.pkl", data=pickle.dumps(records, protocol))


def read(source: Source, rows: int = 100, **options: Any) -> list[Chunk]:
    return list(read_chunks(source, LIMITS, rows=rows, **options))


def unpickled(source: Source, rows: int = 100, **options: Any) -> list[Chunk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revision, "learn", lambda *_: None)
        return read(source, rows, **options)


def native(chunk: Chunk) -> Records | None:
    found = chunk.about.native
    return found.records() if isinstance(found, AlikeRows) else found


def assert_same(found: list[Chunk], expected: list[Chunk]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.array, other.array)
        assert one.array.dtype == other.array.dtype and one.array.dtype.isnative
        mine, theirs = one.about.plain(LIMITS), other.about
        for side in ("ids", "captions"):
            ours, its = getattr(mine, side), getattr(theirs, side)
            assert (ours is None) == (its is None)
            assert ours is None or ours.tolist() == its.tolist()
        assert (mine.labels is None) == (theirs.labels is None)
        if mine.labels is not None:
            assert mine.labels.equals(theirs.labels)
        ours, its = native(one), native(other)
        assert str(ours) == str(its)
        assert ours is None or [list(map(type, r.values())) for r in ours] == [
            list(map(type, r.values())) for r in its or []
        ]


def loaded_without_unpickling(source: Source, monkeypatch: pytest.MonkeyPatch, **o: Any) -> Any:
    def refuse(*_: Any) -> None:
        raise AssertionError("the file was unpickled")

    with monkeypatch.context() as patch:
        patch.setattr(revision, "load_records", refuse)
        return read(source, **o)


# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "f8", "i2"])
@pytest.mark.parametrize("dim", [1, 64, 65, 500])
def test_types_and_lengths(
    dtype: str, dim: int, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(records_of(30, dim, dtype), protocol)
    if protocol == 5:  # numpy keeps another form for it, which is unpickled
        assert_same(read(source, about=True), unpickled(source, about=True))
        return
    found = loaded_without_unpickling(source, monkeypatch, about=True)
    assert_same(found, unpickled(source, about=True))


@pytest.mark.parametrize("count", [2, 3, 4, 999, 1000, 1001, 1002, 2000, 2001, 2500])
def test_numbers_of_records(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are pickled a thousand items at a time; one that is left over in its own way."""
    source = source_of(records_of(count))
    for rows in (100, 7000):
        expected = unpickled(source, rows, about=True)
        assert_same(read(source, rows, about=True), expected)
        if count > 2:
            found = loaded_without_unpickling(source, monkeypatch, rows=rows)
            assert [len(c.array) for c in found] == [len(c.array) for c in expected]


def fast(records: Records) -> bytes:
    """Pickle without a memo."""
    pickler = pickle.Pickler(stream := io.BytesIO(), 4)
    pickler.fast = True
    pickler.dump(records)
    return stream.getvalue()


@pytest.mark.parametrize(
    "dumped",
    [
        pytest.param(fast, id="no memo"),
        pytest.param(
            lambda records: pickletools.optimize(pickle.dumps(records, 4)), id="optimised"
        ),
        pytest.param(lambda records: pickle._dumps(records, 4), id="in Python"),  # type: ignore[attr-defined]
        pytest.param(lambda records: pickle.dumps(tuple(records), 4)[:-1] + b".", id="a tuple"),
    ],
)
def test_other_picklers(dumped: Callable[[Records], bytes]) -> None:
    """Where records are not written as the usual pickler does, they are unpickled."""
    source = Source("a.pkl", data=dumped(records_of(30)))
    try:
        expected = unpickled(source, about=True)
    except FormatError as refused:
        with pytest.raises(FormatError) as again:
            read(source, about=True)
        assert str(again.value) == str(refused)
    else:
        assert_same(read(source, about=True), expected)


def test_keys_that_are_written_anew_in_every_record() -> None:
    records = [{f"{key} "[:-1]: value for key, value in one.items()} for one in records_of(30)]
    source = source_of(records)
    assert source.data is not None and source.data.count(b"embed") == 30
    assert learn(source, LIMITS, "embed") is None
    assert_same(read(source, about=True), unpickled(source_of(records_of(30)), about=True))


@pytest.mark.parametrize("count", [1001, 2001])
def test_a_last_record_that_is_appended_alone(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some picklers, as the one in Python, open no list for a single record that is left over."""
    data = pickle._dumps(records_of(count), 4)  # type: ignore[attr-defined]
    assert data.endswith(b"a.")
    source = Source("a.pkl", data=data)
    found = loaded_without_unpickling(source, monkeypatch, about=True)
    assert_same(found, unpickled(source, about=True))


def test_only_so_many_files_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MOST_REMEMBERED", 2)
    monkeypatch.setattr(alike, "_READ_WHOLE", {})
    for name in "abcd":
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(records_of(5), 4))
        read(Source(f"{name}.pkl", tmp_path / f"{name}.pkl"))
    assert [Path(str(mark[1])).name for mark in alike._READ_WHOLE] == ["c.pkl", "d.pkl"]


@pytest.mark.parametrize(
    "change",
    [
        {"embed": np.ones((1, 8), np.float32)},
        {"embed": np.ones(8, np.complex64)},
        {"embed": np.ones(0, np.float32)},
        {"id": None},
        {"id": "x" * 300},
        {"n": [1, 2]},
        {"n": b"bytes"},
        {"caption": 3},
        {"more": 1},
    ],
    ids=str,
)
def test_the_first_records_may_be_unlike_any(change: dict[str, Any]) -> None:
    """What is no usual record is read, or refused, as if it had been unpickled."""
    for place in (0, 1):
        records = records_of(30)
        records[place] |= change
        source = source_of(records)
        try:
            expected = unpickled(source, about=True)
        except AnisoAlignError as refused:
            with pytest.raises(type(refused)) as again:
                read(source, about=True)
            assert str(again.value) == str(refused)
        else:
            assert_same(read(source, about=True), expected)


@pytest.mark.parametrize("buffer", [1000, 70_000])
def test_buffers_end_anywhere(buffer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "READ_BYTES", buffer)
    source = source_of(records_of(1500, 100))
    found = loaded_without_unpickling(source, monkeypatch, about=True)
    assert_same(found, unpickled(source, about=True))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 250), (1, 2), (99, 301), (250, None)])
def test_a_range_of_rows(start: int, stop: int | None) -> None:
    source = source_of(records_of(400))
    options: dict[str, Any] = {"start": start, "stop": stop, "about": True}
    assert_same(read(source, **options), unpickled(source, **options))


@pytest.mark.parametrize(
    "value",
    [
        lambda n: n - 5,
        lambda n: 3**n,
        lambda n: -(2 ** (n % 62)),
        lambda n: n / 7,
        lambda n: [None, True, False, 3, 2.5][n % 5],
        lambda n: "é漢" * n,
        lambda n: "x" * (n * 13),
        lambda n: f"\x94h\x05 {n} }}\x94(",
        lambda n: f"\ud800 {n}",
        lambda n: "" if n > 1 else f"{n}",
    ],
)
def test_values(value: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same values come out, whichever way the file is read."""
    records = [{**record, "caption": value(n)} for n, record in enumerate(records_of(40))]
    source = source_of(records)
    assert_same(read(source, about=True), unpickled(source, about=True))


def test_ids_may_be_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{**record, "id": 10**n} for n, record in enumerate(records_of(19))]
    found = loaded_without_unpickling(source_of(records), monkeypatch, about=True)
    assert found[0].about.names(LIMITS).tolist() == [str(10**n) for n in range(19)]


@pytest.mark.parametrize("at", [0, 1, 2, 30, 199])
@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"caption": None},
        {"caption": ["a", "list"]},
        {"caption": "y" * 70_000},
        {"n": np.int64(3)},
        {"n": "text"},
        {"id": "i" * 300},
        {"more": np.ones(3)},
    ],
)
def test_one_record_that_differs(at: int, change: dict[str, Any]) -> None:
    records = records_of(200)
    records[at].update(change)
    source = source_of(records)
    for about in (False, True):
        expected = unpickled(source, 50, about=about)
        assert_same(read(source, 50, about=about), expected)


def test_a_shared_object_is_one_that_differs() -> None:
    records = records_of(50)
    records[30]["embed"] = records[20]["embed"]
    records[40]["caption"] = records[39]["caption"]
    source = source_of(records)
    assert_same(read(source, about=True), unpickled(source, about=True))


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"embed": np.ones(9, np.float32)}, {"embed": np.ones(8)}, {"embed": [1.0]}],
)
def test_bad_records_are_named_as_ever(change: dict[str, Any]) -> None:
    records = records_of(300)
    records[217].update(change)
    with pytest.raises(FormatError, match="217"):
        read(source_of(records))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 20_000),
)
def test_damaged_files(changes: list[tuple[int, int]], cut: int) -> None:
    """Either way of reading a damaged file gives the same rows, or an error of ours."""
    data = bytearray(pickle.dumps(records_of(150, 16), 4))
    for at, value in changes:
        data[at % len(data)] = value
    source = Source("a.pkl", data=bytes(data[: max(len(data) - (cut if cut < 200 else 0), 1)]))
    outcomes = []
    for way in (read, unpickled):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alike, "SMALLEST", 0)
            try:
                outcomes.append(
                    [(c.array.tobytes(), str(native(c))) for c in way(source, about=True)]
                )
            except AnisoAlignError:
                outcomes.append(None)
    assert outcomes[0] == outcomes[1]


def test_a_file_that_was_read_to_its_end_is_not_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(records_of(3000), 4))
    source = Source("a.pkl", path)
    layout = learn(source, LIMITS, "embed")
    assert layout is not None
    looked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        true = alike.unframed
        patch.setattr(alike, "unframed", lambda *a, **k: looked.append(1) or true(*a, **k))
        read(source, stop=5)
        assert alike.holds(layout, source) and len(looked) == 3  # was not read to its end
        assert alike.holds(layout, source) and len(looked) == 3
        records = records_of(3000)
        records[2990]["extra"] = 1
        path.write_bytes(pickle.dumps(records, 4))
        assert not alike.holds(layout, source) and len(looked) == 4


def test_small_files_are_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SMALLEST", 10**6)
    assert learn(source_of(records_of(50)), LIMITS, "embed") is None


def test_limits_hold() -> None:
    source = source_of(records_of(300))
    with pytest.raises(LimitError, match="limit is 250 rows"):
        list(read_chunks(source, Limits(max_rows=250), rows=100))


def test_the_digest_sees_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(records_of(3000), 4))
    digest = PassingDigest()
    read(Source("a.pkl", path, digest=digest))
    assert digest.of(path) == file_digest(path)
    assert digest._valid  # taken in passing, not by reading again


@pytest.mark.parametrize("value", ["", "é", "x" * 255, "x" * 256, 0, 255, 256, 65_536, -1, 2**40])
def test_tokens_are_what_picklers_write(value: Any) -> None:
    pickled = b"".join(unframed(io.BytesIO(pickle.dumps([value] * 20, 4))))
    assert token_of(value) in pickled
    assert value_of(token_of(value)) == value


# ------------------------------------------------------------------------------------- writing


def changed(chunks: list[Chunk]) -> list[Chunk]:
    return [Chunk(-chunk.array, chunk.about) for chunk in chunks]


def written(chunks: list[Chunk]) -> bytes:
    count = write_shard(stream := io.BytesIO(), chunks, "text", {})
    assert len(pickle.loads(stream.getvalue())) == count
    return stream.getvalue()


def assert_records(data: bytes, expected: Records) -> None:
    for new, old in zip(pickle.loads(data), expected, strict=True):
        assert [k for k in new if k != "embed"] == [k for k in old if k != "embed"]
        assert all(type(new[k]) is type(old[k]) for k in old)
        assert all(new[k] == old[k] for k in old if k != "embed")
        vector: NDArray[np.float32] = new["embed"]
        np.testing.assert_array_equal(vector, -old["embed"])
        assert vector.dtype == np.float32 and vector.dtype.isnative
        assert vector.base is None and vector.flags.owndata and vector.flags.writeable


@pytest.mark.parametrize("count", [3, 1000, 1001, 2500])
@pytest.mark.parametrize("dim", [8, 300])
def test_records_keep_everything_but_the_vector(count: int, dim: int) -> None:
    records = records_of(count, dim)
    for n, record in enumerate(records):
        record |= {"score": n / 3, "flag": n % 2 == 0, "empty": "", "letter": "ab"[n % 2]}
        record["none"] = None
    records[0]["empty"], records[1]["empty"], records[1]["letter"] = "not", "empty", "longer"
    chunks = read(source_of(records), about=True)
    assert_records(written(changed(chunks)), records)
    records = records_of(count, dim)
    chunks = read(source_of(records), about=True)
    assert all(isinstance(c.about.native, AlikeRows) for c in chunks)
    assert_records(written(changed(chunks)), records)


def test_bytes_do_not_depend_on_the_chunks() -> None:
    source = source_of(records_of(2100, 50))
    files = {written(changed(read(source, rows, about=True))) for rows in (7, 100, 1000, 5000)}
    assert len(files) == 1


def test_what_is_written_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(read(source_of(records_of(1200, 100)), about=True))
    found = loaded_without_unpickling(Source("b.pkl", data=data), monkeypatch, about=True)
    assert_same(found, unpickled(source_of(records_of(1200, 100)), about=True))


def test_files_name_nothing_that_older_numpy_lacks() -> None:
    data = written(read(source_of(records_of(100)), about=True))
    strings = {a for _, a, _ in pickletools.genops(data) if isinstance(a, str)}
    assert {"numpy", "ndarray", "dtype"} <= strings
    assert not any("core" in string for string in strings)


def test_some_of_the_rows() -> None:
    records = records_of(300)
    keep = np.arange(5, 300, 7)
    chunks = [
        Chunk(-chunk.array[keep], chunk.about.take(keep))
        for chunk in read(source_of(records), 400, about=True)
    ]
    assert_records(written(chunks), [records[n] for n in keep])


def test_records_of_other_kinds_may_follow() -> None:
    first, second, third = records_of(1001), records_of(20), records_of(40)
    second[3]["tags"] = ["a", {"deep": 1}]
    for record in third:
        record["more"] = "than the others"
    chunks = [c for part in (first, second, third) for c in read(source_of(part), about=True)]
    assert_records(written(changed(chunks)), [*first, *second, *third])
    assert_records(written(changed(chunks[-1:] + chunks[:-1])), [*third, *first, *second])
    few = [c for part in (second, first) for c in read(source_of(part), about=True)]
    assert_records(written(changed(few)), [*second, *first])


def test_what_holds_itself_cannot_follow() -> None:
    around = records_of(20)
    around[3]["self"] = around[3]
    chunks = read(source_of(records_of(20)), about=True) + read(source_of(around), about=True)
    with pytest.raises(FormatError, match="holds itself"):
        written(chunks)


def test_text_that_is_none_is_not_copied() -> None:
    data = pickle.dumps(records_of(50), 4).replace(b"caption 31", b"caption\xff31")
    with pytest.raises(FormatError, match="a pickled list of records"):
        written(read(Source("a.pkl", data=data), about=True))


def test_vectors_under_another_key() -> None:
    records = [
        {"id": record["id"], "embed": n, "vec": record["embed"]}
        for n, record in enumerate(records_of(30))
    ]
    chunks = read(source_of(records), about=True, key="vec")
    assert isinstance(chunks[0].about.native, AlikeRows)
    for new, old in zip(pickle.loads(written(chunks)), records, strict=True):
        assert list(new) == ["id", "embed"]
        np.testing.assert_array_equal(new["embed"], old["vec"])
